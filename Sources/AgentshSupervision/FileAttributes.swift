import AgentshPolicy
import AgentshSystem
import Glibc
import SystemPackage

/// Times, extended attributes and attribute flags: what changes about a file without opening it for writing.
///
/// Setting times to now is what every write does and is asked as `write`, as the kernel itself asks for write permission then; everything else here wants the
/// owner and is asked as `chmod`.
extension Worker {
  // MARK: Times

  /// utime(2), whose times are whole seconds.
  func changeTimes(_ call: TrappedCall, _ kind: CallKind, path: UInt64, seconds address: UInt64) throws(CallFailure) -> Answer {
    let words = try self.words(call, at: address, count: 2)
    let times = words.map { words in
      FileTimes(access: .init(seconds: words[0], nanoseconds: 0), modification: .init(seconds: words[1], nanoseconds: 0))
    }
    return try changeTimes(call, kind, at: AT_FDCWD, path: path, times, flags: 0)
  }

  /// utimes(2), futimesat(2): seconds and microseconds, which are checked before anything is looked at.
  func changeTimes(
    _ call: TrappedCall, _ kind: CallKind, at directory: CInt, path: UInt64, microseconds address: UInt64
  ) throws(CallFailure) -> Answer {
    let words = try self.words(call, at: address, count: 4)
    if let words, [words[1], words[3]].contains(where: { $0 < 0 || $0 >= 1_000_000 }) { throw .errno(EINVAL) }
    let times = words.map { words in
      FileTimes(
        access: .init(seconds: words[0], nanoseconds: words[1] &* 1000), modification: .init(seconds: words[2], nanoseconds: words[3] &* 1000))
    }
    return try changeTimes(call, kind, at: directory, path: path, times, flags: 0)
  }

  /// utimensat(2).
  func changeTimes(
    _ call: TrappedCall, _ kind: CallKind, at directory: CInt, path: UInt64, nanoseconds address: UInt64, flags: UInt64
  ) throws(CallFailure) -> Answer {
    let words = try self.words(call, at: address, count: 4)
    let times = words.map { words in
      FileTimes(access: .init(seconds: words[0], nanoseconds: words[1]), modification: .init(seconds: words[2], nanoseconds: words[3]))
    }
    // Nothing to do: the kernel doesn't even look at the path then.
    if let times, times.access.isOmitted, times.modification.isOmitted { return .value(0) }
    return try changeTimes(call, kind, at: directory, path: path, times, flags: flags)
  }

  private func changeTimes(
    _ call: TrappedCall, _ kind: CallKind, at directory: CInt, path: UInt64, _ times: FileTimes?, flags: UInt64
  ) throws(CallFailure) -> Answer {
    // The kernel refuses these after it has found the file, and before it looks at permissions.
    func check() throws(CallFailure) {
      if let times, !times.access.isValid || !times.modification.isValid { throw .errno(EINVAL) }
    }
    let isNow = times.map { $0.access.isNow && $0.modification.isNow } ?? true
    let operation: FileOperation = isNow ? .write : .chmod
    if path == 0, directory != AT_FDCWD {
      guard CInt(truncatingIfNeeded: flags) == 0 else { throw .errno(EINVAL) }
      let located = try openFile(call, directory)
      let opened = fcntl(located.descriptor.rawValue, F_GETFL)
      if opened & O_PATH != 0 { throw .errno(EBADF) }
      try check()
      // Whoever was permitted to open it for writing may say that it was written.
      if isNow, opened & O_ACCMODE != O_RDONLY {
        do throws(SyscallError) { try setTimes(.descriptor(located.descriptor.rawValue), times) } catch { return .failure(error.errno.rawValue) }
        return .value(0)
      }
      return try change(call, kind, operation, opened: located) { target throws(SyscallError) in try setTimes(target, times) }
    }
    let located = try attributeTarget(call, at: directory, path: path, flags: flags)
    try check()
    return try change(call, kind, operation, object: located) { target throws(SyscallError) in
      try setTimes(target, times)
    }
  }

