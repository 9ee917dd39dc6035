/// What a filter does with one call, for `agentsh policy explain`.
public struct CallExplanation: Sendable, Hashable {
  public enum Effect: String, Sendable {
    case allowed
    case refused
    case trapped
    /// Depends on the registers.
    case mixed
  }
  public let name: String
  public let kind: SyscallClass
  public let effect: Effect
  /// Whether the supervisor is asked, for some registers at least.
  public let reachesSupervisor: Bool
  /// Whether the filter refuses it, for some registers at least.
  public let isRefused: Bool
  /// Whether it reaches the supervisor only to be refused there, and recorded.
  public let isTold: Bool
  public let reason: String
}

extension FilterSpecification {
  /// Every call that exists on `architecture`, in the order of the table.
  public func explain(architecture: Architecture = .native) throws(FilterError) -> [CallExplanation] {
    var explanations: [CallExplanation] = []
    for call in SyscallTable.all where call.number(on: architecture) != nil {
      let actions = Set(try rules(for: call).map(\.action))
      let effect: CallExplanation.Effect =
        switch (actions.count, actions.first) {
        case (1, .allow): .allowed
        case (1, .notify): .trapped
        case (1, .errno): .refused
        default: .mixed
        }
      let isRefused = actions.contains { if case .errno = $0 { true } else { false } }
      // What a policy has let through is told nobody.
      let isTold = call.isTold && call.trapClasses.isEmpty && actions.contains(.notify)
      explanations.append(
        CallExplanation(
          name: call.name, kind: call.kind, effect: effect, reachesSupervisor: actions.contains(.notify), isRefused: isRefused, isTold: isTold,
          reason: call.reason))
    }
    return explanations
  }
}
