import AgentshSystem
import Glibc
import Testing

/// The three sockets of a real session, and who may speak to them.
@Suite(.serialized) struct PeerTests {
  /// A session that waits for a line.
  private func startWaiting(_ server: TestServer, as uid: UInt32? = nil) throws -> RunningProcess {
    let process = try server.start(["sh", "-c", "echo ready; read line; echo $line"], as: uid)
    try process.waitFor("ready")
    return process
  }

  @Test func theSocketsBelongToTheCallerAndNobodyElseMayConnect() throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer()
    let process = try startWaiting(server)
    let session = try server.onlySession()
    let place = "\(server.sessionsDirectory)/\(session)"
    let directory = try linkStatus(at: AT_FDCWD, Array(place.utf8))
    #expect(directory.owner == 0 && directory.mode & 0o7777 == 0o711)
    for name in ["notify", "signal", "ptrace"] {
      let status = try linkStatus(at: AT_FDCWD, Array("\(place)/\(name).sock".utf8))
      #expect(status.type == S_IFSOCK && status.owner == server.firstUser && status.mode & 0o7777 == 0o600)
      #expect(connect(to: "\(place)/\(name).sock", as: server.secondUser) == -1)
    }
    process.write("done\n")
    #expect(try process.finish().output == "ready\ndone\n")
  }

  @Test(arguments: ["notify", "signal", "ptrace"])
  func theLoopGoesOnAfterAnotherProcessOfTheSameUser(_ name: String) throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer()
    let process = try startWaiting(server)
    let session = try server.onlySession()
    let path = "\(server.sessionsDirectory)/\(session)/\(name).sock"
    for _ in 0..<50 {
      let raw = connect(to: path, as: server.firstUser)
      try #require(raw >= 0)
      close(raw)
    }
    try eventually("the rejections are on record") {
      try server.log().contains { $0.contains("\"op\":\"peer.rejected\"") && $0.contains("wrong_process") && $0.contains("\"\(name)\"") }
    }
    process.write("still here\n")
    #expect(try process.finish().output == "ready\nstill here\n")
  }

  @Test func withoutTheRightToChangeOwnersEveryCheckHolds() throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer(withoutCapabilities: ["chown"])
    let process = try startWaiting(server)
    let session = try server.onlySession()
    let place = "\(server.sessionsDirectory)/\(session)"
    for name in ["notify", "signal", "ptrace"] {
      let status = try linkStatus(at: AT_FDCWD, Array("\(place)/\(name).sock".utf8))
      #expect(status.type == S_IFSOCK && status.mode & 0o7777 == 0o666)
      let raw = connect(to: "\(place)/\(name).sock", as: server.secondUser)
      #expect(raw >= 0)
      close(raw)
    }
    try eventually("the rejections are on record") {
      let log = try server.log()
      return ["notify", "signal", "ptrace"].allSatisfy { name in
        log.contains { $0.contains("peer.rejected") && $0.contains("wrong_uid") && $0.contains("\"\(name)\"") && $0.contains("\(server.secondUser)") }
      }
    }
    process.write("done\n")
    #expect(try process.finish().output == "ready\ndone\n")
  }

  /// 200 connections opened again and again and 200 held, all of another uid, while the rightful user starts 50 sessions.
  @Test func hostileConnectionsDelayNoSession() throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer(withoutCapabilities: ["chown"])
    func median() throws -> Int {
      var times: [Int] = []
      for _ in 0..<50 {
        let outcome = try server.wrap(["true"])
        #expect(outcome.status == 0, "\(outcome.errors)")
        times.append(outcome.milliseconds)
      }
      return times.sorted()[25]
    }
    let quiet = try median()
    // The processor time that an attacker burns is its own to burn: the measure is what its connections add to that.
    let idleHands = try RunningProcess(["/usr/bin/perl", "-e", "$| = 1; print \"going\\n\"; 1 while 1"])
    try idleHands.waitFor("going")
    let burning = try median()
    kill(idleHands.pid, SIGTERM)
    _ = try idleHands.finish()
    let hostile = try RunningProcess(["/usr/bin/perl", "-e", Self.hostile, server.sessionsDirectory, "\(server.secondUser)"])
    try hostile.waitFor("going")
    let busy = try median()
    kill(hostile.pid, SIGTERM)
    let attempts = try hostile.finish().output
    // How long they took is for people to read: times are kept by `make bench`, not by tests on machines that do other things too.
    print(
      "median of 50 wraps: \(quiet) ms alone, \(burning) ms beside a busy process, \(busy) ms among hostile connections",
      "(\(attempts.split(separator: "\n").last ?? ""))")
    try eventually("rejections are on record") { try server.log().contains { $0.contains("peer.rejected") && $0.contains("wrong_uid") } }
  }

  /// Connects to every session's sockets, as fast as one process can; keeps 200 connections and renews 200. It looks for the sockets as root, which a real
  /// attacker can't: their directories can't be listed by others. It connects as another uid.
  private static let hostile = #"""
    use Socket; $| = 1; my ($dir, $uid) = @ARGV; my (@held, @renewed); my $count = 0; my $run = 1;
    $SIG{TERM} = sub { $run = 0 }; $SIG{PIPE} = "IGNORE";
    print "going\n";
    while ($run) {
      $> = 0;
      my @paths = map { my $s = $_; map { "$s/$_.sock" } qw(notify signal ptrace) } glob("$dir/*");
      $> = $uid;
      for my $path (@paths) {
        for my $set (\@held, \@renewed) {
          for (1..20) {
            last if $set == \@held && @held >= 200;
            socket(my $s, PF_UNIX, SOCK_STREAM, 0) or last;
            connect($s, sockaddr_un($path)) or last;
            $count++;
            syswrite($s, "{");
            push @$set, $s;
            shift @$set while @$set > 200;
          }
        }
      }
    }
    print "$count connections\n";
    """#
}

/// Several users at once, limits, and what happens when a part dies.
@Suite(.serialized) struct SessionTests {
  @Test func usersDoNotSeeEachOthersSessions() throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer()
    let first = try server.start(["--name", "first", "--", "sh", "-c", "echo ready; read line"], as: server.firstUser)
    try first.waitFor("ready")
    let session = try server.onlySession()
    let second = try server.start(["--name", "second", "--", "sh", "-c", "echo ready; read line"], as: server.secondUser)
    try second.waitFor("ready")
    let own = try run(server.client(["ps"], as: server.firstUser))
    #expect(own.output.contains("first") && !own.output.contains("second"), "\(own.output)\(own.errors)")
    let others = try run(server.client(["ps"], as: server.secondUser))
    #expect(others.output.contains("second") && !others.output.contains("first") && !others.output.contains(session))
    for command in [["show", session], ["stop", session], ["events", session]] {
      #expect(try run(server.client(command, as: server.secondUser)).status != 0)
    }
    #expect(try run(server.asUser(server.secondUser) + ["cat", "\(server.recordsDirectory)/\(session).jsonl"]).status != 0)
    first.write("x\n")
    second.write("x\n")
    #expect(try first.finish().status == 0)
    #expect(try second.finish().status == 0)
  }

  @Test func killingTheSupervisorLeavesNothing() throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer()
    let process = try server.start(["sh", "-c", "setsid sleep 3600 & echo ready; while :; do touch witness; rm witness; done"])
    try process.waitFor("ready")
    kill(try server.supervisor(), SIGKILL)
    let outcome = try process.finish()
    #expect(outcome.status != 0)
    try eventually("every process of the session is gone") { processes(of: server.firstUser).isEmpty }
    try eventually("the session's directory is gone") { server.sessions.isEmpty }
  }

  /// The server that would have seen it is gone: the next one does, or finds it so. What has left the tree and the terminal goes with the rest.
  @Test(arguments: [true, false]) func aSupervisorThatDiesAfterItsServerTakesItsSessionAlong(serverFirst: Bool) throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer()
    server.mayHaveEnded = true
    let process = try server.start(["sh", "-c", "setsid sh -c 'sleep 3600 & echo ready; wait' & (setsid sleep 3600 &); echo begun; wait"])
    try process.waitFor("ready")
    try process.waitFor("begun")
    let (session, supervisor) = (try server.onlySession(), try server.supervisor())
    if serverFirst {
      try server.restart(SIGKILL)
      #expect(try run(server.client(["ps"])).output.contains(session))
      kill(supervisor, SIGKILL)
    } else {
      kill(server.process.pid, SIGKILL)
      try eventually("agentshd is dead") { childHasEnded(server.process.pid) }
      kill(supervisor, SIGKILL)
      try server.restart(SIGKILL)
    }
    let outcome = try process.finish()
    #expect(outcome.status != 0 || outcome.signal != nil, "\(outcome)")
    try eventually("every process of the session is gone") { processes(of: server.firstUser).isEmpty }
    try eventually("the session's directory is gone") { server.sessions.isEmpty }
    try eventually("it has ended") { try run(server.client(["show", session])).output.contains("ended") }
    // Written by a worker of the server, which may come to it after somebody has asked.
    try eventually("its end is on record") {
      try content("\(server.directory)/log/server.jsonl").split(separator: "\n").contains {
        $0.contains("session.closed") && $0.contains(session) && $0.contains("died")
      }
    }
  }

  @Test func withoutAServerALauncherThatIsKilledTakesItsSessionAlong() throws {
    guard isPrivileged("another user") else { return }
    let server = try TestServer()
    let file = "\(server.project(server.firstUser))/policy.yaml"
    try write("version: 1\nname: own\ndefaults: {file_write: allow, command: allow, network: allow, unix: allow, signal: allow}\n", to: file, mode: 0o644)
    let script = "setsid sh -c 'sleep 3600 & echo ready; wait' & (setsid sleep 3600 &); (env -i setsid sh -c 'while :; do /bin/sleep 0.01; done' &); echo begun; wait"
    let process = try RunningProcess(
      server.client(
        ["wrap", "--standalone", "--policy-file", file, "--", "sh", "-c", script], environment: ["XDG_STATE_HOME=\(server.project(server.firstUser))/.state"]))
    try process.waitFor("ready")
    try process.waitFor("begun")
    kill(process.pid, SIGKILL)
    _ = try process.finish()
    // One has forgotten whose it is: it ends at its next call.
    try eventually("every process of the session is gone") { processes(of: server.firstUser).isEmpty }
  }

  @Test func aSessionGoesOnWithoutItsServer() throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer()
    server.mayHaveEnded = true
    try write("secret\n", to: "\(server.project(server.firstUser))/.env", owner: server.firstUser)
    let process = try server.start(["sh", "-c", "echo ready; read line; cat .env; echo $line > file; cat file; exit 3"])
    try process.waitFor("ready")
    kill(server.process.pid, SIGKILL)
    try eventually("agentshd is dead") { childHasEnded(server.process.pid) }
    process.write("done\n")
    let outcome = try process.finish()
    #expect(outcome.output == "ready\ndone\n")
    #expect(outcome.errors.contains("Permission denied"))
    #expect(outcome.status == 3)
    let lines = try server.record(#require(server.records.first))
    #expect(lines.contains { $0.contains("\"rule\":\"no-env-files\"") })
    #expect(lines.last?.contains("session.end") == true)
    try eventually("nothing of the session is left") { processes(of: server.firstUser).isEmpty }
  }

  @Test func killingTheLauncherEndsTheSession() throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer()
    let process = try server.start(["sh", "-c", "setsid sleep 3600 & echo ready; sleep 3600"])
    try process.waitFor("ready")
    kill(process.pid, SIGKILL)
    try eventually("every process of the session is gone") { processes(of: server.firstUser).filter { $0 != process.pid }.isEmpty }
    try eventually("the record is closed") {
      try server.record(#require(server.records.first)).last?.contains("session.end") == true
    }
  }

  @Test func theSupervisorRunsAsTheCallerWithOneCapabilityAndItsOwnFilter() throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer()
    let process = try server.start(["sh", "-c", "echo ready; read line"])
    try process.waitFor("ready")
    let supervisor = try server.supervisor()
    #expect(statusField("Uid", of: supervisor) == Array(repeating: "\(server.firstUser)", count: 4).joined(separator: "\t"))
    #expect(statusField("Gid", of: supervisor) == Array(repeating: "\(server.firstUser)", count: 4).joined(separator: "\t"))
    #expect(statusField("CapPrm", of: supervisor) == "0000000000080000")
    #expect(statusField("CapEff", of: supervisor) == "0000000000000000")
    #expect(statusField("CapInh", of: supervisor) == "0000000000000000")
    #expect(statusField("CapAmb", of: supervisor) == "0000000000000000")
    #expect(statusField("CapBnd", of: supervisor) == "0000000000080000")
    #expect(statusField("NoNewPrivs", of: supervisor) == "1")
    #expect(statusField("Seccomp", of: supervisor) == "2")
    // Not dumpable: its files in /proc are root's.
    #expect(try linkStatus(at: AT_FDCWD, Array("/proc/\(supervisor)/mem".utf8)).owner == 0)
    for thread in names(in: "/proc/\(supervisor)/task") {
      let status = try content("/proc/\(supervisor)/task/\(thread)/status")
      #expect(status.contains("CapEff:\t0000000000000000") && status.contains("Seccomp:\t2"))
    }
    process.write("x\n")
    #expect(try process.finish().status == 0)
  }

  @Test func limitsHoldUnderParallelOpens() throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer(limits: "{ active_sessions_per_user: 3, sessions_per_user: 100, active_sessions: 100 }")
    var started: [RunningProcess] = []
    for _ in 0..<12 { started.append(try server.start(["sh", "-c", "echo ready; read line"])) }
    try eventually("three run") { server.sessions.count == 3 }
    var refused = 0
    var running: [RunningProcess] = []
    // A refused one ends by itself; one that runs waits for its line.
    for process in started {
      if process.says("ready", milliseconds: 10_000) { running.append(process) } else { refused += 1 }
      #expect(server.sessions.count <= 3)
    }
    #expect(running.count == 3)
    #expect(refused == 9)
    for process in running {
      process.write("x\n")
      #expect(try process.finish().status == 0)
    }
    #expect(try server.shell("true").status == 0)
  }

  /// Programs and a policy, and a project of a user that nobody else is.
  private func installedForAnyUser() throws -> (directory: String, project: String, user: UInt32) {
    let directory = try scratchDirectory()
    try Programs.install(into: "\(directory)/bin")
    let project = "\(directory)/project"
    let user = UInt32.random(in: 100_000..<2_000_000_000)
    makeDirectory(project, mode: 0o700, owner: user)
    try write(TestServer.policy, to: "\(directory)/policy.yaml")
    try write("secret\n", to: "\(project)/.env", owner: user)
    return (directory, project, user)
  }

  /// Such a process is not dumpable, and its /proc closed to its own supervisor.
  @Test func aSetuidClientCanDoWithoutAServerToo() throws {
    guard isPrivileged("users of its own") else { return }
    let (directory, project, user) = try installedForAnyUser()
    defer { _ = try? run(["rm", "-rf", directory]) }
    changeMode("\(directory)/bin/agentsh", 0o4755)
    let outcome = try run([
      "setpriv", "--reuid", "\(user)", "--regid", "\(user)", "--clear-groups", "env", "-C", project, "-i", "PATH=/usr/bin:/bin", "HOME=\(project)",
      "\(directory)/bin/agentsh", "wrap", "--standalone", "--policy-file", "../policy.yaml", "--", "sh", "-c", "echo ran; cat .env; exit 4",
    ])
    #expect(outcome.status == 4 && outcome.output == "ran\n", "\(outcome.errors)")
    #expect(outcome.errors.contains("Permission denied"))
    // It was setuid indeed: it did not listen to its caller about the server.
    let other = try run([
      "setpriv", "--reuid", "\(user)", "--regid", "\(user)", "--clear-groups", "\(directory)/bin/agentsh", "--server", "/nonexistent/socket", "ps",
    ])
    #expect(other.status == 125 && !other.errors.contains("/nonexistent/socket") && !other.errors.contains("--server"), "\(other.errors)")
  }

  @Test func standaloneModeEnforcesWithoutAServer() throws {
    guard isPrivileged("users of its own") else { return }
    let (directory, project, user) = try installedForAnyUser()
    defer { _ = try? run(["rm", "-rf", directory]) }
    let outcome = try run([
      "setpriv", "--reuid", "\(user)", "--regid", "\(user)", "--clear-groups", "env", "-C", directory, "-i", "PATH=/usr/bin:/bin", "HOME=\(project)",
      "XDG_STATE_HOME=\(project)/state", "\(directory)/bin/agentsh", "wrap", "--standalone", "--policy-file", "policy.yaml", "--cwd", "project", "--",
      "sh", "-c", "cat .env; echo x > allowed; cat allowed; setsid sleep 3600 & exit 4",
    ])
    #expect(outcome.status == 4, "\(outcome.errors)")
    #expect(outcome.output == "x\n")
    #expect(outcome.errors.contains("Permission denied"))
    #expect(processes(of: user).isEmpty)
    let records = names(in: "\(project)/state/agentsh/sessions")
    #expect(records.count == 1)
    let lines = try content("\(project)/state/agentsh/sessions/\(try #require(records.first))")
    #expect(lines.contains("\"rule\":\"no-env-files\"") && lines.contains("\"op\":\"session.end\""))
  }
}
