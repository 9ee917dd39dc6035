public import AgentshFilter
public import AgentshPolicy

extension FilterSpecification {
  /// What a session's filter has to trap so that `policy` can be enforced, and what it lets through beyond what every session is refused.
  ///
  /// The server, the embedded launcher and `policy explain` ask here and nowhere else, so that what is explained is what is installed. A server that
  /// doesn't look for the caller's repository itself binds the policy with the project's root in its place: trapping more than is
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
    var asked = FilterSpecification(needs: bound.needs, allowedCalls: policy.allowedRestrictedCalls, exactRights: exactRights)
    // What a session inside may need decided isn't known before it is opened, and the kernel takes no second listener then.
    if policy.allowsNestedSessions { asked = FilterSpecification(traps: .all, permitted: policy.allowedRestrictedCalls, tellsRefusals: true) }
    self = bound.networkMode == .none ? asked.withoutInternet : asked
  }

  /// The specification of what is put on top of the filter of the session around, for a session inside another: nothing is left to Landlock alone.
  public init(nested policy: Policy, bound: BoundPolicy) {
    let plain = FilterSpecification(needs: bound.needs, allowedCalls: policy.allowedRestrictedCalls)
    // Nothing would keep a debugger in there from processes of the session around, which may do more.
    let permitted = plain.permitted.filter { name in
      name != RestrictedGroup.ptrace.rawValue && SyscallTable.named(name)?.restrictedGroups.contains(.ptrace) != true
    }
    let asked = FilterSpecification(traps: plain.traps, permitted: permitted, hasListener: false)
    self = bound.networkMode == .none ? asked.withoutInternet : asked
  }
}

extension FloorRights {
  /// What opening for reading takes, of files and directories.
  public static let reading: FloorRights = [.readFile, .readDir]
}

extension TrapClasses {
  /// For each class that is trapped: its name, and the rule (or default) that asks for it first.
  ///
  /// - Parameter isForNested: whether sessions may be opened inside, so that everything is.
  public static func reasons(of needs: SupervisionNeeds, exactRights: FloorRights = [], isForNested: Bool = false) -> [(name: String, rule: String)] {
    var needs = needs
    if exactRights.isSuperset(of: .reading) { needs.readOpens = nil }
    if isForNested {
      let key = "allow_nested_sessions"
      needs.readOpens = needs.readOpens ?? key
      needs.writeOpens = needs.writeOpens ?? key
      needs.changes = needs.changes ?? key
      needs.commands = needs.commands ?? key
      needs.network = needs.network ?? key
      needs.unixSockets = needs.unixSockets ?? key
      needs.signals = needs.signals ?? key
    }
    let asked: [(TrapClasses, String?)] = [
      (.readOpens, needs.readOpens), (.writeOpens, needs.writeOpens), (.fileChanges, needs.changes),
      (.metadata, needs.changes), (.exec, needs.commands),
      (.network, needs.network), (.unixSockets, needs.unixSockets), (.listening, needs.listening ?? needs.network ?? needs.unixSockets),
      (.signals, needs.signals),
    ]
    return asked.compactMap { trapClass, rule in
      guard let rule, let name = TrapClasses.named.first(where: { $0.trapClass == trapClass })?.name else { return nil }
      return (name, rule)
    }
  }
}
