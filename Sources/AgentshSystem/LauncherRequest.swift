import Glibc

/// What the launcher's child needs to install a filter and to become the command.
public struct LaunchRequest: Sendable {
  /// The seccomp program, an array of `struct sock_filter` (8 bytes each).
  public var filter: [UInt8]
  /// Paths to try in this order, as execvp(3) does.
  public var candidates: [[UInt8]]
  /// argv, at least one.
  public var arguments: [[UInt8]]
  /// `NAME=VALUE` each.
  public var environment: [[UInt8]]
  /// Descriptors above 2 that the command inherits.
  public var keptDescriptors: [CInt]
  /// Bit N: standard descriptor N was closed when the launcher started, and is closed for the command.
  public var closedStandardDescriptors: UInt32
  /// False for a session inside another, whose filter has the listener.
  public var hasListener = true
  /// Who may trace the child where Yama lets only ancestors do it: the supervisor of embedded mode.
  public var tracer: Int32?
  /// The command leaves no core files: the kernel writes them by itself, where nobody is asked.
  public var leavesNoCoreFile = false
  /// The Landlock ruleset that the child goes under; its owner keeps it open until the child has been started.
  public var landlockRuleset: CInt?

  public init(
    filter: [UInt8], candidates: [[UInt8]], arguments: [[UInt8]], environment: [[UInt8]], keptDescriptors: [CInt] = [],
    closedStandardDescriptors: UInt32 = 0, hasListener: Bool = true, tracer: Int32? = nil, landlockRuleset: CInt? = nil
  ) {
    self.filter = filter
    self.candidates = candidates
    self.arguments = arguments
    self.environment = environment
    self.keptDescriptors = keptDescriptors
    self.closedStandardDescriptors = closedStandardDescriptors
    self.hasListener = hasListener
    self.tracer = tracer
    self.landlockRuleset = landlockRuleset
  }
}

/// What the kernel does with the memory of a process that crashes: core(5).
public enum CorePattern {
  /// Whether it writes files. It may hand the memory to a program or a socket of the administrator's instead.
  public static func writesFiles() -> Bool {
    let first = (try? readSmallFile(at: AT_FDCWD, Array("/proc/sys/kernel/core_pattern".utf8), limit: 512))?.first
    return first != UInt8(ascii: "|") && first != UInt8(ascii: "@")
  }
}

/// What the launcher's child was doing when it reported; each word is a stage of the launch.
public enum LaunchStage: Int32, Sendable {
  case parent = 1
  case signals = 2
  case tracer = 3
  case privileges = 4
  case landlock = 5
  case filter = 6
  case listening = 7
  case go = 8
  case nonce = 9
  case descriptors = 10
  case unshared = 11
  case exec = 12

  /// What it wanted, to go on after "can't".
  public var intention: String {
    switch self {
    case .parent: "tie the command to its launcher"
    case .signals: "restore the signal dispositions"
    case .tracer: "let the supervisor trace the command"
    case .privileges: "give up core files and privileges (RLIMIT_CORE, no_new_privs)"
    case .landlock: "put the floor under the command (Landlock)"
    case .filter, .listening: "install the system call filter"
    case .go: "wait for the supervisor"
    case .nonce: "prove to the supervisor that the filter is in force"
    case .descriptors: "separate the descriptor table"
    case .unshared, .exec: "execute the command"
    }
  }
}

/// One report of the launcher's child.
public struct LaunchReport: Sendable, Equatable {
  public let stage: LaunchStage
  /// 0, or the errno that ended the launch at this stage.
  public let error: Int32
  /// For `listening` the listener's number in the shared table (-1: there is none), for `exec` the index of the candidate.
  public let value: Int32
}
