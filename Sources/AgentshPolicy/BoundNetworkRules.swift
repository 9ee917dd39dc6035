import AgentshText

/// The network rules of a session.
///
/// Names aren't known in this version, so a rule with `domains` decides nothing by itself. What such a rule might have
/// refused, no rule about names or ports alone may permit; what it might have permitted stays refused, and the message
/// says why. A rule with `cidrs` decides as it stands.
struct BoundNetworkRules: Sendable {
  private struct Rule: Sendable {
    let answer: Answer
    /// The answer when only a name made it match.
    let answerByName: Answer
    let domains: [Glob]
    let isByName: Bool
    let cidrs: [CIDR]
    let ports: [ClosedRange<UInt16>]
    let operations: [NetworkOperation]
  }

  private let rules: [Rule]
  private let redirects: [(match: Pattern, answer: Answer)]
  private let unmatched: Answer
  private let local: Answer
  private let notLocal: Answer

  static let byName = "goes by name, and this version knows addresses only: refused"

  init(_ source: [NetworkRule], redirects: [ConnectRedirect], defaults: Defaults, compiler: PathCompiler)
    throws(PolicyError)
  {
    var rules: [Rule] = []
    for rule in source {
      var domains: [Glob] = []
      for domain in rule.domains {
        for alternative in try compiler.names(domain, rule: rule.head.name) { domains.append(alternative) }
      }
      let isByName = !rule.domains.isEmpty && !rule.anyDomain
      rules.append(
        Rule(
          answer: Answer(rule.head), answerByName: Answer(rule.head, note: Self.byName), domains: domains,
          isByName: isByName, cidrs: rule.cidrs, ports: rule.ports,
          operations: rule.operations.isEmpty ? [.connect, .send] : rule.operations))
    }
    self.rules = rules
    self.redirects = redirects.map { ($0.match, Answer(RuleHead(name: $0.name, decision: .redirect, message: $0.message))) }
    unmatched = .unmatched(defaults.network, "network", "no rule of the policy allows {{.RemoteAddr}} port {{.RemotePort}}")
    local = .unmatched(.allow, "network_bind", "")
    notLocal = .unmatched(
      .deny, "network_bind",
      "listening is allowed on loopback addresses and ports from 1024 on, unless a rule with operations: [bind] says otherwise")
  }

  func verdict(_ subject: NetworkSubject) -> Verdict {
    var address = subject.address
    if subject.operation == .connect || subject.operation == .send, let known = address, known.isUnspecified {
      // Linux takes a connection to 0.0.0.0 or :: to this machine: it has to be judged as that.
      if case .v4 = known { address = .v4(0x7f00_0001) } else { address = .v6(high: 0, low: 1, scope: 0) }
    }
    func facts(_ name: String) -> String? {
      switch name {
      case "RemoteAddr", "Address": subject.host.map { printable($0) } ?? subject.address.map { "\($0)" } ?? "?"
      case "RemotePort", "Port": "\(subject.port)"
      default: nil
      }
    }
    if subject.operation == .connect || subject.operation == .send {
      for redirect in redirects {
        for target in Self.targets(subject, address) where redirect.match.matches(target) ?? true {
          return redirect.answer.verdict(facts)
        }
      }
    }
    let host = subject.host.map { Self.folded($0) }
    var mightRefuse: Answer?
    var mightPermit: String?
    for rule in rules where rule.operations.contains(subject.operation) {
      if !rule.ports.isEmpty && !rule.ports.contains(where: { $0.contains(subject.port) }) { continue }
      if !rule.cidrs.isEmpty {
        guard let address, rule.cidrs.contains(where: { $0.contains(address) }) else { continue }
      }
      if rule.isByName {
        if let host {
          guard rule.domains.contains(where: { $0.matches(host) }) else { continue }
          return rule.answerByName.verdict(facts)
        }
        if rule.answer.isPermitted {
          mightPermit = mightPermit ?? rule.answer.rule
        } else {
          mightRefuse = mightRefuse ?? rule.answerByName
        }
        continue
      }
      if rule.answer.isPermitted, rule.cidrs.isEmpty, let mightRefuse { return mightRefuse.verdict(facts) }
      return Self.explained(rule.answer.verdict(facts), mightPermit)
    }
    if subject.operation == .bind || subject.operation == .listen {
      let isLocal = address.map { $0.isLoopback || $0.isUnspecified } ?? false
      return isLocal && (subject.port >= 1024 || subject.port == 0) ? local.verdict(facts) : notLocal.verdict(facts)
    }
    if unmatched.isPermitted, let mightRefuse { return mightRefuse.verdict(facts) }
    return Self.explained(unmatched.verdict(facts), mightPermit)
  }

  /// Adds to a refusal which rule would have permitted it, had the name been known.
  private static func explained(_ verdict: Verdict, _ rule: String?) -> Verdict {
    guard let rule, !verdict.isPermitted else { return verdict }
    let note = "rule \(rule) allows some names, and this version knows addresses only"
    return Verdict(
      decision: verdict.decision, rule: verdict.rule, message: verdict.message.map { "\($0) (\(note))" } ?? note,
      isPermitted: false)
  }

  private static func folded(_ host: [UInt8]) -> [UInt8] {
    var name = host.map { $0 >= 0x41 && $0 <= 0x5a ? $0 | 0x20 : $0 }
    if name.last == UInt8(ascii: ".") { name.removeLast() }
    return name
  }

  private static func targets(_ subject: NetworkSubject, _ address: IPAddress?) -> [[UInt8]] {
    var targets: [[UInt8]] = []
    if let host = subject.host { targets.append(folded(host) + Array(":\(subject.port)".utf8)) }
    if let address {
      if case .v6 = address { targets.append(Array("[\(address)]:\(subject.port)".utf8)) } else {
        targets.append(Array("\(address):\(subject.port)".utf8))
      }
    }
    return targets
  }

  /// The ports that an operation could be permitted for, whatever the address is; nil where they are too many to be listed.
  ///
  /// Rules that go by name count as if names were known: they permit nothing today, and nothing else when they do.
  func ports(_ operation: NetworkOperation) -> [UInt16]? {
    var ports: Set<UInt16> = []
    for rule in rules where rule.operations.contains(operation) {
      if rule.answer.decision.permits {
        if rule.ports.isEmpty { return nil }
        for range in rule.ports {
          guard ports.count + range.count <= Self.mostPorts else { return nil }
          ports.formUnion(range)
        }
      } else if rule.ports.isEmpty, rule.cidrs.isEmpty, !rule.isByName {
        return ports.sorted()
      }
    }
    // What no rule says about listening is permitted on most ports of this machine.
    if operation == .bind || operation == .listen || unmatched.isPermitted { return nil }
    return ports.sorted()
  }

  /// More are not held by the floor: each is a rule of its own in the kernel.
  private static let mostPorts = 2048

  func firstConcern() -> String? {
    if let redirect = redirects.first { return redirect.answer.rule }
    for rule in rules {
      if rule.answer.decision != .allow { return rule.answer.rule }
      if rule.cidrs.isEmpty, rule.ports.isEmpty, !rule.isByName,
        Set(rule.operations).count == NetworkOperation.allCases.count
      {
        return nil
      }
    }
    return unmatched.decision == .allow ? notLocal.rule : unmatched.rule
  }
}

extension PathCompiler {
  /// Globs over names of hosts, where `*` stops at a dot.
  func names(_ template: GlobTemplate, rule: String) throws(PolicyError) -> [Glob] {
    try plainGlobs(template, rule: rule, separator: UInt8(ascii: "."))
  }
}
