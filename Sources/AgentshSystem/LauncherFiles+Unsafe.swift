import CAgentshSystem
import Glibc
import SystemPackage

/// Throws unless the caller may use `path` in this way (F_OK, R_OK, W_OK, X_OK); final links are followed. See faccessat(2).
public func checkAccess(_ path: [UInt8], _ mode: CInt) throws(SyscallError) {
  // SAFETY: the path lives for the call.
  try syscall("faccessat", subject: String(decoding: path, as: UTF8.self)) { unsafe withCPath(path) { unsafe faccessat(AT_FDCWD, $0, mode, 0) } }
}

/// Changes the working directory of this process; see chdir(2).
public func changeDirectory(_ path: [UInt8]) throws(SyscallError) {
  // SAFETY: the path lives for the call.
  try syscall("chdir", subject: String(decoding: path, as: UTF8.self)) { unsafe withCPath(path) { unsafe chdir($0) } }
}

/// The working directory, absolute and canonical; ENOENT when it was removed. See getcwd(2).
public func workingDirectory() throws(SyscallError) -> [UInt8] {
  var buffer = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
  let capacity = buffer.count
  // SAFETY: the buffer has the capacity that is passed with it.
  guard unsafe getcwd(&buffer, capacity) != nil else { throw SyscallError("getcwd", currentErrno) }
  let path = buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
  // "(unreachable)…": the directory lies outside this process's root.
  guard path.first == UInt8(ascii: "/") else { throw SyscallError("getcwd", .noSuchFileOrDirectory) }
  return path
}

/// Keeps other processes of the same user from tracing this one, reading its memory and taking its descriptors: prctl(PR_SET_DUMPABLE).
public func refuseTracing() throws(SyscallError) {
  try syscall("prctl") { ash_prctl(4, 0, 0, 0, 0) }
}

/// Takes that back, and what a setuid execution brings: other processes of the same user may look at this one again. prctl(PR_SET_DUMPABLE).
public func permitTracing() throws(SyscallError) {
  try syscall("prctl") { ash_prctl(4, 1, 0, 0, 0) }
}

/// Makes orphaned descendants this process's children: prctl(PR_SET_CHILD_SUBREAPER).
public func becomeSubreaper() throws(SyscallError) {
  try syscall("prctl") { ash_prctl(36, 1, 0, 0, 0) }
}

/// Makes a directory that only this user can enter, its name random in place of the template's last six `X`: mkdtemp(3).
public func makeTemporaryDirectory(_ template: [UInt8]) throws(SyscallError) -> [UInt8] {
  var name = template.map { CChar(bitPattern: $0) } + [0]
  // SAFETY: the buffer ends with a NUL and is changed in place.
  guard unsafe mkdtemp(&name) != nil else {
    throw SyscallError("mkdtemp", currentErrno, String(decoding: template, as: UTF8.self))
  }
  return name.dropLast().map { UInt8(bitPattern: $0) }
}

/// Makes a directory with these permissions; nothing happens where one is already. See mkdir(2).
public func makeDirectory(_ path: [UInt8], mode: UInt32) throws(SyscallError) {
  do throws(SyscallError) {
    try syscall("mkdir", subject: String(decoding: path, as: UTF8.self)) { unsafe withCPath(path) { unsafe mkdir($0, mode) } }
  } catch {
    guard error.errno == .fileExists else { throw error }
  }
}

/// Removes a file's name, or an empty directory. See unlinkat(2).
public func removeName(_ path: [UInt8], isDirectory: Bool = false) throws(SyscallError) {
  let flags = isDirectory ? AT_REMOVEDIR : 0
  try syscall("unlinkat", subject: String(decoding: path, as: UTF8.self)) { unsafe withCPath(path) { unsafe unlinkat(AT_FDCWD, $0, flags) } }
}
