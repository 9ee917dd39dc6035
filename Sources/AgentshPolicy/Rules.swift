import AgentshText

/// What every rule has, as read from the file.
struct RuleHead: Sendable {
  /// As written, or the place in the list.
  let name: String
  let decision: Decision
  let message: String?
}

struct FileRule: Sendable {
  let head: RuleHead
  let paths: [GlobTemplate]
  /// Empty for all.
  let operations: [FileOperation]
}

struct CommandRule: Sendable {
  let head: RuleHead
  /// Empty for all.
  let commands: [GlobTemplate]
  let hasCommands: Bool
  /// Any of them; none for any arguments.
  let arguments: [Pattern]
  let minDepth: Int
  /// Nil for no limit.
  let maxDepth: Int?
}

struct NetworkRule: Sendable {
  let head: RuleHead
  let domains: [GlobTemplate]
  /// Whether one of the domains is `*`.
  let anyDomain: Bool
  /// Addresses that stand among the domains.
  let addresses: [CIDR]
  let cidrs: [CIDR]
  let ports: [ClosedRange<UInt16>]
  let operations: [NetworkOperation]
}

struct UnixRule: Sendable {
  let head: RuleHead
  let paths: [GlobTemplate]
  /// Empty for all.
  let operations: [UnixOperation]
}

struct SignalRule: Sendable {
  let head: RuleHead
  let signals: SignalSet
  let target: SignalTarget
}

enum SignalTarget: Sendable {
  case kind(SignalRelation.Kinds)
  case process(Glob)
  case pids(ClosedRange<Int32>)
}

/// Signals by number, 0 to 64.
struct SignalSet: Sendable, Hashable {
  private var low: UInt64 = 0
  private var has64 = false

  static let all: SignalSet = {
    var set = SignalSet()
    for number in 0...64 { set.insert(number) }
    return set
  }()

  mutating func insert(_ number: Int) {
    if number == 64 { has64 = true } else if (0..<64).contains(number) { low |= 1 << UInt64(number) }
  }

  func contains(_ number: Int32) -> Bool {
    number == 64 ? has64 : (0..<64).contains(number) && low >> UInt64(number) & 1 == 1
  }
}

/// What happens where no rule matches.
struct Defaults: Sendable {
  var fileRead = Decision.allow
  var fileWrite = Decision.deny
  var command = Decision.deny
  var network = Decision.deny
  var unix = Decision.deny
  /// Nil: allowed within the session, refused beyond it.
  var signal: Decision?
}
