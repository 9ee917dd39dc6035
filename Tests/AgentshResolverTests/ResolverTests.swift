import AgentshPolicy
import Testing

@testable import AgentshResolver

private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }
private func name(_ text: String) -> DomainName { DomainName(text: bytes(text)) ?? .root }
private func address(_ text: String) -> IPAddress { IPAddress(text) ?? .v4(0) }

/// Makes messages for tests: a header, a question, records.
private struct Maker {
  var id: UInt16 = 0x1234
  var flags: UInt16 = 0x8180
  var question: (String, RecordType)
  var answers: [(String, RecordType, UInt32, [UInt8])] = []
  var authority: [(String, RecordType, UInt32, [UInt8])] = []

  static func word(_ value: UInt16) -> [UInt8] { [UInt8(value >> 8), UInt8(value & 255)] }
  var bytes: [UInt8] {
    var result = [id, flags, 1, UInt16(answers.count), UInt16(authority.count), 0].flatMap(Self.word)
    result += name(question.0).wire + Self.word(question.1.rawValue) + Self.word(1)
    for (owner, type, ttl, data) in answers + authority {
      result += name(owner).wire + Self.word(type.rawValue) + Self.word(1) + Self.word(UInt16(ttl >> 16)) + Self.word(UInt16(ttl & 0xffff))
      result += Self.word(UInt16(data.count)) + data
    }
    return result
  }
  func message() throws -> Message { try Message(bytes) }
}

