import ArgumentParser
import Testing

@testable import AgentshCommands

struct CommandLineTests {
  @Test func everyByteOfAnArgumentComesBackAsItWas() {
    var random = Repeatable(seed: 7)
    for _ in 0..<5000 {
      let length = Int.random(in: 0..<12, using: &random)
      var argument = (0..<length).map { _ in UInt8.random(in: 1...255, using: &random) }
      // Pieces of the range that carries bytes, and of others.
      if Bool.random(using: &random) { argument += bytes("\u{10FF41}é\u{10FFFF}") }
      if Bool.random(using: &random) { argument.insert(contentsOf: bytes("日本"), at: argument.count / 2) }
      #expect(ArgumentText.decode(ArgumentText.encode(argument)) == argument)
    }
  }

  @Test func wellFormedTextIsNotTouched() {
    #expect(ArgumentText.encode(bytes("grüße")) == "grüße")
  }

  @Test func whatFollowsTheFirstDoubleDashBelongsToTheCommandByteForByte() {
    let parts = CommandLineParts([bytes("agentsh"), bytes("wrap"), bytes("--quiet"), bytes("--"), [0xFF, 0xFE], bytes("--"), bytes("--quiet")])
    #expect(parts.options == ["wrap", "--quiet"])
    #expect(parts.command == [[0xFF, 0xFE], bytes("--"), bytes("--quiet")])
    #expect(parts.isWrap)
  }

  @Test func withoutADoubleDashThereIsNoCommand() {
    #expect(CommandLineParts([bytes("agentsh"), bytes("ps")]).command == nil)
    #expect(CommandLineParts([bytes("agentsh"), bytes("wrap"), bytes("--")]).command == [])
    #expect(CommandLineParts([]).options == [])
  }

  @Test(arguments: [
    (["--server", "/s", "ps"], ["ps", "--server", "/s"]),
    (["--json", "policy", "check", "f"], ["policy", "check", "--json", "f"]),
    (["--server=/s", "--json", "audit", "verify", "f"], ["audit", "verify", "--json", "f"]),
    (["--server", "/s", "wrap"], ["wrap", "--server", "/s"]), (["--server", "/s", "policy", "check", "f"], ["policy", "check", "f"]),
    (["--json", "--server=/s", "policy", "test", "f"], ["policy", "test", "--json", "f"]), (["--server=/s", "--json", "detect"], ["detect", "--json"]),
    (["--server", "/s", "help", "ps"], ["help", "ps"]), (["ps", "--all"], ["ps", "--all"]),
    (["--version"], ["--version"]),
    (["--server"], ["--server"]),
  ])
  func globalOptionsMayStandBeforeTheCommand(_ given: [String], _ expected: [String]) {
    #expect(CommandLineParts([bytes("agentsh")] + given.map { bytes($0) }).options == expected)
  }

  @Test(arguments: [
    ("90s", 90_000), ("10m", 600_000), ("1h30m", 5_400_000), ("500ms", 500), ("2d", 172_800_000), ("1h1m1s1ms", 3_661_001),
  ])
  func aTimeIsANumberWithAUnit(_ text: String, _ milliseconds: Int) {
    #expect(TimeSpan(argument: text)?.milliseconds == milliseconds)
  }

  @Test(arguments: ["", "10", "s", "-1s", "1.5s", "0s", "1s1s", "1m1h", "10 m", "1w", "9999999999999999999s", "9223372036854775807d", "367d", "10M"])
  func anythingElseIsNoTime(_ text: String) {
    #expect(TimeSpan(argument: text) == nil)
  }

  @Test(arguments: [
    ["wrap", "--standalone", "--server", "/s"], ["wrap", "--timeout", "soon"], ["wrap", "--env", "=x"], ["wrap", "--keep-fd", "-1"],
    ["wrap", "--keep-fd", "0"], ["wrap", "--keep-fd", "4", "--keep-fd", "2"],
    ["wrap", "--standalone", "--policy", "p", "--policy-file", "f"], ["wrap", "--no-such-option"], ["nothing"], ["policy", "nothing"],
  ])
  func aWrongCommandLineIsRefused(_ options: [String]) {
    #expect(throws: (any Error).self) { try RootCommand.parseAsRoot(options) }
  }

