import AgentshAudit
import AgentshProtocol
import AgentshSystem
import Glibc
import SystemPackage
import Testing

@testable import AgentshCommands

private func runs(_ arguments: [String], _ context: Context = contextForTests()) -> Int32 {
  AgentshMain.run(CommandLineParts([bytes("agentsh")] + arguments.map { bytes($0) }), context)
}

/// A file in a directory of its own, both gone afterwards.
private func withFile<Value>(_ content: [UInt8], _ body: ([UInt8]) throws -> Value) throws -> Value {
  let place = try makeTemporaryDirectory(bytes("/tmp/agentsh-test.XXXXXX"))
  let path = Paths.joined(place, "file")
  do {
    let file = try openAt(AT_FDCWD, path, flags: O_WRONLY | O_CREAT, mode: 0o755)
    #expect(writeAll(file.rawValue, content).error == nil)
  }
  defer {
    try? removeName(path)
    try? removeName(place, isDirectory: true)
  }
  return try body(path)
}

struct ListedCommandTests {
  private func size(_ command: [[UInt8]]) -> Int {
    let listed = ListedCommand.of(command)
    return ControlRequest.wrap(WrapRequest(command: listed.told, omission: listed.omission, cwd: bytes("/"))).call.frame.count
  }

  @Test func anOrdinaryCommandIsToldWhole() {
    let command = [bytes("cc"), [], [0xFF], [UInt8](repeating: 1, count: 60_000)]
    #expect(ListedCommand.of(command).told == command && ListedCommand.of(command).omission == nil)
    #expect(ListedCommand.of([]).told == [])
  }

  /// The kernel takes arguments of 128 KiB, two megabytes of them in all.
  @Test(arguments: [UInt8(ascii: "x"), 1, UInt8(ascii: "\\"), 0xFF])
  func noCommandFillsAMessage(_ byte: UInt8) {
    let longest = [UInt8](repeating: byte, count: 131_000)
    for command in [
      [bytes("p")] + [[UInt8]](repeating: longest, count: 15), [longest, longest], [[UInt8]](repeating: [], count: 2_000_000),
      [bytes("p"), [UInt8](repeating: byte, count: (64 << 10) - 4)], [[UInt8]](repeating: [byte], count: 32_000),
    ] {
      #expect(size(command) < MessageFramer.controlLimit / 2)
    }
  }

  @Test func aCutCommandKeepsItsFirstWordsAndSaysWhatIsMissing() throws {
    func check(_ command: [[UInt8]], told: [[UInt8]], missing: Int) throws {
      let listed = ListedCommand.of(command)
      let whole = Array(command.joined(separator: [0]))
      #expect(listed.told == told)
      let omission = try #require(listed.omission)
      #expect(omission.arguments == missing && omission.sha256 == AuditDigest.sha256(whole))
      let rest = told.first == command.first ? Array(told.joined(separator: [0])).count + 1 : told[0].count
      #expect(omission.bytes == whole.count - rest)
      // And the server takes it.
      let request = WrapRequest(command: told, omission: omission, cwd: bytes("/"))
      #expect(try WrapRequest(object: request.object) == request)
    }
    let long = [UInt8](repeating: 7, count: 131_000)
    try check([bytes("p"), bytes("a")] + [[UInt8]](repeating: long, count: 9), told: [bytes("p"), bytes("a")], missing: 9)
    try check([long, bytes("a")], told: [Array(long.prefix(ListedCommand.cutLimit))], missing: 2)
    let words = [[UInt8]](repeating: bytes("word"), count: 100_000)
    let told = ListedCommand.cutLimit / 5
    try check(words, told: Array(words.prefix(told)), missing: 100_000 - told)
    // What the record itself takes of a command.
    #expect(ListedCommand.of(words).told.reduce(0) { $0 + $1.count + 1 } < CommandOmission.mostTold)
  }
}

struct RefusedExecutionTests {
  private func said(_ path: [UInt8], refused: Bool = false, isNested: Bool = false) -> CommandFailure {
    LaunchProblems.explainExec(path, path: path, errno: EACCES, wasRefused: refused, session: "id", isNested: isNested)
  }

  @Test func onlyWhatWasRefusedIsThePolicys() {
    #expect(said(bytes("/bin/sh"), refused: true).lines == ["/bin/sh: refused by the policy", "see agentsh why id"])
    #expect(said(bytes("/bin/sh"), refused: true, isNested: true).lines.last == "see outside of the session: agentsh why id")
    #expect(said(bytes("/bin/sh"), isNested: true).lines == ["/bin/sh: refused by the policy of the session around", "see agentsh why"])
    #expect(said(bytes("/etc"), isNested: true).lines == ["/etc: can't be executed: it is a directory"])
    #expect(said(bytes("/bin/sh")).lines == ["/bin/sh: can't be executed: Permission denied"])
    #expect(said(bytes("/etc")).lines == ["/etc: can't be executed: it is a directory"])
    #expect(said(bytes("/dev/null")).lines == ["/dev/null: can't be executed: it is no regular file"])
    #expect(said(bytes("/etc")).status == .notExecutable)
  }

