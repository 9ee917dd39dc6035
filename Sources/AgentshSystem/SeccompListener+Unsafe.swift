import CAgentshSystem
import Glibc
import SystemPackage

extension SeccompListener {
  /// Waits for the next trapped call. Blocks; several threads may wait at once and one of them gets each call.
  public borrowing func receive() -> Reception {
    var request = seccomp_notif()
    // SAFETY: the kernel fills the structure during the call; it is zeroed before, as the kernel wants it.
    if unsafe ash_notif_recv(descriptor.rawValue, &request) == 0 {
      let data = request.data
      return .call(
        TrappedCall(
          id: request.id, thread: Int32(bitPattern: request.pid), number: data.nr, architecture: data.arch, arguments: data.args, instruction: data.instruction_pointer))
    }
    let failure = currentErrno
    return failure == .noSuchFileOrDirectory || failure == .interrupted ? .nothing : .failed(failure)
  }

  /// Whether a call waits to be received (POLLIN).
  public borrowing func hasPendingCall() -> Bool {
    var request = pollfd(fd: descriptor.rawValue, events: Int16(POLLIN), revents: 0)
    // SAFETY: one pollfd, and one is said to be there.
    return unsafe poll(&request, 1, 0) == 1 && request.revents & Int16(POLLIN) != 0
  }

  /// Whether every process under the filter is gone (POLLHUP), waiting at most `milliseconds` (-1: for ever).
  public borrowing func isAbandoned(waiting milliseconds: Int32) -> Bool {
    var request = pollfd(fd: descriptor.rawValue, events: 0, revents: 0)
    // SAFETY: as above.
    return unsafe poll(&request, 1, milliseconds) == 1 && request.revents & Int16(POLLHUP) != 0
  }
}
