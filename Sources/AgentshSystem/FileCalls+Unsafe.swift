import CAgentshSystem
import Glibc
import SystemPackage

/// Runs `body` with `path` as a C string. The bytes must hold no NUL; one that does would name another file, so nothing is named then.
// SAFETY: the pointer is used inside `body` only and the buffer outlives the call.
@inlinable public func withCPath<Result>(_ path: [UInt8], _ body: (UnsafePointer<CChar>) -> Result) -> Result {
  unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: path.count + 1) { buffer in
    var index = 0
    for byte in path {
      unsafe buffer[index] = CChar(bitPattern: byte == 0 ? UInt8(ascii: "/") : byte)
      index += 1
    }
    unsafe buffer[index] = 0
    // SAFETY: the allocation has at least one element, so there is a base address.
    return unsafe body(UnsafePointer(buffer.baseAddress.unsafelyUnwrapped))
  }
}

/// Opens `path` relative to `directory` (openat2(2)); the descriptor is close-on-exec.
public func openAt2(_ directory: CInt, _ path: [UInt8], flags: Int32, mode: UInt32 = 0, resolve: UInt64 = 0) throws(SyscallError) -> OwnedDescriptor {
  let wanted = UInt64(UInt32(bitPattern: flags | O_CLOEXEC))
  return OwnedDescriptor(
    owning: try syscall("openat2", subject: String(decoding: path, as: UTF8.self)) {
      unsafe withCPath(path) { unsafe ash_openat2(directory, $0, wanted, UInt64(mode), resolve) }
    })
}

/// Opens `path` relative to `directory` (openat(2)), with exactly these flags and O_CLOEXEC; a signal's EINTR is thrown when `interruptible`.
public func openAt(
  _ directory: CInt, _ path: [UInt8], flags: Int32, mode: UInt32 = 0, interruptible: Bool = false
) throws(SyscallError) -> OwnedDescriptor {
  OwnedDescriptor(
    owning: try syscall("openat", subject: String(decoding: path, as: UTF8.self), retryingInterrupted: !interruptible) {
      unsafe withCPath(path) { unsafe ash_openat(directory, $0, flags | O_CLOEXEC, mode) }
    })
}

/// The text of a symbolic link: readlinkat(2), at most PATH_MAX bytes.
public func readLink(at directory: CInt, _ path: [UInt8]) throws(SyscallError) -> [UInt8] {
  let text = unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: Int(PATH_MAX)) { buffer -> [UInt8]? in
    // SAFETY: a byte buffer seen as characters of the same size, written up to its capacity by the kernel and read as far as it was written.
    let length = unsafe withCPath(path) { name in
      unsafe buffer.withMemoryRebound(to: CChar.self) { characters in
        unsafe readlinkat(directory, name, characters.baseAddress.unsafelyUnwrapped, characters.count)
      }
    }
    return unsafe length < 0 ? nil : Array(buffer[..<length])
  }
  guard let text else { throw SyscallError("readlinkat", currentErrno, String(decoding: path, as: UTF8.self)) }
  return text
}

/// What stat(2) says of a file, as far as decisions need it.
public struct FileStatus: Sendable, Equatable {
  public let device: UInt64
  public let inode: UInt64
  /// Type and permissions, as st_mode.
  public let mode: UInt32
  public let links: UInt64
  public let owner: UInt32
  public let group: UInt32
  /// The device that a device node stands for.
  public let specialDevice: UInt64
  public let size: Int64
  /// When the content was last changed: seconds since 1970.
  public let modified: Int64
  /// The part of a second behind `modified`.
  public let modifiedNanoseconds: Int64

  public var type: UInt32 { mode & S_IFMT }
  public var isDirectory: Bool { type == S_IFDIR }
  public var isSymbolicLink: Bool { type == S_IFLNK }
  public var isRegular: Bool { type == S_IFREG }
  public var isCharacterDevice: Bool { type == S_IFCHR }

