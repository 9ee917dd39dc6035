import AgentshText

/// A folded name for people; the root's is empty.
private func shown(_ host: [UInt8]) -> String { host.isEmpty ? "." : printable(host) }

/// The network rules of a session.
///
/// An address that the session has looked up by names is decided once for each, in the order of their bytes, and the first permission counts. Where
/// no name is known, what only a name could permit stays refused, and what a rule might refuse by name no later rule may permit but one that names
/// the address itself. What other people's servers say of a name leads nobody to special addresses: those have to be permitted as addresses.
struct BoundNetworkRules: Sendable {
  private struct Rule: Sendable {
    let answer: Answer
    let domains: [Glob]
    /// Addresses that stand among the domains.
    let addresses: [CIDR]
    let isByName: Bool
    let cidrs: [CIDR]
    let ports: [ClosedRange<UInt16>]
    let operations: [NetworkOperation]

    /// Whether it is about the port. Where any will do, a rule that refuses some leaves others.
    func isAboutPort(of subject: NetworkSubject) -> Bool {
      ports.isEmpty || (subject.isAnyPort ? answer.isPermitted : ports.contains { $0.contains(subject.port) })
    }
    func leads(to address: IPAddress?) -> Bool { cidrs.isEmpty || (address.map { address in cidrs.contains { $0.contains(address) } } ?? false) }
    func matches(_ host: [UInt8]) -> Bool { domains.contains { $0.matches(host) } }
    func namesAddress(_ address: IPAddress) -> Bool { addresses.contains { $0.contains(address) } }
    /// Whether it says something of every name: all domains, or none and no addresses either.
    var isAboutAllNames: Bool { !isByName && (cidrs.isEmpty || !domains.isEmpty) }
    var isUnconditional: Bool { !isByName && cidrs.isEmpty && ports.isEmpty }
  }

  private let rules: [Rule]
  private let redirects: [ConnectRedirect]
  private let nameRedirects: [NameRedirect]
  private let mode: NetworkMode
  private let unmatched: Answer
  private let local: Answer
  private let notLocal: Answer

  init(_ source: PolicyRules, mode: NetworkMode, compiler: PathCompiler) throws(PolicyError) {
    var rules: [Rule] = []
    for rule in source.networks {
      var domains: [Glob] = []
      for domain in rule.domains { domains += try compiler.names(domain, rule: rule.head.name) }
      rules.append(
        Rule(
          answer: Answer(rule.head), domains: domains, addresses: rule.addresses,
          isByName: !rule.anyDomain && !(rule.domains.isEmpty && rule.addresses.isEmpty), cidrs: rule.cidrs, ports: rule.ports,
          operations: rule.operations.isEmpty ? [.connect, .send] : rule.operations))
    }
    self.rules = rules
    redirects = source.connectRedirects
    nameRedirects = source.nameRedirects
    self.mode = mode
    unmatched = Answer(RuleHead(name: "default:network", decision: mode == .full ? source.defaults.network : .deny, message: nil))
    local = .unmatched(.allow, "network_bind", "")
    notLocal = .unmatched(
      .deny, "network_bind",
      "listening is allowed on loopback addresses and ports from 1024 on, unless a rule with operations: [bind] says otherwise")
  }

  // MARK: Addresses

  func verdict(_ subject: NetworkSubject) -> Verdict {
    if mode == .none { return Self.noNetwork }
    var subject = subject
    let isReaching = subject.operation == .connect || subject.operation == .send
    if isReaching, let known = subject.address, known.isUnspecified {
      // Linux takes a connection to 0.0.0.0 or :: to this machine: it has to be judged as that.
      if case .v4 = known { subject.address = .v4(0x7f00_0001) } else { subject.address = .v6(high: 0, low: 1, scope: 0) }
    }
    // The usual ones: no name, or a single one.
    var hosts = isReaching ? subject.hosts.map(HostName.folded) : []
    if hosts.count > 1 { hosts.sort { $0.lexicographicallyPrecedes($1) } }
    if isReaching, !subject.isAnyPort, !redirects.isEmpty, let verdict = redirection(subject, hosts) { return verdict }
    guard let first = hosts.first else { return decide(subject, nil) }
    let verdict = decide(subject, first)
    if verdict.isPermitted || hosts.count == 1 { return verdict }
    for host in hosts.dropFirst() {
      let other = decide(subject, host)
      if other.isPermitted { return other }
    }
    return verdict
  }

