internal import AgentshFilter
internal import AgentshPolicy
internal import AgentshProtocol
internal import AgentshSupervision

/// What a policy costs, what holds it, and what doesn't: the page of `agentsh policy explain`.
struct PolicyExplanation {
  /// A class of calls that the supervisor is asked about.
  struct Asked {
    let name: String
    let rule: String
    let calls: [String]
  }

  let policy: Policy
  let asked: [Asked]
  /// Classes that nobody is asked about, and why.
  let unasked: [(name: String, reason: String)]
  let refused: [String]
  let refusedWithSomeArguments: [String]
  /// Refused by the supervisor, whatever the rules say.
  let told: [String]
  let programs: String
  let floor: FloorWords
  let network: NetworkMode
  let knowsNames: Bool

  /// - Parameters:
  ///   - floor: placed.
  ///   - exactRights: those that Landlock decides alone on this host.
  init(policy: Policy, bound: BoundPolicy, floor: FloorWords, exactRights: FloorRights) throws(FilterError) {
    self.policy = policy
    self.floor = floor
    network = bound.networkMode
    knowsNames = bound.knowsNames
    let calls = try FilterSpecification(policy: policy, bound: bound, exactRights: exactRights).explain()
    let reaching = Set(calls.filter(\.reachesSupervisor).map(\.name))
    asked = TrapClasses.reasons(of: bound.needs, exactRights: exactRights, isForNested: policy.allowsNestedSessions).map { name, rule in
      let trapClass = TrapClasses.named.first { $0.name == name }?.trapClass ?? []
      let calls = reaching.filter { SyscallTable.named($0)?.trapClasses.isDisjoint(with: trapClass) == false }
      return Asked(name: name, rule: rule, calls: calls.sorted())
    }
    var unasked: [(name: String, reason: String)] = []
    if policy.allowsNestedSessions {
      // Everything is asked about.
    } else if bound.needs.readOpens == nil {
      unasked.append(("read-only opens", "no rule refuses or records one"))
    } else if exactRights.isSuperset(of: .reading) {
      unasked.append(("read-only opens", "Landlock decides them as the rules do; what it refuses isn't on record and has no message"))
    }
    // Flags that are in memory are nobody's to look at but the supervisor's.
    if bound.needs.writeOpens != nil { unasked = unasked.map { ($0.name + ", but for openat2(2)", $0.reason) } }
    self.unasked = unasked
    refused = calls.filter { $0.effect == .refused }.map(\.name)
    refusedWithSomeArguments = calls.filter { $0.effect == .mixed && $0.isRefused }.map(\.name)
    told = calls.filter(\.isTold).map(\.name)
    programs = exactRights.contains(.execute)
      ? "asked about before, not looked at after: Landlock lets nothing else be executed"
      : "asked about before, and looked at before their first instruction (a stop more)"
  }

  // MARK: For programs

  var json: JSONObject {
    var object: JSONObject = [
      "policy": .string(policy.name),
      "decided": .array(
        asked.map {
          .object(["class": .string($0.name), "rule": .string($0.rule), "calls": .array($0.calls.map { .string($0) })])
        }), "undecided": .array(unasked.map { .object(["class": .string($0.name), "reason": .string($0.reason)]) }),
      "trapped": .array(Set(asked.flatMap(\.calls)).sorted().map { .string($0) }), "refused": .array(refused.map { .string($0) }),
      "refused_with_some_arguments": .array(refusedWithSomeArguments.map { .string($0) }),
      "refused_and_recorded": .array(told.map { .string($0) }), "landlock": .object(floor.json),
      "network": .string(network.rawValue), "knows_names": .bool(knowsNames),
      "not_enforced": .array(policy.notEnforced.map { .string($0) }),
    ]
    object["description"] = policy.description.map { .string($0) }
    return object
  }

  // MARK: For people

  private var networkLines: [String] {
    switch network {
    case .none: return ["  none: the filter refuses every socket of internet families, and packet and vsock sockets; names are not looked up"]
    case .restricted: return ["  restricted: what no rule matches is not reached, whatever `defaults` says; listening is decided as ever (default:network_bind)"] + nameLines
    case .full: return ["  full: the rules, and `defaults` where none matches"] + nameLines
    }
  }

  private var nameLines: [String] {
    knowsNames
      ? [
        "  names matter: the session looks them up with a resolver of its own, which answers for those that some rule could permit;",
        "  an address is decided by the names that the session has looked it up by",
      ] : ["  no rule goes by name: addresses are decided as they are, the host's name servers among them"]
  }

  var lines: [String] {
    var lines = ["policy \(displayEscaped(policy.name))"]
    if let description = policy.description { lines.append(displayEscaped(description)) }
    lines += ["", "Asked of the supervisor, a round trip for each call, because of the rule that wants it first:", ""]
    if asked.isEmpty { lines.append("  nothing") }
    for entry in asked {
      let rule = entry.rule == "record" ? "what is permitted is recorded" : displayEscaped(entry.rule)
      lines.append("  \(entry.name): \(rule)")
      lines += Self.wrapped(entry.calls, indent: 6)
    }
    lines += ["", "  programs are \(programs)"]
    if !unasked.isEmpty {
      lines += ["", "Not asked about, so nothing is paid for it:", ""]
      for (name, reason) in unasked { lines.append("  \(name): \(reason)") }
    }
    lines += ["", "The network:", ""] + networkLines
    lines += [""] + floor.lines
    if !told.isEmpty {
      lines += ["", "Refused and recorded, the first of each in a session (clone and unshare where they make namespaces, socket where it is raw), \(told.count) calls:", ""]
      lines += Self.wrapped(told, indent: 2)
    }
    lines += ["", "Refused by the filter with some arguments, \(refusedWithSomeArguments.count) calls:", ""]
    lines += Self.wrapped(refusedWithSomeArguments, indent: 2)
    lines += ["", "Refused by the filter whatever the arguments are, \(refused.count) calls (no record, no message):", ""]
    lines += Self.wrapped(refused, indent: 2)
    if !policy.notEnforced.isEmpty {
      lines += ["", "Not enforced by this version:", ""]
      lines += policy.notEnforced.map { "  \(displayEscaped($0))" }
    }
    return lines
  }

  private static func wrapped(_ words: [String], indent: Int) -> [String] {
    var lines: [String] = []
    var line = ""
    for word in words {
      if !line.isEmpty, indent + line.utf8.count + word.utf8.count > 110 {
        lines.append(String(repeating: " ", count: indent) + line)
        line = ""
      }
      line += line.isEmpty ? word : " " + word
    }
    return line.isEmpty ? lines : lines + [String(repeating: " ", count: indent) + line]
  }
}
