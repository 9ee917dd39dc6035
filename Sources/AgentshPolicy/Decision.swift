/// What a rule says, in the policy's own words.
public enum Decision: String, Sendable, Hashable, CaseIterable, Codable {
  case allow
  case deny
  /// Allowed, and recorded even where plain permissions aren't.
  case audit
  /// A person is to decide. Refused by this version.
  case approve
  /// Something else is to happen instead. Refused by this version.
  case redirect
  /// What is deleted is to be kept. Refused by this version.
  case softDelete = "soft_delete"
  /// For signals: the sender is told that it was sent, and nothing is. Not permitted.
  case absorb

  /// Whether a rule with this decision lets something happen in this version.
  public var permits: Bool { self == .allow || self == .audit }
}

/// An operation on a file, as rules name it.
public enum FileOperation: String, CaseIterable, Sendable, Hashable, Codable {
  case read, open, stat, list, readlink, access
  case write, create, mkdir, chmod, chown, rename, delete, rmdir, link, symlink, mknod

  /// What is asked about all that could lie below a directory that is to get another name.
  public static let moved: Set<FileOperation> = [.read, .open, .write, .create, .delete, .rename]

  /// By which something comes to lie below a directory that has been made elsewhere.
  public static let making: Set<FileOperation> = [.create, .mkdir, .symlink, .mknod, .link]

  /// Whether it leaves the file system as it is; the default of unmatched operations depends on it.
  public var isReading: Bool {
    switch self {
    case .read, .open, .stat, .list, .readlink, .access: true
    case .write, .create, .mkdir, .chmod, .chown, .rename, .delete, .rmdir, .link, .symlink, .mknod: false
    }
  }
}

/// An operation on a socket of the Unix domain.
public enum UnixOperation: String, CaseIterable, Sendable, Hashable, Codable { case connect, bind, listen, sendto }

/// An operation on an internet socket.
public enum NetworkOperation: String, CaseIterable, Sendable, Hashable, Codable { case connect, send, bind, listen }

/// The answer of a policy to one question.
public struct Verdict: Sendable, Equatable {
  /// As written in the policy, or the default where no rule matched.
  public let decision: Decision
  /// The rule's name; `file_rules[3]` for one without; `default:file_read` and the like when none matched.
  public let rule: String
  /// For people, variables expanded, no control characters; nil when the rule has none.
  public let message: String?
  /// Whether the operation may happen.
  public let isPermitted: Bool
  /// Of an address with several names: the one that it was decided by; nil where no name was known or none mattered.
  public let host: [UInt8]?
  /// The place that a connection is to go to instead. Such a verdict doesn't permit the connection that was asked for.
  public let redirection: ConnectRedirection?

  public init(decision: Decision, rule: String, message: String? = nil) {
    self.init(decision: decision, rule: rule, message: message, isPermitted: decision.permits)
  }

  public init(
    decision: Decision, rule: String, message: String?, isPermitted: Bool, host: [UInt8]? = nil, redirection: ConnectRedirection? = nil
  ) {
    self.host = host
    self.redirection = redirection
    self.decision = decision
    self.rule = rule
    self.message = message
    self.isPermitted = isPermitted
  }

  /// Whether it is written to the record in any case: everything but a plain allow.
  public var isRecorded: Bool { decision != .allow || !isPermitted }
}
