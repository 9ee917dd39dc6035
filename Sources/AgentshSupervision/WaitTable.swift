import AgentshSystem
import CAgentshSystem
import Glibc
import Synchronization

/// The calls that are being performed and may wait for long: opens of FIFOs and devices, connects, sends.
///
/// A watching thread interrupts the performing thread (with a signal whose handler does nothing, so that the system call returns EINTR) as soon
/// as the target has died or has a signal to take. Without it a performed call could neither be interrupted nor end with its target.
final class WaitTable: Sendable {
  struct Wait: Sendable {
    let call: UInt64
    /// The target's thread.
    let target: Int32
    /// The performing thread of this process.
    let performer: Int32
    var interrupted = false
  }

  /// The signal that interrupts; its handler does nothing and has no SA_RESTART.
  static let interruption = SIGUSR1
  /// ERESTARTSYS (include/linux/errno.h): what an interrupted call answers while its caller has a signal to take.
  static let restart: CInt = 512
  private let waits = Mutex<[UInt64: Wait]>([:])

  /// Runs `body`, which may wait, as a call that can be interrupted. `body` returns nil when it was interrupted (EINTR), and is run again unless
  /// the target is gone or has a signal to take. Answers nil then: the target's call ends as an interrupted one does.
  func waiting<Value>(_ call: TrappedCall, _ body: () -> Value?) -> Value? {
    let performer = ash_gettid()
    waits.withLock { $0[call.id] = Wait(call: call.id, target: call.thread, performer: performer) }
    defer { waits.withLock { _ = $0.removeValue(forKey: call.id) } }
    while true {
      if let value = body() { return value }
      if waits.withLock({ $0[call.id]?.interrupted ?? true }) { return nil }
    }
  }

  var count: Int { waits.withLock { $0.count } }

  /// One look at all waits: interrupts those whose target is gone or has an unblocked signal pending. Called every few milliseconds while there are any.
  func sweep(listener: borrowing SeccompListener) {
    let process = getpid()
    for wait in waits.withLock({ Array($0.values) }) {
      if listener.isWaiting(wait.call), !hasSignalToTake(wait.target) { continue }
      waits.withLock { table in
        guard table[wait.call] != nil else { return }
        table[wait.call]?.interrupted = true
        // The performer may be between two attempts: the next sweep interrupts it again. It can't be past them, for it takes the lock first: what it does
        // next isn't interrupted.
        _ = ash_tgkill(process, wait.performer, Self.interruption)
      }
    }
  }

  /// Whether the thread has a pending signal that it doesn't block (SigPnd, ShdPnd and SigBlk of proc_pid_status(5)), and that is not the first
  /// thread's to take: of a signal to the process that one is told whenever it can take it (complete_signal of kernel/signal.c), and no
  /// other thread's call is interrupted.
  private func hasSignalToTake(_ thread: Int32) -> Bool {
    let status: [UInt8]
    do throws(SyscallError) { status = try readSmallFile(at: AT_FDCWD, procPath(thread, "status"), limit: 8192) } catch {
      // Nothing can be told without a descriptor to read it by; the next look may have one.
      return ![.tooManyOpenFiles, .tooManyOpenFilesInSystem, .noMemory].contains(error.errno)
    }
    func mask(_ name: StaticString, _ text: [UInt8]) -> UInt64 { statusField(name, in: text).flatMap { UInt64($0, radix: 16) } ?? 0 }
    let blocked = mask("SigBlk:", status)
    if mask("SigPnd:", status) & ~blocked != 0 { return true }
    let shared = mask("ShdPnd:", status) & ~blocked
    guard shared != 0, let process = statusField("Tgid:", in: status).flatMap({ Int32($0) }), process != thread else { return shared != 0 }
    // SIGCHLD goes to the thread that made the child.
    guard shared & (1 << UInt64(SIGCHLD - 1)) == 0, let first = try? readSmallFile(at: AT_FDCWD, procPath(process, "status"), limit: 8192),
      statusField("State:", in: first)?.first != "Z"
    else { return true }
    return shared & mask("SigBlk:", first) != 0
  }
}
