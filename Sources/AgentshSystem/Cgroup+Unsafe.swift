internal import CAgentshSystem
import Glibc
import SystemPackage

func openDirectory(_ path: [UInt8]) throws(SyscallError) -> OwnedDescriptor {
  try openAt(AT_FDCWD, path, flags: O_RDONLY | O_DIRECTORY)
}

/// Whether the directory is there now.
func makeDirectory(_ path: [UInt8]) -> Bool {
  // SAFETY: the pointer is used for the call only.
  unsafe withCPath(path) { unsafe mkdir($0, 0o755) == 0 } || currentErrno == .fileExists
}

func makeNewDirectory(_ path: [UInt8]) throws(SyscallError) {
  try syscall("mkdir", subject: displayedPath(path)) {
    // SAFETY: the pointer is used for the call only.
    unsafe withCPath(path) { unsafe mkdir($0, 0o755) }
  }
}

func removeDirectory(_ path: [UInt8]) {
  // SAFETY: the pointer is used for the call only.
  _ = unsafe withCPath(path) { unsafe rmdir($0) }
}

func removeEmptyDirectory(_ path: [UInt8]) throws(SyscallError) {
  try syscall("rmdir", subject: displayedPath(path)) {
    // SAFETY: the pointer is used for the call only.
    unsafe withCPath(path) { unsafe rmdir($0) }
  }
}
