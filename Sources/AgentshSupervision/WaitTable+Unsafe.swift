import Glibc

extension WaitTable {
  /// Unblocks the interrupting signal for the calling thread.
  static func letInterrupt() {
    var signals = sigset_t()
    // SAFETY: a local set, filled and read by the calls only.
    unsafe sigemptyset(&signals)
    unsafe sigaddset(&signals, interruption)
    unsafe pthread_sigmask(SIG_UNBLOCK, &signals, nil)
  }

  /// Lets the interrupting signal interrupt: its handler does nothing.
  static func installHandler() {
    var action = sigaction()
    // SAFETY: the handler that takes only the number, since SA_SIGINFO is not set; it does nothing, so it may run at any moment.
    unsafe action.__sigaction_handler.sa_handler = { _ in }
    unsafe sigaction(interruption, &action, nil)
  }
}
