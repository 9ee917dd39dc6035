import AgentshSystem
import Glibc
import Testing

/// Sessions whose time is over while their supervisor, which runs as the caller, does nothing about it.
struct TermTests {
  /// A process that holds the first thread of another, as root's debugger would, so that SIGCONT doesn't let it go on. It ends with it.
  private func holder(of process: Int32) throws -> RunningProcess {
    let script = "syscall(\(ptraceNumber), 16, \(process), 0, 0) == 0 or die $!; waitpid \(process), 0; $| = 1; print qq(held\\n); waitpid \(process), 0; print qq(gone\\n)"
    let holder = try RunningProcess(["perl", "-e", script])
    try holder.waitFor("held")
    return holder
  }

  private var ptraceNumber: Int {
    #if arch(arm64)
      117
    #else
      101
    #endif
  }

  private func stop(_ process: Int32) throws {
    kill(process, SIGSTOP)
    try eventually("it is stopped") { statusField("State", of: process)?.hasPrefix("T") == true }
  }

  private func closing(_ server: TestServer, _ session: String) throws -> String? {
    try server.log().last { $0.contains("\"op\":\"session.closed\"") && $0.contains(session) }
  }

  private func expectNothingLeft(_ server: TestServer) throws {
    try eventually("every process of the session is gone", milliseconds: 20_000) {
      processes(of: server.firstUser).allSatisfy { commandName($0) == "agentsh" }
    }
    try eventually("the session's directory is gone") { server.sessions.isEmpty }
  }

  private let sleeper = ["sh", "-c", "(setsid sleep 3600 &); echo ready; sleep 3600"]

