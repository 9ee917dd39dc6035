import AgentshAudit
import AgentshPolicy
import AgentshResolver
import AgentshSystem
import Glibc

extension NameResolver {
  enum Outcome {
    case answer([UInt8])
    /// The host's servers are to be asked; the name as policies write it.
    case ask([UInt8])
  }

  /// How long answers of our own hold, in seconds: short, since what they are made of may change.
  private static let ownLife: UInt32 = 30
  /// More addresses than that don't fit a datagram.
  private static let mostAddresses = 16
  private static let localhost = DomainName(text: Array("localhost".utf8)) ?? .root

  /// Decides about one question, by the name that was asked for: what that is an alias for is the answer's affair.
  func decide(_ query: Query, _ client: SessionNames.Client) -> Outcome {
    let question = query.question
    let text = question.name == .root ? [UInt8(ascii: ".")] : question.name.text
    func refuse(_ verdict: Verdict, _ code: ResponseCode = .refused) -> Outcome {
      notes.refused(text, question.type, verdict, client)
      return .answer(query.answer(code, reason: verdict.message))
    }
    guard question.recordClass == 1 || question.recordClass == 255, ![.axfr, .ixfr, .opt].contains(question.type) else {
      return refuse(Verdict(decision: .deny, rule: "builtin:resolver", message: "only names of the internet are looked up here, one at a time"))
    }
    if question.type == .ptr, let address = question.name.reversedAddress, let outcome = decide(query, reverseOf: address) { return outcome }
    let said = session.policy.name(text)
    if HostName.isThisMachine(text) {
      // Whatever the rules say of it, but for the policy's own word of where it is.
      if case .redirected = said {} else {
        for address in HostName.thisMachine { session.names.remember(text, address, ttl: Self.ownLife) }
        return .answer(query.answer(.noError, addresses: HostName.thisMachine, ttl: Self.ownLife))
      }
    }
    switch said {
    case .refused(let verdict):
      // What a client makes of a name by itself, one search domain after the other, mostly doesn't exist. Only where it hears just that it tries the next one.
      guard let domain = session.names.settings.searchDomain(of: question.name, hostName: Self.hostName) else { return refuse(verdict) }
      let note = "programs try names in the search domain \(String(decoding: domain, as: UTF8.self)) by themselves"
      let message = verdict.message.map { "\($0); \(note)" } ?? note
      return refuse(Verdict(decision: verdict.decision, rule: verdict.rule, message: message, isPermitted: false), .nameError)
    case .redirected(let redirection):
      guard notes.redirected(text, question.type, redirection, client) else { return .answer(unrecorded(query)) }
      session.names.remember(text, redirection.address, ttl: Self.ownLife)
      return .answer(query.answer(.noError, addresses: [redirection.address], ttl: Self.ownLife))
    case .allowed(let verdict):
      guard notes.allowed(text, question.type, verdict, client) else { return .answer(unrecorded(query)) }
    }
    if question.type == .a || question.type == .aaaa, let listed = session.names.listed(text) {
      return .answer(query.answer(.noError, addresses: Array(listed.prefix(Self.mostAddresses)), ttl: Self.ownLife))
    }
    return .ask(text)
  }

  private static var hostName: [UInt8] {
    let name = (try? readSmallFile(at: AT_FDCWD, Array("/proc/sys/kernel/hostname".utf8), limit: 256)) ?? []
    return Array(name.prefix { $0 > 0x20 })
  }

  /// What has to be on record and can't be does not happen.
  private func unrecorded(_ query: Query) -> [UInt8] { query.answer(.serverFailure, reason: "the record can't be written") }

  /// The name of an address that this session has been told already tells nobody anything new; nil where the rules decide.
  private func decide(_ query: Query, reverseOf address: IPAddress) -> Outcome? {
    let known = session.names.hosts(of: address) { session.policy.leads($0, elsewhereThan: address) }
    let listed = known.filter { session.names.listed($0)?.contains(address) == true }.compactMap { DomainName(text: $0) }
    if !listed.isEmpty { return .answer(query.answer(.noError, ttl: Self.ownLife, names: Array(listed.prefix(4)))) }
    if address.isLoopback { return .answer(query.answer(.noError, ttl: Self.ownLife, names: [Self.localhost])) }
    return known.isEmpty ? nil : .ask(query.question.name.text)
  }
}

