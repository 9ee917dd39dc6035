import CAgentshSystem

/// A version of Landlock's interface, as landlock_create_ruleset(2) numbers them: what a ruleset can hold depends on it.
public struct LandlockABI: RawRepresentable, Sendable, Hashable, Comparable {
  public let rawValue: Int32
  public init(rawValue: Int32) { self.rawValue = rawValue }

  /// The kernel has no Landlock, or it isn't switched on.
  public static let none = LandlockABI(rawValue: 0)
  /// 5.13.
  public static let files = LandlockABI(rawValue: 1)
  /// 5.19: files may be moved between directories.
  public static let referring = LandlockABI(rawValue: 2)
  /// 6.2.
  public static let truncating = LandlockABI(rawValue: 3)
  /// 6.7.
  public static let ports = LandlockABI(rawValue: 4)
  /// 6.10.
  public static let deviceRequests = LandlockABI(rawValue: 5)
  /// 6.12.
  public static let scopes = LandlockABI(rawValue: 6)

  /// What the running kernel has.
  public static var running: LandlockABI { LandlockABI(rawValue: max(0, ash_landlock_abi())) }

  public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }

  /// Rights on files that a ruleset of this version can hold.
  public var rights: LandlockRights {
    if self < .files { return [] }
    var rights = LandlockRights.all
    if self < .referring { rights.remove(.refer) }
    if self < .truncating { rights.remove(.truncate) }
    if self < .deviceRequests { rights.remove(.ioctlDev) }
    return rights
  }

  public func has(_ ability: LandlockAbility) -> Bool { self >= ability.since }

  /// What it can hold, for people.
  public var summary: String { LandlockAbility.allCases.filter(has).map(\.rawValue).joined(separator: ", ") }
}

/// Something that a ruleset may hold, by the name under which the record and `agentsh detect` say that a kernel can't.
public enum LandlockAbility: String, Sendable, CaseIterable {
  case files
  case moving = "moving between directories"
  case truncation
  case tcpPorts = "TCP ports"
  case deviceRequests = "device requests"
  case signals
  case abstractSockets = "abstract sockets"

  /// The first version that has it.
  public var since: LandlockABI {
    switch self {
    case .files: .files
    case .moving: .referring
    case .truncation: .truncating
    case .tcpPorts: .ports
    case .deviceRequests: .deviceRequests
    case .signals, .abstractSockets: .scopes
    }
  }
}

/// What can be done to files: LANDLOCK_ACCESS_FS_* of landlock(7).
public struct LandlockRights: OptionSet, Sendable, Hashable {
  public let rawValue: UInt64
  public init(rawValue: UInt64) { self.rawValue = rawValue }

  public static let execute = LandlockRights(rawValue: ASH_LANDLOCK_FS_EXECUTE)
  public static let writeFile = LandlockRights(rawValue: ASH_LANDLOCK_FS_WRITE_FILE)
  public static let readFile = LandlockRights(rawValue: ASH_LANDLOCK_FS_READ_FILE)
  public static let readDir = LandlockRights(rawValue: ASH_LANDLOCK_FS_READ_DIR)
  public static let removeDir = LandlockRights(rawValue: ASH_LANDLOCK_FS_REMOVE_DIR)
  public static let removeFile = LandlockRights(rawValue: ASH_LANDLOCK_FS_REMOVE_FILE)
  public static let makeChar = LandlockRights(rawValue: ASH_LANDLOCK_FS_MAKE_CHAR)
  public static let makeDir = LandlockRights(rawValue: ASH_LANDLOCK_FS_MAKE_DIR)
  public static let makeReg = LandlockRights(rawValue: ASH_LANDLOCK_FS_MAKE_REG)
  public static let makeSock = LandlockRights(rawValue: ASH_LANDLOCK_FS_MAKE_SOCK)
  public static let makeFifo = LandlockRights(rawValue: ASH_LANDLOCK_FS_MAKE_FIFO)
  public static let makeBlock = LandlockRights(rawValue: ASH_LANDLOCK_FS_MAKE_BLOCK)
  public static let makeSym = LandlockRights(rawValue: ASH_LANDLOCK_FS_MAKE_SYM)
  public static let refer = LandlockRights(rawValue: ASH_LANDLOCK_FS_REFER)
  public static let truncate = LandlockRights(rawValue: ASH_LANDLOCK_FS_TRUNCATE)
  public static let ioctlDev = LandlockRights(rawValue: ASH_LANDLOCK_FS_IOCTL_DEV)

  public static let all = LandlockRights(rawValue: (1 << 16) - 1)
  /// Those that something other than a directory can have.
  public static let ofFiles: LandlockRights = [.execute, .writeFile, .readFile, .truncate, .ioctlDev]
  public static let making: LandlockRights = [.makeChar, .makeDir, .makeReg, .makeSock, .makeFifo, .makeBlock, .makeSym]
}
