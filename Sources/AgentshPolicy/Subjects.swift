/// A program that is about to be executed, under all the names that lead to it.
public struct CommandSubject: Sendable {
  /// Where the kernel says that the executable is.
  public var canonicalPath: [UInt8]
  /// Other absolute names that it was reached by and that only root can change (such as `/usr/bin/python3`).
  public var trustedNames: [[UInt8]]
  /// Names that the target could have chosen: the path it gave, links of its own, argv[0].
  public var untrustedNames: [[UInt8]]
  /// argv[1...].
  public var arguments: [[UInt8]]
  /// 0 for the command of `agentsh wrap` itself, 1 for what it starts, and so on; nil when that isn't known.
  public var depth: Int?

  public init(
    canonicalPath: [UInt8], trustedNames: [[UInt8]] = [], untrustedNames: [[UInt8]] = [], arguments: [[UInt8]] = [],
    depth: Int? = nil
  ) {
    self.canonicalPath = canonicalPath
    self.trustedNames = trustedNames
    self.untrustedNames = untrustedNames
    self.arguments = arguments
    self.depth = depth
  }
}

/// The transport of an internet socket.
public enum NetworkProtocol: Sendable, Hashable { case tcp, udp, other(Int32) }

/// An internet address that is about to be used.
public struct NetworkSubject: Sendable {
  public var operation: NetworkOperation
  /// Nil when only a name is known, which never permits by address.
  public var address: IPAddress?
  public var port: UInt16
  public var proto: NetworkProtocol
  /// The names by which this session has looked the address up; in any order and spelling, none where it hasn't.
  public var hosts: [[UInt8]]
  /// Whether it is about the address alone, with whatever port: permitted where some port could be.
  public var isAnyPort: Bool

  public init(
    operation: NetworkOperation, address: IPAddress?, port: UInt16, proto: NetworkProtocol = .tcp, hosts: [[UInt8]] = [], isAnyPort: Bool = false
  ) {
    self.operation = operation
    self.address = address
    self.port = port
    self.proto = proto
    self.hosts = hosts
    self.isAnyPort = isAnyPort
  }
}

/// The address of a socket of the Unix domain (unix(7)).
public enum UnixAddress: Sendable, Hashable {
  /// The canonical path of the socket.
  case path([UInt8])
  /// The name in the abstract namespace, without its leading NUL.
  case abstract([UInt8])
  /// No address: nobody can be reached by it.
  case unnamed
}

/// How the receiver of a signal stands to its sender; a closer relation implies the wider ones.
///
/// The source is what the supervisor knows of the session's processes, never what the target says.
public struct SignalRelation: Sendable, Hashable {
  struct Kinds: OptionSet, Sendable, Hashable {
    let rawValue: UInt16
    static let itself = Kinds(rawValue: 1 << 0)
    static let child = Kinds(rawValue: 1 << 1)
    static let descendant = Kinds(rawValue: 1 << 2)
    static let sibling = Kinds(rawValue: 1 << 3)
    static let parent = Kinds(rawValue: 1 << 4)
    static let session = Kinds(rawValue: 1 << 5)
    static let external = Kinds(rawValue: 1 << 6)
    static let system = Kinds(rawValue: 1 << 7)
    static let user = Kinds(rawValue: 1 << 8)
  }

  var kinds: Kinds
  /// The receiver's process id, for rules with `pid_range`; nil where it isn't known.
  public var pid: Int32?
  /// The receiver's name (`/proc/PID/comm`), for rules with `process`; nil where it isn't known.
  public var name: [UInt8]?

  init(_ kinds: Kinds, pid: Int32? = nil, name: [UInt8]? = nil) {
    self.kinds = kinds
    self.pid = pid
    self.name = name
  }

  /// The sender itself.
  public static let self_ = SignalRelation([.itself, .session])
  /// A child of the sender.
  public static let child = SignalRelation([.child, .descendant, .session])
  /// A child of a child, and so on.
  public static let descendant = SignalRelation([.descendant, .session])
  /// A child of the sender's parent.
  public static let sibling = SignalRelation([.sibling, .session])
  /// The sender's parent, inside the session.
  public static let parent = SignalRelation([.parent, .session])
  /// The sender's parent where that is outside the session, such as the launcher.
  public static let parentOutside = SignalRelation([.parent, .external])
  /// Any other process of the session.
  public static let session = SignalRelation([.session])
  /// A process outside the session.
  public static func external(sameUser: Bool, pid: Int32? = nil, name: [UInt8]? = nil) -> SignalRelation {
    SignalRelation(sameUser ? [.external, .user] : [.external], pid: pid, name: name)
  }
  /// init, a kernel thread, or a part of agentsh: outside the session.
  public static let system = SignalRelation([.external, .system])

  /// The same relation, with what is known of the receiver.
  public func with(pid: Int32? = nil, name: [UInt8]? = nil) -> SignalRelation {
    var copy = self
    copy.pid = pid ?? self.pid
    copy.name = name ?? self.name
    return copy
  }

  /// Whether the receiver is part of the sender's session.
  public var isInSession: Bool { kinds.contains(.session) }
}