  init(_ status: stat) {
    device = UInt64(status.st_dev)
    inode = UInt64(status.st_ino)
    mode = UInt32(status.st_mode)
    links = UInt64(status.st_nlink)
    owner = status.st_uid
    group = status.st_gid
    specialDevice = UInt64(status.st_rdev)
    size = Int64(status.st_size)
    modified = Int64(status.st_mtim.tv_sec)
    modifiedNanoseconds = Int64(status.st_mtim.tv_nsec)
  }
}

/// What fstat(2) says of an open file.
public func fileStatus(_ descriptor: borrowing OwnedDescriptor) throws(SyscallError) -> FileStatus {
  var status = stat()
  let raw = descriptor.rawValue
  try syscall("fstat") { unsafe fstat(raw, &status) }
  return FileStatus(status)
}

/// What fstat(2) says of an open file, and the mount that it lies on as `mountNumber` tells it, by one system call.
public func fileStatusAndMount(_ descriptor: borrowing OwnedDescriptor) throws(SyscallError) -> (status: FileStatus, mount: MountNumber?) {
  var (status, kind, number): (stat, CInt, UInt64) = (stat(), -1, 0)
  let raw = descriptor.rawValue
  // SAFETY: local variables, written by the call and read after it.
  try syscall("statx") { unsafe ash_status(raw, &status, &kind, &number) }
  return (FileStatus(status), MountNumber(kind: kind, number))
}

/// What fstatat(2) says of a name; a final link is not followed.
public func linkStatus(at directory: CInt, _ name: [UInt8]) throws(SyscallError) -> FileStatus {
  var status = stat()
  try syscall("fstatat", subject: String(decoding: name, as: UTF8.self)) {
    unsafe withCPath(name) { unsafe fstatat(directory, $0, &status, AT_SYMLINK_NOFOLLOW) }
  }
  return FileStatus(status)
}

/// What fstatat(2) says of what a name leads to.
public func fileStatus(at directory: CInt, _ name: [UInt8]) throws(SyscallError) -> FileStatus {
  var status = stat()
  try syscall("fstatat", subject: String(decoding: name, as: UTF8.self)) {
    unsafe withCPath(name) { unsafe fstatat(directory, $0, &status, 0) }
  }
  return FileStatus(status)
}

/// The type of the filesystem that an open file is on: fstatfs(2), f_type.
public func filesystemType(_ descriptor: borrowing OwnedDescriptor) throws(SyscallError) -> Int64 {
  var type: Int64 = 0
  let raw = descriptor.rawValue
  try syscall("fstatfs") { unsafe ash_filesystem_type(raw, &type) }
  return type
}

/// How many bytes users other than root can still write on the file system that an open file is on, and how many it has: fstatvfs(3). Nil where it
/// doesn't tell its size (a tmpfs without a limit).
public func fileSystemSpace(_ descriptor: borrowing OwnedDescriptor) -> (free: Int64, total: Int64)? {
  var status = statvfs()
  // SAFETY: an out parameter that lives for the call.
  guard unsafe fstatvfs(descriptor.rawValue, &status) == 0, status.f_blocks > 0 else { return nil }
  func bytes(_ blocks: UInt) -> Int64 {
    let (bytes, isTooLarge) = blocks.multipliedReportingOverflow(by: status.f_frsize)
    return isTooLarge ? .max : Int64(clamping: bytes)
  }
  return (bytes(status.f_bavail), bytes(status.f_blocks))
}

/// Whether nothing can be written on the mount that it lies on: fstatvfs(3).
public func isReadOnly(_ descriptor: borrowing OwnedDescriptor) -> Bool {
  var status = statvfs()
  // SAFETY: an out parameter that lives for the call.
  return unsafe fstatvfs(descriptor.rawValue, &status) == 0 && status.f_flag & UInt(ST_RDONLY) != 0
}

/// Reads up to `limit` bytes from the start of a file of /proc or a small file, in full.
public func readSmallFile(at directory: CInt, _ path: [UInt8], limit: Int = 65536) throws(SyscallError) -> [UInt8] {
  let file = try openAt(directory, path, flags: O_RDONLY | O_NOCTTY)
  return try readAll(file, limit: limit)
}

