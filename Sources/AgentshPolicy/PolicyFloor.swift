/// What can be done to files below a directory, by the names and values of landlock(7): LANDLOCK_ACCESS_FS_*.
public struct FloorRights: OptionSet, Sendable, Hashable {
  public let rawValue: UInt64
  public init(rawValue: UInt64) { self.rawValue = rawValue }

  public static let execute = FloorRights(rawValue: 1 << 0)
  public static let writeFile = FloorRights(rawValue: 1 << 1)
  public static let readFile = FloorRights(rawValue: 1 << 2)
  public static let readDir = FloorRights(rawValue: 1 << 3)
  public static let removeDir = FloorRights(rawValue: 1 << 4)
  public static let removeFile = FloorRights(rawValue: 1 << 5)
  public static let makeChar = FloorRights(rawValue: 1 << 6)
  public static let makeDir = FloorRights(rawValue: 1 << 7)
  public static let makeReg = FloorRights(rawValue: 1 << 8)
  public static let makeSock = FloorRights(rawValue: 1 << 9)
  public static let makeFifo = FloorRights(rawValue: 1 << 10)
  public static let makeBlock = FloorRights(rawValue: 1 << 11)
  public static let makeSym = FloorRights(rawValue: 1 << 12)
  /// ABI 2.
  public static let refer = FloorRights(rawValue: 1 << 13)
  /// ABI 3.
  public static let truncate = FloorRights(rawValue: 1 << 14)
  /// ABI 5.
  public static let ioctlDev = FloorRights(rawValue: 1 << 15)

  public static let all = FloorRights(rawValue: (1 << 16) - 1)

  /// Rights that can be given on something that is no directory.
  public static let ofFiles: FloorRights = [.execute, .writeFile, .readFile, .truncate, .ioctlDev]
  /// Making a name for something other than a directory.
  static let makesFiles: FloorRights = [.makeChar, .makeReg, .makeSock, .makeFifo, .makeBlock, .makeSym]
}

/// The static part of a policy, which Landlock holds under everything that the supervisor decides: nothing outside it can happen, whatever is
/// answered. It is always a superset of what the policy permits.
///
/// A ruleset names objects, not paths: an anchor that doesn't exist when a session starts, or that can't be reached by the caller, is replaced by its
/// nearest existing ancestor, so that nothing which the policy permits later is held back. So no call may be left to the floor alone on the strength
/// of an anchor that can be missing.
public struct PolicyFloor: Sendable, Equatable {
  public struct Grant: Sendable, Hashable {
    /// Absolute, and neither it nor a directory above it can be moved or removed by what the policy permits.
    public let path: [UInt8]
    /// Rights on it and on all below it.
    public var rights: FloorRights

    public init(path: [UInt8], rights: FloorRights) {
      self.path = path
      self.rights = rights
    }
  }

  /// None lies below another that has all its rights; in the order of their paths.
  public var grants: [Grant]
  /// Where a system's loaders lie (PT_INTERP), which every program needs although no rule speaks of them: `execute`, where there is such a directory.
  /// Empty where programs may lie anywhere.
  public var loaderDirectories: [[UInt8]]
  /// Ports that a TCP socket may be connected to; nil: not held by the floor.
  public var tcpConnectPorts: [UInt16]?
  /// Ports that a TCP socket may be bound to; nil: not held by the floor.
  public var tcpBindPorts: [UInt16]?
  /// No signal leaves the session. For targets: a supervisor signals them from outside.
  public var scopesSignals: Bool
  /// No abstract Unix socket that was made outside the session can be connected to. For targets: those that they make are outside for a supervisor.
  public var scopesAbstractSockets: Bool
  /// Rights that the policy decides by nothing but trees, so that the grants can be all there is to ask. Whether they are shows when they are placed.
  var claims: [Claim] = []
  /// Rights of which the grants say exactly what the policy says, so that nobody else has to be asked. Known only when the floor has been placed
  /// (`placed`), and true only where it is installed with these rights.
  public internal(set) var exactRights: FloorRights = []

  /// Whether there may be exact rights once it is placed.
  public var mayBeExact: Bool { !claims.isEmpty }

  /// That a policy permits what needs a right below these directories, each of which stays where it is, and nowhere else.
  struct Claim: Sendable, Equatable {
    let right: FloorRights
    let trees: [[UInt8]]
  }

  public init(
    grants: [Grant], loaderDirectories: [[UInt8]] = [], tcpConnectPorts: [UInt16]? = nil, tcpBindPorts: [UInt16]? = nil,
    scopesSignals: Bool = false, scopesAbstractSockets: Bool = false
  ) {
    self.grants = grants
    self.loaderDirectories = loaderDirectories
    self.tcpConnectPorts = tcpConnectPorts
    self.tcpBindPorts = tcpBindPorts
    self.scopesSignals = scopesSignals
    self.scopesAbstractSockets = scopesAbstractSockets
  }

  /// A floor that holds nothing.
  public static let everything = PolicyFloor(grants: [Grant(path: [UInt8(ascii: "/")], rights: .all)])
}
