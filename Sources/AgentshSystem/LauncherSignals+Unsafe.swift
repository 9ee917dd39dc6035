import CAgentshLaunch
import Glibc
import SystemPackage

/// Signals of the launcher: blocked while the command runs, and read one by one.
public enum LauncherSignals {
  /// Blocks every signal and gives SIGCHLD its default disposition; what was before is for the command.
  public static func block() throws(SyscallError) -> SignalMask {
    var previous: UInt64 = 0
    // SAFETY: one integer that lives for the call.
    try syscall("rt_sigprocmask") { unsafe ash_signals_block_all(&previous) }
    let ignoredChild = ash_signal_is_ignored(SIGCHLD) == 1
    if ignoredChild { try syscall("sigaction") { ash_signal_set_default(SIGCHLD) } }
    return SignalMask(bits: previous, ignoredChildSignal: ignoredChild)
  }

  /// Sets the mask as it was.
  public static func restore(_ mask: SignalMask) throws(SyscallError) {
    try syscall("rt_sigprocmask") { ash_signals_set_mask(mask.bits) }
  }

  /// A signalfd(2) that takes every signal; non-blocking.
  public static func open() throws(SyscallError) -> OwnedDescriptor {
    OwnedDescriptor(owning: try syscall("signalfd") { ash_signals_open() })
  }

  /// The next blocked signal that has arrived, nil when there is none.
  public static func next(_ descriptor: borrowing OwnedDescriptor) throws(SyscallError) -> ReceivedSignal? {
    var number: CInt = 0
    var code: CInt = 0
    var sender: pid_t = 0
    let raw = descriptor.rawValue
    // SAFETY: three integers that live for the call.
    let result = try syscall("read", subject: "signalfd") { unsafe ash_signals_next(raw, &number, &code, &sender) }
    return result == 1 ? ReceivedSignal(number: number, sender: sender, isFromKernel: code > 0) : nil
  }

  /// Lets `signal` do to this process what it does by default, once: stops it, or ends it. Comes back when it is continued.
  public static func actByDefault(_ signal: Int32) {
    guard (1...64).contains(signal) else { return }
    ash_act_by_default(signal)
  }

  /// Ends this process by `signal`, without a core file; comes back only when that signal ends no process.
  public static func die(of signal: Int32) {
    ash_die_of_signal(signal)
  }
}

/// One change of any child of this process: reaps what has ended; nil when there is none.
public func nextChildChange() throws(SyscallError) -> (pid: Int32, change: ChildChange)? {
  var pid: pid_t = 0
  var code: CInt = 0
  var status: CInt = 0
  // SAFETY: three integers that live for the call.
  guard try syscall("waitid", { unsafe ash_wait_any(&pid, &code, &status) }) == 1 else { return nil }
  switch code {
  case CInt(CLD_EXITED): return (pid, .exited(status: status))
  case CInt(CLD_KILLED): return (pid, .killed(signal: status, dumpedCore: false))
  case CInt(CLD_DUMPED): return (pid, .killed(signal: status, dumpedCore: true))
  case CInt(CLD_CONTINUED): return (pid, .continued)
  default: return (pid, .stopped(signal: status))
  }
}

/// Waits until one of `descriptors` is ready to be read or has hung up: which ones are; none when `deadline` passed. See poll(2).
///
/// Negative numbers are skipped.
public func waitForAny(_ descriptors: [CInt], deadline: Deadline) throws(SyscallError) -> [Bool] {
  var requests = descriptors.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
  while true {
    let timeout = deadline.pollTimeout
    do {
      // SAFETY: the array lives for the call and is passed with its own count.
      try syscall("poll", retryingInterrupted: false) {
        unsafe requests.withUnsafeMutableBufferPointer { unsafe poll($0.baseAddress, nfds_t($0.count), timeout) }
      }
      return requests.map { $0.revents != 0 }
    } catch {
      guard error.errno == .interrupted else { throw error }
    }
  }
}
