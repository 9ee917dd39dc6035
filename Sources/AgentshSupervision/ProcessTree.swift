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

  /// A process that is pinned.
  private final class Member {
    let pidfd: Pidfd
    init(_ pidfd: consuming Pidfd) { self.pidfd = pidfd }
  }

  /// Kills a child of this process and all that descends from it. They are stopped first, so that nothing new turns up and nothing sees another's end.
  public static func kill(from child: Int32) {
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

  /// Whether a process lives in the control group of a session, or in that of one inside it: what proc_pid_cgroup(5) says, which root alone can change.
  public static func isMember(_ process: Int32, ofGroup session: String) -> Bool {
    guard let membership = try? readSmallFile(at: AT_FDCWD, procPath(process, "cgroup")) else { return false }
    return membership.split(separator: UInt8(ascii: "\n")).contains { line in
      line.split(separator: UInt8(ascii: "/")).contains { $0.elementsEqual(session.utf8) }
    }
  }

  /// Kills what lives in a session's control group one by one, for whoever may not write to the group's own files.
  /// - Parameter milliseconds: how long it is tried.
  /// - Returns: whether nothing is left; false where a process may not be killed by this one, or where new ones come faster than they are found.
  public static func kill(group session: String, milliseconds: Int64) -> Bool {
    let deadline = Deadline.after(milliseconds: milliseconds)
    var killed: [Int32: Member] = [:]
    var isComplete = true
    while !deadline.hasPassed {
      var hasNew = false
      // The number of one that has ended may be another's by now.
      killed = killed.filter { !$0.value.pidfd.hasExited() }
      for process in directoryNumbers(Array("/proc".utf8)) where process != getpid() && killed[process] == nil && isMember(process, ofGroup: session) {
        guard let pidfd = try? Pidfd.open(process) else {
          // It has ended just now, and may have started others before.
          hasNew = true
          continue
        }
        // By its number so far: it is this process that the second look is about, if that lives. One that has ended is listed until it is reaped.
        guard isMember(process, ofGroup: session), !pidfd.hasExited() else { continue }
        do throws(SyscallError) { try pidfd.sendSignal(SIGKILL) } catch {
          if error.errno != .noSuchProcess { isComplete = false }
        }
        killed[process] = Member(pidfd)
        hasNew = true
      }
      // Those that were killed start nothing any more, even where they have not ended yet.
      if !hasNew { return isComplete }
    }
    return false
  }

  /// What the environment of a session's processes says.
  static func mark(of session: String) -> [UInt8] { Array("AGENTSH_SESSION_ID=\(session)".utf8) }

  /// Processes with this in the environment that they were started with (proc_pid_environ(5)): of this process's own user, or, seen by root, of everybody.
  static func marked(_ mark: [UInt8]) -> Set<Int32> {
    var found: Set<Int32> = []
    for process in directoryNumbers(Array("/proc".utf8)) where process != getpid() {
      guard let environment = try? readSmallFile(at: AT_FDCWD, procPath(process, "environ"), limit: 8 << 20) else { continue }
      if holds(environment, mark) { found.insert(process) }
    }
    return found
  }

  private static func holds(_ environment: [UInt8], _ mark: [UInt8]) -> Bool { environment.split(separator: 0).contains { $0.elementsEqual(mark) } }

  /// Kills the processes of a session that has no control group and nobody any more who decides for it: those of its user that have kept its name.
  public static func kill(session: String, of uid: UInt32) {
    let mark = mark(of: session)
    // What one of them starts meanwhile has the name too.
    for _ in 0..<64 {
      var hasFound = false
      for process in marked(mark) {
        // By a number, which was one of theirs a moment ago: a pidfd pins it, and then it must still be.
        guard let pidfd = try? Pidfd.open(process), !pidfd.hasExited(), (try? ProcessIdentity.userIDs(of: pidfd))?.first == uid,
          let environment = try? ProcessIdentity.read("environ", of: pidfd), holds(environment, mark)
        else { continue }
        try? pidfd.sendSignal(SIGKILL)
        hasFound = true
      }
      if !hasFound { return }
    }
  }
}