/// What one read(2) gives, at most `limit` bytes; empty at the end.
public func readOnce(_ file: borrowing OwnedDescriptor, limit: Int) throws(SyscallError) -> [UInt8] {
  let raw = file.rawValue
  var failure: SyscallError?
  let content = unsafe [UInt8](unsafeUninitializedCapacity: limit) { buffer, count in
    do throws(SyscallError) {
      // SAFETY: the kernel writes at most the buffer's capacity.
      count = try syscall("read") { unsafe read(raw, buffer.baseAddress, limit) }
    } catch {
      count = 0
      failure = error
    }
  }
  if let failure { throw failure }
  return content
}

/// Reads from a descriptor's position to its end, at most `limit` bytes.
public func readAll(_ file: borrowing OwnedDescriptor, limit: Int) throws(SyscallError) -> [UInt8] {
  var content: [UInt8] = []
  while content.count < limit {
    let part = try readOnce(file, limit: min(16384, limit - content.count))
    if part.isEmpty { break }
    content += part
  }
  return content
}

/// Writes all of `bytes`; short writes go on where they stopped. Returns how much was written when an error ends it early, with the error.
public func writeAll(_ descriptor: CInt, _ bytes: [UInt8]) -> (written: Int, error: SyscallError?) {
  var offset = 0
  while offset < bytes.count {
    // SAFETY: the pointer is inside the array's storage, which outlives the call.
    let count = unsafe bytes.withUnsafeBytes { unsafe write(descriptor, $0.baseAddress.unsafelyUnwrapped + offset, $0.count - offset) }
    if count >= 0 {
      offset += count
    } else if currentErrno != .interrupted {
      return (offset, SyscallError("write", currentErrno))
    }
  }
  return (offset, nil)
}

/// The same, where nobody reading is an error like others and raises no SIGPIPE. What the signal does stays as it was inherited.
public func writeAllWithoutSignal(_ descriptor: CInt, _ bytes: [UInt8]) -> (written: Int, error: SyscallError?) {
  var pipe = sigset_t()
  var before = sigset_t()
  var pending = sigset_t()
  // SAFETY: three sets that live for the calls, each filled before it is read.
  unsafe sigemptyset(&pipe)
  unsafe sigaddset(&pipe, SIGPIPE)
  unsafe sigemptyset(&pending)
  guard unsafe pthread_sigmask(SIG_BLOCK, &pipe, &before) == 0 else { return (0, SyscallError("pthread_sigmask", .invalidArgument)) }
  // One that was sent by somebody else stays.
  let wasPending = unsafe sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 1
  let result = writeAll(descriptor, bytes)
  if result.error?.errno == .brokenPipe, !wasPending {
    var atOnce = timespec()
    // SAFETY: the set and the time live for the call; nothing is asked about the signal.
    while unsafe sigtimedwait(&pipe, nil, &atOnce) == -1, currentErrno == .interrupted {}
  }
  // SAFETY: the set was filled above.
  unsafe pthread_sigmask(SIG_SETMASK, &before, nil)
  return result
}

/// Which mount an open file lies on.
public enum MountNumber: Sendable, Hashable {
  /// A number that no other mount ever gets (6.8).
  case unique(UInt64)
  /// The number that /proc/PID/mountinfo shows: another mount's once this one is gone.
  case reused(UInt64)

  init?(kind: CInt, _ number: UInt64) {
    switch kind {
    case 1: self = .unique(number)
    case 0: self = .reused(number)
    default: return nil
    }
  }
}

/// The mount that an open file lies on: statx(2), STATX_MNT_ID_UNIQUE and STATX_MNT_ID. nil where the kernel doesn't tell (before 5.8).
///
/// - Parameter asShown: the number of /proc/PID/mountinfo, not the unique one.
public func mountNumber(of descriptor: borrowing OwnedDescriptor, asShown: Bool = false) -> MountNumber? {
  var number: UInt64 = 0
  // SAFETY: the number is a local variable, written by the call and read after it.
  let kind = unsafe ash_mount_id(descriptor.rawValue, asShown ? 0 : 1, &number)
  return MountNumber(kind: kind, number)
}
