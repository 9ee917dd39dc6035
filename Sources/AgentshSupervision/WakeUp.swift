import AgentshSystem
import Synchronization

/// Where the kernel wakes who waits at a listener, threads of the supervisor and targets alike: on the processor of whoever wakes them, or wherever it usually would
/// (SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP, 6.6; nothing happens without it).
///
/// A thread that is woken where the call was made takes over from a caller that goes to sleep there, and the same the other way round. That holds only
/// while one target runs: with several, a caller that is woken where another one runs waits for that, and its own processor idles for milliseconds before the
/// kernel evens it out. Descriptors are handed over (SECCOMP_IOCTL_NOTIF_ADDFD) by usual wake-ups in any case.
final class WakeUp: Sendable {
  private let isInPlace = Atomic<Bool>(true)

  /// Of several threads that want different things the last has its way; it is a matter of speed and nothing else.
  func use(inPlace: Bool, _ listener: borrowing SeccompListener) {
    guard isInPlace.exchange(inPlace, ordering: .relaxed) != inPlace else { return }
    listener.useSynchronousWakeUp(inPlace)
  }
}
