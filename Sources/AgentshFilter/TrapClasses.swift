/// Groups of system calls that a policy can ask the supervisor to decide. What isn't asked for is not trapped and costs nothing.
public struct TrapClasses: OptionSet, Sendable, Hashable {
  public let rawValue: UInt32

  public init(rawValue: UInt32) {
    self.rawValue = rawValue
  }

  /// Every open, read-only ones included.
  public static let readOpens = TrapClasses(rawValue: 1 << 0)
  /// Opens that write, create or truncate, told apart by the flags register. openat2(2) has its flags in memory and is always trapped with them.
  public static let writeOpens = TrapClasses(rawValue: 1 << 1)
  /// Names and permissions: mkdir, unlink, rename, link, truncate, chmod, chown and their variants.
  public static let fileChanges = TrapClasses(rawValue: 1 << 2)
  /// Times, extended attributes and attribute flags.
  public static let metadata = TrapClasses(rawValue: 1 << 3)
  /// execve(2), execveat(2).
  public static let exec = TrapClasses(rawValue: 1 << 4)
  /// Addresses of inet sockets.
  public static let network = TrapClasses(rawValue: 1 << 5)
  /// Addresses of Unix sockets. The same calls as `network`: the family is known only once the socket is looked at.
  public static let unixSockets = TrapClasses(rawValue: 1 << 6)
  /// listen(2), for policies that decide it apart from bind(2).
  public static let listening = TrapClasses(rawValue: 1 << 7)
  /// Signals to processes, and handing a descriptor's SIGIO to another process.
  public static let signals = TrapClasses(rawValue: 1 << 8)
  /// The one prctl(2) that carries the session's nonce; see `FilterSpecification.nonceOption`.
  public static let nonce = TrapClasses(rawValue: 1 << 9)
  /// Not trapped: where it is asked for, no socket that reaches another machine can be made.
  public static let internetSockets = TrapClasses(rawValue: 1 << 10)

  /// All that the supervisor can be asked to decide.
  public static let all: TrapClasses = named.reduce(into: []) { $0.formUnion($1.trapClass) }

  /// Name and class of each that is trapped, in the order in which they are explained.
  public static let named: [(name: String, trapClass: TrapClasses)] = [
    ("read-only opens", .readOpens), ("opens for writing", .writeOpens), ("file changes", .fileChanges), ("times and attributes", .metadata),
    ("programs", .exec), ("network addresses", .network), ("unix sockets", .unixSockets), ("listening", .listening), ("signals", .signals),
    ("session nonce", .nonce),
  ]
}
