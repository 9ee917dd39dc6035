import AgentshPolicy
import AgentshResolver

extension FuzzTarget {
  /// A message of the domain name system: taken if all of it can be read. What is answered to it, and what is made of it, is a message again.
  static let nameMessage = FuzzTarget(
    "dns",
    dictionary: [
      "\\xc0\\x0c", "\\x00\\x01\\x00\\x01", "\\x00\\x1c\\x00\\x01", "\\x07example\\x03com\\x00", "\\x00\\x00\\x29\\x04\\xd0", "\\x00\\x05", "\\x00\\x41", "\\xff\\xff", "\\x3f",
    ]
  ) { input in
    switch Query.read(input) {
    case .nothing: break
    case .answer(let answer):
      guard let read = try? Message(answer), read.isResponse, Array(answer.prefix(2)) == Array(input.prefix(2)) else { return .wrong("an answer that is none") }
    case .query(let query):
      let addresses = [IPAddress.v4(0x7f00_0001), .v6(high: 1, low: 2, scope: 3)]
      for answer in [query.answer(.refused, reason: "because"), query.answer(.noError, addresses: addresses, ttl: 7, names: [.root])] {
        guard let read = try? Message(answer), Query.isAnswer(read, to: query.question, id: query.message.id) else { return .wrong("an answer to something else") }
        guard read.addresses(of: query.question.name).allSatisfy({ addresses.map(\.description).contains($0.address.description) || $0.ttl == 7 }) else {
          return .wrong("other addresses")
        }
      }
    }
    guard let message = try? Message(input) else { return .refused }
    for question in message.questions + message.records.map({ Question(name: $0.owner, type: $0.type) }) {
      guard question.name.wire.count <= 255, question.name.wire.last == 0 else { return .wrong("a name that is too long") }
      // What is written is read as itself, whatever bytes a label has.
      if question.name != .root {
        guard DomainName(text: question.name.text)?.wire == question.name.folded.wire else { return .wrong("a name is not read as itself") }
      }
      _ = (question.name.reversedAddress, "\(question.type)", message.addresses(of: question.name))
    }
    guard let aged = try? Message(message.aged(by: 5)), aged.bytes.count == input.count else { return .wrong("an older answer that is none") }
    if let life = message.lifetime, life == 0 { return .wrong("an answer is kept that holds no time") }
    var cache = AnswerCache(most: 4)
    cache.keep(message, to: input, now: 0)
    if let kept = cache.answer(to: input, now: 0), kept.bytes != input { return .wrong("an answer is kept as another") }
    return .taken
  }

  /// resolv.conf and hosts: no text is an error; what is made of it says the same.
  static let nameFiles = FuzzTarget(
    "resolvconf", dictionary: ["nameserver ", "search ", "options ", "timeout:", "attempts:", "ndots:", "rotate", "domain ", "127.0.0.1 ", "::1 ", "%eth0", "#", ";"]
  ) { input in
    let settings = ResolverSettings(input)
    guard !settings.servers.isEmpty, (1...30).contains(settings.timeout) else { return .wrong("settings that can't be used") }
    let file = settings.file(server: .v4(0x7f01_0203))
    let again = ResolverSettings(file)
    guard again.servers == [.init(.v4(0x7f01_0203))], again.search == settings.search, !again.rotates else {
      return .wrong("the session's file says something else")
    }
    let hosts = HostsFile(input)
    for (address, names) in hosts.names where !names.allSatisfy({ hosts.addresses[$0]?.contains(address) == true }) { return .wrong("a name without its address") }
    return .of(!hosts.names.isEmpty || settings.servers != [.init(.v4(0x7f00_0001))])
  }
}