  /// 64-bit numbers of the target, or nil for a null pointer.
  private func words(_ call: TrappedCall, at address: UInt64, count: Int) throws(CallFailure) -> [Int64]? {
    if address == 0 { return nil }
    let bytes = try memory(call) { memory throws(TargetMemoryError) in try memory.bytes(at: address, count: count * 8) }
    return (0..<count).map { word in (0..<8).reduce(0) { $0 | Int64(bytes[word * 8 + $1]) << Int64($1 * 8) } }
  }

  // MARK: Extended attributes

  /// What setxattr(2) and its variants set, in the supervisor's copy.
  private struct NewAttribute {
    let name: [UInt8]
    let value: [UInt8]
    let flags: CInt
  }

  /// setxattr(2), lsetxattr(2).
  func setAttribute(
    _ call: TrappedCall, _ kind: CallKind, path: UInt64, name: UInt64, value: UInt64, size: UInt64, flags: UInt64, follows: Bool
  ) throws(CallFailure) -> Answer {
    let attribute = try newAttribute(call, name: name, value: value, size: size, flags: flags)
    let located = try attributeTarget(call, at: AT_FDCWD, path: path, flags: follows ? 0 : UInt64(AT_SYMLINK_NOFOLLOW))
    return try change(call, kind, .chmod, object: located, act(attribute))
  }

  /// fsetxattr(2).
  func setAttribute(
    _ call: TrappedCall, _ kind: CallKind, ofDescriptor number: CInt, name: UInt64, value: UInt64, size: UInt64, flags: UInt64
  ) throws(CallFailure) -> Answer {
    let attribute = try newAttribute(call, name: name, value: value, size: size, flags: flags)
    return try change(call, kind, .chmod, opened: try openFile(call, number), act(attribute))
  }

  /// setxattrat(2) of 6.13: value, size and flags stand in a `struct xattr_args`.
  func setAttribute(
    _ call: TrappedCall, _ kind: CallKind, at directory: CInt, path: UInt64, flags: UInt64, name: UInt64, arguments: UInt64, size: UInt64
  ) throws(CallFailure) -> Answer {
    let bytes = try structure(call, at: arguments, size: size, known: 16)
    let value = bytes[..<8].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    let length = bytes[8..<12].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    let how = bytes[12..<16].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    try checkAtFlags(flags)
    let attribute = try newAttribute(call, name: name, value: value, size: length, flags: how)
    return try change(call, kind, .chmod, at: directory, path: path, flags: flags, act(attribute))
  }

  /// removexattr(2), lremovexattr(2).
  func removeAttribute(_ call: TrappedCall, _ kind: CallKind, path: UInt64, name: UInt64, follows: Bool) throws(CallFailure) -> Answer {
    let name = try attributeName(call, at: name)
    let located = try attributeTarget(call, at: AT_FDCWD, path: path, flags: follows ? 0 : UInt64(AT_SYMLINK_NOFOLLOW))
    return try change(call, kind, .chmod, object: located) { target throws(SyscallError) in
      try removeExtendedAttribute(target, name: name)
    }
  }

  /// fremovexattr(2).
  func removeAttribute(_ call: TrappedCall, _ kind: CallKind, ofDescriptor number: CInt, name: UInt64) throws(CallFailure) -> Answer {
    let name = try attributeName(call, at: name)
    return try change(call, kind, .chmod, opened: try openFile(call, number)) { target throws(SyscallError) in
      try removeExtendedAttribute(target, name: name)
    }
  }

  /// removexattrat(2) of 6.13.
  func removeAttribute(
    _ call: TrappedCall, _ kind: CallKind, at directory: CInt, path: UInt64, flags: UInt64, name: UInt64
  ) throws(CallFailure) -> Answer {
    try checkAtFlags(flags)
    let name = try attributeName(call, at: name)
    return try change(call, kind, .chmod, at: directory, path: path, flags: flags) { target throws(SyscallError) in
      try removeExtendedAttribute(target, name: name)
    }
  }

