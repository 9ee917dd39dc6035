import Testing

@testable import AgentshPolicy

private func connect(
  _ bound: BoundPolicy, _ address: String?, _ hosts: [String], _ port: UInt16 = 443, _ operation: NetworkOperation = .connect,
  proto: NetworkProtocol = .tcp
) -> Verdict {
  bound.network(
    NetworkSubject(operation: operation, address: address.flatMap { IPAddress($0) }, port: port, proto: proto, hosts: hosts.map(bytes)))
}

private let listed = """
  network_rules:
    - {name: forge, domains: [forge.example, "*.forge.example"], ports: [443, 22], decision: allow}
    - {name: watched, domains: ["api.??.example"], decision: audit}
    - {name: intranet, domains: ["*.corp.example"], cidrs: [10.0.0.0/8], decision: allow}
    - {name: rest, domains: ["*"], decision: deny}
  """

@Suite struct NameRuleTests {
  @Test(arguments: [
    ("forge.example", 443, "forge", true), ("forge.example", 80, "rest", false), ("www.forge.example", 22, "forge", true),
    ("FORGE.Example.", 443, "forge", true), ("a.b.forge.example", 443, "rest", false), ("forge.example.evil.test", 443, "rest", false),
    ("xforge.example", 443, "rest", false), ("forge.example..", 443, "rest", false), (".forge.example", 443, "forge", true), ("", 443, "rest", false),
    ("forge.example\u{0}.evil.test", 443, "rest", false), ("api.de.example", 9, "watched", true), ("api.d.e.example", 9, "rest", false),
    ("api.d.example", 9, "rest", false),
  ] as [(String, UInt16, String, Bool)])
  func aNameIsDecidedByTheFirstRuleThatMatchesIt(_ host: String, _ port: UInt16, _ rule: String, _ expected: Bool) throws {
    let verdict = try connect(policy(listed), "192.0.2.1", [host], port)
    #expect(verdict.rule == rule)
    #expect(verdict.isPermitted == expected)
    #expect(verdict.host == HostName.folded(bytes(host)))
  }

  @Test func readsAreAskedAboutForTheResolverAloneWhereNoRuleSpeaksOfThem() throws {
    #expect(try policy(listed).permitsReadsUnasked)
    #expect(try !policy("network_rules:\n  - {name: one, cidrs: [192.0.2.0/24], decision: allow}\n").permitsReadsUnasked)
    for more in [
      "file_rules:\n  - {name: secret, paths: [\"/**/.env\"], operations: [read], decision: deny}\n", "audit: {log_allowed: true}\n",
    ] {
      #expect(try !policy(listed + "\n" + more).permitsReadsUnasked)
    }
  }

  @Test func oneOfSeveralNamesIsEnoughAndTheirOrderDoesntMatter() throws {
    let bound = try policy(listed)
    for hosts in [["other.test", "forge.example", "api.de.example"], ["api.de.example", "forge.example", "other.test"]] {
      let verdict = connect(bound, "192.0.2.1", hosts)
      #expect(verdict.rule == "watched" && verdict.isPermitted && verdict.host == bytes("api.de.example"), "the first name by its bytes that is permitted")
    }
    let refused = connect(bound, "192.0.2.1", ["z.test", "b.test"])
    #expect(!refused.isPermitted && refused.host == bytes("b.test"))
    #expect(refused.message == "b.test is not among the allowed names (rule rest)")
  }

