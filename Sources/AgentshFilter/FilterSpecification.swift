/// What a session's filter has to do.
public struct FilterSpecification: Sendable, Hashable {
  /// The option of the prctl(2) that proves, right after the filter was installed, which listener belongs to it: "ASH1".
  public static let nonceOption: UInt32 = 0x4153_4831
  /// The second argument of that prctl(2) by which a process of a running session asks its supervisor what was refused; the third is the number of an
  /// empty memfd that the answer is written to: "why?".
  public static let refusalsRequest: UInt64 = 0x7768_793F

  /// What the supervisor decides. The nonce is always among it.
  public let traps: TrapClasses
  /// Groups (`RestrictedGroup`) and names of calls that the policy permits although every session is refused them.
  public let permitted: Set<String>
  /// Whether refused mounts and namespaces are sent to the supervisor, which refuses and records them.
  public let tellsRefusals: Bool

  /// Names in `permitted` that stand for nothing are an error of `FilterCompiler.compile`.
  public init(traps: TrapClasses, permitted: Set<String> = [], tellsRefusals: Bool = false) {
    self.traps = traps.union(.nonce)
    self.tellsRefusals = tellsRefusals
    self.permitted = permitted
  }

  /// The same, and no socket that reaches another machine can be made.
  public var withoutInternet: FilterSpecification {
    FilterSpecification(traps: traps.union(.internetSockets), permitted: permitted, tellsRefusals: tellsRefusals)
  }

  /// Whether `name` is a group or a call that a policy can permit.
  public static func isRestrictedName(_ name: String) -> Bool {
    RestrictedGroup(rawValue: name) != nil || SyscallTable.named(name)?.isRestricted == true
  }

  func permits(_ call: String, _ group: RestrictedGroup?) -> Bool {
    permitted.contains(call) || group.map { permitted.contains($0.rawValue) } ?? false
  }
}