@Suite struct DomainNameTests {
  @Test(arguments: [
    ("Example.COM.", "example.com"), ("a", "a"), (#"a\.b.c"#, #"a\046b.c"#), (#"\000\255.x"#, #"\000\255.x"#), (#"\a\\"#, #"a\092"#), ("_dns._tcp.x", "_dns._tcp.x"),
    ("xn--bcher-kva.example", "xn--bcher-kva.example"),
  ])
  func textIsReadAndWritten(_ text: String, _ written: String) {
    #expect(DomainName(text: bytes(text))?.text == bytes(written))
  }

  @Test(arguments: ["", "..", "a..b", ".a", #"\"#, #"\25"#, #"\256"#, String(repeating: "a", count: 64), String(repeating: "abcdefg.", count: 32)])
  func otherTextIsNoName(_ text: String) {
    #expect(DomainName(text: bytes(text)) == nil)
  }

  @Test func aDotInALabelIsNoDotBetweenLabels() {
    #expect(name(#"evil\.example.com"#).text != name("evil.example.com").text)
    #expect(name(#"evil\.example.com"#).labels.count == 2)
  }

  @Test func reversedNamesStandForAddresses() {
    #expect(name("1.2.0.192.in-addr.arpa").reversedAddress == address("192.0.2.1"))
    let nibbles = "1." + String(repeating: "0.", count: 23) + "8.b.d.0.1.0.0.2.ip6.ARPA"
    #expect(name(nibbles).reversedAddress == address("2001:db8::1"))
    for other in ["2.0.192.in-addr.arpa", "256.2.0.192.in-addr.arpa", "in-addr.arpa", "1.ip6.arpa", "x.2.0.192.in-addr.arpa", "1.2.0.192.in-addr.example"] {
      #expect(name(other).reversedAddress == nil)
    }
  }

  @Test func isWithinGoesByWholeLabels() {
    #expect(name("a.localhost").isWithin(name("LOCALHOST")))
    #expect(!name("alocalhost").isWithin(name("localhost")))
  }
}

@Suite struct MessageTests {
  @Test func addressesAreThoseOfTheNameAskedFor() throws {
    var maker = Maker(question: ("www.example.com", .a))
    maker.answers = [
      ("WWW.example.com", .cname, 300, name("cdn.example.net").wire), ("cdn.example.net", .cname, 20, name("edge.example.org").wire),
      ("edge.example.org", .a, 60, [192, 0, 2, 1]), ("other.example.org", .a, 60, [192, 0, 2, 66]), ("edge.example.org", .aaaa, 5, address6),
    ]
    let found = try maker.message().addresses(of: name("www.example.com"))
    #expect(found.map { "\($0.address) \($0.ttl)" } == ["192.0.2.1 20", "2001:db8::1 5"])
    #expect(try maker.message().addresses(of: name("other.example.com")).isEmpty)
  }

  private let address6: [UInt8] = [0x20, 1, 0xd, 0xb8] + [UInt8](repeating: 0, count: 11) + [1]

  @Test func hintsOfServicesCount() throws {
    var maker = Maker(question: ("example.com", .https))
    maker.answers = [("example.com", .https, 300, [0, 1, 0, 0, 1, 0, 3, 2, 0x68, 0x32, 0, 4, 0, 8, 192, 0, 2, 1, 192, 0, 2, 2, 0, 6, 0, 16] + address6)]
    #expect(try maker.message().addresses(of: name("example.com")).map { "\($0.address)" } == ["192.0.2.1", "192.0.2.2", "2001:db8::1"])
  }

  @Test func aMappedAddressIsTheOneThatItCarries() throws {
    var maker = Maker(question: ("example.com", .aaaa))
    maker.answers = [("example.com", .aaaa, 300, [UInt8](repeating: 0, count: 10) + [255, 255, 127, 0, 0, 1])]
    #expect(try maker.message().addresses(of: name("example.com")).first?.address == address("127.0.0.1"))
  }

  @Test func aRingOfAliasesEnds() throws {
    var maker = Maker(question: ("a.x", .a))
    maker.answers = [("a.x", .cname, 1, name("b.x").wire), ("b.x", .cname, 1, name("a.x").wire), ("b.x", .a, 1, [1, 2, 3, 4])]
    #expect(try maker.message().addresses(of: name("a.x")).count == 1)
  }

  @Test func anAnswerIsOneToItsQuestionOnly() throws {
    let message = try Maker(question: ("eXample.com", .a)).message()
    let asked = Question(name: name("example.COM"), type: .a)
    #expect(Query.isAnswer(message, to: asked, id: 0x1234))
    #expect(!Query.isAnswer(message, to: asked, id: 0x1235))
    #expect(!Query.isAnswer(message, to: Question(name: name("example.com"), type: .aaaa), id: 0x1234))
    #expect(!Query.isAnswer(message, to: Question(name: name("example.org"), type: .a), id: 0x1234))
    var question = Maker(question: ("example.com", .a))
    question.flags = 0x0100
    #expect(!Query.isAnswer(try question.message(), to: asked, id: 0x1234))
  }

  @Test func theLifeOfAnAnswerIsItsShortestTTL() throws {
    var maker = Maker(question: ("a.x", .a))
    maker.answers = [("a.x", .a, 60, [1, 2, 3, 4]), ("a.x", .a, 30, [1, 2, 3, 5])]
    #expect(try maker.message().lifetime == 30)
    #expect(try Message(maker.message().aged(by: 20)).records.map(\.ttl) == [40, 10])
    #expect(try Message(maker.message().aged(by: 90)).records.map(\.ttl) == [0, 0])
    maker.answers = []
    #expect(try maker.message().lifetime == nil)
    maker.authority = [("x", .soa, 300, [0, 0] + [UInt8](repeating: 0, count: 19) + [40])]
    #expect(try maker.message().lifetime == 40)
    maker.flags = 0x8182
    #expect(try maker.message().lifetime == nil)
  }
}

@Suite struct QueryTests {
  private func query(_ text: String, _ type: RecordType = .a, extra: [UInt8] = [], count: UInt8 = 0) -> [UInt8] {
    [0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, count] + name(text).wire + Maker.word(type.rawValue) + [0, 1] + extra
  }
  private let edns: [UInt8] = [0, 0, 41, 4, 208, 0, 0, 0x80, 0, 0, 0]

  @Test func aRefusalSaysWhy() throws {
    guard case .query(let asked) = Query.read(query("evil.example", extra: edns, count: 1)) else { throw MessageError.malformed }
    let answer = try Message(asked.answer(.refused, reason: "not among the allowed names"))
    #expect(answer.code == 5 && answer.id == 0xabcd && answer.questions == [asked.question])
    #expect(answer.bytes.suffix(27).elementsEqual(bytes("not among the allowed names")))
    #expect(answer.bytes[2] & 1 == 1 && answer.records.first?.ttl == 0x8000)
  }

  @Test func withoutEDNSTheAnswerHasNone() throws {
    guard case .query(let asked) = Query.read(query("example.com", .aaaa)) else { throw MessageError.malformed }
    let answer = try Message(asked.answer(.noError, addresses: [address("192.0.2.1"), address("2001:db8::1")], ttl: 60, reason: "x"))
    #expect(answer.records.count == 1)
    #expect(answer.addresses(of: name("EXAMPLE.com")).map { "\($0.address) \($0.ttl)" } == ["2001:db8::1 60"])
  }

  @Test func nothingButOneQuestionAndEDNSIsPassedOn() {
    func isQuery(_ bytes: [UInt8]) -> Bool { if case .query = Query.read(bytes) { true } else { false } }
    #expect(isQuery(query("a.x")))
    #expect(isQuery(query("a.x", extra: edns, count: 1)))
    #expect(!isQuery(query("a.x", extra: edns + edns, count: 2)))
    #expect(!isQuery(query("a.x", extra: [0])))
    // A record of another kind, an answer in a question, a second question, none.
    #expect(!isQuery(query("a.x", extra: [0, 0, 16, 0, 1, 0, 0, 0, 0, 0, 1, 0], count: 1)))
    var many = query("a.x", extra: name("b.x").wire + [0, 1, 0, 1])
    many[5] = 2
    #expect(!isQuery(many))
    var none = Array(query("a.x").prefix(12))
    none[5] = 0
    #expect(!isQuery(none))
    var answer = query("a.x")
    answer[2] |= 0x80
    guard case .nothing = Query.read(answer) else { Issue.record("an answer is answered"); return }
    var update = query("a.x")
    update[2] |= 5 << 3
    guard case .answer(let refusal) = Query.read(update), refusal[3] == 4 else { Issue.record("an update is not refused"); return }
  }
}

@Suite struct SettingsTests {
  @Test func theSessionsFileKeepsAllButTheServers() {
    let host = ResolverSettings(
      bytes("# x\nnameserver 192.0.2.1\nnameserver fe80::1%eth0 ; y\nsearch a.example b.example\noptions ndots:3 timeout:2 rotate attempts:3\noptions edns0 trust-ad\n"))
    #expect(host.servers == [.init(address("192.0.2.1")), .init(address("fe80::1"), interface: bytes("eth0"))])
    #expect(host.timeout == 2 && host.attempts == 3 && host.rotates && host.patience == 4)
    let most = ResolverSettings(bytes("nameserver 192.0.2.1\nnameserver 192.0.2.2\noptions timeout:99 attempts:99\n"))
    #expect(most.timeout == 30 && most.attempts == 5 && most.patience == 30)
    let own = String(decoding: host.file(server: address("127.9.8.7"), more: ["use-vc"]), as: UTF8.self)
    #expect(own.split(separator: "\n").dropFirst() == ["nameserver 127.9.8.7", "search a.example b.example", "options ndots:3 attempts:3 edns0 trust-ad timeout:4 use-vc"])
  }

  @Test(arguments: [
    ("search a.example B.example.", "x.b.example", "B.example."), ("search a.example", "a.example", nil), ("search a.example", "xa.example", nil),
    ("search a.example", "X.y.A.example", "a.example"), ("search .", "x.test", nil), ("domain a.example", "x.own.example", nil), ("", "x.own.example", "own.example"),
    ("", "own.example", nil),
  ] as [(String, String, String?)])
  func namesBelowASearchDomainAreKnown(_ file: String, _ name: String, _ expected: String?) throws {
    let settings = ResolverSettings(bytes(file + "\n"))
    #expect(try settings.searchDomain(of: #require(DomainName(text: bytes(name))), hostName: bytes("host.own.example")) == expected.map(bytes))
    #expect(try settings.searchDomain(of: #require(DomainName(text: bytes(name))), hostName: bytes("host")) == (file.isEmpty ? nil : expected.map(bytes)))
  }

  @Test func withoutServersItIsThisMachine() {
    #expect(ResolverSettings(bytes("search x\n")).servers == [.init(address("127.0.0.1"))])
  }

  @Test func hostsAreReadBothWays() {
    let hosts = HostsFile(bytes("127.0.0.1\tlocalhost\n192.0.2.1 Db.Example.com. db # not this\n# 192.0.2.2 no\n192.0.2.3 db.example.com\nx y\n"))
    #expect(hosts.addresses[bytes("db.example.com")] == [address("192.0.2.1"), address("192.0.2.3")])
    #expect(hosts.names[address("192.0.2.1")] == [bytes("db.example.com"), bytes("db")])
    for odd in ["#", "", "x", "192.0.2.1"] { #expect(hosts.addresses[bytes(odd)] == nil) }
    #expect(hosts.addresses[bytes("not")] == nil && hosts.addresses[bytes("no")] == nil)
  }
}

@Suite struct HostsTests {
  @Test func namesAreCountedByNothingButTheFilesLength() {
    let blocked = (0..<70_000).flatMap { bytes("0.0.0.0 ad\($0).example\n") }
    let hosts = HostsFile(blocked + bytes("192.0.2.1 db.example\n:: db.example\n"))
    #expect(hosts.addresses[bytes("db.example")] == [address("192.0.2.1"), address("::")])
    #expect(hosts.names == [address("192.0.2.1"): [bytes("db.example")]], "nothing is known by an unspecified address")
    // The line that is cut off would give another name.
    let line = bytes("192.0.2.9 last.allowed.example")
    let long = [UInt8](repeating: UInt8(ascii: "\n"), count: HostsFile.longest - line.count) + line
    #expect(HostsFile(long).names[address("192.0.2.9")] == [bytes("last.allowed.example")])
    #expect(HostsFile(long + bytes(".evil\n")).names.isEmpty)
    #expect(HostsFile([UInt8](repeating: UInt8(ascii: "x"), count: HostsFile.longest + 1)).names.isEmpty)
  }

  @Test(arguments: ["a.b", "A-b_1.Example", "a..b", ".a", "a.", "a\\.b", "a*b", String(repeating: "a", count: 63), String(repeating: "a", count: 64), String(repeating: "abcdefg.", count: 31)])
  func namesAreReadAsEverywhere(_ text: String) {
    #expect(HostsFile(bytes("192.0.2.1 \(text)\n")).names[address("192.0.2.1")] == DomainName(text: bytes(text)).map { [$0.text] })
  }

  @Test func aLongListOfNamesIsReadAtOnce() {
    let (before, count) = (ContinuousClock.now, 70_000)
    let hosts = HostsFile((0..<count).flatMap { bytes("0.0.0.0 ad\($0).example\n192.0.2.1 ad\($0).example\n") })
    #expect(hosts.addresses[bytes("ad69999.example")] == [address("0.0.0.0"), address("192.0.2.1")])
    #expect(hosts.names[address("192.0.2.1")]?.count == count)
    // Seconds where each name costs the same; minutes where it costs as much as there are others.
    #expect(ContinuousClock.now - before < .seconds(30))
  }
}

@Suite struct MemoryTests {
  private let second: UInt64 = 1_000_000_000

  @Test func anAddressIsKeptAsLongAsItMightBeUsed() {
    var memory = NameMemory(floor: 60 * second)
    memory.remember(bytes("a.x"), address("192.0.2.1"), ttl: 1, now: 0)
    memory.remember(bytes("b.x"), address("192.0.2.1"), ttl: 120, now: 0)
    #expect(memory.names(of: address("192.0.2.1"), now: 59 * second) == [bytes("b.x"), bytes("a.x")])
    #expect(memory.names(of: address("192.0.2.1"), now: 61 * second) == [bytes("b.x")])
    memory.renew(address("192.0.2.1"), now: 119 * second)
    #expect(memory.names(of: address("192.0.2.1"), now: 170 * second) == [bytes("b.x")])
    #expect(memory.names(of: address("192.0.2.1"), now: 180 * second).isEmpty)
    #expect(memory.names(of: address("192.0.2.2"), now: 0).isEmpty)
  }

  @Test func aScopeMakesNoOtherAddress() {
    var memory = NameMemory()
    memory.remember(bytes("a.x"), address("fe80::1"), ttl: 1, now: 0)
    #expect(memory.names(of: address("fe80::1%3"), now: 1) == [bytes("a.x")])
  }

  @Test func itIsBounded() {
    var memory = NameMemory(most: 100, mostPerAddress: 4, floor: 1)
    for index in 0..<10_000 {
      memory.remember(bytes("n\(index).x"), .v4(UInt32(index)), ttl: UInt32(index), now: 0)
      #expect(memory.count <= 100)
    }
    // Those that hold longest are there still.
    #expect(memory.names(of: .v4(9_999), now: 1) == [bytes("n9999.x")])
    for index in 0..<100 { memory.remember(bytes("n\(index).x"), .v4(7), ttl: 1_000_000, now: 0) }
    #expect(memory.names(of: .v4(7), now: 1).count == 4)
  }

  @Test func anAnswerIsGivenAgainToTheVerySameQuery() throws {
    var maker = Maker(question: ("a.x", .a))
    maker.answers = [("a.x", .a, 60, [1, 2, 3, 4])]
    let query: [UInt8] = [9, 9, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0] + name("a.x").wire + [0, 1, 0, 1]
    var cache = AnswerCache(most: 2)
    cache.keep(try maker.message(), to: query, now: 0)
    var again = query
    again[0] = 7
    let answer = try #require(cache.answer(to: again, now: 10 * second))
    #expect(answer.bytes[0] == 7 && answer.bytes[1] == 9)
    #expect(answer.addresses.map { "\($0.address) \($0.ttl)" } == ["1.2.3.4 60"])
    #expect(try Message(answer.bytes).records.map(\.ttl) == [50])
    #expect(cache.answer(to: again, now: 60 * second) == nil)
    again[12 + 1] = UInt8(ascii: "A")
    #expect(cache.answer(to: again, now: 1) == nil)
    for index in 0..<100 { cache.keep(try maker.message(), to: query + [UInt8(index)], now: 0) }
    #expect(cache.count <= 2)
  }
}
