internal import AgentshProtocol
internal import AgentshSystem
import Glibc

/// What systemd is told and gives: sd_notify(3) and sd_listen_fds(3), spoken without its library.
final class ServiceManager {
  /// NOTIFY_SOCKET, empty where there is none.
  private let address: [UInt8]
  /// How many descriptors were opened for us: those from 3 on, SD_LISTEN_FDS_START.
  private(set) var inherited = 0

  /// Reads the environment and clears it of what was meant for this process alone.
  init() {
    address = Array((environmentValue("NOTIFY_SOCKET") ?? "").utf8)
    if let pid = environmentValue("LISTEN_PID"), Int32(pid) == getpid(), let count = environmentValue("LISTEN_FDS").flatMap({ Int32($0) }),
      count >= 1
    {
      inherited = Int(count)
      for number in 3..<(3 + min(count, 64)) { _ = fcntl(number, F_SETFD, FD_CLOEXEC) }
    }
    for name in ["NOTIFY_SOCKET", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"] { removeEnvironmentValue(name) }
  }

  /// The control socket that was opened for us, if one was; what else may lie there is not served. See sd_is_socket_unix(3).
  /// - Parameter path: where it has to listen.
  func takeInherited(at path: [UInt8]) throws(ServerError) -> OwnedDescriptor? {
    guard inherited > 0 else { return nil }
    guard inherited == 1 else { throw ServerError("LISTEN_FDS gives \(inherited) descriptors, and agentshd serves one socket: one ListenStream= in its socket unit") }
    inherited = 0
    let descriptor = OwnedDescriptor(owning: 3)
    let name: [UInt8]
    do throws(SyscallError) { name = try listeningUnixName(descriptor) } catch {
      throw ServerError("descriptor 3, from LISTEN_FDS, is no listening Unix stream socket: \(error)")
    }
    guard name == path || Self.isSameFile(name, path) else {
      throw ServerError(
        "the socket from LISTEN_FDS listens at \(name.isEmpty ? "no path" : displayEscaped(name)), and control_socket is \(displayEscaped(path)): ListenStream= of its unit has to be the same"
      )
    }
    return descriptor
  }

  /// Whether two names, one of them by way of a link perhaps, are the same file.
  private static func isSameFile(_ first: [UInt8], _ second: [UInt8]) -> Bool {
    guard let first = try? linkStatus(at: AT_FDCWD, first), let second = try? linkStatus(at: AT_FDCWD, second) else { return false }
    return (first.device, first.inode) == (second.device, second.inode)
  }

  func ready() { notify("READY=1\nSTATUS=Deciding") }

  func reloading() { notify("RELOADING=1\nMONOTONIC_USEC=\(monotonicNanoseconds() / 1000)\nSTATUS=Reloading") }

  func stopping() { notify("STOPPING=1\nSTATUS=Ending sessions") }

  private func notify(_ message: String) {
    guard !address.isEmpty else { return }
    sendDatagram(to: address, Array(message.utf8))
  }
}