  @Test(arguments: [
    ("#!/etc\n", "its interpreter /etc is a directory"), ("#! /etc/passwd -x\n", "its interpreter /etc/passwd: Permission denied"),
    ("#!/bin/sh\n", "Permission denied"), ("#!\n", "Permission denied"), ("", "Permission denied"),
  ])
  func theInterpreterOfAScriptIsLookedAt(_ text: String, _ reason: String) throws {
    try withFile(bytes(text)) { path in
      #expect(said(path).lines == ["\(displayEscaped(path)): can't be executed: \(reason)"])
    }
  }
}

struct MessagesTests {
  @Test func aReaderThatHasGoneEndsNothing() async {
    await #expect(processExitsWith: .exitCode(5)) {
      let pair = try UnixSocket.pair(.stream)
      try LauncherSignals.restore(SignalMask(bits: 0, ignoredChildSignal: false))
      dup2(pair.first.rawValue, 2)
      pair.second.shutDown(reading: true, writing: true)
      Messages.say("nobody reads this")
      #expect(writeAllWithoutSignal(2, [1]).error?.errno == .brokenPipe)
      exit(5)
    }
  }

  /// What the command inherits: neither blocked nor ignored.
  @Test func theSignalIsAsItWasAfterwards() async {
    await #expect(processExitsWith: .signal(SIGPIPE)) {
      let pair = try UnixSocket.pair(.stream)
      try LauncherSignals.restore(SignalMask(bits: 0, ignoredChildSignal: false))
      signal(SIGPIPE, SIG_DFL)
      dup2(pair.first.rawValue, 2)
      pair.second.shutDown(reading: true, writing: true)
      Messages.say("nobody reads this")
      _ = writeAll(2, [1])
      exit(6)
    }
  }

  /// Only root's server is believed, so only root can play one.
  @Test func aServerThatTakesNoMoreIsHeard() throws {
    guard getuid() == 0 else { return }
    let pair = try UnixSocket.pair(.stream)
    try pair.second.sendAll(ControlError.limitReached(reason: "the reason").reply.frame)
    pair.second.shutDown(reading: true, writing: false)
    let client = try ControlClient.take(pair.first)
    let failure = #expect(throws: CommandFailure.self) { try client.send(.ping) }
    #expect(failure?.lines.first == "limit reached: the reason")
    let silent = try UnixSocket.pair(.stream)
    silent.second.shutDown(reading: true, writing: true)
    let other = try ControlClient.take(silent.first)
    let lost = #expect(throws: CommandFailure.self) { try other.send(.ping) }
    #expect(lost?.lines.first?.hasSuffix("gave no answer: Broken pipe") == true)
  }
}

struct ServerOptionTests {
  @Test func whoMayNotChooseIsNotToldTo() {
    for error in [Errno.noSuchFileOrDirectory, .connectionRefused, .permissionDenied, .noMemory] {
      let failure = ServerProblems.noServer(at: bytes("/x"), SyscallError("connect", error), mayChoose: false)
      #expect(failure.lines.count == 2 && failure.lines.allSatisfy { !$0.contains("--server") && !$0.contains("AGENTSH_SERVER") })
      #expect(ServerProblems.noServer(at: bytes("/x"), SyscallError("connect", error)).lines.last?.contains("--server") == true)
    }
    let setuid = #expect(throws: CommandFailure.self) {
      var options = ServerOptions()
      options.server = nil
      _ = try contextForTests(privileged: true).connect(options)
    }
    #expect(setuid?.lines.allSatisfy { !$0.contains("--server") } == true)
  }

  @Test func anEmptyServerIsAMistake() {
    for arguments in [["ps", "--server", ""], ["--server=", "ps"], ["wrap", "--server", ""]] {
      #expect(throws: (any Error).self) { try RootCommand.parseAsRoot(CommandLineParts([bytes("agentsh")] + arguments.map { bytes($0) }).options) }
    }
    #expect(runs(["ps", "--server", ""]) == 64)
  }

  @Test func whereNoServerIsAskedItDoesNotMatterWhichOneIsNamed() throws {
    try withFile(bytes("version: 1\nname: x\n")) { path in
      let file = String(decoding: path, as: UTF8.self)
      #expect(runs(["--server", "/x", "policy", "check", file]) == 0)
      #expect(runs(["--json", "--server=/x", "policy", "check", file]) == 0)
    }
  }
}

