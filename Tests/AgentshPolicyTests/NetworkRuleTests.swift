import Testing

@testable import AgentshPolicy

private func connect(_ bound: BoundPolicy, _ address: String, _ port: UInt16 = 443, _ operation: NetworkOperation = .connect, host: String? = nil) -> Verdict {
  bound.network(NetworkSubject(operation: operation, address: IPAddress(address), port: port, hosts: host.map { [bytes($0)] } ?? []))
}

@Suite struct AddressTests {
  @Test(arguments: [
    ("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"), ("::ffff:10.0.0.1", "10.0.0.1"),
    ("::ffff:a00:1", "10.0.0.1"), ("::", "::"), ("fe80::1%3", "fe80::1%3"), ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"),
    ("2001:DB8::", "2001:db8::"), ("64:ff9b::192.0.2.1", "64:ff9b::c000:201"), ("1::8", "1::8"), ("::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"),
  ])
  func textIsReadAndWritten(_ text: String, _ written: String) {
    #expect(IPAddress(text).map { "\($0)" } == written)
  }

  @Test(arguments: [
    "", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "1.2.3.4 ", "0x7f.0.0.1", "2130706433", ":", ":::", "1::2::3", "12345::", "g::",
    "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8::", "::1.2.3", "::1.2.3.4:5", "1:", ":1", "fe80::1%", "fe80::1%x", "1.2.3.-4", "+1::",
  ])
  func otherTextIsNone(_ text: String) {
    #expect(IPAddress(text) == nil)
  }

  @Test func bytesOfMemoryAreInNetworkOrder() {
    #expect(IPAddress(bytes: [10, 0, 0, 1]) == IPAddress("10.0.0.1"))
    #expect(IPAddress(bytes: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 1]) == IPAddress("10.0.0.1"))
    #expect(IPAddress(bytes: [0x20, 1, 0x0d, 0xb8] + Array(repeating: 0, count: 11) + [1]) == IPAddress("2001:db8::1"))
    #expect(IPAddress(bytes: [1, 2, 3]) == nil)
  }

  @Test(arguments: [
    ("10.0.0.0/8", "10.255.255.255", true), ("10.0.0.0/8", "11.0.0.0", false), ("10.1.2.3/8", "10.9.9.9", true), ("0.0.0.0/0", "1.2.3.4", true),
    ("0.0.0.0/0", "::1", false), ("::/0", "2001:db8::1", true), ("::/0", "1.2.3.4", false), ("fc00::/7", "fd12::1", true), ("fc00::/7", "fe80::1", false),
    ("fe80::/10", "fe80::1%2", true), ("1.2.3.4", "1.2.3.4", true), ("1.2.3.4", "1.2.3.5", false), ("2001:db8::/65", "2001:db8::1", true),
    ("2001:db8::/65", "2001:db8:0:0:8000::1", false), ("::ffff:10.0.0.0/104", "10.1.1.1", true), ("::1/128", "::1", true),
  ])
  func blocksContain(_ block: String, _ address: String, _ expected: Bool) throws {
    let cidr = try #require(CIDR(block))
    let ip = try #require(IPAddress(address))
    #expect(cidr.contains(ip) == expected)
  }

  @Test(arguments: ["10.0.0.0/33", "10.0.0.0/-1", "::/129", "10.0.0.0/", "/8", "10.0.0.0/8/8", "10.0.0.0/+8", "x/8", "::ffff:1.2.3.4/95"])
  func brokenBlocksAreNone(_ text: String) { #expect(CIDR(text) == nil) }
}

@Suite struct NetworkRuleTests {
  @Test func addressAndPortAreAllThatIsGiven() throws {
    let bound = try policy(
      """
      network_rules:
        - {name: web, cidrs: [192.0.2.0/24], ports: [443, "8000-8010"], decision: allow}
        - {name: no, cidrs: [192.0.2.0/24], decision: deny}
        - {name: dns, ports: [53], decision: audit}
      """)
    #expect(connect(bound, "192.0.2.7").rule == "web")
    #expect(connect(bound, "192.0.2.7", 8010).rule == "web")
    #expect(connect(bound, "192.0.2.7", 8011).rule == "no")
    #expect(connect(bound, "198.51.100.1", 53).decision == .audit)
    #expect(connect(bound, "198.51.100.1", 54).rule == "default:network")
    #expect(connect(bound, "198.51.100.1", 53, .send).rule == "dns")
  }