  @Test func aSupervisorThatItsUserHasStoppedStillEndsItsSessionInTime() throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer()
    let process = try server.start(["--timeout", "1s", "--"] + sleeper)
    try process.waitFor("ready")
    let session = try server.onlySession()
    try stop(try server.supervisor())
    let outcome = try process.finish(milliseconds: 20_000)
    #expect(outcome.errors.contains("the session was ended: timeout"), "\(outcome)")
    try expectNothingLeft(server)
    #expect(try server.record(session).last?.contains("\"reason\":\"timeout\"") == true)
  }

  @Test func aSupervisorThatStaysStoppedIsKilledWithItsSession() throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer()
    let process = try server.start(["--timeout", "1s", "--"] + sleeper)
    try process.waitFor("ready")
    let session = try server.onlySession()
    let holder = try holder(of: try server.supervisor())
    try expectNothingLeft(server)
    _ = try process.finish(milliseconds: 20_000)
    try holder.waitFor("gone")
    try eventually("its end is on record") { try closing(server, session) != nil }
    #expect(try closing(server, session)?.contains("its time was over, and its supervisor did not end it") == true)
  }

  @Test(arguments: [true, false]) func aServerThatWasRestartedKnowsTheTermToo(isHeld: Bool) throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer()
    server.mayHaveEnded = true
    let process = try server.start(["--timeout", "3s", "--"] + sleeper)
    try process.waitFor("ready")
    let (session, supervisor) = (try server.onlySession(), try server.supervisor())
    let holder = isHeld ? try holder(of: supervisor) : nil
    if !isHeld { try stop(supervisor) }
    try server.restart(SIGKILL)
    try expectNothingLeft(server)
    _ = try process.finish(milliseconds: 20_000)
    try holder?.waitFor("gone")
    try eventually("its end is on record") { try closing(server, session) != nil }
    if isHeld {
      #expect(try closing(server, session)?.contains("its time was over, and its supervisor did not end it") == true)
    } else {
      #expect(try server.record(session).last?.contains("\"reason\":\"timeout\"") == true)
    }
  }

  /// - Parameter restarts: the server is another one by the time that the launcher dies.
  @Test(arguments: [true, false], [true, false]) func aLauncherThatIsKilledTakesItsSessionAlongThoughTheSupervisorIsStopped(isHeld: Bool, restarts: Bool) throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer()
    server.mayHaveEnded = true
    let process = try server.start(sleeper)
    try process.waitFor("ready")
    let (session, supervisor) = (try server.onlySession(), try server.supervisor())
    if restarts { try server.restart(SIGKILL) }
    let holder = isHeld ? try holder(of: supervisor) : nil
    if !isHeld { try stop(supervisor) }
    kill(process.pid, SIGKILL)
    _ = try process.finish()
    try expectNothingLeft(server)
    try holder?.waitFor("gone")
    try eventually("its end is on record") { try closing(server, session) != nil }
    if isHeld {
      #expect(try closing(server, session)?.contains("its launcher had ended, and its supervisor did not end it") == true)
    } else {
      #expect(try server.record(session).last?.contains("session.end") == true)
    }
  }

  /// The launcher is the only one left, and what has left the command's tree is not its child. It never stops computing: no call of it would fail.
  @Test(arguments: [true, false]) func whereServerAndSupervisorAreKilledTheLauncherKillsOrphansToo(hasGroup: Bool) throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer(onMissingFeature: "{ cgroup: warn }", under: hasGroup ? [] : TestServer.withoutCgroups)
    server.mayHaveEnded = true
    let process = try server.start(["sh", "-c", "(setsid sh -c 'echo ready; while :; do :; done' &); sleep 3600"])
    try process.waitFor("ready")
    let supervisor = try server.supervisor()
    kill(server.process.pid, SIGKILL)
    kill(supervisor, SIGKILL)
    let outcome = try process.finish()
    #expect(outcome.signal == SIGKILL && outcome.errors.contains("what it had started were killed"), "\(outcome)")
    try eventually("every process of the session is gone") { processes(of: server.firstUser).isEmpty }
  }

  @Test func stoppingASessionWhoseSupervisorIsStoppedClosesItsRecord() throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer()
    let process = try server.start(sleeper)
    try process.waitFor("ready")
    let session = try server.onlySession()
    try stop(try server.supervisor())
    #expect(try run(server.client(["stop", session]), milliseconds: 20_000).status == 0)
    _ = try process.finish()
    #expect(try server.record(session).last?.contains("stopped by uid \(server.firstUser)") == true)
  }

  /// Nobody but the launcher could end its processes before, and it is gone.
  @Test(arguments: [true, false]) func withoutControlGroupsTheServerFindsTheProcessesByTheirName(isHeld: Bool) throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer(onMissingFeature: "{ cgroup: warn }", under: TestServer.withoutCgroups)
    let process = try server.start(sleeper)
    try process.waitFor("ready")
    let supervisor = try server.supervisor()
    let holder = isHeld ? try holder(of: supervisor) : nil
    if !isHeld { kill(supervisor, SIGSTOP) }
    kill(process.pid, SIGKILL)
    _ = try process.finish()
    if !isHeld { kill(supervisor, SIGKILL) }
    try expectNothingLeft(server)
    try holder?.waitFor("gone")
  }

  /// The user may have pressed Ctrl-Z: whoever reaps the command does nothing then.
  @Test(arguments: [("exit 7", "\"status\":7", 7), ("exit 0", "\"status\":0", 0), ("trap - TERM; kill -TERM $$", "\"status\":143,\"ended_by\":\"SIGTERM\"", nil)], [true, false])
  func aStoppedLauncherHidesNoStatus(_ how: (trap: String, record: String, status: Int32?), isStandalone: Bool) throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer()
    let project = server.project(server.firstUser)
    let options = isStandalone ? ["--standalone", "--policy-file", "\(project)/policy.yaml"] : []
    if isStandalone { try write(TestServer.policy, to: "\(project)/policy.yaml", owner: server.firstUser) }
    let command = ["sh", "-c", "trap '\(how.trap)' TERM; echo ready; while :; do read -t 0.1 line < /dev/null; sleep 0.1; done"]
    let process = try server.start(options + ["--timeout", "1s", "--"] + command, environment: ["XDG_STATE_HOME=\(project)/.state"])
    try process.waitFor("ready")
    try stop(process.pid)
    let directory = isStandalone ? "\(project)/.state/agentsh/sessions" : server.recordsDirectory
    try eventually("the record is closed", milliseconds: 20_000) {
      try names(in: directory).first.map { try content("\(directory)/\($0)").contains("session.end") } == true
    }
    let last = try content("\(directory)/\(#require(names(in: directory).first))").split(separator: "\n").last ?? ""
    #expect(last.contains(how.record) && last.contains("\"reason\":\"timeout\""), "\(last)")
    kill(process.pid, SIGCONT)
    let outcome = try process.finish()
    #expect(outcome.status == how.status && (how.status != nil || outcome.signal == SIGTERM), "\(outcome)")
  }
}