/// What the resolver puts on record: each refused name, and what went wrong, without letting a loop of a program's fill the disk.
final class ResolverNotes {
  private let session: NameResolver.Session
  private var recent: [[UInt8]: UInt64] = [:]
  private static let second: UInt64 = 1_000_000_000
  /// Both families, and every repetition that libc makes by itself, are one refusal.
  private static let window = 5 * second
  private static let mostRecent = 4096

  init(_ session: NameResolver.Session) { self.session = session }

  private func isNew(_ key: [UInt8], for span: UInt64 = window) -> Bool {
    let now = monotonicNanoseconds()
    if let last = recent[key], now &- last < span { return false }
    if recent.count >= Self.mostRecent {
      recent = recent.filter { now &- $0.value < Self.window }
      if recent.count >= Self.mostRecent { recent = [:] }
    }
    recent[key] = now
    return true
  }

  /// The same for what must be on record to happen: a name that could not be recorded is new the next time, too.
  private func write(
    asNew key: [UInt8], _ name: [UInt8], _ type: RecordType, _ decision: AuditDecision, _ rule: String, _ message: String?, _ client: SessionNames.Client
  ) -> Bool {
    guard isNew(key) else { return true }
    if write(name, type, decision, rule, message, client) { return true }
    recent[key] = nil
    return false
  }

  @discardableResult private func write(
    _ name: [UInt8], _ type: RecordType?, _ decision: AuditDecision, _ rule: String, _ message: String?, _ client: SessionNames.Client?
  ) -> Bool {
    session.record.write(
      AuditRecord(
        operation: .netDNS, session: session.record.session, uid: session.record.uid, pid: client?.process, exe: client?.executable,
        subject: .address(name), fields: type.map { [AuditField("type", .text("\($0)"))] } ?? [], decision: decision, rule: rule, message: message))
  }

  func refused(_ name: [UInt8], _ type: RecordType, _ verdict: Verdict, _ client: SessionNames.Client) {
    session.counters.count(auditDecision(verdict))
    if isNew([0] + name) { write(name, type, auditDecision(verdict), verdict.rule, verdict.message, client) }
  }

  /// False where it had to be on record and isn't.
  func allowed(_ name: [UInt8], _ type: RecordType, _ verdict: Verdict, _ client: SessionNames.Client) -> Bool {
    session.counters.count(auditDecision(verdict))
    guard verdict.isRecorded || session.record.recordsAllowedReads else { return true }
    return write(asNew: [1] + name, name, type, auditDecision(verdict), verdict.rule, verdict.message, client)
  }

  func redirected(_ name: [UInt8], _ type: RecordType, _ redirection: NameRedirection, _ client: SessionNames.Client) -> Bool {
    // It is answered: nothing was refused.
    session.counters.count(.audit)
    let place = redirection.visibility == .silent ? "has another address here" : "has the address \(redirection.address) here"
    return write(asNew: [2] + name, name, type, .audit, redirection.rule, place, client)
  }

  func unanswered(_ name: [UInt8], _ servers: [ResolverSettings.Server]) {
    guard isNew([3], for: 10 * Self.second) else { return }
    let list = servers.map { "\($0.address)" }.joined(separator: ", ")
    write(name, nil, .allow, "builtin:resolver", "no name server has answered (\(list)); more of the same are not recorded for ten seconds", nil)
  }

  func crowded() {
    guard isNew([4], for: 10 * Self.second) else { return }
    write([], nil, .deny, "builtin:resolver", "more names are being looked up at once than are asked for; more of the same are not recorded for ten seconds", nil)
  }

  func stranger(_ address: [UInt8], isStream: Bool) {
    guard isNew([5, isStream ? 1 : 0], for: 10 * Self.second), case .inet(let from, let port) = SocketAddress(address).meaning else { return }
    write(
      Array(SocketAddress.text(from, port: port).utf8), nil, .deny, "builtin:resolver",
      "a process outside the session asked its resolver; more of the same are not recorded for ten seconds", nil)
  }
}
