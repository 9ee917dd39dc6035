import AgentshProtocol
import AgentshSystem
import Glibc
import Testing

@testable import AgentshCommands

/// The launch against a supervisor that is a thread of the same process. Each runs in a process of its own, since the launcher blocks
/// signals and reaps whatever child it has.
struct LaunchTests {
  @Test func theCommandsOwnStatusComesBack() async {
    await #expect(processExitsWith: .exitCode(7)) { try FakeSupervisor.run(["/bin/sh", "-c", "exit 7"]) }
  }

  @Test func theCommandsSignalComesBack() async {
    await #expect(processExitsWith: .success) {
      // Worker threads of a test may block signals, and the command has the mask of the thread that starts it.
      try LauncherSignals.restore(SignalMask(bits: 0, ignoredChildSignal: false))
      let outcome = try FakeSupervisor.outcome(["/bin/sh", "-c", "kill -USR1 $$"])
      #expect(outcome.ending == .killed(signal: SIGUSR1, dumpedCore: false))
    }
  }

  @Test func aCommandThatIsNotThereIsReportedByItsErrno() async {
    await #expect(processExitsWith: .success) {
      let outcome = try FakeSupervisor.outcome(["/nonexistent/program"])
      #expect(outcome.ending == .notExecuted(errno: ENOENT, candidate: 0))
      #expect(outcome.summary != nil)
    }
  }

  @Test func candidatesAreTriedInOrderAndARefusalIsRemembered() async {
    await #expect(processExitsWith: .success) {
      let outcome = try FakeSupervisor.outcome(["program"], candidates: ["/nonexistent/program", "/etc/passwd", "/nonexistent/other"])
      #expect(outcome.ending == .notExecuted(errno: EACCES, candidate: 1))
    }
    await #expect(processExitsWith: .exitCode(4)) {
      try FakeSupervisor.run(["sh", "-c", "exit 4"], candidates: ["/nonexistent/sh", "/bin/sh"])
    }
  }

  @Test func aRefusedHandshakeRunsNothing() async {
    await #expect(processExitsWith: .success) {
      let place = try makeTemporaryDirectory(bytes("/tmp/agentsh-test.XXXXXX"))
      let proof = Paths.joined(place, "ran")
      #expect(throws: CommandFailure.self) {
        _ = try FakeSupervisor.outcome(["/bin/sh", "-c", "echo > \(String(decoding: proof, as: UTF8.self))"], behaviour: .refuses)
      }
      // The child is dead, or has never lived: wait for its end, not for a time.
      while let (_, _) = try nextChildChange() {}
      #expect(!Paths.exists(proof))
      try removeName(place, isDirectory: true)
    }
  }

  @Test(arguments: [(nil, 35_000), (1000, 6000), (120_000, 125_000), (Int.max, 86_405_000)] as [(Int?, Int64)])
  func theLauncherWaitsALittleLongerThanTheServer(_ given: Int?, _ milliseconds: Int64) throws {
    let token = try #require(SessionToken(bytes: [UInt8](repeating: 7, count: SessionToken.byteCount)))
    var reply = WrapReply(
      session: "s", policy: "p", notifySocket: [], signalSocket: [], ptraceSocket: [], token: token, filter: [], environment: EnvironmentPlan(), record: [])
    reply.handshakeMilliseconds = given
    #expect(Handshake.patience(reply) == milliseconds)
  }

  @Test func aWrongNonceRunsNothing() async {
    await #expect(processExitsWith: .success) {
      let outcome = try FakeSupervisor.outcome(["/bin/sh", "-c", "exit 0"], behaviour: .deniesNonce)
      #expect(outcome.ending == .notExecuted(errno: EPERM, candidate: -1))
    }
  }

  @Test func aSupervisorThatGoesTakesTheCommandWithIt() async {
    await #expect(processExitsWith: .success) {
      let outcome = try FakeSupervisor.outcome(["/bin/sleep", "1000"], behaviour: .leavesAfterStart)
      #expect(outcome.ending == .killed(signal: SIGKILL, dumpedCore: false))
      #expect(outcome.lostSupervisor)
    }
  }

  @Test func theCommandInheritsStandardDescriptorsAndThoseThatAreNamed() async {
    await #expect(processExitsWith: .exitCode(1)) {
      let file = try openAt(AT_FDCWD, bytes("/dev/null"), flags: O_RDONLY)
      let kept = fcntl(file.rawValue, F_DUPFD, 200)
      let other = fcntl(file.rawValue, F_DUPFD, 300)
      #expect(kept == 200 && other == 300)
      // Only the named one is there: status 1 = the first test holds and the second doesn't.
      try FakeSupervisor.run(["/bin/sh", "-c", "test -e /proc/self/fd/200 || exit 2; test -e /proc/self/fd/300"], kept: [200])
    }
  }

  /// Nothing is trapped here: what is refused, Landlock refuses.
  @Test func theCommandIsUnderTheFloorThatTheServerNames() async {
    await #expect(processExitsWith: .success) {
      let place = try makeTemporaryDirectory(bytes("/tmp/agentsh-test.XXXXXX"))
      let proof = Paths.joined(place, "written")
      let command = ["/bin/sh", "-c", "cat /etc/passwd >/dev/null && echo >\(String(decoding: proof, as: UTF8.self))"]
      let reading: UInt64 = 1 << 0 | 1 << 2 | 1 << 3  // EXECUTE, READ_FILE, READ_DIR
      let all: UInt64 = (1 << 16) - 1
      let grants = [FloorPlan.Grant(path: bytes("/"), rights: reading), FloorPlan.Grant(path: bytes("/dev"), rights: all)]
      #expect(try FakeSupervisor.outcome(command, floor: FloorPlan(grants: grants)).ending == .exited(2))
      #expect(!Paths.exists(proof))
      let more = grants + [FloorPlan.Grant(path: place, rights: all)]
      #expect(try FakeSupervisor.outcome(command, floor: FloorPlan(grants: more)).ending == .exited(0))
      #expect(Paths.exists(proof))
      try removeName(proof)
      try removeName(place, isDirectory: true)
    }
  }

  @Test func aClosedStandardDescriptorIsClosedForTheCommand() async {
    await #expect(processExitsWith: .exitCode(1)) {
      try FakeSupervisor.run(["/bin/sh", "-c", "test -e /proc/$$/fd/0"], closed: 1)
    }
  }

  @Test func whatWasIgnoredStaysIgnoredAndTheMaskIsAsItWas() async {
    await #expect(processExitsWith: .success) {
      _ = signal(SIGHUP, SIG_IGN)
      try LauncherSignals.restore(SignalMask(bits: 0, ignoredChildSignal: false))
      let outcome = try FakeSupervisor.outcome([
        "/bin/sh", "-c", "grep -q '^SigIgn:.*[13579bdf]$' /proc/self/status && grep -q '^SigBlk:[[:space:]]*0*$' /proc/self/status",
      ])
      #expect(outcome.ending == .exited(0))
    }
  }
}