  @Test func everyFailureOfWrapItselfIs125AndOfOthers64() {
    let context = contextForTests()
    #expect(AgentshMain.run(CommandLineParts([bytes("agentsh"), bytes("wrap"), bytes("--bogus"), bytes("--"), bytes("true")]), context) == 125)
    #expect(AgentshMain.run(CommandLineParts([bytes("agentsh"), bytes("wrap")]), context) == 125)
    #expect(AgentshMain.run(CommandLineParts([bytes("agentsh"), bytes("ps"), bytes("--bogus")]), context) == 64)
  }

  @Test(arguments: [
    (["wrap", "ls", "-l"], ["ls", "-l"]), (["wrap", "--policy", "p", "--quiet", "make", "--quiet"], ["make", "--quiet"]), (["wrap", "--policy=p", "true"], ["true"]),
    (["wrap", "--policy", "p"], nil), (["wrap", "--bogus", "x"], nil), (["wrap"], nil), (["ps", "x"], nil),
  ])
  func aCommandWithoutADoubleDashIsFound(_ options: [String], _ command: [String]?) {
    #expect(CommandLineParts([bytes("agentsh")] + options.map { bytes($0) }).strayCommand == command)
  }

  @Test(arguments: [
    (["ls"], nil, "ls"), (["ls", "-l"], nil, "ls"), (["run"], ["ls"], "run"), (["ps"], nil, nil), (["help", "x"], nil, nil), (["--bogus", "ls"], nil, nil), ([], nil, nil),
    (["--json", "ls"], nil, "ls"),
  ] as [([String], [String]?, String?)])
  func aWordThatIsNoCommandIsFound(_ options: [String], _ command: [String]?, _ word: String?) {
    let line = CommandLineParts([bytes("agentsh")] + (options + (command.map { ["--"] + $0 } ?? [])).map { bytes($0) })
    #expect(line.unknownCommand == word)
    #expect(word == nil || AgentshMain.run(line, contextForTests()) == 64)
  }

  @Test(arguments: ["bogus", "Deny", "", "x*", "denyy"])
  func aDecisionThatDoesNotExistIsRefused(_ word: String) {
    #expect(throws: (any Error).self) { try RootCommand.parseAsRoot(["events", "--decision", word]) }
    #expect(throws: Never.self) { try RootCommand.parseAsRoot(["events", "--decision", "de*"]) }
    #expect(throws: Never.self) { try RootCommand.parseAsRoot(["events", "--decision", "soft_delete"]) }
  }

  @Test(arguments: ["/nonexistent/policy.yaml", "/dev/null", "/"])
  func aPolicyFileThatCantBeUsedIsAFailureOfWrap(_ file: String) {
    let failure = #expect(throws: CommandFailure.self) { _ = try EmbeddedPolicy.load(file: bytes(file), name: nil, context: contextForTests()) }
    #expect(failure?.status == .failed)
    #expect(failure?.lines.first?.hasPrefix(file) == true)
    #expect(AgentshMain.run(CommandLineParts([bytes("agentsh"), bytes("policy"), bytes("check"), bytes(file)]), contextForTests()) == 1)
  }
}

struct WrapOptionsTests {
  /// Whatever the quick reader takes, the parser reads the same.
  @Test(arguments: [
    ["wrap"], ["wrap", "--policy", "p"], ["wrap", "--policy=p", "-q"], ["wrap", "--env", "A=b=c", "--env=D", "--env", "E"],
    ["wrap", "--timeout", "1h30m", "--name", "n", "--cwd", "/x y"], ["wrap", "--standalone", "--policy-file", "f.yaml", "--quiet"],
    ["wrap", "--summary-json", "-o"], ["wrap", "--summary-json=-o"], ["wrap", "--keep-fd", "3", "--keep-fd", "4"], ["wrap", "--server", "/s", "--server", "/t"],
    ["wrap", "--name="], ["wrap", "--name", ""], ["wrap", "--env", "A="], ["wrap", "--policy", "p", "--policy", "q"], ["wrap", "--quiet=x"],
    ["wrap", "--keep-fd", "+3"], ["wrap", "--keep-fd", "2"], ["wrap", "--keep-fd", "x"], ["wrap", "--help"], ["wrap", "-h"], ["wrap", "p"], ["wrap", "--pol", "p"], ["wrap", "--standalone", "--standalone"],
    ["wrap", "--timeout=x"], ["wrap", "--env"], ["wrap", "--policy", "--quiet"], ["wrap", "-qq"], ["wrap", "--quiet", "-q"], ["wrap", "--env", "-A=b"],
    ["wrap", "--network", "none"], ["wrap", "--network=restricted"], ["wrap", "--network", "some"], ["wrap", "--network", "none", "--network", "full"],
  ])
  func theQuickReaderAndTheParserAgree(_ arguments: [String]) throws {
    guard let quick = WrapOptions(plain: arguments) else { return }
    let parsed = try #require(try RootCommand.parseAsRoot(arguments) as? WrapCommand)
    #expect(parsed.options == quick)
  }

