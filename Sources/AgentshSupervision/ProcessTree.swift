import AgentshSystem
import Glibc

/// Processes by descent, as /proc tells it.
public enum ProcessTree {
  /// Every process that descends from the launcher, which may adopt orphans (PR_SET_CHILD_SUBREAPER), or from the root target.
  static func descendants(of launcher: Int32, and rootTarget: Int32?, except own: Int32) -> Set<Int32> {
    let parents = Dictionary(SessionRelations.allProcesses().map { ($0.process, $0.parent) }, uniquingKeysWith: { first, _ in first })
    var members: Set<Int32> = []
    if let rootTarget, parents[rootTarget] != nil { members.insert(rootTarget) }
    var grows = true
    while grows {
      grows = false
      for (process, parent) in parents where process != own && parent != own && !members.contains(process) {
        if parent == launcher || members.contains(parent) {
          members.insert(process)
          grows = true
        }
      }
    }
    return members
  }

  /// Kills all that descends from a child of this process, and the child: again and again, until nothing new turns up.
  public static func kill(from child: Int32) {
    var done: Set<Int32> = []
    while true {
      let found = descendants(of: child, and: child, except: getpid()).subtracting(done)
      if found.isEmpty { return }
      for process in found {
        // By a number, which was a descendant's a moment ago: a pidfd pins it, and then it must still be one's.
        guard let pidfd = try? Pidfd.open(process), descendants(of: child, and: child, except: getpid()).contains(process) else { continue }
        try? pidfd.sendSignal(SIGKILL)
      }
      done.formUnion(found)
    }
  }
}
