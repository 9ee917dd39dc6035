import CTestSupport
import Glibc

// The C library's calls on paths as text, for what a test sets up. None of them decides anything.

public func makeDirectory(_ path: String, mode: UInt32 = 0o755, owner: UInt32? = nil) {
  unsafe mkdir(path, mode)
  unsafe chmod(path, mode)
  if let owner { unsafe chown(path, owner, owner) }
}

public func makeFIFO(_ path: String, owner: UInt32) {
  unsafe mkfifo(path, 0o600)
  unsafe chown(path, owner, owner)
}

public func changeMode(_ path: String, _ mode: UInt32) { unsafe chmod(path, mode) }
public func changeOwner(_ path: String, _ owner: UInt32) { unsafe chown(path, owner, owner) }
public func removeFile(_ path: String) { unsafe unlink(path) }
public func removeDirectory(_ path: String) { unsafe rmdir(path) }
public func exists(_ path: String) -> Bool { unsafe access(path, F_OK) == 0 }
public func isExecutable(_ path: String) -> Bool { unsafe access(path, X_OK) == 0 }

/// Connects with `uid` as the effective uid; -1 when that fails.
public func connect(to path: String, as uid: UInt32) -> CInt { unsafe ct_connect_as(uid, path) }