  @Test func theUsualCommandLinesAreReadQuickly() {
    #expect(WrapOptions(plain: ["wrap"]) == WrapOptions())
    #expect(WrapOptions(plain: ["wrap", "--policy", "p", "--cwd=/x", "--quiet"])?.policy == "p")
    #expect(WrapOptions(plain: ["wrap", "--network", "none"])?.network == NetworkChoice.none)
    #expect(WrapOptions(plain: ["ps"]) == nil)
    #expect(WrapOptions(plain: []) == nil)
  }
}

struct ContextTests {
  @Test func aSetuidInstallationListensToNoServerNamedByItsCaller() {
    let options = ArgumentBytes(bytes: bytes("/tmp/evil.sock"))
    let plain = contextForTests(environment: ["AGENTSH_SERVER=/tmp/other.sock"])
    #expect(plain.requestedServer(options) == bytes("/tmp/evil.sock"))
    #expect(plain.requestedServer(nil) == bytes("/tmp/other.sock"))
    let setuid = contextForTests(privileged: true, environment: ["AGENTSH_SERVER=/tmp/other.sock"])
    #expect(setuid.requestedServer(options) == nil)
    #expect(setuid.requestedServer(nil) == nil)
  }

  @Test(arguments: [("1000", UInt32?.some(1000)), ("0", 0), ("-1", nil), ("4294967295", nil), ("x", nil), ("", nil), ("007", nil)])
  func sudoUIDIsAClaimOfRootAlone(_ text: String, _ expected: UInt32?) {
    #expect(contextForTests(uid: 0, environment: ["SUDO_UID=\(text)"]).sudoUID == expected)
    #expect(contextForTests(uid: 1000, environment: ["SUDO_UID=\(text)"]).sudoUID == nil)
    #expect(contextForTests(uid: 0, privileged: true, environment: ["SUDO_UID=\(text)"]).sudoUID == nil)
  }

  @Test(arguments: [
    ("control_socket: /a/b.sock\n", "/a/b.sock"), ("# x\nlog_dir: /l\ncontrol_socket:   \"/a b\"  # c\n", "/a b"),
    ("control_socket: '/q'\n", "/q"), ("control_socket:\t/t # comment", "/t"), ("control_socket: relative\n", nil), ("  control_socket: /nested\n", nil),
    ("", nil), ("control_socket:", nil), ("control_socket: /r\r\n", "/r"), ("\u{FEFF}control_socket: /b\n", "/b"),
  ])
  func theControlSocketIsReadFromTheServersConfiguration(_ text: String, _ expected: String?) {
    #expect(Installation.controlSocket(in: bytes(text)) == expected.map { bytes($0) })
  }

  @Test(arguments: [
    ("on_missing_feature: { landlock: warn, cgroup: refuse }\n", ["landlock"]), ("log_dir: /l\non_missing_feature: warn\n", ["landlock", "cgroup", "attestation"]),
    ("on_missing_feature: refuse\n", []), ("", []), ("on_missing_feature: [", []),
  ] as [(String, Set<String>)])
  func whatAServerDoesWithoutIsReadFromItsConfiguration(_ text: String, _ expected: Set<String>) {
    #expect(Installation.acceptedFeatures(in: bytes(text)) == expected)
  }

  @Test(arguments: [("/opt/x/etc\n", "/opt/x/etc"), ("", "/etc"), ("relative\n", "/etc"), ("/a\n/b\n", "/a")])
  func aRelocatedInstallationNamesItsConfiguration(_ note: String, _ expected: String) {
    #expect(Installation.configurationDirectory(bytes(note)) == bytes(expected))
  }
}
