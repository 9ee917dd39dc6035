import AgentshProtocol
import AgentshSystem
import Glibc
import SystemPackage
import Testing

@testable import AgentshCommands

struct ExitStatusTests {
  @Test(arguments: [
    (ENOENT, false, AgentshCommands.ExitStatus.notFound), (ENOTDIR, false, .notFound), (ENOENT, true, .notExecutable), (EACCES, true, .notExecutable),
    (EPERM, true, .notExecutable), (ENOEXEC, true, .notExecutable), (E2BIG, true, .notExecutable), (ELOOP, false, .notExecutable),
  ])
  func anExecThatFailedIs126Or127(_ errno: Int32, _ exists: Bool, _ expected: AgentshCommands.ExitStatus) {
    #expect(CommandEnding.status(ofFailedExec: errno, exists: exists) == expected)
  }

  @Test func anEndingIsToldAsWaitWouldTellIt() {
    #expect(CommandEnding.exited(7).waitStatus == 7 << 8)
    #expect(CommandEnding.killed(signal: SIGTERM, dumpedCore: false).waitStatus == SIGTERM)
    #expect(CommandEnding.killed(signal: SIGSEGV, dumpedCore: true).waitStatus == SIGSEGV | 0x80)
    #expect(CommandEnding.notExecuted(errno: ENOENT, candidate: 0).waitStatus == 127 << 8)
    #expect(CommandEnding(.stopped(signal: SIGTSTP)) == nil)
    #expect(CommandEnding(.continued) == nil)
  }
}

struct SignalForwardingTests {
  @Test(arguments: [SIGINT, SIGQUIT, SIGTSTP, SIGHUP, SIGWINCH, SIGTTIN, SIGTTOU])
  func aKeyOnTheTerminalReachesTheCommandByItself(_ number: Int32) {
    #expect(!SignalForwarding.shouldForward(ReceivedSignal(number: number, sender: 0, isFromKernel: true), own: 10))
    #expect(SignalForwarding.shouldForward(ReceivedSignal(number: number, sender: 99, isFromKernel: false), own: 10))
  }

  @Test func anAlarmThatWasSetBeforehandIsTheCommands() {
    #expect(SignalForwarding.shouldForward(ReceivedSignal(number: SIGALRM, sender: 0, isFromKernel: true), own: 10))
  }

  @Test func whatTheLauncherDoesToItselfIsItsOwn() {
    #expect(!SignalForwarding.shouldForward(ReceivedSignal(number: SIGPIPE, sender: 10, isFromKernel: false), own: 10))
  }
}

struct ReportTests {
  private func summary(refused: Int) -> SessionSummary {
    SessionSummary(refused: refused, audited: 0, allowed: 0, durationMilliseconds: 1, ending: .exited(0))
  }

  @Test func oneLineSaysHowManyWereRefusedAndHowToSeeThem() {
    #expect(SessionReport.lines(summary(refused: 0), session: "id") == [])
    #expect(SessionReport.lines(summary(refused: 1), session: "id") == ["1 operation was refused; see: agentsh events id --decision deny"])
    #expect(SessionReport.lines(summary(refused: 3), session: "id") == ["3 operations were refused; see: agentsh events id --decision deny"])
  }

  @Test func whatCouldNotBeRecordedIsToldWithoutTheRecord() {
    var full = summary(refused: 0)
    full.unrecorded = 2
    let lines = SessionReport.lines(full, session: "id")
    #expect(lines.count == 1 && lines[0].hasPrefix("2 operations were refused because the session's record can't be written"))
  }

  @Test func aSummaryNamesItsSessionEvenWhenTheSupervisorGaveNone() {
    let without = SessionReport.json(SessionOutcome(ending: .exited(3), summary: nil), session: "id")
    #expect(without["session"] == .string("id"))
    #expect(without["wait_status"] == .integer(768))
    #expect(SessionReport.json(SessionOutcome(ending: .exited(3), summary: summary(refused: 2)), session: "id")["refused"] == .integer(2))
    for summary in [nil, summary(refused: 2)] {
      let dropping = SessionReport.json(SessionOutcome(ending: .exited(3), summary: summary), session: "id", dropped: [bytes("A_KEY"), [0xFF]])
      #expect(dropping["env_dropped"] == .array([.string("A_KEY"), .string("\\xff")]))
      #expect(SessionReport.json(SessionOutcome(ending: .exited(3), summary: summary), session: "id")["env_dropped"] == nil)
    }
    let failed = SessionOutcome(ending: .notExecuted(errno: EACCES, candidate: 0), summary: summary(refused: 1))
    let notExecuted = SessionReport.json(failed, session: "id", CommandFailure(.notExecutable, "x: refused"))
    #expect(notExecuted["has_run"] == .bool(false) && notExecuted["error"] == .string("x: refused") && notExecuted["refused"] == .integer(1))
  }