  private func act(_ attribute: NewAttribute) -> (AttributeTarget) throws(SyscallError) -> Void {
    { target throws(SyscallError) in
      try setExtendedAttribute(target, name: attribute.name, value: attribute.value, flags: attribute.flags)
    }
  }

  /// In the kernel's order (setxattr_copy of fs/xattr.c): flags, name, size, value.
  private func newAttribute(
    _ call: TrappedCall, name: UInt64, value: UInt64, size: UInt64, flags: UInt64
  ) throws(CallFailure) -> NewAttribute {
    let flags = CInt(truncatingIfNeeded: flags)
    // XATTR_CREATE, XATTR_REPLACE.
    guard flags & ~3 == 0 else { throw .errno(EINVAL) }
    let name = try attributeName(call, at: name)
    // XATTR_SIZE_MAX.
    guard size <= 65536 else { throw .errno(E2BIG) }
    let value = size == 0 ? [] : try memory(call) { memory throws(TargetMemoryError) in try memory.bytes(at: value, count: Int(size)) }
    return NewAttribute(name: name, value: value, flags: flags)
  }

  /// ERANGE for an empty name and for one that is longer than XATTR_NAME_MAX.
  private func attributeName(_ call: TrappedCall, at address: UInt64) throws(CallFailure) -> [UInt8] {
    let name: [UInt8]
    do throws(CallFailure) {
      name = try memory(call) { memory throws(TargetMemoryError) in try memory.string(at: address, limit: 256) }
    } catch {
      throw error == .errno(ENAMETOOLONG) ? .errno(ERANGE) : error
    }
    if name.isEmpty { throw .errno(ERANGE) }
    return name
  }

  // MARK: Attribute flags

  /// FS_IOC_SETFLAGS and FS_IOC_FSSETXATTR of ioctl_fs(2), on a descriptor that may have been opened for reading.
  func control(_ call: TrappedCall, _ kind: CallKind, _ number: CInt, request: UInt64, argument: UInt64) throws(CallFailure) -> Answer {
    let request = UInt32(truncatingIfNeeded: request)
    let size: Int
    switch request {
    case 0x4008_6602: size = 4  // The kernel reads an int, whatever the number says: ioctl_setflags of fs/file_attr.c.
    case 0x401C_5820: size = 28  // struct fsxattr
    default: throw .errno(ENOSYS)
    }
    let located = try openFile(call, number)
    if fcntl(located.descriptor.rawValue, F_GETFL) & O_PATH != 0 { throw .errno(EBADF) }
    let bytes = try memory(call) { memory throws(TargetMemoryError) in try memory.bytes(at: argument, count: size) }
    // A device may mean something else by the same number, of another length.
    guard located.status.isRegular || located.status.isDirectory else { throw .errno(ENOTTY) }
    if located.hasPath, !located.isMemory { try settleChange(call, kind, .fileChmod, [FileQuestion(.chmod, located.path)], path: located.path) }
    do throws(SyscallError) { try AgentshSystem.control(located.descriptor, request, bytes) } catch { return .failure(error.errno.rawValue) }
    return .value(0)
  }

  /// file_setattr(2) of 6.17.
  func setFlags(
    _ call: TrappedCall, _ kind: CallKind, at directory: CInt, path: UInt64, attributes: UInt64, size: UInt64, flags: UInt64
  ) throws(CallFailure) -> Answer {
    try checkAtFlags(flags)
    // FILE_ATTR_SIZE_VER0 is 24; what a newer kernel knows beyond that isn't known here and must be zero.
    guard size <= 4096 else { throw .errno(E2BIG) }
    let bytes = try structure(call, at: attributes, size: size, known: 24)
    return try change(call, kind, .chmod, at: directory, path: path, flags: flags) { target throws(SyscallError) in
      try setFileAttributes(target, bytes)
    }
  }

