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

  /// Kills a child of this process and all that descends from it. They are stopped first, so that nothing new turns up and nothing sees another's end.
  public static func kill(from child: Int32) {
    final class Member {
      let pidfd: Pidfd
      init(_ pidfd: consuming Pidfd) { self.pidfd = pidfd }
    }
    var members: [Int32: Member] = [:]
    func descendants() -> Set<Int32> { Self.descendants(of: child, and: child, except: getpid()) }
    while true {
      var hasNew = false
      for process in descendants() where members[process] == nil {
        // By a number, which was a descendant's a moment ago: a pidfd pins it, and then it must still be one's.
        guard let pidfd = try? Pidfd.open(process), process == child || descendants().contains(process) else { continue }
        try? pidfd.sendSignal(SIGSTOP)
        members[process] = Member(pidfd)
        hasNew = true
      }
      if !hasNew { break }
    }
    try? members.removeValue(forKey: child)?.pidfd.sendSignal(SIGKILL)
    for member in members.values { try? member.pidfd.sendSignal(SIGKILL) }
  }
}
