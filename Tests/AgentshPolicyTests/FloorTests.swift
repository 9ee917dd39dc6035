import FoundationEssentials
import Testing

@testable import AgentshPolicy

/// The rights that a floor gives at a path: those of all grants on it and above it. Written apart from the code that makes grants.
func rights(_ floor: PolicyFloor, _ path: String) -> FloorRights {
  floor.grants.reduce(FloorRights()) { found, grant in
    let anchor = String(decoding: grant.path, as: UTF8.self)
    return anchor == "/" || path == anchor || path.hasPrefix(anchor + "/") ? found.union(grant.rights) : found
  }
}

private func anchors(_ floor: PolicyFloor, _ right: FloorRights) -> [String] {
  floor.grants.filter { $0.rights.contains(right) }.map { String(decoding: $0.path, as: UTF8.self) }
}

private let closed = "defaults: {file_read: deny}\n"

@Suite struct FloorTests {
  @Test(arguments: [
    ("[\"${PROJECT_ROOT}/**\"]", ["/home/ann/shop"]),
    // What the session may remove or rename is no place to stand on.
    ("[\"${HOME}/.cache{,/**}\"]", ["/home/ann"]), ("[\"/srv/a/b{,/**}\", \"/srv/a\"]", ["/srv"]), ("[\"/srv\", \"/srv/a/**\"]", ["/"]),
    ("[\"/srv/*/data/**\"]", ["/srv"]), ("[\"/srv/da*/x\"]", ["/srv"]), ("[\"**/x\"]", ["/"]), ("[\"/**/x\"]", ["/"]), ("[\"/*/x\"]", ["/"]),
    ("[\"/srv/{a,b}/**\"]", ["/srv/a", "/srv/b"]), ("[\"/srv/**\", \"/srv/a/**\"]", ["/srv"]), ("[\"/srv/a/**\", \"/srv-b/**\"]", ["/srv-b", "/srv/a"]),
    ("[\"relative\"]", []), ("[\"${GIT_ROOT}/**\"]", ["/home/ann/shop"]), ("[\"/proc/self/**\"]", ["/proc"]),
  ] as [(String, [String])])
  func grantsStandWhereTheSessionCanNotMoveThem(_ paths: String, _ expected: [String]) throws {
    let floor = try policy(closed + "file_rules: [{name: r, paths: \(paths), decision: allow}]").floor
    #expect(anchors(floor, .writeFile) == expected)
    #expect(anchors(floor, .removeDir) == expected)
  }

  @Test func aFileIsHeldByItsDirectoryAndADeviceByItself() throws {
    let floor = try policy(
      closed + """
        file_rules:
          - {name: a, paths: [/srv/notes.txt, "/dev/{null,tty}"], operations: [write], decision: allow}
          - {name: b, paths: [/srv/old.txt], operations: [delete], decision: allow}
          - {name: c, paths: ["${HOME}"], operations: [list], decision: allow}
          - {name: d, paths: [/dev/stdin], operations: [delete], decision: allow}
        """
    ).floor
    #expect(anchors(floor, .writeFile) == ["/dev/null", "/dev/pts", "/dev/tty", "/srv"])
    #expect(anchors(floor, .removeFile) == ["/dev", "/srv"])
    #expect(anchors(floor, .readDir) == ["/home/ann"])
    #expect(!rights(floor, "/home").contains(.readDir))
  }

  @Test func whatIsRefusedWhateverComesLaterIsNotGranted() throws {
    let floor = try policy(
      """
      file_rules:
        - {name: deny-a, paths: ["/srv/a/**"], decision: deny}
        - {name: late, paths: ["/srv/a/b/**"], decision: allow}
        - {name: project, paths: ["${PROJECT_ROOT}/**"], decision: allow}
        - {name: deny-rest, paths: ["**"], decision: deny}
        - {name: later, paths: ["/opt/**"], decision: allow}
      """
    ).floor
    #expect(floor.grants.map(\.path) == [bytes("/home/ann/shop")])
  }

  @Test func theDefaultsCount() throws {
    #expect(rights(try policy("").floor, "/") == [.readFile, .readDir, .ioctlDev])
    #expect(rights(try policy(closed).floor, "/").isEmpty)
    #expect(try policy("defaults: {file_write: allow, command: allow}").floor.handledRights.isEmpty)
    #expect(try policy("defaults: {file_write: audit, file_read: approve}").floor.handledRights.isDisjoint(with: [.writeFile, .makeReg]))
    // Approvals can't be asked for, so they permit nothing.
    #expect(try policy("defaults: {file_write: approve}").floor.handledRights.contains(.writeFile))
  }

  @Test func rightsAreTheSameWhereverNamesMove() throws {
    let floor = try policy(
      closed + """
        file_rules:
          - {name: a, paths: ["/srv/in/**"], operations: [read, create, rename], decision: allow}
          - {name: b, paths: ["/srv/out/**"], operations: [create, rename, delete], decision: allow}
          - {name: c, paths: ["/srv/out/bin/**"], operations: [write, mkdir], decision: allow}
          - {name: d, paths: ["/opt/**"], operations: [read, write], decision: allow}
        """
    ).floor
    // Landlock lets nothing move to where it gains a right.
    let there = rights(floor, "/srv/out/bin")
    #expect(rights(floor, "/srv/in").isSuperset(of: there) && rights(floor, "/srv/out").isSuperset(of: there))
    #expect(there.isSuperset(of: [.readDir, .removeFile, .makeDir, .refer]))
    #expect(rights(floor, "/opt") == [.readFile, .readDir, .writeFile, .truncate, .ioctlDev])
  }