  @Test(arguments: [
    "{\"seq\":1,\"time\":\"2026-01-02T03:04:05.678901234Z\",\"op\":\"file.write\",\"path\":\"/a\\u001b[31m\\nb\",\"decision\":\"deny\",\"rule\":\"r\\u0007\"}",
    "{\"op\":\"exec\",\"command\":[\"sh\",\"-c\",\"\\u001b]0;x\\u0007\"],\"message\":\"\\u202e\"}", "no json \u{1b}[2J", "{\"op\":3}", "[]", "",
  ])
  func noLineOfARecordActsOnATerminal(_ line: String) {
    let text = EventText.line(bytes(line))
    #expect(text.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F && $0.value != 0x202E })
  }

  @Test func anEventTellsWhenWhatAndWhy() {
    let line = bytes("{\"time\":\"2026-01-02T03:04:05.678901234Z\",\"pid\":7,\"op\":\"file.write\",\"path\":\"/etc/x\",\"decision\":\"deny\",\"rule\":\"no-etc\"}")
    #expect(EventText.line(line) == "03:04:05.678 deny  file.write  [7] /etc/x (no-etc)")
    #expect(EventText.matches(line, decision: "deny", operation: "file.write"))
    #expect(!EventText.matches(line, decision: "allow", operation: nil))
    #expect(!EventText.matches(line, decision: nil, operation: "exec"))
    #expect(EventText.matches(line, decision: nil, operation: "file.*"))
    #expect(!EventText.matches(line, decision: nil, operation: "net.*"))
  }

  @Test func anEventOfManyTellsItsSessionAndOneOfAnotherDayItsDate() {
    let line = bytes(#"{"time":"2026-01-02T03:04:05.678901234Z","session":"0123abcd-0000-4000-8000-000000000000","op":"exec"}"#)
    #expect(EventText.line(line, isOfMany: true, today: "2026-01-02").hasPrefix("03:04:05.678 0123abcd exec"))
    #expect(EventText.line(line, today: "2026-01-03").hasPrefix("2026-01-02 03:04:05.678 exec"))
    #expect(today().utf8.count == 10)
  }

  @Test func aSessionsEndShowsItsTotals() {
    let line = #"{"op":"session.end","status":143,"ended_by":"SIGTERM","reason":"timeout","decisions":{"allow":5,"deny":2},"refused":2}"#
    #expect(EventText.line(bytes(line)) == "session.end ended by SIGTERM, timeout, 5 allow, 2 deny")
  }

  @Test func bothNamesOfARenameAreShown() {
    #expect(EventText.line(bytes(#"{"op":"file.rename","path":"/a","new_path":"/b"}"#)).hasSuffix("/a -> /b"))
  }

  @Test func bytesThatTheTextCouldNotHoldAreShownWhole() {
    let line = bytes("{\"op\":\"file.read\",\"path\":\"/\u{FFFD}\",\"path_b64\":\"\(Base64.encode([0x2F, 0xFF]))\"}")
    #expect(EventText.line(line).contains("/\\xff"))
  }

  @Test func aCommandsBytesAreShownWhole() {
    let encoded = "\"\(Base64.encode(bytes("cat")))\",\"\(Base64.encode([0xFF, 0x0A]))\""
    let line = "{\"op\":\"exec\",\"command\":[\"cat\",\"\u{FFFD}\\n\"],\"command_b64\":[\(encoded)]}"
    #expect(EventText.line(bytes(line)).hasSuffix(#" cat \xff\x0a"#))
  }

  @Test func aMessageIsEscapedOnce() {
    #expect(EventText.line(bytes(#"{"op":"file.read","path":"/a\nb","message":"/a\\u{a}b is closed"}"#)).hasSuffix(#" /a\x0ab /a\u{a}b is closed"#))
  }

  @Test func namesAreShownAsTheRecordHasThem() throws {
    let line = #"{"op":"net.dns","address":"allowed\\046example","decision":"deny","rule":"r","message":"allowed\\046example is not\u001b among"}"#
    #expect(EventText.line(bytes(line)) == #"deny  net.dns     allowed\046example (r) allowed\046example is not\x1b among"#)
    let lines = try RefusalText.lines(JSONObject.parse(bytes(line.replacing("address", with: "path").replacing("net.dns", with: "file.read"))))
    #expect(lines.first == #"refused:  file.read allowed\\046example"#, "any other backslash is doubled")
    #expect(try RefusalText.lines(JSONObject.parse(bytes(line))).first == #"refused:  net.dns allowed\046example"#)
  }

  @Test func columnsLineUp() {
    #expect(Table.lines(["A", "B"], [["long", "x"], ["s", "y"]]) == ["A     B", "long  x", "s     y"])
    #expect(Table.lines(["A"], []) == ["A"])
  }

  @Test(arguments: [
    ControlError.limitReached(reason: "R"), .unknownSession(reason: "R"), .hostCannotEnforce(reason: "R"),
  ])
  func anErrorGivesTheReasonAndTheNextStep(_ error: ControlError) {
    let failure = ServerProblems.explain(error)
    #expect(failure.lines.count == 2)
    #expect(failure.lines.first?.contains("R") == true)
  }

  @Test func aNameMeansTheSessionThatRunsAndOfSeveralEachIsTold() throws {
    func session(_ id: String, _ state: SessionState) -> SessionInfo {
      SessionInfo(
        session: id, name: "build", uid: 7, user: "u", policy: "p", command: [], cwd: "/", started: "at-\(id)", state: state, refused: 0, record: "/r")
    }
    let ended = [session("aaaa1", .ended), session("aaaa2", .ended)]
    for text in ["build", "aaaa"] {
      #expect(try SessionName.choose(text, among: ended + [session("aaaa3", .running)]) == "aaaa3")
      #expect(try SessionName.choose(text, among: [session("aaaa3", .starting), ended[0]]) == "aaaa3")
      let several = #expect(throws: CommandFailure.self) { _ = try SessionName.choose(text, among: ended) }
      #expect(several?.lines == ["\(text) may be any of 2 sessions:", "  aaaa1  ended  started at-aaaa1", "  aaaa2  ended  started at-aaaa2"])
      let running = #expect(throws: CommandFailure.self) {
        _ = try SessionName.choose(text, among: ended + [session("aaaa3", .running), session("aaaa4", .starting)])
      }
      #expect(running?.lines == ["\(text) may be any of 2 sessions:", "  aaaa3  running  started at-aaaa3", "  aaaa4  starting  started at-aaaa4"])
    }
    #expect(try SessionName.choose("other", among: ended) == nil)
  }

