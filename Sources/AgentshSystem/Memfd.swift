import Glibc
import SystemPackage

/// Files that live in memory, see memfd_create(2).
public enum Memfd {
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