  @Test(arguments: [
    ("[{commands: ['*'], decision: allow}]", ["/"]), ("[{commands: [git], decision: allow}]", ["/"]), ("[{decision: audit}]", ["/"]),
    // Root's link by such a name can lead anywhere.
    ("[{commands: [/usr/bin/java], decision: allow}]", ["/"]), ("[{commands: ['/usr/bin/*'], decision: allow}]", ["/"]),
    ("[{commands: ['/opt/tools/**', '/usr/**', '/usr/bin/**'], decision: allow}]", ["/opt/tools", "/usr"]),
    ("[{commands: ['*'], decision: deny}, {commands: [git], decision: allow}]", []), ("[{commands: [git], decision: approve}]", []), ("[]", []),
    ("[{commands: ['*'], args_patterns: [x], decision: deny}, {commands: [git], decision: allow}]", ["/"]),
  ] as [(String, [String])])
  func programsAreGrantedByTheTreesThatRulesPermit(_ rules: String, _ expected: [String]) throws {
    let floor = try policy("command_rules: \(rules)").floor
    #expect(anchors(floor, .execute) == expected)
    #expect(floor.loaderDirectories.isEmpty == (expected == ["/"] || expected == []))
  }

  @Test func programsFindTheirLoadersWhereThereAreAny() throws {
    let floor = try policy("command_rules: [{commands: ['/opt/tools/**'], decision: allow}]").floor
    let placed = floor.placed { path in
      switch String(decoding: path, as: UTF8.self) {
      case "/usr/lib", "/usr/lib64", "/opt/tools": .directory
      case "/lib", "/lib64": .link
      default: .missing
      }
    }
    #expect(anchors(placed, .execute) == ["/opt/tools", "/usr/lib", "/usr/lib64"])
  }

  @Test func whatIsMissingIsGrantedWhereItCouldCome() throws {
    let floor = try policy(closed + "file_rules: [{name: r, paths: ['/srv/a/b/**', '/etc/x/**', /dev/null, '/run/x/**'], operations: [write, mkdir], decision: allow}]").floor
    let placed = floor.placed { path in
      switch String(decoding: path, as: UTF8.self) {
      case "/srv": .directory
      case "/srv/a", "/srv/a/b", "/dev", "/run": .missing
      case "/etc/x": .link
      case "/dev/null": .file
      default: .missing
      }
    }
    #expect(anchors(placed, .makeDir) == ["/"])
    let other = floor.placed { $0 == bytes("/etc/x") ? .link : $0 == bytes("/dev/null") ? .file : $0.count > 7 ? .missing : .directory }
    #expect(anchors(other, .makeDir) == ["/dev", "/run/x", "/srv/a"])
    #expect(anchors(other, .writeFile) == ["/dev/null", "/run/x", "/srv/a"])
  }

  @Test func aPermittedSubtreeOfProgramsIsAboutWhereTheyLie() throws {
    let bound = try policy("command_rules: [{name: t, commands: ['/usr/**'], decision: allow}, {name: n, commands: [/srv/bin/x], decision: allow}]")
    func verdict(_ canonical: String, _ link: String) -> String {
      bound.command(CommandSubject(canonicalPath: bytes(canonical), trustedNames: [bytes(link)])).rule
    }
    #expect(verdict("/usr/lib/jvm/bin/java", "/usr/bin/java") == "t")
    #expect(verdict("/opt/jvm/bin/java", "/usr/bin/java") == "default:command")
    #expect(verdict("/opt/x", "/srv/bin/x") == "n")
    // A refusal goes by every name.
    let refusing = try policy("command_rules: [{name: r, commands: ['/usr/**'], decision: deny}, {commands: ['*'], decision: allow}]")
    #expect(refusing.command(CommandSubject(canonicalPath: bytes("/opt/x"), trustedNames: [bytes("/usr/bin/x")])).rule == "r")
  }

  @Test(arguments: ["mount", "namespaces", "setns", "open_by_handle_at", "pivot_root"])
  func whoeverMayMountStandsUnderNoRulesetForFiles(_ call: String) throws {
    let floor = try policy(closed + "syscalls: {allow: [\(call)]}").floor
    #expect(floor.handledRights.isEmpty)
    #expect(try policy(closed + "syscalls: {allow: [ptrace]}").floor.handledRights == .all)
  }

  @Test func movingIsAlwaysHandledWhereAnythingIs() throws {
    let floor = try policy("defaults: {file_write: allow}\nfile_rules: [{name: r, paths: ['/x/**'], decision: allow}]").floor
    #expect(floor.handledRights == [.execute, .refer])
  }