  private static let noNetwork = Verdict(decision: .deny, rule: "network:none", message: "this session has no network")

  /// What the rules say of one address under one name, or under none that is known.
  private func decide(_ subject: NetworkSubject, _ host: [UInt8]?) -> Verdict {
    func facts(_ name: String) -> String? {
      switch name {
      case "RemoteAddr": host.map { shown($0) } ?? subject.address.map { "\($0)" } ?? "?"
      case "Address": subject.address.map { "\($0)" } ?? host.map { shown($0) } ?? "?"
      case "RemotePort", "Port": "\(subject.port)"
      default: nil
      }
    }
    let isSpecial = subject.address?.isSpecialPurpose ?? false
    var mightRefuse: Answer?
    var notes = Notes()
    for rule in rules where rule.operations.contains(subject.operation) {
      let isAboutPort = rule.isAboutPort(of: subject)
      guard isAboutPort, rule.leads(to: subject.address) else {
        if let host, rule.isByName, rule.answer.isPermitted {
          if !rule.matches(host) {
            notes.hasNames = true
          } else {
            notes.isNamed = true
            if isAboutPort, notes.elsewhere == nil { notes.elsewhere = (rule.answer.rule, rule.cidrs, subject.address) }
          }
        }
        continue
      }
      if rule.isByName, !(subject.address.map(rule.namesAddress) ?? false) {
        guard let host else {
          if rule.answer.isPermitted { notes.mightPermit = notes.mightPermit ?? rule.answer.rule } else { mightRefuse = mightRefuse ?? rule.answer }
          continue
        }
        guard rule.matches(host) else {
          if rule.answer.isPermitted { notes.hasNames = true }
          continue
        }
        if rule.answer.isPermitted, isSpecial, rule.cidrs.isEmpty, !leads(host, to: subject.address) {
          notes.passedOver = notes.passedOver ?? rule.answer.rule
          continue
        }
        if !rule.answer.isPermitted { return notes.refusal(of: rule.answer, facts, host, isByName: true) }
        return Self.permission(rule.answer.verdict(facts), host)
      }
      if rule.answer.isPermitted {
        if rule.cidrs.isEmpty, !rule.isByName, let mightRefuse { return Self.nameless(mightRefuse, facts) }
        return Self.permission(rule.answer.verdict(facts), host)
      }
      return notes.refusal(of: rule.answer, facts, host)
    }
    if subject.operation == .bind || subject.operation == .listen {
      let isLocal = subject.address.map { $0.isLoopback || $0.isUnspecified } ?? false
      return isLocal && (subject.port >= 1024 || subject.port == 0) ? local.verdict(facts) : notLocal.verdict(facts)
    }
    if unmatched.isPermitted {
      if let mightRefuse { return Self.nameless(mightRefuse, facts) }
      return Self.permission(unmatched.verdict(facts), host)
    }
    return notes.refusal(of: unmatched, facts, host)
  }

  private static func permission(_ verdict: Verdict, _ host: [UInt8]?) -> Verdict {
    guard let host else { return verdict }
    return Verdict(decision: verdict.decision, rule: verdict.rule, message: verdict.message, isPermitted: verdict.isPermitted, host: host)
  }

  /// A rule that refuses names stands before the one that permits, and which names the address has isn't known.
  private static func nameless(_ answer: Answer, _ facts: (String) -> String?) -> Verdict {
    let verdict = answer.verdict(facts)
    let note = "\(facts("Address") ?? "?") might be one of the names that rule \(answer.rule) is about: it has to be looked up by name first"
    return Verdict(decision: verdict.decision, rule: verdict.rule, message: verdict.message.map { "\($0) (\(note))" } ?? note, isPermitted: false)
  }

  /// What was passed on the way to a refusal: it tells what would have had to be otherwise.
  private struct Notes {
    /// A rule that permits some names, none of which is known to be this address's.
    var mightPermit: String?
    /// A rule that permits the name, but not such an address.
    var passedOver: String?
    /// Whether a rule permits names, and whether one of them is this one, with another port or other addresses.
    var hasNames = false
    var isNamed = false
    /// A rule that permits the name at other addresses.
    var elsewhere: (rule: String, cidrs: [CIDR], address: IPAddress?)?