struct EmptyListTests {
  @Test func anEmptyListIsNoErrorUnlessWarningsAre() throws {
    for list in ["[]", "[read]"] {
      try withFile(bytes("version: 1\nname: x\nfile_rules: [{name: f, paths: [/x], operations: \(list), decision: allow}]\n")) { path in
        let file = String(decoding: path, as: UTF8.self)
        #expect(runs(["policy", "check", file]) == 0)
        #expect(runs(["policy", "check", "--strict", file]) == (list == "[]" ? 1 : 0))
      }
    }
  }
}

struct QuestionTests {
  private func test(_ arguments: [String], path: String = "/usr/bin:/bin") throws -> Int32 {
    try withFile(bytes("version: 1\nname: x\n")) { file in
      runs(["policy", "test", String(decoding: file, as: UTF8.self)] + arguments, contextForTests(environment: ["PATH=\(path)"]))
    }
  }

  @Test func whatCantBeAskedIsAMistake() throws {
    #expect(try test(["--op", "read", "--path", ""]) == 64)
    #expect(try test(["--op", "read", "--command", "ls"]) == 64)
    #expect(try test(["--op", "exec", "--command", "ls"]) == 0)
    #expect(try test(["--user", "4294967295", "--command", "ls"]) == 64)
    #expect(try test(["--user", "no-such-user-anywhere", "--command", "ls"]) == 125)
    #expect(runs(["policy", "test", "/nonexistent", "--command", "ls"]) == 125)
  }

  @Test func aProgramThatIsNotThereIsNotInvented() throws {
    #expect(try test(["--command", "no-such-program-anywhere"]) == 125)
    #expect(try test(["--command", "/nonexistent/program"]) == 0)
    #expect(try test(["--command", "sh"]) == 0)
    #expect(try test(["--command", "sh"], path: "/nonexistent") == 125)
  }
}

struct EventsOptionTests {
  @Test(arguments: ["nosuch", "File.read", "", "x*", "server.start", "session.opened"])
  func anOperationThatDoesNotExistIsRefused(_ word: String) {
    let error = #expect(throws: (any Error).self) { try RootCommand.parseAsRoot(["events", "--op", word]) }
    #expect(error.map { RootCommand.message(for: $0).contains("file.read, file.write") } == true)
    for good in ["exec", "file.*", "*", "session.end", "net.dns"] {
      #expect(throws: Never.self) { try RootCommand.parseAsRoot(["events", "--op", good]) }
    }
  }

  @Test(arguments: ["400d", "1.5s", "10"])
  func aWrongTimeNamesTheUnitsAndTheLimit(_ text: String) {
    let error = #expect(throws: (any Error).self) { try RootCommand.parseAsRoot(["wrap", "--timeout", text]) }
    #expect(error.map { RootCommand.message(for: $0).contains("ms, s, m, h or d") && RootCommand.message(for: $0).contains("366d at most") } == true)
  }
}

struct SessionNameTests {
  private let id = "0a1b2c3d-aaaa-bbbb-cccc-0123456789ab"

  @Test func anIDMayBeInCapitals() throws {
    #expect(SessionName.id(id.uppercased()) == id && SessionName.id(id) == id && SessionName.id("0A1B") == nil)
    let session = SessionInfo(
      session: id, name: "BEEF", uid: 7, user: "u", policy: "p", command: [], cwd: "/", started: "t", state: .ended, refused: 0, record: "/r")
    #expect(try SessionName.choose("0A1B", among: [session]) == id)
    #expect(try SessionName.choose("BEEF", among: [session]) == id)
    #expect(try SessionName.choose("beef", among: [session]) == nil)
  }

  @Test(arguments: [
    ("2026-01-02T03:04:05.123456789Z", "2026-01-02T03:04:05Z"), ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"), ("-", "-"), ("", ""),
  ])
  func aTimeIsShownWithoutItsFraction(_ time: String, _ shown: String) { #expect(EventText.seconds(time) == shown) }
}

struct SummaryFileTests {
  private func replaced(_ change: ([UInt8]) throws -> Void) throws -> Bool {
    try withFile([]) { path in
      let file = try SummaryFile(ArgumentBytes(bytes: path))
      try change(path)
      return !file.isStillNamed
    }
  }

  @Test func aFileThatWasReplacedIsNoticed() throws {
    #expect(try !replaced { _ in })
    #expect(try replaced { try removeName($0) })
    #expect(
      try replaced { path in
        try removeName(path)
        _ = try openAt(AT_FDCWD, path, flags: O_WRONLY | O_CREAT, mode: 0o600)
      })
    #expect(
      try replaced { path in
        try removeName(path)
        try #require(unsafe symlink("/dev/null", String(decoding: path, as: UTF8.self)) == 0)
      })
  }
}