  @Test(arguments: [
    ("[{domains: ['*'], operations: ['*'], decision: deny}]", [], []), ("[]", [], nil), ("[{ports: [443, '8000-8002'], decision: allow}]", [443, 8000, 8001, 8002], nil),
    ("[{cidrs: [127.0.0.0/8], ports: [5432], decision: audit}, {cidrs: [10.0.0.0/8], ports: [22], decision: deny}]", [5432], nil),
    ("[{domains: [example.com], ports: [443], decision: allow}]", [53, 443], nil), ("[{cidrs: [127.0.0.0/8], decision: allow}]", nil, nil),
    ("[{ports: ['1-65535'], decision: allow}]", nil, nil), ("[{ports: [443], decision: redirect}]", [], nil),
    ("[{cidrs: [10.0.0.0/8], operations: [bind, connect], ports: [80], decision: allow}, {operations: ['*'], decision: deny}, {ports: [1], decision: allow}]", [80], [80]),
    ("[{domains: [example.com], operations: ['*'], decision: deny}, {ports: [1], decision: allow}]", [1, 53], nil),
  ] as [(String, [UInt16]?, [UInt16]?)])
  func portsAreHeldWhereNoOtherCanBePermitted(_ rules: String, _ connect: [UInt16]?, _ bind: [UInt16]?) throws {
    let floor = try policy("network_rules: \(rules)").floor
    #expect(floor.tcpConnectPorts == connect)
    #expect(floor.tcpBindPorts == bind)
  }

  @Test func aPolicyThatPermitsTheNetworkHoldsNoPorts() throws {
    #expect(try policy("defaults: {network: allow}").floor.tcpConnectPorts == nil)
  }

  @Test(arguments: [
    ("[]", true), ("[{signals: ['@all'], target: {type: session}, decision: allow}]", true),
    ("[{signals: ['@all'], target: {type: parent}, decision: allow}]", false), ("[{signals: ['@all'], target: {type: external}, decision: allow}]", false),
    ("[{signals: [TERM], target: {type: process, pattern: 'x*'}, decision: allow}]", false), ("[{signals: [TERM], target: {type: user}, decision: audit}]", false),
    ("[{signals: ['@all'], target: {type: external}, decision: deny}, {signals: [TERM], target: {type: process, pattern: 'x*'}, decision: allow}]", true),
    ("[{signals: [KILL], target: {type: external}, decision: deny}, {signals: [TERM], target: {type: external}, decision: allow}]", false),
    ("[{signals: [TERM], target: {type: external}, decision: absorb}]", true),
  ] as [(String, Bool)])
  func signalsStayInsideWhereNoRuleLetsThemOut(_ rules: String, _ expected: Bool) throws {
    #expect(try policy("signal_rules: \(rules)").floor.scopesSignals == expected)
    #expect(try policy("defaults: {signal: allow}").floor.scopesSignals == false)
  }

  @Test(arguments: [
    ("[]", true), ("[{paths: ['*'], decision: deny}, {paths: ['@x'], decision: allow}]", true), ("[{paths: ['@x'], decision: allow}]", false),
    ("[{paths: ['*'], decision: allow}]", false), ("[{paths: ['**'], decision: allow}]", false), ("[{paths: ['/tmp/**'], decision: allow}]", true),
    ("[{paths: ['@x'], operations: [bind, listen], decision: allow}]", true), ("[{paths: ['{@,/}x'], decision: allow}]", false),
    ("[{paths: ['*'], operations: [connect], decision: deny}, {paths: ['@x'], operations: [sendto], decision: allow}]", false),
  ] as [(String, Bool)])
  func abstractSocketsStayInsideWhereNoRuleNamesOne(_ rules: String, _ expected: Bool) throws {
    #expect(try policy("unix_socket_rules: \(rules)").floor.scopesAbstractSockets == expected)
    #expect(try policy("defaults: {unix: allow}").floor.scopesAbstractSockets == false)
  }

  @Test func theShippedPoliciesHaveTheirFloors() throws {
    func floor(_ name: String) throws -> PolicyFloor {
      let result = Policy.parse(try contents(checkout.appendingPathComponent("policies/\(name).yaml")), file: name)
      return try #require(result.policy).bound(to: home).floor
    }
    #expect(try floor("agent-observe").handledRights.isEmpty)
    let strict = try floor("agent-strict")
    #expect(anchors(strict, .writeFile).allSatisfy { $0.hasPrefix("/dev/") })
    #expect(anchors(strict, .makeReg).isEmpty && anchors(strict, .removeFile).isEmpty)
    #expect(strict.tcpConnectPorts == [] && strict.tcpBindPorts == [] && strict.scopesSignals && strict.scopesAbstractSockets)
    let agent = try floor("agent-default")
    #expect(agent.grants.count < 20)
    for path in ["/etc", "/usr/bin", "/home/bob", "/var/lib"] { #expect(rights(agent, path).isDisjoint(with: [.writeFile, .makeReg, .removeFile])) }
    for path in ["/home/ann/shop/x", "/tmp/x", "/dev/null"] { #expect(rights(agent, path).contains(.writeFile)) }
    #expect(agent.scopesSignals)
  }
}
