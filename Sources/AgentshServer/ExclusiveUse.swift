internal import AgentshProtocol
internal import AgentshSystem
import CAgentshSystem
import Glibc
import SystemPackage

/// Places that one server has to itself: two that wrote one log would break its chain, and each would end the other's sessions.
enum ExclusiveUse {
  /// How long a lock is waited for. A server that was killed while it started a supervisor has a copy of itself that lives until its next system calls.
  static let patience: Int64 = 1000

  /// Locks an open file or directory (flock(2)) for as long as this process has it open: supervisors are started without it, so that the lock goes with the
  /// server, however that ends.
  /// - Parameter place: what it belongs to, `log_dir /var/log/agentsh`.
  static func take(_ descriptor: borrowing OwnedDescriptor, _ place: String) throws(ServerError) {
    let raw = descriptor.rawValue
    let deadline = Deadline.after(milliseconds: patience)
    while true {
      do throws(SyscallError) {
        try syscall("flock") { ash_lock_whole(raw) }
        return
      } catch {
        guard error.errno == .wouldBlock else { throw ServerError("\(place) can't be locked: \(error)") }
        guard !deadline.hasPassed else { throw ServerError("\(holder(of: descriptor)) \(place)") }
        usleep(20_000)
      }
    }
  }

  /// `another agentshd (pid N) uses`, as far as /proc/locks tells: `1: FLOCK  ADVISORY  WRITE 8471 fe:00:16220180 0 EOF`. It shows 0 or less for a process outside
  /// of this pid namespace. Whoever may read a file can lock it: who is no agentshd is called by its name.
  private static func holder(of descriptor: borrowing OwnedDescriptor) -> String {
    let unknown = "another agentshd uses"
    guard let status = try? fileStatus(descriptor), let table = try? readSmallFile(at: AT_FDCWD, Array("/proc/locks".utf8), limit: 16 << 20)
    else { return unknown }
    // As makedev(3) puts them together.
    let major = status.device >> 8 & 0xFFF | status.device >> 32 & ~0xFFF
    let minor = status.device & 0xFF | status.device >> 12 & ~0xFF
    func hexadecimal(_ number: UInt64) -> String { (number < 16 ? "0" : "") + String(number, radix: 16) }
    let file = "\(hexadecimal(major)):\(hexadecimal(minor)):\(status.inode)"
    for line in table.split(separator: UInt8(ascii: "\n")) {
      let words = String(decoding: line, as: UTF8.self).split(separator: " ")
      guard words.count >= 6, words[1] == "FLOCK", words[5] == file, let pid = Int32(words[4]), pid > 0 else { continue }
      guard let name = nameOfOther(pid) else { return "another agentshd (pid \(pid)) uses" }
      return "process \(pid) (\(name)), which is no agentshd, holds a lock (flock) in"
    }
    return unknown
  }

  /// The program that a process runs, escaped; nil where that is agentshd or can't be told.
  static func nameOfOther(_ pid: Int32) -> String? {
    let name = ((try? readSmallFile(at: AT_FDCWD, Array("/proc/\(pid)/comm".utf8))) ?? []).filter { $0 != UInt8(ascii: "\n") }
    return name.isEmpty || name == Array("agentshd".utf8) ? nil : displayEscaped(name)
  }
}
