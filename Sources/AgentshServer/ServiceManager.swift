internal import AgentshSystem
import Glibc

/// What systemd is told and gives: sd_notify(3) and sd_listen_fds(3), spoken without its library.
final class ServiceManager {
  /// NOTIFY_SOCKET, empty where there is none.
  private let address: [UInt8]
  /// A control socket that was opened for us, if so.
  private(set) var inherited: CInt?

  /// Reads the environment and clears it of what was meant for this process alone.
  init() {
    address = Array((environmentValue("NOTIFY_SOCKET") ?? "").utf8)
    if let pid = environmentValue("LISTEN_PID"), Int32(pid) == getpid(), let count = environmentValue("LISTEN_FDS").flatMap({ Int32($0) }),
      count >= 1
    {
      // SD_LISTEN_FDS_START
      inherited = 3
      for number in 3..<(3 + min(count, 64)) { _ = fcntl(number, F_SETFD, FD_CLOEXEC) }
    }
    for name in ["NOTIFY_SOCKET", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"] { removeEnvironmentValue(name) }
  }

  func takeInherited() -> OwnedDescriptor? {
    defer { inherited = nil }
    return inherited.map { OwnedDescriptor(owning: $0) }
  }

  func ready() { notify("READY=1\nSTATUS=Deciding") }

  func reloading() { notify("RELOADING=1\nMONOTONIC_USEC=\(monotonicNanoseconds() / 1000)\nSTATUS=Reloading") }

  func stopping() { notify("STOPPING=1\nSTATUS=Ending sessions") }

  private func notify(_ message: String) {
    guard !address.isEmpty else { return }
    sendDatagram(to: address, Array(message.utf8))
  }
}
