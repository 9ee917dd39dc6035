/// What a session's filter has to do.
public struct FilterSpecification: Sendable, Hashable {
  /// The option of the prctl(2) that proves, right after the filter was installed, which listener belongs to it: "ASH1".
  public static let nonceOption: UInt32 = 0x4153_4831
  /// The second argument of that prctl(2) by which a process of a running session asks its supervisor what was refused; the third is the number of an
  /// empty memfd that the answer is written to: "why?".
  public static let refusalsRequest: UInt64 = 0x7768_793F
  /// Fourth argument of that call from inside a session that permits others inside: it asks for a connection to the server.
  public static let door: UInt64 = 1

  /// What the supervisor decides. The nonce is always among it.
  public let traps: TrapClasses
  /// Groups (`RestrictedGroup`) and names of calls that the policy permits although every session is refused them.
  public let permitted: Set<String>
  /// Whether refusals that people will ask about (`RestrictedGroup.isTold`) are sent to the supervisor, which refuses and records them.
  public let tellsRefusals: Bool
  /// Whether the filter brings a listener with it. One that doesn't is put on top of one that does and traps every class: what is to be decided is let
  /// through to that one, and only refusals stand in it. (Without a listener of its own, what it traps would fail with ENOSYS.)
  public let hasListener: Bool

  /// Names in `permitted` that stand for nothing are an error of `FilterCompiler.compile`.
  public init(traps: TrapClasses, permitted: Set<String> = [], tellsRefusals: Bool = false, hasListener: Bool = true) {
    self.traps = traps.union(.nonce)
    self.tellsRefusals = tellsRefusals && hasListener
    self.hasListener = hasListener
    self.permitted = permitted
  }

  /// The same, and no socket that reaches another machine can be made.
  public var withoutInternet: FilterSpecification {
    FilterSpecification(traps: traps.union(.internetSockets), permitted: permitted, tellsRefusals: tellsRefusals, hasListener: hasListener)
  }

  /// What is decided when a call is to be decided by the supervisor: it is sent there, or let through to the filter below, which sends it.
  var asking: FilterAction { hasListener ? .notify : .allow }

  /// Whether `name` is a group or a call that a policy can permit.
  public static func isRestrictedName(_ name: String) -> Bool {
    RestrictedGroup(rawValue: name) != nil || SyscallTable.named(name)?.isRestricted == true
  }

  func permits(_ call: String, _ group: RestrictedGroup?) -> Bool {
    permitted.contains(call) || group.map { permitted.contains($0.rawValue) } ?? false
  }
}