  // MARK: What they have in common

  /// The start of a structure that may grow, as copy_struct_from_user of the kernel takes it: at least `known` bytes, and zero in all beyond.
  private func structure(_ call: TrappedCall, at address: UInt64, size: UInt64, known: Int) throws(CallFailure) -> [UInt8] {
    guard size >= UInt64(known) else { throw .errno(EINVAL) }
    guard size <= 4096 else { throw .errno(E2BIG) }
    let bytes = try memory(call) { memory throws(TargetMemoryError) in try memory.bytes(at: address, count: Int(size)) }
    guard bytes[known...].allSatisfy({ $0 == 0 }) else { throw .errno(E2BIG) }
    return Array(bytes[..<known])
  }

  private func checkAtFlags(_ flags: UInt64) throws(CallFailure) {
    guard CInt(truncatingIfNeeded: flags) & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) == 0 else { throw .errno(EINVAL) }
  }

  /// For the newest calls, where a null or empty path with AT_EMPTY_PATH is the open file itself, which O_PATH doesn't open.
  private func change(
    _ call: TrappedCall, _ kind: CallKind, _ operation: FileOperation, at directory: CInt, path: UInt64, flags: UInt64,
    _ act: (AttributeTarget) throws(SyscallError) -> Void
  ) throws(CallFailure) -> Answer {
    if CInt(truncatingIfNeeded: flags) & AT_EMPTY_PATH != 0 {
      let isEmpty = path == 0 ? true : try self.path(call, at: path, mayBeEmpty: true).isEmpty
      if isEmpty {
        if directory >= 0 { return try change(call, kind, operation, opened: try openFile(call, directory), act) }
        let base = try openBase(call, at: directory)
        let located: Located
        do throws(SyscallError) { located = try locate(base) } catch { throw .errno(error.errno.rawValue) }
        return try change(call, kind, operation, object: located, act)
      }
    }
    let located = try attributeTarget(call, at: directory, path: path, flags: flags & ~UInt64(AT_EMPTY_PATH))
    return try change(call, kind, operation, object: located, act)
  }

  /// Decides about an open file of the target's, and acts on the copy of its descriptor.
  private func change(
    _ call: TrappedCall, _ kind: CallKind, _ operation: FileOperation, opened located: consuming Located,
    _ act: (AttributeTarget) throws(SyscallError) -> Void
  ) throws(CallFailure) -> Answer {
    if located.hasPath, !located.isMemory { try settleChange(call, kind, recordName(operation), [FileQuestion(operation, located.path)], path: located.path) }
    return try answer(call, operation, on: located.path, .descriptor(located.descriptor.rawValue), act)
  }

  /// Decides about a pinned object, a link included, and acts on exactly that: its entry below /proc leads to the object itself, and no link is followed from there.
  private func change(
    _ call: TrappedCall, _ kind: CallKind, _ operation: FileOperation, object located: consuming Located,
    _ act: (AttributeTarget) throws(SyscallError) -> Void
  ) throws(CallFailure) -> Answer {
    if located.hasPath, !located.isMemory { try settleChange(call, kind, recordName(operation), [FileQuestion(operation, located.path)], path: located.path) }
    return try answer(call, operation, on: located.path, .path(descriptorPath(located.descriptor.rawValue)), act)
  }

  private func answer(
    _ call: TrappedCall, _ operation: FileOperation, on path: [UInt8], _ target: AttributeTarget, _ act: (AttributeTarget) throws(SyscallError) -> Void
  ) throws(CallFailure) -> Answer {
    do throws(SyscallError) { try act(target) } catch {
      // procfs has no attributes to set, which the owner of such a directory is told.
      if operation == .chmod, error.errno == .permissionDenied, try isOwnEntries(call, path) { return .failure(EOPNOTSUPP) }
      return .failure(error.errno.rawValue)
    }
    return .value(0)
  }
}
