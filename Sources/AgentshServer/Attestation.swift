internal import AgentshFilter
internal import AgentshProtocol
internal import AgentshSystem
import Glibc
import SystemPackage

/// Checks a target before it runs: that it is the launcher's child, of the caller's uid, single-threaded, in the session's control group from now on,
/// and that the filter it installed is, byte by byte, the one that was compiled for it.
///
/// All on one thread: a tracee belongs to the thread that seized it. While it is traced its number can't become another's, since it is
/// this thread that would have to reap it.
struct Attestation {
  let opened: OpenedSession
  let readsFilter: Bool
  /// Is given a target that doesn't end when it is killed.
  var reaper: Reaper?

  struct Refusal: Error {
    let reason: String
  }

  func run(_ target: borrowing Pidfd) -> ServerOrderResult {
    do throws(Refusal) {
      try check(target)
      return .attested
    } catch {
      return .notAttested(error.reason)
    }
  }

  private func check(_ target: borrowing Pidfd) throws(Refusal) {
    let number = try told("finding the target") { () throws(SyscallError) in try ProcessIdentity.processID(of: target) }
    // Before anything is done to it: a supervisor acts for a user, and could name any process of the machine.
    try checkProcess(target)
    guard readsFilter else {
      try join(number, target)
      return
    }
    _ = try told("attaching to the target") { () throws(SyscallError) in try syscall("ptrace", subject: "SEIZE") { seize(number) } }
    if target.hasExited() {
      // The number may have become another's before it was seized. Whoever it is now goes on as if nothing had been.
      try? stop(number)
      _ = detach(number)
      throw Refusal(reason: "the target has ended")
    }
    do throws(Refusal) {
      try told("stopping the target") { () throws(SyscallError) in try stop(number) }
      let installed = try told("reading the filter") { () throws(SyscallError) in try readInstalledFilter(number) }
      guard installed == opened.program.instructions else { throw Refusal(reason: "the installed filter is not the one that was compiled") }
      try join(number, target)
      _ = try told("detaching") { () throws(SyscallError) in try syscall("ptrace", subject: "DETACH") { detach(number) } }
    } catch {
      // The launcher's child, and not to run. Killed, it needs no detaching.
      try? target.sendSignal(SIGKILL)
      if !collect(number, deadline: .after(milliseconds: 1000)) { reaper?.collect(tracee: number) }
      throw error
    }
  }

  private func checkProcess(_ target: borrowing Pidfd) throws(Refusal) {
    let uid = opened.session.facts.uid
    let launcher = try told("finding the launcher") { () throws(SyscallError) in try ProcessIdentity.processID(of: opened.caller.pidfd) }
    let parent = try told("finding the target's parent") { () throws(SyscallError) in try ProcessIdentity.parentID(of: target) }
    guard parent == launcher else { throw Refusal(reason: "the target is not a child of the process that opened the session") }
    let uids = try told("finding the target's uid") { () throws(SyscallError) in try ProcessIdentity.userIDs(of: target) }
    guard uids.allSatisfy({ $0 == uid }) else { throw Refusal(reason: "the target does not run as uid \(uid)") }
    let status = try told("reading the target's status") { () throws(SyscallError) in try ProcessIdentity.read("status", of: target) }
    let isAlone = status.split(separator: UInt8(ascii: "\n")).contains { $0.elementsEqual("Threads:\t1".utf8) }
    // A second thread would not have the filter.
    guard isAlone else { throw Refusal(reason: "the target has more than one thread") }
    // Read by number: believed because the number was still theirs afterwards.
    guard !opened.caller.pidfd.hasExited(), !target.hasExited() else { throw Refusal(reason: "the target or its launcher has ended") }
  }

  private func join(_ number: Int32, _ target: borrowing Pidfd) throws(Refusal) {
    if target.hasExited() { throw Refusal(reason: "the target has ended") }
    do throws(SyscallError) { try opened.joinGroup(number) } catch { throw Refusal(reason: "joining the control group: \(error)") }
  }

  private func stop(_ number: Int32) throws(SyscallError) {
    try syscall("ptrace", subject: "INTERRUPT") { interrupt(number) }
    let deadline = Deadline.after(milliseconds: 5000)
    while try !hasStopped(number) {
      if deadline.hasPassed { throw SyscallError("waitpid", .timedOut) }
      // A stop makes nothing readable that one could wait for with a deadline. A target waits in a read and stops at once.
      usleep(200)
    }
  }

  private func told<Value>(_ stage: String, _ body: () throws(SyscallError) -> Value) throws(Refusal) -> Value {
    do throws(SyscallError) { return try body() } catch { throw Refusal(reason: "\(stage): \(error)") }
  }
}