  @Test func anotherDressIsTheSameAddress() throws {
    let bound = try policy("network_rules: [{name: lo, cidrs: [127.0.0.0/8, '::1/128'], decision: deny}, {name: all, decision: allow}]")
    for address in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "0.0.0.0", "::", "::ffff:0.0.0.0"] {
      #expect(connect(bound, address).rule == "lo", "\(address)")
    }
    #expect(connect(bound, "128.0.0.1").rule == "all")
  }

  @Test func whatOnlyANameCouldDecideIsRefusedAndSaysWhy() throws {
    let bound = try policy(
      """
      network_rules:
        - {name: registry, domains: [registry.example, "*.example.com"], ports: [443], decision: allow}
        - {name: local, cidrs: [127.0.0.0/8], decision: allow}
        - {name: rest, domains: ["*"], decision: deny, message: no}
      """)
    #expect(connect(bound, "192.0.2.1").rule == "rest")
    #expect(connect(bound, "192.0.2.1").message?.contains("rule registry allows some names") == true)
    #expect(connect(bound, "192.0.2.1", 80).message == "no")
    #expect(connect(bound, "127.0.0.1").isPermitted)
    let named = connect(bound, "192.0.2.1", host: "A.Example.com.")
    #expect(named.rule == "registry" && named.isPermitted && named.host == bytes("a.example.com"))
    #expect(connect(bound, "192.0.2.1", host: "a.b.example.com").rule == "rest")
  }

  @Test func aNameThatMightBeRefusedIsNotPermittedByALaterRuleForAll() throws {
    let bound = try policy(
      """
      network_rules:
        - {name: evil, domains: [evil.example], decision: deny}
        - {name: ours, cidrs: [192.0.2.0/24], decision: allow}
        - {name: all, domains: ["*"], decision: allow}
      """)
    #expect(connect(bound, "198.51.100.1").rule == "evil")
    #expect(!connect(bound, "198.51.100.1").isPermitted)
    #expect(connect(bound, "192.0.2.1").rule == "ours", "an address that is named decides as it stands")
    #expect(try !connect(policy("defaults: {network: allow}\nnetwork_rules: [{name: evil, domains: [evil.example], decision: deny}]"), "192.0.2.1").isPermitted)
  }

  @Test(arguments: [
    ("127.0.0.1", 3000, true), ("0.0.0.0", 3000, true), ("::", 0, true), ("::1", 1024, true), ("127.0.0.1", 80, false), ("192.0.2.1", 3000, false),
  ] as [(String, UInt16, Bool)])
  func listeningIsLocalUnlessARuleSaysOtherwise(_ address: String, _ port: UInt16, _ expected: Bool) throws {
    let bound = try policy("network_rules: [{name: all, domains: ['*'], decision: deny}]")
    for operation in [NetworkOperation.bind, .listen] {
      let verdict = connect(bound, address, port, operation)
      #expect(verdict.isPermitted == expected)
      #expect(verdict.rule == "default:network_bind")
    }
    let named = try policy("network_rules: [{name: b, operations: [bind], ports: [80], decision: allow}, {name: none, operations: ['*'], decision: deny}]")
    #expect(connect(named, address, port, .bind).rule == (port == 80 ? "b" : "none"))
    #expect(connect(named, address, port).rule == "none")
  }

  @Test func aConnectionThatIsToBeRedirectedIsRefused() throws {
    let bound = try policy(
      """
      connect_redirects: [{name: proxy, match: "^192\\\\.0\\\\.2\\\\.1:443$", redirect_to: "127.0.0.1:8080"}]
      network_rules: [{name: all, decision: allow}]
      """)
    #expect(connect(bound, "192.0.2.1").decision == .redirect)
    #expect(!connect(bound, "192.0.2.1").isPermitted)
    #expect(connect(bound, "192.0.2.2").rule == "all")
  }

  @Test func withoutAnAddressNoBlockPermits() throws {
    let bound = try policy("network_rules: [{name: any, cidrs: [0.0.0.0/0, '::/0'], decision: allow}]")
    #expect(!bound.network(NetworkSubject(operation: .connect, address: nil, port: 1, hosts: [bytes("x")])).isPermitted)
  }
}