  /// As libraries ask for the way to an address.
  @Test func withoutAPortAnAddressIsPermittedWhereSomePortIs() throws {
    let bound = try policy(
      """
      connect_redirects:
        - {name: elsewhere, match: '^forge\\.example:', redirect_to: '127.0.0.1:1'}
      network_rules:
        - {name: no-mail, ports: [25], decision: deny}
        - {name: bad, domains: [bad.example], ports: [443], decision: deny}
        - {name: forge, domains: [forge.example], ports: [443], decision: allow}
        - {name: block, cidrs: [198.51.100.0/24], ports: [22], decision: audit}
        - {name: rest, decision: deny}
        - {name: late, ports: [80], decision: allow}
      """)
    func rule(_ address: String, _ hosts: [String]) -> String {
      let verdict = bound.network(
        NetworkSubject(operation: .connect, address: IPAddress(address), port: 0, proto: .udp, hosts: hosts.map(bytes), isAnyPort: true))
      return (verdict.isPermitted ? "+" : "-") + verdict.rule
    }
    #expect(rule("192.0.2.1", ["forge.example"]) == "+forge")
    #expect(rule("198.51.100.1", []) == "+block")
    #expect(rule("192.0.2.1", []) == "-rest")
    #expect(rule("192.0.2.1", ["bad.example"]) == "-rest")
    #expect(rule("10.0.0.1", ["forge.example"]) == "-rest")
    #expect(connect(bound, "192.0.2.1", ["forge.example"], 0, proto: .udp).rule == "elsewhere")
  }

  @Test func messagesSayWhatWasMissing() throws {
    let bound = try policy(listed)
    #expect(connect(bound, "192.0.2.1", ["api.example.org"]).message == "api.example.org is not among the allowed names (rule rest)")
    #expect(connect(bound, "192.0.2.1", []).message == "rule forge allows some names, and this session has looked up none that leads to 192.0.2.1")
    #expect(try connect(policy("network_rules: [{name: no, decision: deny}]"), "192.0.2.1", [], 80).message == "192.0.2.1 port 80 is refused (rule no)")
    let own = try policy("network_rules:\n  - {name: a, domains: [a.example], decision: allow}\n  - {name: r, decision: deny, message: 'Ask. {{.RemoteAddr}} {{.RemotePort}} {{.Address}}'}")
    #expect(connect(own, "192.0.2.1", ["b.example"]).message == "Ask. b.example 443 192.0.2.1 (b.example is not among the allowed names (rule r))")
    let none = try policy("network_rules:\n  - {name: a, domains: [a.example], decision: allow}\n  - {name: bad, domains: [bad.example], decision: deny}")
    #expect(connect(none, "192.0.2.1", ["b.example"]).message == "b.example is not among the allowed names")
    #expect(connect(none, "192.0.2.1", ["bad.example"]).message == "bad.example is refused by name (rule bad)")
    #expect(try connect(policy(""), "192.0.2.1", []).message == "no rule of the policy allows 192.0.2.1 port 443")
    let mixed = try policy(
      """
      network_rules:
        - {name: web, domains: [web.example], ports: [443], decision: allow}
        - {name: own, domains: [db.example], cidrs: [10.9.8.0/24, "fd00::/8"], decision: allow}
      """)
    #expect(connect(mixed, nil, ["b.example"], 80).message == "b.example is not among the allowed names", "what the resolver says of it")
    #expect(connect(mixed, nil, ["web.example"], 80).message == "no rule of the policy allows web.example port 80")
    #expect(connect(mixed, nil, ["db.example"]).message == "rule own allows db.example where it leads into 10.9.8.0/24, fd00::/8")
    #expect(connect(mixed, "10.1.1.1", ["db.example"]).message == "rule own allows db.example where it leads into 10.9.8.0/24, fd00::/8, not to 10.1.1.1")
    guard case .refused(let root) = mixed.name(bytes(".")) else {
      Issue.record("the root is looked up")
      return
    }
    #expect(root.message == ". is not among the allowed names")
    let odd = connect(none, "192.0.2.1", ["\u{1b}[2J\u{202e}.example"]).message ?? ""
    #expect(!odd.unicodeScalars.contains("\u{1b}") && !odd.unicodeScalars.contains("\u{202e}"))
  }

