import AgentshSystem
import CAgentshSystem
import Glibc

/// System calls that take paths as the calls that are performed for targets make them: the result as it comes, errno as it was set.
enum PathCalls {
  // SAFETY, for all: each path lives for the call it is passed to, which keeps nothing of it.

  static func makeDirectory(_ directory: CInt, _ name: [UInt8], _ mode: mode_t) -> CInt {
    unsafe withCPath(name) { unsafe mkdirat(directory, $0, mode) }
  }

  static func makeNode(_ directory: CInt, _ name: [UInt8], _ mode: mode_t, _ device: dev_t) -> CInt {
    unsafe withCPath(name) { unsafe mknodat(directory, $0, mode, device) }
  }

  static func makeSymbolicLink(_ text: [UInt8], _ directory: CInt, _ name: [UInt8]) -> CInt {
    unsafe withCPath(text) { text in unsafe withCPath(name) { unsafe symlinkat(text, directory, $0) } }
  }

  static func unlink(_ directory: CInt, _ name: [UInt8], _ flags: CInt) -> CInt {
    unsafe withCPath(name) { unsafe unlinkat(directory, $0, flags) }
  }

  static func rename(_ from: CInt, _ old: [UInt8], _ to: CInt, _ new: [UInt8], _ flags: UInt32) -> CInt {
    unsafe withCPath(old) { old in unsafe withCPath(new) { unsafe ash_renameat2(from, old, to, $0, flags) } }
  }

  static func link(_ from: CInt, _ old: [UInt8], _ to: CInt, _ new: [UInt8], _ flags: CInt) -> CInt {
    unsafe withCPath(old) { old in unsafe withCPath(new) { unsafe linkat(from, old, to, $0, flags) } }
  }

  static func truncate(_ path: [UInt8], _ length: off_t) -> CInt { unsafe withCPath(path) { unsafe Glibc.truncate($0, length) } }

  static func changeMode(_ path: [UInt8], _ mode: mode_t) -> CInt { unsafe withCPath(path) { unsafe chmod($0, mode) } }

  /// Of what the descriptor stands for.
  static func changeOwner(_ descriptor: CInt, _ owner: uid_t, _ group: gid_t) -> CInt {
    unsafe withCPath([]) { unsafe fchownat(descriptor, $0, owner, group, AT_EMPTY_PATH) }
  }

  /// Whether this process's effective identity may use what the descriptor stands for in that way (R_OK, W_OK, X_OK): faccessat2(2).
  static func mayAccess(_ descriptor: CInt, _ mode: CInt) -> Bool {
    unsafe withCPath([]) { unsafe ash_faccessat2(descriptor, $0, mode, AT_EMPTY_PATH | AT_EACCESS) } == 0
  }
}