    func refusal(of answer: Answer, _ facts: (String) -> String?, _ host: [UInt8]?, isByName: Bool = false) -> Verdict {
      let verdict = answer.verdict(facts)
      let (address, port) = (facts("Address") ?? "?", facts("RemotePort") ?? "?")
      let isDefault = answer.rule.utf8.starts(with: "default:".utf8)
      var note: String?
      if let passedOver {
        note = "rule \(passedOver) allows \(host.map { shown($0) } ?? "the name"), but \(address) is no public address: a rule with cidrs would have to allow it"
      } else if let host, isByName {
        note = verdict.message == nil ? "\(shown(host)) is refused by name (rule \(answer.rule))" : nil
      } else if let host, let elsewhere {
        let blocks = elsewhere.cidrs.prefix(4).map { "\($0)" }.joined(separator: ", ") + (elsewhere.cidrs.count > 4 ? ", …" : "")
        note = "rule \(elsewhere.rule) allows \(shown(host)) where it leads into \(blocks)" + (elsewhere.address.map { ", not to \($0)" } ?? "")
      } else if let host, hasNames, !isNamed {
        note = "\(shown(host)) is not among the allowed names" + (isDefault ? "" : " (rule \(answer.rule))")
      } else if let mightPermit {
        note = "rule \(mightPermit) allows some names, and this session has looked up none that leads to \(address)"
      } else if verdict.message == nil {
        let subject = host.map { shown($0) } ?? address
        note = isDefault ? "no rule of the policy allows \(subject) port \(port)" : "\(subject) port \(port) is refused (rule \(answer.rule))"
      }
      let message = note.map { note in verdict.message.map { "\($0) (\(note))" } ?? note } ?? verdict.message
      return Verdict(decision: verdict.decision, rule: verdict.rule, message: message, isPermitted: false, host: host)
    }
  }

  // MARK: Redirections

  /// Whether the policy itself says that a name has an address.
  private func leads(_ host: [UInt8], to address: IPAddress?) -> Bool {
    for redirect in nameRedirects {
      switch redirect.match.matches(host) {
      case false: continue
      case true: return redirect.redirection.address.withoutScope == address?.withoutScope
      case nil: return false
      }
    }
    return false
  }

  /// Whether it says that a folded name has another address than this one, or nobody knows which.
  func leads(_ host: [UInt8], elsewhereThan address: IPAddress) -> Bool {
    guard let redirect = nameRedirects.first(where: { $0.match.matches(host) != false }) else { return false }
    return redirect.match.matches(host) == nil || redirect.redirection.address.withoutScope != address.withoutScope
  }

  private func redirection(_ subject: NetworkSubject, _ hosts: [[UInt8]]) -> Verdict? {
    let port = Array(":\(subject.port)".utf8)
    var targets: [(text: [UInt8], host: [UInt8]?)] = hosts.map { ($0 + port, $0) }
    if let address = subject.address {
      // Who writes a policy knows no number of an interface: a link-local address is matched without one, too.
      for form in address == address.withoutScope ? [address] : [address, address.withoutScope] {
        if case .v6 = form { targets.append((Array("[\(form)]".utf8) + port, nil)) } else { targets.append((Array("\(form)".utf8) + port, nil)) }
      }
    }
    for redirect in redirects {
      for target in targets {
        let redirection = redirect.redirection
        func refusal(_ why: String) -> Verdict {
          Verdict(
            decision: .redirect, rule: redirection.rule, message: redirection.message.map { "\($0) (\(why))" } ?? why, isPermitted: false, host: target.host)
        }
        switch redirect.match.matches(target.text) {
        case false: continue
        case nil: return refusal("its match can't be compiled: refused")
        case true:
          if let limit = redirect.limit { return refusal(limit) }
          guard subject.operation == .connect, subject.proto == .tcp else { return refusal("only TCP connections can be redirected: refused") }
          return Verdict(
            decision: .redirect, rule: redirection.rule, message: redirection.note, isPermitted: false, host: target.host, redirection: redirection)
        }
      }
    }
    return nil
  }

  /// The same question as if there were no redirections: for those that fail open.
  func verdictWithoutRedirection(_ subject: NetworkSubject) -> Verdict {
    BoundNetworkRules(self, redirects: []).verdict(subject)
  }

  private init(_ other: BoundNetworkRules, redirects: [ConnectRedirect]) {
    rules = other.rules
    self.redirects = redirects
    nameRedirects = other.nameRedirects
    mode = other.mode
    unmatched = other.unmatched
    local = other.local
    notLocal = other.notLocal
  }

  // MARK: Names

