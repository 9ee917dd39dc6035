public import SystemPackage

/// Whom a started program acts as, and what it may do beyond that.
public struct SpawnIdentity: Sendable, Equatable {
  public var uid: UInt32
  public var gid: UInt32
  /// Supplementary groups.
  public var groups: [UInt32]
  /// Bit mask of capabilities(7) numbers: all that is left in every set, the bounding set included.
  public var capabilities: UInt64

  public init(uid: UInt32, gid: UInt32, groups: [UInt32], capabilities: UInt64) {
    self.uid = uid
    self.gid = gid
    self.groups = groups
    self.capabilities = capabilities
  }
}

/// Why a program could not be started: at which stage between clone and exec, with which errno.
public struct SpawnError: Error, Sendable, Equatable, CustomStringConvertible {
  public let path: [UInt8]
  public let stage: String
  public let errno: Errno

  /// What the caller's process has to have where this is what it lacks.
  var need: String?

  public var description: String {
    "can't start \(displayedPath(path)): \(stage): \(errno)" + (errno == .notPermitted ? need.map { "; that takes \($0)" } ?? "" : "")
  }
}

/// A child process: its number, and a pidfd that is readable once it has ended.
@frozen public struct SpawnedProcess: ~Copyable, Sendable {
  public let pid: Int32
  public let pidfd: Pidfd

  init(pid: Int32, pidfd: consuming Pidfd) {
    self.pid = pid
    self.pidfd = pidfd
  }
}
