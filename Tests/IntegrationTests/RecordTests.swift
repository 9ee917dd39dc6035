import AgentshSystem
import Glibc
import Testing

/// What `ps`, `show` and `events` tell: of sessions that run, of those that have ended, and of those of a server before this one.
@Suite(.serialized) struct RecordTests {
  @Test func followingEverythingShowsSessionsAsTheyComeAndWhoseEachLineIs() throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer()
    let follower = try RunningProcess(server.client(["events", "--follow", "--op", "session.*"]))
    for number in 1...2 {
      #expect(try server.shell("exit \(number)").status == Int32(number))
      try follower.waitFor("status \(number)")
    }
    for session in server.records {
      let lines = follower.outputSoFar.split(separator: "\n").filter { $0.contains(" \(session.prefix(8)) ") }
      #expect(lines.count == 2, "\(follower.outputSoFar)")
    }
    kill(follower.pid, SIGINT)
    #expect(try follower.finish().signal == SIGINT)
  }

  @Test func outputThatNobodyGetsIsAFailure() throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer()
    #expect(try server.shell("true").status == 0)
    for closed in ["exec >&-", "exec >/dev/full"] {
      let outcome = try run(["sh", "-c", "\(closed); exec \"$@\"", "sh"] + server.client(["events"]))
      #expect(outcome.status == 125)
      #expect(outcome.errors.hasPrefix("agentsh: can't write to standard output: "))
    }
  }

  private func waiting(_ server: TestServer, _ script: String = "", as uid: UInt32? = nil, name: String = "job") throws -> RunningProcess {
    let process = try server.start(["--quiet", "--name", name, "--", "sh", "-c", "\(script)\necho ready; read line"], as: uid)
    try process.waitFor("ready")
    return process
  }

  private func ask(_ server: TestServer, _ arguments: [String], as uid: UInt32? = nil) throws -> Outcome { try run(server.client(arguments, as: uid)) }

  private func shown(_ server: TestServer, _ session: String) throws -> [Substring] { try ask(server, ["show", session]).output.split(separator: "\n") }

  private func secret(_ server: TestServer, of uid: UInt32) throws { try write("secret\n", to: "\(server.project(uid))/.env", owner: uid) }

  @Test func aRunningSessionTellsHowManyOperationsItHasRefused() throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer()
    try secret(server, of: server.firstUser)
    let process = try waiting(server, "cat .env; cat .env")
    #expect(try ask(server, ["ps", "--json"]).output.contains("\"refused\":2,"))
    #expect(try ask(server, ["show", "job"]).output.contains("refused:    2\n"))
    process.write("x\n")
    #expect(try process.finish().status == 0)
    #expect(try ask(server, ["ps", "--all", "--json"]).output.contains("\"refused\":2,"))
  }

  /// PR_SET_DUMPABLE, and a program that may not be read: the kernel shows neither's name to others then.
  @Test(arguments: ["user", "root"]) func noProgramTakesItsNameOutOfTheRecord(who: String) throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer()
    let uid = who == "root" ? 0 : server.firstUser
    if uid == 0 { makeDirectory(server.project(0), mode: 0o700) }
    let script = "import ctypes, os; ctypes.CDLL(None).prctl(4, 0, 0, 0, 0); os.mkdir('made')"
    let outcome = try server.wrap(["/usr/bin/python3", "-c", script], as: uid)
    #expect(outcome.status == 0, "\(outcome)")
    let made = try server.record(#require(server.records.first)).filter { $0.contains("\"op\":\"file.mkdir\"") }
    #expect(made.count == 1 && made.allSatisfy { $0.contains("\"exe\":\"/usr/bin/python3") }, "\(made)")
  }

  @Test func aSupervisorThatDoesNotAnswerHoldsUpNoList() throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer()
    try secret(server, of: server.firstUser)
    let process = try waiting(server, "cat .env")
    let supervisor = try server.supervisor()
    #expect(try ask(server, ["ps", "--json"]).output.contains("\"refused\":1,"))
    kill(supervisor, SIGSTOP)
    // What it said last, and no session ends for being asked often.
    for _ in 0..<5 { #expect(try ask(server, ["ps", "--json"]).output.contains("\"refused\":1,")) }
    kill(supervisor, SIGCONT)
    process.write("x\n")
    #expect(try process.finish().status == 0)
  }

  @Test func whatASupervisorThatWasKilledHadRefusedIsCountedFromItsRecord() throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer()
    try secret(server, of: server.firstUser)
    let process = try waiting(server, "cat .env; cat .env; cat .env")
    kill(try server.supervisor(), SIGKILL)
    _ = try process.finish()
    try eventually("the session has ended") { try ask(server, ["show", "job"]).output.contains("ended") }
    try eventually("its record is counted") { try ask(server, ["show", "job", "--json"]).output.contains("\"refused\":3,") }
    // Its record has no last line: the server's log tells, also after a restart.
    for isRestarted in [false, true] {
      if isRestarted { try server.restart() }
      let shown = try ask(server, ["show", try #require(server.records.first)]).output
      #expect(shown.contains("ended:") && shown.contains("reason:     the supervisor died; everything in the session was killed"), "\(shown)")
    }
  }

  @Test func recordsAreTheirOwnersAfterARestartToo() throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer()
    try secret(server, of: server.firstUser)
    #expect(try server.wrap(["--name", "mine", "--", "sh", "-c", "cat .env; exit 0"]).status == 0)
    let session = try #require(server.records.first)
    #expect(try server.wrap(["--name", "other", "--", "true"], as: server.secondUser).status == 0)
    var before: [Substring] = []
    try eventually("its end is known") {
      before = try shown(server, session)
      return before.contains { $0.hasPrefix("ended:") }
    }
    for line in ["status:     0", "decisions:  "] { #expect(before.contains { $0.hasPrefix(line) }, "\(before)") }
    for line in ["duration:   ", "started:    2"] { #expect(before.contains { $0.hasPrefix(line) }, "\(before)") }
    let json = try ask(server, ["show", session, "--json"]).output
    for field in ["\"ended\":\"2", "\"status\":0,\"duration_ms\":", "\"decisions\":{"] { #expect(json.contains(field), "\(json)") }
    // A list tells what it told before.
    #expect(try !ask(server, ["ps", "--all", "--json"]).output.contains("\"ended\":"))
    try server.restart()
    // The owner: by id, by its beginning, by name, in the list.
    for text in [session, String(session.prefix(8)), "mine"] { #expect(try shown(server, text) == before) }
    let events = try ask(server, ["events", session, "--decision", "deny"])
    #expect(events.output.contains("no-env-files"), "\(events)")
    #expect(try ask(server, ["events"]).output.contains("no-env-files"))
    let own = try ask(server, ["ps", "--all"]).output
    #expect(own.contains(session) && own.contains("mine") && !own.contains("other"))
    #expect(try ask(server, ["ps"]).output.split(separator: "\n").count == 1)
    // Another user never learns that it is there: the answer is the one for an id that nobody has.
    let nobodys = "00000000-0000-4000-8000-000000000000"
    for command in [["show"], ["events"], ["stop"]] {
      let refused = try ask(server, command + [session], as: server.secondUser)
      let unknown = try ask(server, command + [nobodys], as: server.secondUser)
      #expect(refused.status == 1 && refused.output.isEmpty)
      #expect(refused.errors.replacing(session, with: nobodys) == unknown.errors)
    }
    let others = try ask(server, ["ps", "--all"], as: server.secondUser).output
    #expect(others.contains("other") && !others.contains(session))
    // An administrator sees both.
    let asRoot = ["env", "AGENTSH_SERVER=\(server.socket)", server.program("agentsh")]
    let all = try run(asRoot + ["ps", "--all"])
    #expect(all.output.contains(session) && all.output.contains("other"), "\(all)")
    #expect(try run(asRoot + ["events", session]).output.contains("no-env-files"))
  }

  @Test func aRecordThatIsListedNoMoreIsFoundByItsId() throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer(limits: "{ active_sessions_per_user: 2, sessions_per_user: 2, active_sessions: 10 }")
    for _ in 0..<4 { #expect(try server.wrap(["true"]).status == 0) }
    for isRestarted in [false, true] {
      if isRestarted { try server.restart() }
      let listed = try ask(server, ["ps", "--all"]).output
      let forgotten = server.records.filter { !listed.contains($0) }
      #expect(server.records.count == 4 && forgotten.count == 2)
      for session in forgotten {
        for text in [session, String(session.prefix(8))] { #expect(try ask(server, ["show", text]).output.contains(session)) }
        #expect(try ask(server, ["events", session, "--op", "session.end"]).output.contains("session.end"))
        #expect(try ask(server, ["events", session], as: server.secondUser).status == 1)
      }
    }
  }

  @Test func aSessionThatRunsOnWithoutItsServerIsSeenAndStoppedByTheNext() throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer()
    server.mayHaveEnded = true
    try secret(server, of: server.firstUser)
    let process = try waiting(server, "cat .env; setsid sleep 3600 &")
    let session = try server.onlySession()
    try server.restart(SIGKILL)
    let list = try ask(server, ["ps"]).output
    #expect(list.contains(session) && list.contains("running"), "\(list)")
    #expect(try !ask(server, ["ps", "--all"], as: server.secondUser).output.contains(session))
    #expect(try ask(server, ["stop", session], as: server.secondUser).status == 1)
    #expect(try ask(server, ["stop", session]).status == 0)
    _ = try process.finish()
    try eventually("every process of the session is gone") { processes(of: server.firstUser).isEmpty }
    try eventually("its record is closed") { try server.record(session).last?.contains("session.end") == true }
    try eventually("it has ended") { try ask(server, ["show", session]).output.contains("ended") }
    #expect(try ask(server, ["show", session, "--json"]).output.contains("\"refused\":1,"))
    #expect(server.sessions.isEmpty)
    // Nobody could tell its supervisor why.
    let reason = "stopped by uid \(server.firstUser)"
    #expect(try ask(server, ["show", session]).output.contains(reason))
    try eventually("the log says why") {
      try server.log().contains { $0.contains("\"op\":\"session.closed\"") && $0.contains(session) && $0.contains("\"message\":\"\(reason)\"") }
    }
    try server.restart()
    try eventually("the next server knows it, too") { try ask(server, ["show", session]).output.contains(reason) }
  }

  @Test func aSessionThatHasEndedCannotBeStopped() throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer()
    #expect(try server.wrap(["--name", "job", "--", "true"]).status == 0)
    let session = try #require(server.records.first)
    for name in ["job", session, String(session.prefix(8))] {
      let outcome = try ask(server, ["stop", name, "--json"])
      #expect(outcome.status == 1 && outcome.output == "{\"session\":\"\(name)\",\"stopped\":false}\n", "\(outcome)")
      #expect(outcome.errors.contains("session \(session) ended at 20"), "\(outcome)")
    }
  }

  /// What ignores SIGTERM is killed after a while, by its supervisor, which lives to close the record.
  @Test func aStoppedSessionThatIgnoresItsSignalHasAWholeRecord() throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer()
    let process = try waiting(server, "trap '' TERM")
    #expect(try ask(server, ["stop", "job"]).status == 0)
    #expect(try process.finish().signal == SIGKILL)
    let lines = try server.record(#require(server.records.first))
    #expect(lines.last?.contains("session.end") == true && lines.last?.contains("stopped by uid \(server.firstUser)") == true)
    #expect(processes(of: server.firstUser).isEmpty)
  }

  /// What a session's program asks comes from its supervisor: it is told of that session, and of no other of the same user.
  @Test func fromInsideASessionThereIsThatSessionAlone() throws {
    guard isPrivileged("a server") else { return }
    let open = "unix_socket_rules: [{name: server, paths: [\"/tmp/agentsh-it-*/run/control.sock\"], decision: allow}]\n"
    let server = try TestServer(policies: ["test": TestServer.policy + open])
    try secret(server, of: server.firstUser)
    let other = try waiting(server, name: "other")
    let session = try server.onlySession()
    let client = server.program("agentsh")
    // The other's id comes by a variable: on the command line it would stand in the list, too.
    let script = "cat .env; \(client) ps; \(client) events $AGENTSH_SESSION_ID --decision deny; \(client) show $OTHER; \(client) stop $OTHER"
    let outcome = try server.wrap(["--env", "OTHER=\(session)", "--", "sh", "-c", script])
    let own = try #require(server.records.first { $0 != session })
    #expect(outcome.output.contains(own) && outcome.output.contains("no-env-files") && !outcome.output.contains(session), "\(outcome)")
    #expect(outcome.errors.contains("no session can be stopped"))
    let nested = try server.shell("\(client) wrap -- true; echo $? $AGENTSH_SESSION_ID")
    let outer = try #require(nested.output.split(whereSeparator: \.isWhitespace).last)
    #expect(nested.output.hasPrefix("125 ") && nested.errors.contains("already inside session \(outer)"), "\(nested)")
    other.write("x\n")
    #expect(try other.finish().status == 0)
  }

  private static let nesting = """
    version: 1
    name: test
    allow_nested_sessions: true
    file_rules: [{ name: all, paths: ["/**"], operations: ["*"], decision: allow }]
    command_rules: [{ name: all, commands: ["*"], decision: allow }]
    unix_socket_rules: [{ name: all, paths: ["*"], decision: allow }]

    """

  @Test func whereALimitIsReachedAProgramInsideLearnsTheCountAlone() throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer(policies: ["test": Self.nesting], limits: "{ active_sessions_per_user: 2, sessions_per_user: 10, active_sessions: 10 }")
    let other = try waiting(server, name: "first")
    let session = try server.onlySession()
    let inside = try server.shell("\(server.program("agentsh")) wrap -- true; echo $?")
    #expect(inside.output == "125\n" && inside.errors.contains("allows you 2 sessions at a time, and you have that many"), "\(inside)")
    for text in [String(session.prefix(8)), "first", "read line", "agentsh stop", "agentsh ps"] { #expect(!inside.errors.contains(text), "\(inside)") }
    // The launcher ends a moment before its session does.
    try eventually("the session is over") { try ask(server, ["ps"]).output.split(separator: "\n").count == 2 }
    // Outside they are the user's own to know.
    let second = try waiting(server, name: "second")
    let outside = try server.shell("true")
    #expect(outside.status == 125, "\(outside)")
    for text in ["\(session.prefix(8)) (first, ", "agentsh stop"] { #expect(outside.errors.contains(text), "\(outside)") }
    for process in [other, second] {
      process.write("x\n")
      #expect(try process.finish().status == 0)
    }
  }

  /// Neither a restart while they run nor one after it leaves a session without its end in the server's log, or gives it two.
  @Test func sessionsInsideOthersAreClosedOnceAfterARestartToo() throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer(policies: ["test": Self.nesting])
    server.mayHaveEnded = true
    let process = try server.start([
      "sh", "-c", "\(server.program("agentsh")) wrap --standalone -- true; \(server.program("agentsh")) wrap -- sh -c 'echo inside; read line'; read line",
    ])
    try process.waitFor("inside")
    let sessions = server.records
    #expect(sessions.count == 2)
    try server.restart(SIGKILL)
    process.write("x\nx\n")
    let outcome = try process.finish()
    #expect(outcome.status == 0 && outcome.errors.contains("`agentsh wrap` without --standalone opens one"), "\(outcome)")
    func closed() throws -> [String] { try server.log().filter { $0.contains("session.closed") } }
    try eventually("both are closed") {
      _ = try ask(server, ["ps"])
      return try closed().count == 2
    }
    for session in sessions {
      let line = try #require(try closed().first { $0.contains(session) })
      let hash = try #require(try server.record(session).last?.suffix(66).prefix(64))
      #expect(line.contains("\"last_hash\":\"\(hash)\""), "\(line)")
    }
    try server.restart()
    try server.restart()
    #expect(try closed().count == 2)
  }

  /// The weaker mode that an administrator can choose: what is found one by one is found even when its parents have gone.
  @Test func withoutControlGroupsNoOrphanOutlivesItsSession() throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer(onMissingFeature: "{ cgroup: warn }", under: TestServer.withoutCgroups)
    let outcome = try server.shell("setsid sh -c 'sleep 3600 & sleep 3600 & wait' & echo ran")
    #expect(outcome.status == 0 && outcome.output == "ran\n", "\(outcome)")
    #expect(outcome.errors.contains("warning: cgroup"))
    #expect(!outcome.errors.contains("did not close"), "\(outcome)")
    try eventually("every process of the session is gone") { processes(of: server.firstUser).isEmpty }
    #expect(try server.record(#require(server.records.first)).last?.contains("session.end") == true)
  }

  @Test func followingARecordEndsWhenItsSessionDoes() throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer()
    try secret(server, of: server.firstUser)
    let process = try waiting(server)
    let follower = try RunningProcess(server.client(["events", "job", "--follow"]))
    try follower.waitFor("session.start")
    process.write("x\n")
    #expect(try process.finish().status == 0)
    let seen = try follower.finish()
    #expect(seen.status == 0 && seen.output.contains("session.end"))
  }

  @Test func aPolicyEndsItsSessionsAfterTheirTime() throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer(policies: ["test": TestServer.policy + "resource_limits: {session_timeout: 300ms}\n"])
    let outcome = try server.wrap(["sleep", "3600"])
    #expect(outcome.signal == SIGTERM, "\(outcome)")
    #expect(outcome.errors.contains("timeout"))
  }

  /// A disk that is full from the start: nothing runs, and the status says that it was agentsh that failed.
  @Test func aSessionWhoseRecordCantBeStartedRunsNothing() throws {
    guard isPrivileged("a server and a small disk") else { return }
    let server = try TestServer()
    let records = server.recordsDirectory
    try #require(try run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=750", "agentsh-test", records]).status == 0)
    defer { _ = try? run(["umount", "-l", records]) }
    // The server opened the directory before the disk was there.
    try server.restart()
    #expect(try server.shell("echo ran").output == "ran\n")
    _ = try run(["dd", "if=/dev/zero", "of=\(records)/fill", "bs=1k", "count=100"])
    let outcome = try server.shell("echo ran")
    #expect(outcome.output.isEmpty && outcome.status == 125, "\(outcome)")
    #expect(outcome.errors.contains("the record can't be written"))
    #expect(try content("\(server.directory)/stderr").contains("No space left on device"))
    // And it fills up while a session runs: what has to be on record does not happen, and that is told.
    removeFile("\(records)/fill")
    let process = try server.start(["sh", "-c", "echo ready; read line; for i in $(seq 50); do mkdir new$i; done; true"])
    try process.waitFor("ready")
    _ = try run(["dd", "if=/dev/zero", "of=\(records)/fill", "bs=1k", "count=100"])
    process.write("x\n")
    let full = try process.finish()
    // The last block of the file takes a few lines more.
    #expect(!exists("\(server.project(server.firstUser))/new50"))
    #expect(full.errors.contains("Input/output error"))
    let lines = try server.record(server.records.first { try server.record($0).contains { $0.contains("new1") } } ?? "")
    #expect(names(in: server.project(server.firstUser)).filter { $0.hasPrefix("new") }.count == lines.filter { $0.contains("file.mkdir") }.count)
    #expect(full.errors.contains("because the session's record can't be written"), "\(full)")
  }

  /// Signals to itself until one is refused, and it stays there until it is told to go.
  private static let flood = """
    import errno, os, signal, sys
    try:
      for i in range(100000): os.kill(os.getpid(), signal.SIGURG)
      print("never refused", flush=True)
    except OSError as e: print("refused", errno.errorcode[e.errno], flush=True)
    sys.stdin.readline()
    """

  /// Records are root's files, which no quota of the user's bounds.
  @Test func aSessionThatFloodsItsRecordKeepsNobodyFromBeginning() throws {
    guard isPrivileged("a server and a small disk") else { return }
    let server = try TestServer()
    let place = "\(server.directory)/log"
    try #require(try run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=755", "agentsh-test", place]).status == 0)
    defer { _ = try? run(["umount", "-l", place]) }
    // The server opened the directory before the disk was there.
    try server.restart()
    let flooding = try server.start(["/usr/bin/python3", "-c", Self.flood])
    try flooding.waitFor("refused")
    let record = try #require(server.records.first)
    let disk = try openAt(AT_FDCWD, Array(place.utf8), flags: O_RDONLY | O_DIRECTORY)
    let free = fileSystemSpace(disk)?.free ?? 0
    let size = try fileStatus(at: AT_FDCWD, Array("\(place)/sessions/\(record).jsonl".utf8)).size
    // By pages, which is what files take.
    #expect(size > 1 << 20 && size <= free + 16384, "\(size), and \(free) free")
    // Others begin and end as if nothing were, and so does another session of the same user.
    for user in [server.secondUser, server.firstUser] {
      let other = try server.shell("mkdir made && echo ran", as: user)
      #expect(other.status == 0 && other.output == "ran\n", "\(other)")
    }
    flooding.write("x\n")
    let outcome = try flooding.finish()
    #expect(outcome.output == "refused EIO\n", "\(outcome)")
    #expect(outcome.errors.contains("because the session's record can't be written"), "\(outcome)")
    #expect(try server.record(record).last?.contains("\"op\":\"session.end\"") == true)
    try eventually("the server's log tells all ends") { try server.log().filter { $0.contains("session.closed") }.count == 3 }
    // Told once, not for every line.
    let told = try content("\(server.directory)/stderr").split(separator: "\n").filter { $0.contains("the record can't be written") }
    #expect(told.count == 1 && told.first?.contains("which leaves no more free than it has") == true, "\(told)")
  }

  @Test func aRecordStopsAtItsLimitAndHasItsLastLine() throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer(limits: "{ record_size: 64KiB }")
    let outcome = try server.wrap(["/usr/bin/python3", "-c", Self.flood], input: "x\n")
    #expect(outcome.output == "refused EIO\n", "\(outcome)")
    let record = try #require(server.records.first)
    let size = try fileStatus(at: AT_FDCWD, Array("\(server.recordsDirectory)/\(record).jsonl".utf8)).size
    #expect(size > 56 << 10 && size <= 64 << 10)
    #expect(try server.record(record).last?.contains("\"op\":\"session.end\"") == true)
    #expect(try content("\(server.directory)/stderr").contains("limits.record_size"))
    #expect(try run([server.program("agentsh"), "audit", "verify", "\(server.recordsDirectory)/\(record).jsonl"]).status == 0)
  }

  @Test func variablesThatThePolicyDropsAreNamedInTheFirstLine() throws {
    guard isPrivileged("a server") else { return }
    func firstLine(_ server: TestServer) throws -> String {
      let session = try #require(server.records.first)
      return try server.record(session).first ?? ""
    }
    let server = try TestServer()
    let names = ["AWS_SECRET_ACCESS_KEY=hidden-value", "GITHUB_TOKEN=hidden-value"]
    let process = try server.start(["true"], environment: names)
    #expect(try process.finish().status == 0)
    var line = try firstLine(server)
    #expect(line.contains("\"env_dropped\":[\"AWS_SECRET_ACCESS_KEY\",\"GITHUB_TOKEN\"]"), "\(line)")
    #expect(!line.contains("hidden-value") && !line.contains("env_dropped_more"))
    // Many, long ones, and such that would garble a terminal.
    let strict = try TestServer(policies: ["test": TestServer.policy + "env_policy: {allow: [PATH, HOME, AGENTSH_*, LANG, TMPDIR]}\n"])
    let many = (0..<100).map { "V\($0 + 100)=hidden-value" } + ["A\u{1B}[31m=hidden-value", "B" + String(repeating: "b", count: 1000) + "=hidden-value"]
    let crowded = try strict.start(["true"], environment: many.reversed())
    #expect(try crowded.finish().status == 0)
    line = try firstLine(strict)
    #expect(line.contains("\"env_dropped_more\":38") && line.contains("\"A\\\\x1b[31m\"") && !line.contains("hidden-value"), "\(line)")
    #expect(line.contains("\"B" + String(repeating: "b", count: 124) + "…\""), "\(line)")
    // Nothing dropped, nothing said.
    let plain = try TestServer()
    #expect(try plain.shell("true").status == 0)
    line = try firstLine(plain)
    #expect(line.contains("session.start") && !line.contains("env_dropped"))
  }

  /// Whatever the length: how many arguments are missing, how many bytes, and the hash of the whole, in every line that names the command.
  @Test(arguments: [40, 200], [true, false]) func ofAVeryLongCommandTheRecordSaysWhatIsMissing(kilobytes: Int, isStandalone: Bool) throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer()
    let project = server.project(server.firstUser)
    if isStandalone { try write(TestServer.policy, to: "\(project)/policy.yaml", owner: server.firstUser) }
    let options = isStandalone ? ["--standalone", "--policy-file", "\(project)/policy.yaml"] : []
    let command = ["true"] + (0..<kilobytes).map { String(repeating: "x", count: 1000) + "\($0 % 10)" }
    let process = try server.start(options + ["--"] + command, environment: ["XDG_STATE_HOME=\(project)/.state"])
    #expect(try process.finish().status == 0)
    let directory = isStandalone ? "\(project)/.state/agentsh/sessions" : server.recordsDirectory
    let name = try #require(names(in: directory).first)
    let bytes = try readSmallFile(at: AT_FDCWD, Array("\(directory)/\(name)".utf8), limit: 1 << 20)
    let record = String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
    var lines = record.filter { $0.contains("\"op\":\"session.start\"") || $0.contains("\"op\":\"exec\"") }
    #expect(lines.count == 2)
    if !isStandalone { lines += try server.log().filter { $0.contains("\"op\":\"session.opened\"") } }
    for line in lines {
      // An execution is told by the program's path.
      let program = line.contains("\"op\":\"exec\"") ? "/usr/bin/true" : "true"
      let whole = ([program] + command.dropFirst()).joined(separator: "\0")
      let sum = String(try run(["sha256sum"], input: whole).output.prefix(64))
      let told = line.between("\"command\":[\"\(program)\"", "]").split(separator: ",").count
      let bytes = whole.utf8.count - program.utf8.count - 1 - told * 1002
      let expected = "\"command_omitted\":\(kilobytes - told),\"command_omitted_bytes\":\(bytes),\"command_sha256\":\"\(sum)\""
      let isRight = line.contains(expected) && (told == 31 || told == 32)
      let said = line.between("\"command_omitted\"", "}").prefix(300)
      #expect(isRight, "\(told) arguments, not \(expected) but \(said)")
    }
    guard !isStandalone else { return }
    let events = try run(server.client(["events", String(name.dropLast(6)), "--op", "exec"]))
    let end = String(events.output.suffix(60))
    #expect(end.contains("x1 … (") && end.contains(" more, ") && end.contains(" bytes)"), "\(end)")
    #expect(try run(server.client(["ps", "--all", "--json"])).output.contains("\"…\"]"))
  }
}

extension String {
  /// What stands between two texts.
  fileprivate func between(_ start: String, _ end: String) -> Substring {
    guard let begin = ranges(of: start).first else { return "" }
    return self[begin.upperBound...].prefix { $0 != end.first }
  }
}