  /// Whether a rule goes by name, or anything is redirected.
  var knowsNames: Bool {
    if mode == .none { return false }
    return !redirects.isEmpty || !nameRedirects.isEmpty
      || rules.contains { !$0.domains.isEmpty && $0.isByName && !Set($0.operations).isDisjoint(with: [.connect, .send]) }
  }

  /// What may be said about a folded name. A rule about addresses alone permits no name: it would permit them all, and with them whatever
  /// can be told by asking for names.
  func name(_ host: [UInt8]) -> NameVerdict {
    if mode == .none { return .refused(Self.noNetwork) }
    for redirect in nameRedirects {
      switch redirect.match.matches(host) {
      case false: continue
      case true: return .redirected(redirect.redirection)
      case nil:
        let rule = redirect.redirection.rule
        return .refused(Verdict(decision: .redirect, rule: rule, message: "its match can't be compiled: refused", isPermitted: false))
      }
    }
    func facts(_ name: String) -> String? {
      switch name {
      case "RemoteAddr", "Address": shown(host)
      case "RemotePort", "Port": "any"
      default: nil
      }
    }
    for redirect in redirects where redirect.limit == nil {
      let ports = Self.likelyPorts(redirect.match.source)
      if ports.contains(where: { redirect.match.matches(host + Array(":\($0)".utf8)) == true }) {
        return .allowed(Verdict(decision: .redirect, rule: redirect.redirection.rule, message: nil, isPermitted: true, host: host))
      }
    }
    var notes = Notes()
    for rule in rules where rule.operations.contains(.connect) || rule.operations.contains(.send) {
      if rule.isByName {
        guard rule.matches(host) else {
          if rule.answer.isPermitted { notes.hasNames = true }
          continue
        }
      } else if !rule.isAboutAllNames {
        continue
      }
      if rule.answer.isPermitted { return .allowed(Self.permission(rule.answer.verdict(facts), host)) }
      if rule.cidrs.isEmpty, rule.ports.isEmpty, rule.operations.contains(.connect), rule.operations.contains(.send) {
        return .refused(notes.refusal(of: rule.answer, facts, host, isByName: rule.isByName))
      }
    }
    if unmatched.isPermitted { return .allowed(Self.permission(unmatched.verdict(facts), host)) }
    return .refused(notes.refusal(of: unmatched, facts, host))
  }

  /// Ports with which an expression over `host:port` is tried when only the name is known: those that stand in it, and the web's.
  private static func likelyPorts(_ expression: String) -> [UInt16] {
    var ports: [UInt16] = [443, 80]
    for word in expression.split(whereSeparator: { !$0.isASCII || !$0.isNumber }) where ports.count < 64 {
      if let port = UInt16(word), !ports.contains(port) { ports.append(port) }
    }
    return ports
  }

  // MARK: The tiers

  /// The ports that an operation could be permitted for, whatever the address is; nil where they are too many to be listed.
  func ports(_ operation: NetworkOperation) -> [UInt16]? {
    if mode == .none { return [] }
    var ports: Set<UInt16> = []
    if operation == .connect {
      // Where the session's names are looked up.
      if knowsNames { ports.insert(53) }
    }
    for rule in rules where rule.operations.contains(operation) {
      if rule.answer.decision.permits {
        if rule.ports.isEmpty { return nil }
        for range in rule.ports {
          guard ports.count + range.count <= Self.mostPorts else { return nil }
          ports.formUnion(range)
        }
      } else if rule.isUnconditional {
        return ports.sorted()
      }
    }
    // What no rule says about listening is permitted on most ports of this machine.
    if operation == .bind || operation == .listen || unmatched.isPermitted { return nil }
    return ports.sorted()
  }

  /// More are not held by the floor: each is a rule of its own in the kernel.
  private static let mostPorts = 2048

  /// The first rule that refuses or records one of these operations, or sends it elsewhere; nil where none does.
  func firstConcern(_ operations: Set<NetworkOperation>) -> String? {
    if mode == .none { return Self.noNetwork.rule }
    if operations.contains(.connect), let redirect = redirects.first { return redirect.redirection.rule }
    for rule in rules where !operations.isDisjoint(with: rule.operations) {
      if rule.answer.decision != .allow { return rule.answer.rule }
      if rule.isUnconditional, operations.isSubset(of: rule.operations) { return nil }
    }
    if !operations.isDisjoint(with: [.bind, .listen]) { return notLocal.rule }
    return unmatched.decision == .allow ? nil : unmatched.rule
  }
}
