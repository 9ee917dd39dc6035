import Testing

@testable import AgentshPolicy

@Suite struct UnixRuleTests {
  @Test func pathsAndAbstractNamesAreToldApart() throws {
    let bound = try policy(
      """
      unix_socket_rules:
        - {name: docker, paths: [/var/run/docker.sock], decision: deny}
        - {name: bus, paths: ["@*dbus*"], decision: deny}
        - {name: run, paths: ["/run/**"], operations: [connect], decision: allow}
        - {name: tmp, paths: ["/tmp/**", "@ok"], decision: allow}
      """)
    #expect(bound.unixSocket(.connect, .path(bytes("/run/docker.sock"))).rule == "docker")
    #expect(bound.unixSocket(.connect, .abstract(bytes("/tmp/dbus-xyz"))).rule == "bus")
    #expect(bound.unixSocket(.connect, .path(bytes("/run/x"))).rule == "run")
    #expect(bound.unixSocket(.bind, .path(bytes("/run/x"))).rule == "default:unix")
    #expect(bound.unixSocket(.bind, .path(bytes("/tmp/x"))).rule == "tmp")
    #expect(bound.unixSocket(.bind, .abstract(bytes("/tmp/x"))).rule == "default:unix")
    #expect(bound.unixSocket(.connect, .abstract(bytes("ok"))).rule == "tmp")
    #expect(bound.unixSocket(.bind, .unnamed).isPermitted)
    #expect(!bound.unixSocket(.connect, .path(bytes("@ok"))).isPermitted, "a file of that name is no abstract name")
  }

  @Test func aStarIsEverySocket() throws {
    let bound = try policy("unix_socket_rules: [{name: all, paths: ['*'], decision: allow}]")
    #expect(bound.unixSocket(.connect, .path(bytes("/a/b"))).rule == "all")
    #expect(bound.unixSocket(.connect, .abstract(bytes("a/b"))).rule == "all")
  }
}

@Suite struct SignalRuleTests {
  @Test func aCloseRelationImpliesTheWiderOnes() throws {
    func rule(_ type: String, _ target: SignalRelation) throws -> String {
      try policy("signal_rules: [{name: r, signals: ['@all'], target: {type: \(type)}, decision: deny}]").signal(15, target).rule
    }
    let matching: [String: [SignalRelation]] = [
      "self": [.self_], "children": [.child], "descendants": [.child, .descendant], "siblings": [.sibling],
      "parent": [.parent, .parentOutside], "session": [.self_, .child, .descendant, .sibling, .parent, .session],
      "external": [.parentOutside, .external(sameUser: true), .external(sameUser: false), .system], "system": [.system],
      "user": [.external(sameUser: true)],
    ]
    let all: [SignalRelation] = [
      .self_, .child, .descendant, .sibling, .parent, .parentOutside, .session, .external(sameUser: true),
      .external(sameUser: false), .system,
    ]
    for (type, expected) in matching {
      for target in all { #expect(try rule(type, target) == (expected.contains(target) ? "r" : "default:signal"), "\(type) \(target)") }
    }
  }

  @Test func unmatchedSignalsStayInTheSession() throws {
    let bound = try policy("")
    #expect(bound.signal(9, .session).isPermitted)
    #expect(bound.signal(0, .child).isPermitted)
    #expect(!bound.signal(0, .external(sameUser: true)).isPermitted)
    #expect(!bound.signal(9, .system).isPermitted)
  }

  @Test(arguments: [
    ("SIGTERM", [15]), ("term", [15]), ("15", [15]), ("@fatal", [3, 6, 9, 15]), ("@job", [18, 19, 20, 21, 22]), ("@reload", [1, 10, 12]),
    ("@ignore", [17, 23, 28]), ("SIGRTMIN+2", [36]), ("RTMAX", [64]), ("64", [64]), ("0", [0]), ("65", nil), ("-1", nil), ("SIGFOO", nil), ("@x", nil),
  ] as [(String, [Int]?)])
  func signalsHaveNamesNumbersAndGroups(_ text: String, _ expected: [Int]?) {
    #expect(SignalNames.numbers(of: text)?.sorted() == expected)
  }

  @Test func whatIsUnknownOfTheReceiverNeverPermits() throws {
    let bound = try policy(
      """
      signal_rules:
        - {name: byname, signals: [TERM], target: {type: process, pattern: "ssh*"}, decision: deny}
        - {name: bypid, signals: [HUP], target: {type: pid_range, min: 10, max: 20}, decision: allow}
      """)
    let outside = SignalRelation.external(sameUser: true)
    #expect(bound.signal(15, outside.with(name: bytes("sshd"))).rule == "byname")
    #expect(bound.signal(15, outside.with(name: bytes("bash"))).rule == "default:signal")
    #expect(bound.signal(15, outside).rule == "byname")
    #expect(bound.signal(1, outside.with(pid: 15)).rule == "bypid")
    #expect(bound.signal(1, outside).rule == "default:signal")
  }

  @Test func absorbAndRedirectAreNotPermitted() throws {
    let bound = try policy(
      """
      signal_rules:
        - {name: a, signals: [INT], target: {type: children}, decision: absorb}
        - {name: b, signals: [KILL], target: {type: children}, decision: redirect, redirect_to: SIGTERM}
      """)
    #expect(bound.signal(2, .child).decision == .absorb)
    #expect(!bound.signal(2, .child).isPermitted)
    #expect(!bound.signal(9, .child).isPermitted)
  }
}

@Suite struct EnvironmentTests {
  private func filter(_ text: String, _ names: [String]) throws -> (kept: [String], dropped: [String], violation: String?) {
    let selection = try loaded(text).environment.filtered(names.map { (name: bytes($0), value: bytes("v")) })
    return (
      selection.kept.map { String(decoding: $0.name, as: UTF8.self) }, selection.dropped.map { String(decoding: $0, as: UTF8.self) },
      selection.violation
    )
  }

