import CAgentshSystem
import Glibc
import SystemPackage

/// What a call on attributes acts on.
public enum AttributeTarget: Sendable {
  /// An open file. One that was opened with O_PATH gives EBADF, as everywhere.
  case descriptor(CInt)
  /// What a path names, a final link followed.
  case path([UInt8])
}

/// Times for utimensat(2).
public struct FileTimes: Sendable, Equatable {
  /// Seconds since 1970 and nanoseconds, or one of the two special values of nanoseconds.
  public struct Moment: Sendable, Equatable {
    public var seconds: Int64
    public var nanoseconds: Int64

    public init(seconds: Int64, nanoseconds: Int64) {
      self.seconds = seconds
      self.nanoseconds = nanoseconds
    }

    /// UTIME_NOW, UTIME_OMIT: linux/stat.h.
    public var isNow: Bool { nanoseconds == 0x3fff_ffff }
    public var isOmitted: Bool { nanoseconds == 0x3fff_fffe }
    public var isValid: Bool { isNow || isOmitted || (0...999_999_999).contains(nanoseconds) }
  }

  public var access: Moment
  public var modification: Moment

  public init(access: Moment, modification: Moment) {
    self.access = access
    self.modification = modification
  }
}

/// Sets times of a file, both to now where `times` is nil: utimensat(2).
public func setTimes(_ target: AttributeTarget, _ times: FileTimes?) throws(SyscallError) {
  var values: [Int64] = []
  if let times { values = [times.access.seconds, times.access.nanoseconds, times.modification.seconds, times.modification.nanoseconds] }
  try syscall("utimensat") {
    // SAFETY: four numbers or none, which outlive the call; the path is a C string for as long as it is used.
    unsafe values.withUnsafeBufferPointer { buffer in
      let pointer = buffer.isEmpty ? nil : buffer.baseAddress
      return switch target {
      case .descriptor(let raw): unsafe ash_utimensat(raw, nil, pointer, 0)
      case .path(let path):
        unsafe withCPath(path) { unsafe ash_utimensat(AT_FDCWD, $0, pointer, 0) }
      }
    }
  }
}

/// setxattr(2), fsetxattr(2). `name` holds no NUL.
public func setExtendedAttribute(_ target: AttributeTarget, name: [UInt8], value: [UInt8], flags: CInt) throws(SyscallError) {
  try syscall("setxattr") {
    // SAFETY: the value outlives the call and its length is its own.
    unsafe value.withUnsafeBytes { value in
      unsafe withCPath(name) { name in
        switch target {
        case .descriptor(let raw): unsafe ash_fsetxattr(raw, name, value.baseAddress, value.count, flags)
        case .path(let path):
          unsafe withCPath(path) { unsafe ash_setxattr($0, name, value.baseAddress, value.count, flags) }
        }
      }
    }
  }
}

/// removexattr(2), fremovexattr(2). `name` holds no NUL.
public func removeExtendedAttribute(_ target: AttributeTarget, name: [UInt8]) throws(SyscallError) {
  try syscall("removexattr") {
    unsafe withCPath(name) { name in
      switch target {
      case .descriptor(let raw): unsafe ash_fremovexattr(raw, name)
      case .path(let path): unsafe withCPath(path) { unsafe ash_removexattr($0, name) }
      }
    }
  }
}

/// file_setattr(2) of 6.17 with a `struct file_attr` as plain bytes.
public func setFileAttributes(_ target: AttributeTarget, _ attributes: [UInt8]) throws(SyscallError) {
  try syscall("file_setattr") {
    // SAFETY: the bytes outlive the call and their length is their own.
    unsafe attributes.withUnsafeBytes { bytes in
      switch target {
      case .descriptor(let raw):
        unsafe withCPath([]) { unsafe ash_file_setattr(raw, $0, bytes.baseAddress, bytes.count, AT_EMPTY_PATH) }
      case .path(let path):
        unsafe withCPath(path) {
          unsafe ash_file_setattr(AT_FDCWD, $0, bytes.baseAddress, bytes.count, 0)
        }
      }
    }
  }
}

/// ioctl(2) with an argument that the kernel only reads, at most 64 bytes of it.
public func control(_ descriptor: borrowing OwnedDescriptor, _ request: UInt32, _ argument: [UInt8]) throws(SyscallError) {
  let raw = descriptor.rawValue
  var copy = argument
  // Longer than any request that is made with it: whatever a file system reads stays inside.
  copy += [UInt8](repeating: 0, count: max(0, 64 - argument.count))
  try syscall("ioctl") {
    // SAFETY: a buffer of our own that outlives the call.
    unsafe copy.withUnsafeMutableBytes { unsafe ash_control(raw, request, $0.baseAddress) }
  }
}
