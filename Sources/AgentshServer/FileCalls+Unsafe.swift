internal import AgentshSystem
import Glibc
import SystemPackage

/// mkdirat(2); the umask applies.
func makeDirectoryAt(_ directory: CInt, _ name: [UInt8], mode: UInt32) throws(SyscallError) {
  try syscall("mkdirat", subject: String(decoding: name, as: UTF8.self)) {
    // SAFETY: the pointer is used for the call only.
    unsafe withCPath(name) { unsafe mkdirat(directory, $0, mode) }
  }
}

/// fchownat(2) of the name itself, not of what a link points to.
func changeOwner(at directory: CInt, _ name: [UInt8], uid: UInt32, gid: UInt32) throws(SyscallError) {
  try syscall("fchownat", subject: String(decoding: name, as: UTF8.self)) {
    // SAFETY: the pointer is used for the call only.
    unsafe withCPath(name) { unsafe fchownat(directory, $0, uid, gid, AT_SYMLINK_NOFOLLOW) }
  }
}

/// fchmodat(2). Follows links: only for names in a directory that nobody else can write or enter.
func changeMode(at directory: CInt, _ name: [UInt8], mode: UInt32) throws(SyscallError) {
  try syscall("fchmodat", subject: String(decoding: name, as: UTF8.self)) {
    // SAFETY: the pointer is used for the call only.
    unsafe withCPath(name) { unsafe fchmodat(directory, $0, mode, 0) }
  }
}

/// fchmod(2).
func changeMode(_ descriptor: borrowing OwnedDescriptor, mode: UInt32) throws(SyscallError) {
  let raw = descriptor.rawValue
  try syscall("fchmod") { fchmod(raw, mode) }
}

/// unlinkat(2).
func removeName(at directory: CInt, _ name: [UInt8], isDirectory: Bool = false) throws(SyscallError) {
  try syscall("unlinkat", subject: String(decoding: name, as: UTF8.self)) {
    // SAFETY: the pointer is used for the call only.
    unsafe withCPath(name) { unsafe unlinkat(directory, $0, isDirectory ? AT_REMOVEDIR : 0) }
  }
}

/// renameat(2) within one directory.
func renameName(at directory: CInt, _ old: [UInt8], _ new: [UInt8]) throws(SyscallError) {
  try syscall("renameat", subject: String(decoding: old, as: UTF8.self)) {
    // SAFETY: the pointers are used for the call only.
    unsafe withCPath(old) { old in unsafe withCPath(new) { unsafe renameat(directory, old, directory, $0) } }
  }
}

/// Names in a directory, without `.` and `..`, sorted by bytes.
func directoryNames(in directory: borrowing OwnedDescriptor) throws(SyscallError) -> [[UInt8]] {
  // fdopendir(3) takes the descriptor over, so it gets one of its own, of its own open file: the position is shared otherwise.
  let own = try openAt(directory.rawValue, Array(".".utf8), flags: O_RDONLY | O_DIRECTORY)
  let raw = own.release()
  guard let stream = unsafe fdopendir(raw) else {
    let failure = SyscallError("fdopendir", currentErrno)
    _ = close(raw)
    throw failure
  }
  defer { _ = unsafe closedir(stream) }
  var found: [[UInt8]] = []
  while true {
    errno = 0
    guard let entry = unsafe readdir(stream) else {
      if errno != 0 { throw SyscallError("readdir", currentErrno) }
      break
    }
    // SAFETY: d_name ends with a NUL inside the entry, which is valid until the next readdir.
    let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { pointer in
      unsafe pointer.withMemoryRebound(to: UInt8.self, capacity: 256) { start in
        unsafe Array(UnsafeBufferPointer(start: start, count: strnlen(pointer, 256)))
      }
    }
    if name != [UInt8(ascii: ".")], name != Array("..".utf8) { found.append(name) }
  }
  return found.sorted { $0.lexicographicallyPrecedes($1) }
}

/// Reads from `offset` on, at most `limit` bytes: pread(2) until the end of the file.
func readPart(_ file: CInt, from offset: Int64, limit: Int) throws(SyscallError) -> [UInt8] {
  var failure: SyscallError?
  let bytes = unsafe [UInt8](unsafeUninitializedCapacity: limit) { room, filled in
    filled = 0
    while filled < limit {
      do throws(SyscallError) {
        let done = filled
        // SAFETY: `done` is less than the capacity, and the kernel writes at most what is left behind it.
        let count = try syscall("pread") { unsafe pread(file, room.baseAddress.unsafelyUnwrapped + done, limit - done, Int(offset) + done) }
        if count == 0 { return }
        filled += count
      } catch {
        failure = error
        return
      }
    }
  }
  if let failure { throw failure }
  return bytes
}

/// The wall clock: CLOCK_REALTIME, see clock_gettime(2).
func wallClock() -> (seconds: Int64, nanoseconds: Int64) {
  var time = timespec()
  // SAFETY: an out parameter that lives for the call.
  _ = unsafe clock_gettime(CLOCK_REALTIME, &time)
  return (Int64(time.tv_sec), Int64(time.tv_nsec))
}

/// Raises the number of descriptors this process may have to what is allowed, and says how many that is.
func raiseDescriptorLimit() -> Int {
  var limit = rlimit()
  let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
  // SAFETY: one structure that lives for both calls.
  guard unsafe getrlimit(resource, &limit) == 0 else { return 1024 }
  if limit.rlim_cur < limit.rlim_max {
    let before = limit.rlim_cur
    limit.rlim_cur = limit.rlim_max
    if unsafe setrlimit(resource, &limit) != 0 { limit.rlim_cur = before }
  }
  return Int(clamping: limit.rlim_cur)
}

/// The value of an environment variable, or nil.
func environmentValue(_ name: String) -> String? {
  // SAFETY: read before any other thread exists; the text is copied at once.
  guard let value = unsafe getenv(name) else { return nil }
  return unsafe String(cString: value)
}

/// Removes a variable from the environment, before any other thread exists.
func removeEnvironmentValue(_ name: String) {
  _ = unsafe unsetenv(name)
}