  @Test func withoutAListOfAllowedNamesRiskyOnesAreDropped() throws {
    let result = try filter("", ["PATH", "LD_PRELOAD", "BASH_ENV", "HOME", "SSH_AUTH_SOCK", "ANTHROPIC_API_KEY"])
    #expect(result.kept == ["PATH", "HOME", "ANTHROPIC_API_KEY"])
    #expect(result.dropped == ["LD_PRELOAD", "BASH_ENV", "SSH_AUTH_SOCK"])
  }

  @Test func deniedNamesLoseAndAllowedOnesAreAllThereIs() throws {
    let result = try filter("env_policy: {allow: [PATH, 'MY_*', LD_PRELOAD], deny: ['*_TOKEN']}", ["PATH", "MY_X", "MY_TOKEN", "HOME", "LD_PRELOAD", "AGENTSH_SESSION_ID"])
    #expect(result.kept == ["PATH", "MY_X", "LD_PRELOAD", "AGENTSH_SESSION_ID"])
    #expect(result.dropped == ["MY_TOKEN", "HOME"])
  }

  @Test func injectedValuesWin() throws {
    let selection = try loaded("env_inject: {A: new, B: '1'}\nenv_policy: {deny: [A]}").environment.filtered([(bytes("A"), bytes("old"))])
    #expect(selection.kept.map { String(decoding: $0.name + [0x3d] + $0.value, as: UTF8.self) } == ["A=new", "B=1"])
  }

  @Test func limitsAreSaid() throws {
    #expect(try filter("env_policy: {max_keys: 2}", ["A", "B"]).violation == nil)
    #expect(try filter("env_policy: {max_keys: 1}", ["A", "B"]).violation?.contains("2 variables") == true)
    #expect(try filter("env_policy: {max_bytes: 7}", ["A", "B"]).violation?.contains("8 bytes") == true)
  }

  @Test func namesAndValuesAreBytes() throws {
    let selection = try loaded("env_policy: {deny: ['X*']}").environment.filtered([([0xff], [0xfe]), ([0x58, 0xff], [])])
    #expect(selection.kept.count == 1)
    #expect(selection.dropped == [[0x58, 0xff]])
  }
}
