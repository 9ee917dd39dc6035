public import AgentshFilter
public import AgentshPolicy

extension FilterSpecification {
  /// What a session's filter has to trap so that `policy` can be enforced, and what it lets through beyond what every session is refused.
  ///
  /// The server, the embedded launcher and `policy explain` ask here and nowhere else, so that what is explained is what is installed. A server that
  /// doesn't look for the caller's repository itself binds the policy with the project's root as `${GIT_ROOT}`: trapping more than is
  /// needed costs time, trapping less would let something through.
  ///
  /// - Parameters:
  ///   - needs: what the bound policy wants decided.
  ///   - allowedCalls: the policy's `syscalls: {allow: […]}`.
  ///   - exactRights: those of a floor that will be installed before the filter (`PolicyFloor.exactRights`); none where no floor is. What
  ///     Landlock decides as the policy does isn't trapped.
  public init(needs: SupervisionNeeds, allowedCalls: Set<String>, exactRights: FloorRights = []) {
    var traps: TrapClasses = []
    if needs.readOpens != nil, !exactRights.isSuperset(of: .reading) { traps.insert(.readOpens) }
    if needs.writeOpens != nil { traps.insert(.writeOpens) }
    // Times and attributes change files as `write` and `chmod`, so whatever asks for one of those asks for them.
    if needs.changes != nil { traps.formUnion([.fileChanges, .metadata]) }
    if needs.commands != nil { traps.insert(.exec) }
    // listen(2) on a socket that was never bound takes a port on every address, so it is decided wherever addresses are.
    if needs.network != nil { traps.formUnion([.network, .listening]) }
    if needs.unixSockets != nil { traps.formUnion([.unixSockets, .listening]) }
    if needs.signals != nil { traps.insert(.signals) }
    self.init(traps: traps, permitted: allowedCalls, tellsRefusals: true)
  }

  /// The specification for a policy whose variables have their values.
  public init(policy: Policy, bound: BoundPolicy, exactRights: FloorRights = []) {
    let asked = FilterSpecification(needs: bound.needs, allowedCalls: policy.allowedRestrictedCalls, exactRights: exactRights)
    self = bound.networkMode == .none ? asked.withoutInternet : asked
  }
}

extension FloorRights {
  /// What opening for reading takes, of files and directories.
  public static let reading: FloorRights = [.readFile, .readDir]
}

extension TrapClasses {
  /// For each class that is trapped: its name, and the rule (or default) that asks for it first.
  public static func reasons(of needs: SupervisionNeeds, exactRights: FloorRights = []) -> [(name: String, rule: String)] {
    var needs = needs
    if exactRights.isSuperset(of: .reading) { needs.readOpens = nil }
    let asked: [(TrapClasses, String?)] = [
      (.readOpens, needs.readOpens), (.writeOpens, needs.writeOpens), (.fileChanges, needs.changes),
      (.metadata, needs.changes), (.exec, needs.commands),
      (.network, needs.network), (.unixSockets, needs.unixSockets), (.listening, needs.network ?? needs.unixSockets),
      (.signals, needs.signals),
    ]
    return asked.compactMap { trapClass, rule in
      guard let rule, let name = TrapClasses.named.first(where: { $0.trapClass == trapClass })?.name else { return nil }
      return (name, rule)
    }
  }
}
