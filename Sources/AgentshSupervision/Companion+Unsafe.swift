import AgentshSystem
import CAgentshSystem
import Glibc
import SystemPackage

/// A worker's companion: a thread under the session's floor that does one thing at a time for its worker, which waits for it.
///
/// It shares the worker's umask and working directory (it is started by a thread that has left the process's), and no capability is ever in effect there. It ends
/// with its last reference; one thread at a time may have it do something.
final class Companion: Sendable {
  private let state: CompanionState

  /// Starts it. Throws when there can be no more threads.
  convenience init(_ floor: ActingFloor) throws(SyscallError) {
    try self.init(hasOwnView: false) { () throws(SyscallError) in try floor.restrictThread() }
  }

  /// Starts it.
  /// - Parameters:
  ///   - hasOwnView: its umask and working directory are its own, and not those of the thread that starts it.
  ///   - restrict: puts on it what is to hold of it, besides what holds of the thread that starts it.
  init(hasOwnView: Bool, restrict: @escaping @Sendable () throws(SyscallError) -> Void) throws(SyscallError) {
    state = CompanionState()
    let state = state
    // Its calls are shallow; what they need of the stack is a path or two.
    try startThread("acting", stackBytes: 128 << 10) {
      WaitTable.letInterrupt()
      var isHeld = false
      do throws(SyscallError) {
        // None in effect; permitted it keeps what the workers have, so that no target may change how it is scheduled (cap_safe_nice of security/commoncap.c).
        try ThreadCapabilities.set(effective: 0, permitted: ThreadCapabilities.current().permitted)
        // The whole supervisor has it already; a thread without it may not put itself under a ruleset.
        try syscall("prctl", subject: "PR_SET_NO_NEW_PRIVS") { ash_prctl(38, 1, 0, 0, 0) }
        if hasOwnView { try syscall("unshare", subject: "CLONE_FS") { ash_unshare_fs() } }
        try restrict()
        isHeld = true
      } catch {}
      state.serve(isHeld: isHeld)
    }
  }

  /// Runs `body` on the companion's thread and comes back when it is done; false when it was not run, since the floor could not be put under it.
  func run(_ body: () -> Void) -> Bool { state.give(body) }

  deinit { state.end() }
}

/// What a companion and its worker share.
// SAFETY: `handover` is at a fixed address from init to deinit, and both threads hold a reference. `work` and `wasRun` are written by the worker before
// it gives and read by the companion after it takes, and the other way round after it is done: the state word of the hand-over orders them.
@safe private final class CompanionState: @unchecked Sendable {
  private let handover: UnsafeMutablePointer<ash_handover>
  private var work: (() -> Void)?
  private var wasRun = false

  init() {
    unsafe handover = .allocate(capacity: 1)
    unsafe ash_handover_init(handover)
  }

  deinit { unsafe handover.deallocate() }

  func give(_ body: () -> Void) -> Bool {
    withoutActuallyEscaping(body) { body in
      work = body
      wasRun = false
      unsafe ash_handover_give(handover)
      work = nil
      return wasRun
    }
  }

  func end() { unsafe ash_handover_end(handover) }

  func serve(isHeld: Bool) {
    unsafe ash_handover_begin(handover)
    while unsafe ash_handover_take(handover) == 1 {
      // Never without the floor.
      if isHeld { perform() }
      unsafe ash_handover_done(handover)
    }
  }

  /// In a function of its own, so that no reference to the work is left when it is reported as done.
  @inline(never) private func perform() {
    work?()
    wasRun = true
  }
}