  @Test func fromInsideNobodyIsAdvisedToDoWhatIsRefusedThere() {
    let failure = ServerProblems.explain(.limitReached(reason: "R"), isInside: true)
    #expect(failure.lines.first == "limit reached: R")
    #expect(failure.lines.allSatisfy { !$0.contains("agentsh stop") && !$0.contains("agentsh ps") }, "\(failure.lines)")
  }

  @Test func whatTheServerFailsAtIsSaidToBeItsOwnAffair() {
    let failure = ServerProblems.explain(.hostCannotEnforce(reason: "/l/server.jsonl: write: No space left on device", ofServer: true))
    #expect(failure.lines.first == "/l/server.jsonl: write: No space left on device")
    #expect(failure.lines.last?.contains("administrator") == true && failure.lines.allSatisfy { !$0.contains("detect") })
  }

  /// What to do instead depends on what was not permitted, so the server's reason says it, and nothing general is added.
  @Test func whatIsNotPermittedIsToldInTheServersWordsAlone() {
    #expect(ServerProblems.explain(.notPermitted(reason: "R; do S")).lines == ["not permitted: R; do S"])
  }

  @Test func aSocketThatCantBeReachedIsToldApartFromOneThatIsNotThere() {
    func first(_ errno: Errno) -> String { ServerProblems.noServer(at: bytes("/x"), SyscallError("connect", errno)).lines.first ?? "" }
    #expect(first(.noSuchFileOrDirectory).contains("there is no such socket"))
    #expect(first(.permissionDenied).contains("you may not"))
    #expect(first(.noMemory).contains("Cannot allocate memory"))
  }

  @Test func aReasonFromOutsideCantActOnTheTerminal() {
    let failure = ServerProblems.explain(.notPermitted(reason: "a\u{1b}[31m\nagentsh: forged \\x41"))
    #expect(failure.lines.allSatisfy { !$0.contains("\u{1b}") && !$0.contains("\n") })
    #expect(failure.lines.first?.contains("\\x41") == true)
    #expect(failure.lines.first?.contains("\\\\x41") == false)
  }

  @Test func aServerThatIsNotThereIsNamedWithTheReason() {
    #expect(throws: CommandFailure.self) { _ = try ControlClient.connect(to: bytes("/nonexistent/control.sock")) }
    let failure = ServerProblems.noServer(at: bytes("/x"), SyscallError("connect", .connectionRefused))
    #expect(failure.lines.first == "no server answers at /x: nobody listens there; agentshd has ended, or this is no socket of it")
  }
}