  /// Whoever answers for an allowed name must not be able to send a connection into the house.
  @Test(arguments: [
    "127.0.0.1", "127.1.2.3", "::1", "0.0.0.0", "::", "0.1.2.3", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "100.100.100.200",
    "169.254.169.254", "fd00:ec2::254", "fe80::1", "fe80::1%2", "fec0::1", "fc00::1", "ff02::1", "224.0.0.1", "239.1.1.1", "255.255.255.255", "240.0.0.1",
    "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b:1::1", "2002:7f00:1::", "2002:a00:1::1", "::ffff:0:10.0.0.1",
    "198.18.0.1", "198.19.255.255", "192.0.0.1", "192.88.99.1", "100::1", "100:0:0:1::1", "2001:2::1", "5f00::1", "2001:0:808:808::f5ff:fffe",
    "2001:0:a00:1::f7f7:f7f7",
  ])
  func anAllowedNameLeadsToNoSpecialAddress(_ address: String) throws {
    let bound = try policy("network_rules:\n  - {name: ours, domains: [rebind.example], decision: allow}\n  - {name: rest, decision: deny}")
    let verdict = connect(bound, address, ["rebind.example"])
    #expect(!verdict.isPermitted && verdict.rule == "rest")
    #expect(verdict.message?.contains("rule ours allows rebind.example, but ") == true)
    #expect(connect(bound, "192.0.2.1", ["rebind.example"]).isPermitted)
    // The address itself may be permitted, before or after the name.
    for block in ["cidrs: ['0.0.0.0/0', '::/0']"] {
      let both = try policy("network_rules:\n  - {name: ours, domains: [rebind.example], decision: allow}\n  - {name: blocks, \(block), decision: allow}")
      #expect(connect(both, address, ["rebind.example"]).rule == "blocks")
    }
    let together = try policy("network_rules: [{name: both, domains: [rebind.example], cidrs: ['0.0.0.0/0', '::/0'], decision: allow}]")
    #expect(connect(together, address, ["rebind.example"]).rule == "both")
    #expect(!connect(together, address, ["other.example"]).isPermitted)
    #expect(!connect(together, address, []).isPermitted)
  }

  @Test(arguments: ["8.8.8.8", "192.0.2.1", "198.51.100.1", "203.0.113.1", "198.17.255.255", "198.20.0.1", "172.32.0.1", "100.128.0.1", "2001:db8::1", "2606:4700::1", "64:ff9b::808:808", "2002:808:808::1", "100:0:0:2::1", "2001:2:1::1",
    "2001:0:808:808::f7f7:f7f7", "2001:4860:4860::8888"])
  func otherAddressesAreReachedByName(_ address: String) throws {
    #expect(try connect(policy("network_rules: [{name: ours, domains: [x.example], decision: allow}]"), address, ["x.example"]).isPermitted)
  }

  @Test func everyAddressIsEveryAddress() throws {
    let bound = try policy("network_rules: [{name: all, domains: ['*'], decision: audit}]")
    #expect(connect(bound, "127.0.0.1", ["x.example"]).isPermitted)
    #expect(connect(bound, "10.0.0.1", []).isPermitted)
    #expect(!bound.knowsNames)
  }

  @Test func namesThatMightBeRefusedKeepNamelessAddressesOut() throws {
    let bound = try policy(
      """
      network_rules:
        - {name: evil, domains: [evil.example], decision: deny}
        - {name: ours, cidrs: [192.0.2.0/24], decision: allow}
        - {name: all, domains: ["*"], decision: allow}
      """)
    let nameless = connect(bound, "198.51.100.1", [])
    #expect(!nameless.isPermitted && nameless.rule == "evil")
    #expect(nameless.message?.contains("has to be looked up by name first") == true)
    #expect(connect(bound, "198.51.100.1", ["good.example"]).rule == "all")
    #expect(connect(bound, "198.51.100.1", ["EVIL.example."]).rule == "evil")
    #expect(connect(bound, "192.0.2.1", ["evil.example"]).rule == "evil")
    #expect(connect(bound, "192.0.2.1", []).rule == "ours")
  }

