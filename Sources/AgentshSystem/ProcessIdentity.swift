import Glibc
import SystemPackage

/// What /proc says of a process that a pidfd pins: read by number, and believed only if the pidfd's process was still alive afterwards, so
/// that the number can't have become another's meanwhile.
public enum ProcessIdentity {
  /// The process's number, from PIDFD_GET_INFO (6.13) or /proc/self/fdinfo. Throws ESRCH when it has been reaped.
  public static func processID(of pidfd: borrowing Pidfd) throws(SyscallError) -> Int32 {
    do {
      return try pidfd.information().process
    } catch {
      if error.errno == .noSuchProcess { throw error }
    }
    let text = try readSmallFile(at: AT_FDCWD, Array("/proc/self/fdinfo/\(pidfd.descriptor.rawValue)".utf8))
    guard let field = statusField("Pid", in: text), let number = Int32(field), number > 0 else {
      throw SyscallError("fdinfo", .noSuchProcess)
    }
    return number
  }

  /// The parent's number, by the same two ways.
  public static func parentID(of pidfd: borrowing Pidfd) throws(SyscallError) -> Int32 {
    do {
      return try pidfd.information().parent
    } catch {
      if error.errno == .noSuchProcess { throw error }
    }
    let text = try read("status", of: pidfd)
    guard let field = statusField("PPid", in: text), let number = Int32(field) else { throw SyscallError("/proc/PID/status", .noSuchProcess) }
    return number
  }

  /// Real, effective, saved and filesystem uid, from /proc/PID/status.
  public static func userIDs(of pidfd: borrowing Pidfd) throws(SyscallError) -> [UInt32] {
    let text = try read("status", of: pidfd)
    let numbers = (statusField("Uid", in: text) ?? "").split(whereSeparator: { $0 == "\t" || $0 == " " }).compactMap { UInt32($0) }
    guard numbers.count == 4 else { throw SyscallError("/proc/PID/status", .ioError) }
    return numbers
  }

  /// Real, effective, saved and filesystem gid, from /proc/PID/status.
  public static func groupIDs(of pidfd: borrowing Pidfd) throws(SyscallError) -> [UInt32] {
    let numbers = try statusNumbers("Gid", of: pidfd)
    guard numbers.count == 4 else { throw SyscallError("/proc/PID/status", .ioError) }
    return numbers
  }

  /// Supplementary groups, from /proc/PID/status.
  public static func supplementaryGroups(of pidfd: borrowing Pidfd) throws(SyscallError) -> [UInt32] { try statusNumbers("Groups", of: pidfd) }

  private static func statusNumbers(_ name: String, of pidfd: borrowing Pidfd) throws(SyscallError) -> [UInt32] {
    (statusField(name, in: try read("status", of: pidfd)) ?? "").split(whereSeparator: { $0 == "\t" || $0 == " " }).compactMap { UInt32($0) }
  }

  /// The content of /proc/PID/`name`. Throws ESRCH when the process has ended.
  public static func read(_ name: String, of pidfd: borrowing Pidfd) throws(SyscallError) -> [UInt8] {
    let number = try processID(of: pidfd)
    let content: [UInt8]
    do {
      content = try readSmallFile(at: AT_FDCWD, Array("/proc/\(number)/\(name)".utf8), limit: 1 << 20)
    } catch {
      try ensureAlive(pidfd)
      throw error
    }
    try ensureAlive(pidfd)
    return content
  }

  /// The text of the link /proc/PID/`name`. Throws ESRCH when the process has ended.
  public static func readLink(_ name: String, of pidfd: borrowing Pidfd) throws(SyscallError) -> [UInt8] {
    let number = try processID(of: pidfd)
    let text: [UInt8]
    do {
      text = try AgentshSystem.readLink(at: AT_FDCWD, Array("/proc/\(number)/\(name)".utf8))
    } catch {
      try ensureAlive(pidfd)
      throw error
    }
    try ensureAlive(pidfd)
    return text
  }

  private static func ensureAlive(_ pidfd: borrowing Pidfd) throws(SyscallError) {
    if pidfd.hasExited() { throw SyscallError("pidfd", .noSuchProcess) }
  }

  /// The value of a line `Name:\tvalue`.
  public static func statusField(_ name: String, in text: [UInt8]) -> String? {
    let start = Array("\(name):".utf8)
    for line in text.split(separator: UInt8(ascii: "\n")) where line.starts(with: start) {
      let value = line.dropFirst(start.count).drop { $0 == UInt8(ascii: "\t") || $0 == UInt8(ascii: " ") }
      return String(decoding: value, as: UTF8.self)
    }
    return nil
  }
}
