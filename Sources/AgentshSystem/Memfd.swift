internal import CAgentshSystem
import Glibc
import SystemPackage

/// Files that live in memory, see memfd_create(2).
public enum Memfd {
  /// An empty one, close-on-exec.
  public static func empty(name: String) throws(SyscallError) -> OwnedDescriptor { try createMemfd(name) }

  /// Whether it is one, and not sealed against any change.
  public static func isUnsealed(_ file: borrowing OwnedDescriptor) -> Bool { fcntl(file.rawValue, 1034 /* F_GET_SEALS */) == 0 }

  /// A file with these bytes that nobody can change any more, positioned at its start.
  public static func sealed(_ bytes: [UInt8], name: String) throws(SyscallError) -> OwnedDescriptor {
    let file = try createMemfd(name)
    if let failure = writeAll(file.rawValue, bytes).error { throw failure }
    let raw = file.rawValue
    try syscall("lseek") { lseek(raw, 0, SEEK_SET) }
    try sealMemfd(raw)
    return file
  }

  /// The bytes of such a file; throws EPERM unless it is sealed against every change, EFBIG when it has more than `limit`.
  public static func readSealed(_ file: borrowing OwnedDescriptor, limit: Int) throws(SyscallError) -> [UInt8] {
    guard try isSealedMemfd(file.rawValue) else { throw SyscallError("fcntl", .notPermitted, "the file is not sealed") }
    guard try fileStatus(file).size <= limit else { throw SyscallError("fstat", .fileTooLarge) }
    let raw = file.rawValue
    try syscall("lseek") { lseek(raw, 0, SEEK_SET) }
    return try readAll(file, limit: limit)
  }
}

/// Asks the supervisor of the session that this process runs in: the prctl(2) with an option that no kernel knows, which only a supervisor answers.
/// nil outside of sessions.
public func askSupervisor(_ option: UInt32, _ request: UInt64) throws(SyscallError) -> [UInt8]? {
  let file = try createMemfd("agentsh-answer")
  let raw = file.rawValue
  guard ash_prctl(CInt(bitPattern: option), UInt(request), UInt(UInt32(bitPattern: raw)), 0, 0) >= 0 else { return nil }
  try syscall("lseek") { lseek(raw, 0, SEEK_SET) }
  return try readAll(file, limit: 4 << 20)
}