  @Test func addressesMayStandAmongTheDomains() throws {
    let bound = try policy("network_rules: [{name: mixed, domains: [a.example, 10.0.0.1, 'fe80::1'], decision: allow}]")
    #expect(connect(bound, "10.0.0.1", []).rule == "mixed")
    #expect(connect(bound, "10.0.0.1", ["b.example"]).rule == "mixed")
    #expect(connect(bound, "fe80::1%3", []).rule == "mixed")
    #expect(!connect(bound, "10.0.0.2", []).isPermitted)
    #expect(!connect(bound, "10.0.0.2", ["10.0.0.1"]).isPermitted, "a name that looks like an address is none")
    #expect(connect(bound, "192.0.2.1", ["a.example"]).isPermitted)
    #expect(try !policy("network_rules: [{name: one, domains: [10.0.0.1], decision: allow}]").knowsNames)
  }

  @Test func variablesInNamesAreFoldedToo() throws {
    let variables = PolicyVariables(projectRoot: bytes("/p"), gitRoot: nil, home: bytes("/h"), user: bytes("Ann"))
    let bound = try policy("network_rules: [{name: own, domains: ['${USER}.People.example.'], decision: allow}]", variables)
    #expect(connect(bound, "192.0.2.1", ["ann.people.example"]).isPermitted)
  }

  @Test(arguments: [
    ("bücher.example", "xn--bcher-kva.example"), ("BÜCHER.example", "xn--bcher-kva.example"), ("例え.テスト", "xn--r8jz45g.xn--zckzah"), ("*.münchen.example", "*.xn--mnchen-3ya.example"),
    ("ليهمابتكلموشعربي؟", "xn--egbpdaj6bu4bxfgehfvwxn"), ("почемужеонинеговорятпорусски", "xn--b1abfaaepdrnnbgefbadotcwatmq2g4l"),
    ("他们为什么不说中文", "xn--ihqwcrb4cv8a8dqg056pqjye"), ("Pročprostěnemluvíčesky", "xn--proprostnemluvesky-uyb24dma41a"),
  ])
  func otherLettersAreRefusedWithTheFormToWrite(_ name: String, _ form: String) {
    let result = Policy.parse(bytes("version: 1\nname: t\nnetwork_rules: [{name: x, domains: ['\(name)'], decision: allow}]"), file: "t")
    #expect(result.policy == nil)
    #expect(result.errors.first?.message.hasSuffix(": \(form)") == true, "\(result.errors)")
  }

  @Test func thisMachineHasItsName() {
    for name in ["localhost", "LOCALHOST.", "a.b.localhost"] { #expect(HostName.isThisMachine(bytes(name))) }
    for name in ["", ".", "localhost.example", "xlocalhost", "localhos"] { #expect(!HostName.isThisMachine(bytes(name))) }
  }

  @Test func whatIsNoNameIsWarnedOf() {
    for text in ["https://forge.example", "forge.example:443", "forge.example/x", "a b", ".corp.example", "a..b", "[::1]", "${USER:-x}..example", "forge.example..", "."] {
      let result = Policy.parse(bytes("version: 1\nname: t\nnetwork_rules: [{name: x, domains: ['\(text)'], decision: allow}]"), file: "t")
      #expect(result.errors.isEmpty && result.warnings.contains { $0.message.contains("never matches") }, "\(text)")
    }
    for text in ["*.a-b_c.example", "${USER:-x}.corp.example", "{a,b}.corp.example.", "[ab].example", "${USER}"] {
      let result = Policy.parse(bytes("version: 1\nname: t\nnetwork_rules: [{name: x, domains: ['\(text)'], decision: allow}]"), file: "t")
      #expect(result.diagnostics.isEmpty, "\(text)")
    }
  }
}

@Suite struct NameWarningTests {
  @Test(arguments: [
    ("127.1", "127.0.0.1"), ("0x7f.1", "127.0.0.1"), ("2130706433", "127.0.0.1"), ("017700000001", "127.0.0.1"), ("0X7F000001", "127.0.0.1"), ("010.0.0.1", "8.0.0.1"),
    ("0", "0.0.0.0"), ("10.1.258", "10.1.1.2"), ("4294967295", "255.255.255.255"),
  ])
  func numbersThatProgramsTakeForAddressesAreNoNames(_ text: String, _ expected: String) {
    #expect(IPAddress(asProgramsRead: text).map { "\($0)" } == expected)
    let result = Policy.parse(bytes("version: 1\nname: t\nnetwork_rules: [{name: x, domains: ['\(text)'], decision: allow}]"), file: "t")
    #expect(result.errors.isEmpty && result.warnings.contains { $0.message.contains("for the address \(expected)") })
  }

  @Test(arguments: ["127.0.0.1", "", "1.2.3.4.5", "4294967296", "256.1.1.1", "1.2.3.256", "1..2", "08", "0x", "0xg", "-1", "1.example", "+1", "127.1.", "::1", "1.2.3.99999999999999999999"])
  func othersAreNone(_ text: String) { #expect(IPAddress(asProgramsRead: text) == nil) }

  private func warnings(_ key: String, _ match: String) -> [String] {
    let place = key == "dns_redirects" ? "resolve_to: 192.0.2.1" : "redirect_to: '192.0.2.1:1'"
    let result = Policy.parse(bytes("version: 1\nname: t\n\(key): [{name: r, match: '\(match)', \(place)}]"), file: "t")
    #expect(result.errors.isEmpty, "\(match)")
    return result.warnings.map(\.message)
  }

  @Test(arguments: [
    ("dns", "^API\\.example$", "lower case"), ("dns", "(www|Api)\\.example", "lower case"), ("dns", "^api\\.example\\.$", "a dot at the end"),
    ("dns", "^(api\\.example\\.)$", "a dot at the end"), ("dns", "^api\\.example:443$", "has a port"), ("connect", "^api\\.example$", "before the port"),
    ("connect", "example$", "before the port"), ("connect", "^(a|b\\.example)$", "before the port"), ("connect", "^192\\.0\\.2\\.1$", "before the port"),
    ("connect", "^api\\.example\\.:443$", "a dot at the end"), ("connect", "^api\\.example\\.$", "a dot at the end"), ("connect", "^Api:1$", "lower case"), ("connect", "^\\[2001:db8::9\\]$", "before the port"),
  ])
  func anExpressionThatCantMatchIsWarnedOf(_ kind: String, _ match: String, _ word: String) {
    #expect(warnings(kind + "_redirects", match).contains { $0.contains(word) }, "\(warnings(kind + "_redirects", match))")
  }

  @Test(arguments: [
    ("dns", "^api\\.example$"), ("dns", "(?i)^API\\.example$"), ("dns", "^[A-Z\\]a]+\\D\\W\\pL\\p{Greek}\\.example$"), ("dns", "^(?P<Name>x)$"), ("dns", "^api\\.example\\.?$"),
    ("dns", "\\\\.$"), ("dns", "[[:upper:]]"), ("dns", "^[]A]$"), ("dns", "x{2}$"), ("dns", "^\\x41$"), ("dns", "\\QA.b\\E"), ("dns", "^2001:db8$|x"),
    ("connect", "^api\\.example:443$"), ("connect", "^api\\.example:"), ("connect", "^api\\.example"), ("connect", "^api\\.example(:443)?$"), ("connect", "^.*$"),
    ("connect", ":443$"), ("connect", "443$"), ("connect", "^10\\.0\\.0\\.[^x]*1$"), ("connect", "^api\\.example:\\d+$"), ("connect", "^a:1$|^b:2$"),
    ("connect", "^\\[2001:db8::9\\]:80$"), ("connect", "x"), ("connect", "^api\\.example:[0-9]{2}$"),
  ])
  func othersAreNotWarnedOf(_ kind: String, _ match: String) { #expect(warnings(kind + "_redirects", match).isEmpty, "\(match)") }
}

@Suite struct LookupTests {
  private func rule(_ bound: BoundPolicy, _ host: String) -> String {
    switch bound.name(bytes(host)) {
    case .allowed(let verdict): "+\(verdict.rule)"
    case .refused(let verdict): "-\(verdict.rule)"
    case .redirected(let redirection): "\(redirection.address)"
    }
  }

  @Test func namesAreLookedUpThatSomeRuleCouldPermit() throws {
    let bound = try policy(
      """
      network_rules:
        - {name: loopback, cidrs: [127.0.0.0/8], decision: allow}
        - {name: bad-port, domains: [forge.example], ports: [25], decision: deny}
        - {name: bad, domains: [bad.forge.example], decision: deny, message: never}
        - {name: forge, domains: [forge.example, "*.forge.example"], ports: [443], decision: allow}
        - {name: corp, domains: ["*.corp.example"], cidrs: [10.0.0.0/8], decision: audit}
        - {name: ask, ports: [443], decision: approve}
        - {name: rest, domains: ["*"], decision: deny, message: "{{.RemoteAddr}} port {{.RemotePort}}: no"}
      """)
    #expect(bound.knowsNames)
    #expect(rule(bound, "Forge.example.") == "+forge")
    #expect(rule(bound, "bad.forge.example") == "-bad")
    #expect(rule(bound, "a.corp.example") == "+corp")
    #expect(rule(bound, "x.test") == "-rest", "a rule about addresses permits no names")
    #expect(rule(bound, "") == "-rest")
    guard case .refused(let verdict) = bound.name(bytes("x.test")) else {
      Issue.record("x.test is looked up")
      return
    }
    #expect(verdict.message == "x.test port any: no (x.test is not among the allowed names (rule rest))")
    #expect(!verdict.isPermitted && verdict.isRecorded)
  }

  @Test func whatIsPermittedForAllIsLookedUpForAll() throws {
    let bound = try policy("network_rules:\n  - {name: evil, domains: [evil.example], decision: deny}\n  - {name: web, ports: [443], decision: allow}")
    #expect(rule(bound, "evil.example") == "-evil")
    #expect(rule(bound, "x.test") == "+web")
    #expect(try rule(policy("defaults: {network: allow}"), "x.test") == "+default:network")
    #expect(try rule(policy(""), "x.test") == "-default:network")
    #expect(try rule(policy("network_rules: [{name: servers, domains: [x.test], operations: [bind], decision: allow}]"), "x.test") == "-default:network")
  }

  @Test func aRedirectedNameHasItsAddressAndIsDecidedByTheRules() throws {
    let bound = try policy(
      """
      dns_redirects:
        - {name: here, match: "^api\\\\.example$", resolve_to: 10.0.0.50}
        - {name: there, match: "example", resolve_to: "2001:db8::5", visibility: warn, on_failure: fail_open}
      network_rules: [{name: api, domains: [api.example], decision: allow}]
      """)
    #expect(bound.knowsNames)
    #expect(bound.name(bytes("API.example.")) == .redirected(
      NameRedirection(rule: "here", address: try #require(IPAddress("10.0.0.50")), visibility: .auditOnly, onFailure: .failClosed)))
    #expect(bound.name(bytes("www.example")) == .redirected(
      NameRedirection(rule: "there", address: try #require(IPAddress("2001:db8::5")), visibility: .warn, onFailure: .failOpen)))
    #expect(connect(bound, "10.0.0.50", ["api.example"]).rule == "api", "the policy itself says so, private or not")
    #expect(!connect(bound, "10.0.0.51", ["api.example"]).isPermitted)
    #expect(!connect(bound, "2001:db8::5", ["www.example"]).isPermitted)
    for (host, place, isElsewhere) in [("API.example", "10.0.0.50", false), ("api.example", "10.0.0.51", true), ("x.test", "10.0.0.51", false)] {
      let address = try #require(IPAddress(place))
      #expect(bound.leads(bytes(host), elsewhereThan: address) == isElsewhere, "\(host) \(place)")
    }
  }
}

@Suite struct ConnectRedirectTests {
  private let text = """
    connect_redirects:
      - {name: models, match: "^api\\\\.models\\\\.example:443$", redirect_to: "127.0.0.1:8443", visibility: warn, message: "Through the proxy.", on_failure: fail_open}
      - {name: database, match: '^(192\\.0\\.2\\.9|\\[2001:db8::9\\]):5432$', redirect_to_unix: /run/postgresql/.s.PGSQL.5432}
      - {name: by-name, match: '^old\\.example:', redirect_to: 'new.example:8080', visibility: silent, on_failure: retry_original}
      - {name: sni, match: '^sni\\.example:', redirect_to: '127.0.0.1:1', tls: {mode: rewrite_sni, sni: x.example}, on_failure: fail_open}
      - {name: hidden, match: '^hidden\\.example:', redirect_to_unix: '@hidden'}
    network_rules: [{name: models-too, domains: [api.models.example], decision: allow}]
    """

  @Test func aConnectionGoesElsewhere() throws {
    let bound = try policy(text)
    let first = connect(bound, "192.0.2.1", ["x.test", "API.models.example."])
    #expect(first.decision == .redirect && first.rule == "models" && !first.isPermitted && first.isRecorded)
    #expect(first.redirection?.destination == .address(try #require(IPAddress("127.0.0.1")), port: 8443))
    #expect(first.redirection?.onFailure == .failOpen)
    #expect(first.message == "Through the proxy. (goes to 127.0.0.1:8443)" && first.host == bytes("api.models.example"))
    #expect(bound.networkWithoutRedirection(
      NetworkSubject(operation: .connect, address: IPAddress("192.0.2.1"), port: 443, hosts: [bytes("api.models.example")])).rule == "models-too")
    // The kernel looks at no interface of these.
    for address in ["192.0.2.9", "::ffff:192.0.2.9", "2001:db8::9", "2001:db8::9%7"] {
      #expect(connect(bound, address, [], 5432).redirection?.destination == .unix(.path(bytes("/run/postgresql/.s.PGSQL.5432"))), "\(address)")
    }
    #expect(connect(bound, "192.0.2.1", ["old.example"], 7).redirection?.destination == .host(bytes("new.example"), port: 8080))
    #expect(connect(bound, "192.0.2.1", ["old.example"], 7).message == "goes elsewhere")
    #expect(connect(bound, "192.0.2.1", ["hidden.example"], 7).redirection?.destination == .unix(.abstract(bytes("hidden"))))
    #expect(connect(bound, "192.0.2.1", ["other.example"]).redirection == nil)
  }

  @Test func aLinkLocalAddressIsMatchedWithoutItsInterface() throws {
    let bound = try policy("connect_redirects: [{name: near, match: '^\\[fe80::1\\]:80$', redirect_to: '127.0.0.1:1'}, {name: that, match: '%3', redirect_to: '127.0.0.1:2'}]")
    #expect(connect(bound, "fe80::1", [], 80).rule == "near")
    #expect(connect(bound, "fe80::1%3", [], 80).rule == "near")
    #expect(connect(bound, "fe80::2%3", [], 80).rule == "that")
    #expect(connect(bound, "2001:db8::2%3", [], 80).redirection == nil)
  }

  @Test func whatCantBeRedirectedIsRefused() throws {
    let bound = try policy(text)
    for verdict in [
      connect(bound, "192.0.2.1", ["api.models.example"], 443, .send), connect(bound, "192.0.2.1", ["api.models.example"], proto: .udp),
      connect(bound, "192.0.2.1", ["sni.example"]),
    ] { #expect(verdict.decision == .redirect && !verdict.isPermitted && verdict.redirection == nil && verdict.message?.contains("refused") == true) }
  }

  @Test func namesThatAreRedirectedAreLookedUp() throws {
    let bound = try policy(text)
    for (host, expected) in [("api.models.example", true), ("old.example", true), ("hidden.example", true), ("sni.example", false), ("x.test", false)] {
      if case .allowed = bound.name(bytes(host)) { #expect(expected, "\(host)") } else { #expect(!expected, "\(host)") }
    }
    #expect(bound.floor.tcpConnectPorts == nil, "the rule about models has no ports")
    let ports = try policy("connect_redirects: [{name: r, match: 'x:1', redirect_to: '127.0.0.1:8443'}]\nnetwork_rules: [{name: w, ports: [443], decision: allow}]")
    #expect(ports.floor.tcpConnectPorts == [53, 443])
  }

  @Test(arguments: [
    "redirect_to: '127.0.0.1'", "redirect_to: '127.0.0.1:0'", "redirect_to: '127.0.0.1:65536'", "redirect_to: '::1:80'", "redirect_to: '[::1'", "redirect_to: '[1.2.3.4]:80'",
    "redirect_to: 'a b:80'", "redirect_to: ':80'", "redirect_to: '1.2.3:80'", "redirect_to: 'x:+80'", "redirect_to_unix: relative.sock", "redirect_to_unix: '@'",
    "redirect_to: '127.0.0.1:80', redirect_to_unix: /x", "redirect_to: ''", "redirect_to: 'x:80', on_failure: never", "redirect_to: 'x:80', visibility: loud",
    "redirect_to: 'x:80', tls: {mode: rewrite_sni}", "redirect_to: 'x:80', tls: {mode: other}",
  ])
  func otherPlacesDontLoad(_ place: String) {
    #expect(Policy.parse(bytes("version: 1\nname: t\nconnect_redirects: [{name: r, match: 'x', \(place)}]"), file: "t").policy == nil)
  }
}

@Suite struct NetworkModeTests {
  private let rules = "defaults: {network: audit}\nnetwork_rules: [{name: web, ports: [443], decision: allow}]"

  @Test func aModeOnlyTightens() throws {
    for (own, asked, permitted) in [
      ("full", NetworkMode.full, ["web", "default:network"]), ("full", .restricted, ["web"]), ("restricted", .full, ["web"]), ("full", .none, []),
      ("none", .full, []), ("none", .restricted, []),
    ] {
      let bound = try loaded("network: \(own)\n" + rules).bound(to: home, network: asked)
      #expect(bound.networkMode == min(try #require(NetworkMode(rawValue: own)), asked))
      let verdicts = [connect(bound, "192.0.2.1", []), connect(bound, "192.0.2.1", [], 80)]
      #expect(verdicts.filter(\.isPermitted).map(\.rule) == permitted, "\(own) \(asked)")
    }
    #expect(try policy(rules).networkMode == .full)
  }

  @Test func noneIsNone() throws {
    let bound = try policy("network: none\nconnect_redirects: [{name: r, match: '.', redirect_to: '127.0.0.1:1'}]\nnetwork_rules: [{name: all, operations: ['*'], decision: allow}]")
    for operation in NetworkOperation.allCases {
      for address in ["127.0.0.1", "::1", "192.0.2.1", "0.0.0.0"] {
        let verdict = connect(bound, address, ["x.example"], 8080, operation)
        #expect(!verdict.isPermitted && verdict.rule == "network:none" && verdict.message == "this session has no network")
      }
    }
    guard case .refused = bound.name(bytes("x.example")) else {
      Issue.record("a name is looked up without a network")
      return
    }
    #expect(!bound.knowsNames && bound.needs.network == "network:none" && bound.floor.tcpConnectPorts == [] && bound.floor.tcpBindPorts == [])
  }

  @Test func otherWordsAreErrors() { #expect(Policy.parse(bytes("version: 1\nname: t\nnetwork: some"), file: "t").policy == nil) }
}
