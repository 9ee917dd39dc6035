import AgentshSystem
import Glibc
import Testing

/// What a user, the files and the record see of a wrapped command.
@Suite(.serialized) struct WrapTests {
  @Test func theCommandsOutputIsItsOwn() throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer()
    let outcome = try server.wrap(["sh", "-c", "echo out; echo err >&2; cat"], input: "in\n")
    #expect(outcome.status == 0)
    #expect(outcome.output == "out\nin\n")
    #expect(outcome.errors == "err\n")
  }

  @Test func theExitStatusIsTheCommandsOwn() throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer()
    for status: Int32 in [0, 1, 2, 42, 126, 127, 255] {
      #expect(try server.shell("exit \(status)").status == status)
    }
    #expect(try server.wrap(["/nonexistent/program"]).status == 127)
    #expect(try server.wrap(["no-such-program-anywhere"]).status == 127)
    #expect(try server.wrap(["id"]).status == 126)
    try write("not a program\n", to: "\(server.project(server.firstUser))/plain", owner: server.firstUser)
    #expect(try server.wrap(["./plain"]).status == 126)
  }

  @Test(arguments: [SIGTERM, SIGKILL, SIGINT, SIGHUP, SIGUSR1])
  func theLauncherDiesOfTheSignalThatEndedTheCommand(_ signal: Int32) throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer()
    let outcome = try server.shell("kill -\(signal) $$")
    #expect(outcome.signal == signal)
  }

  /// What is written tells whether something ran; where there was no session there is nothing to tell.
  @Test func theSummaryTellsWhenNothingRanAndIsLeftAloneWithoutASession() throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer()
    let file = "\(server.project(server.firstUser))/summary.json"
    func wrap(_ options: [String], _ command: [String]) throws -> Int32? {
      try server.wrap(["--summary-json", "summary.json"] + options + ["--"] + command).status
    }
    #expect(try wrap(["--policy", "no-such"], ["true"]) == 125)
    #expect(!exists(file))
    #expect(try wrap([], ["no-such-program-anywhere"]) == 127)
    let notFound = try content(file)
    #expect(notFound.contains("\"status\":127") && notFound.contains("\"has_run\":false") && notFound.contains("not found"))
    #expect(notFound.contains("\"session\":\"\(try #require(server.records.first))\""))
    #expect(try wrap([], ["sh", "-c", "exit 3"]) == 3)
    let ran = try content(file)
    #expect(ran.contains("\"status\":3") && ran.split(separator: "\n").count == 1)
    #expect(try wrap(["--policy", "no-such"], ["true"]) == 125)
    #expect(try content(file) == ran)
    #expect(try server.wrap(["--summary-json", "no/such/directory", "--", "true"]).status == 125)
  }

  /// The record has as much of it as it takes; the kernel is given all of it.
  @Test func aCommandLineOfAMegabyteRuns() throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer()
    for (word, count) in [(String(repeating: "x", count: 131_000), 9), (String(repeating: "\u{1}", count: 131_000), 2)] {
      let outcome = try server.wrap(["sh", "-c", "for word; do echo ${#word}; done", "sh"] + [String](repeating: word, count: count))
      #expect(outcome.status == 0, "\(outcome.errors)")
      #expect(outcome.output == String(repeating: "131000\n", count: count))
    }
    for session in server.records {
      let start = try #require(try server.record(session).first)
      #expect(start.contains("\"command\":[\"sh\",\"-c\",") && start.contains("\"command_omitted\":") && start.contains(",\"command_sha256\":\""))
      #expect(start.utf8.count < 64 << 10)
    }
  }

  @Test func whatIsNoProgramIsNotBlamedOnThePolicy() throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer()
    let project = server.project(server.firstUser)
    makeDirectory("\(project)/adir", owner: server.firstUser)
    try write("#!/etc\n", to: "\(project)/script", mode: 0o755, owner: server.firstUser)
    for (program, reason) in [("./adir", "it is a directory"), ("/", "it is a directory"), ("./script", "its interpreter /etc is a directory")] {
      let outcome = try server.wrap([program])
      #expect(outcome.status == 126)
      #expect(outcome.errors == "agentsh: \(program): can't be executed: \(reason)\n")
    }
    let refused = try server.wrap(["id"])
    let session = try #require(server.records.first { (try? server.record($0).first?.contains("[\"id\"]")) == true })
    #expect(refused.status == 126 && refused.errors.hasSuffix("/id: refused by the policy\nagentsh: see agentsh why \(session)\n"))
    #expect(try run(server.client(["why", session])).output.contains("reason:   not here"))
    #expect(try server.wrap([""]).status == 127)
  }

  @Test func aReaderOfMessagesThatHasGoneChangesNoStatus() throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer()
    func status(_ command: String) throws -> Int32? {
      let line = server.client(["wrap", "--env", "NO_SUCH_VARIABLE", "--"]).map { "'\($0)'" }.joined(separator: " ")
      // A pipe that nobody reads by the time something is written to it.
      let script = "import os, subprocess, sys; r, w = os.pipe(); os.close(r); sys.exit(subprocess.run(sys.argv[1:], stderr=w).returncode % 256)"
      return try run(["sh", "-c", "exec python3 -c \"$0\" \(line) \(command)", script]).status
    }
    #expect(try status("no-such-program-anywhere") == 127)
    #expect(try status("id") == 126)
    #expect(try status("sh -c 'exit 3'") == 3)
    // The command has the signal as it was.
    #expect(try status("sh -c 'kill -PIPE $$; exit 3'") == 256 - SIGPIPE)
  }

  @Test func aSummaryThatTheCommandReplacedIsTold() throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer()
    let outcome = try server.wrap(["--summary-json", "s.json", "--", "sh", "-c", "rm s.json; echo forged > s.json"])
    #expect(outcome.status == 0)
    #expect(outcome.errors.hasPrefix("agentsh: --summary-json s.json: the file was replaced while the command ran"))
    #expect(try server.wrap(["--summary-json", "s.json", "--", "sh", "-c", "exit 0"]).errors.isEmpty)
  }

  @Test func aDescriptorThatIsNotOpenIsNamed() throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer()
    let outcome = try server.wrap(["--keep-fd", "99", "--", "true"])
    #expect(outcome.status == 125)
    #expect(outcome.errors.hasPrefix("agentsh: --keep-fd 99: there is no open descriptor of this number\n"))
    #expect(server.records.isEmpty)
  }

  @Test func signalsToTheLauncherReachTheCommand() throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer()
    let process = try server.start(["sh", "-c", "trap 'echo got; exit 7' TERM; echo ready; while :; do sleep 0.1; done"])
    try process.waitFor("ready")
    // setpriv and env have become the launcher: same number.
    kill(process.pid, SIGTERM)
    let outcome = try process.finish()
    #expect(outcome.output == "ready\ngot\n")
    #expect(outcome.status == 7)
  }

  @Test func aDeniedReadIsRefusedAndOnRecordWithItsRule() throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer()
    let secret = "\(server.project(server.firstUser))/.env"
    try write("secret\n", to: secret, owner: server.firstUser)
    let outcome = try server.shell("cat .env")
    #expect(outcome.status == 1)
    #expect(outcome.output.isEmpty)
    #expect(outcome.errors.contains("Permission denied"))
    let lines = try server.record(#require(server.records.first))
    let line = try #require(lines.first { $0.contains("\"op\":\"file.read\"") && $0.contains("\"decision\":\"deny\"") })
    #expect(line.contains("\"path\":\"\(secret)\""))
    #expect(line.contains("\"rule\":\"no-env-files\""))
    #expect(line.contains("\"message\":\"\(secret) holds credentials\""))
    #expect(line.contains("\"errno\":13"))
    #expect(line.contains("\"uid\":\(server.firstUser)"))
  }

  @Test func whatIsRefusedDoesNotHappenAndWhatIsAllowedDoes() throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer()
    let project = server.project(server.firstUser)
    makeDirectory("\(project)/protected", owner: server.firstUser)
    try write("old\n", to: "\(project)/protected/file", owner: server.firstUser)
    let outcome = try server.shell(
      """
      echo new > protected/file; echo x > protected/other; rm protected/file; mv protected/file elsewhere; mkdir protected/d
      chmod 600 protected/file; ln protected/file hard; ln -s x protected/link; mv protected moved
      echo new > allowed; mkdir d; mv allowed d/there; ln d/there d/second; ln -s there d/link; chmod 640 d/there
      true
      """)
    #expect(outcome.status == 0)
    #expect(try content("\(project)/protected/file") == "old\n")
    #expect(names(in: "\(project)/protected") == ["file"])
    #expect(!exists("\(project)/hard") && !exists("\(project)/moved") && !exists("\(project)/elsewhere"))
    #expect(try content("\(project)/d/second") == "new\n")
    #expect(names(in: "\(project)/d") == ["link", "second", "there"])
    let lines = try server.record(#require(server.records.first))
    for operation in ["file.write", "file.create", "file.delete", "file.mkdir", "file.chmod", "file.link", "file.symlink", "file.rename"] {
      #expect(
        lines.contains { $0.contains("\"op\":\"\(operation)\"") && $0.contains("\"decision\":\"deny\"") }, "no refused \(operation) on record")
    }
    for operation in ["file.create", "file.mkdir", "file.rename", "file.link", "file.symlink", "file.chmod", "exec"] {
      #expect(
        lines.contains { $0.contains("\"op\":\"\(operation)\"") && $0.contains("\"decision\":\"allow\"") }, "no allowed \(operation) on record")
    }
  }

  @Test func theRecordIsWholeAndStartsAndEndsWithTheSession() throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer()
    _ = try server.shell("touch a b c; cat .env; exit 5")
    let session = try #require(server.records.first)
    let lines = try server.record(session)
    #expect(lines.first?.contains("\"op\":\"session.start\"") == true)
    #expect(lines.first?.contains("\"policy\":\"test\"") == true)
    #expect(lines.first?.contains("\"not_enforced\":") == true)
    #expect(lines.last?.contains("\"op\":\"session.end\"") == true)
    #expect(lines.last?.contains("\"status\":5") == true)
    #expect(lines.last?.contains("\"cpu_us\":") == true && lines.last?.contains("\"memory_kb\":") == true)
    let verified = try run([server.program("agentsh"), "audit", "verify", "\(server.recordsDirectory)/\(session).jsonl"])
    #expect(verified.status == 0, "\(verified.errors)")
  }

  @Test func aSecretThatMayBeReadByNobodyElseStaysSo() throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer()
    #expect(try server.shell("cat /etc/shadow").errors.contains("Permission denied"))
    try write("x\n", to: "\(server.project(server.secondUser))/other", mode: 0o600, owner: server.secondUser)
    #expect(try server.shell("cat \(server.project(server.secondUser))/other").errors.contains("Permission denied"))
  }

  /// Behind `--` stands another program's command line; before it, and for the other commands, agentsh's own words.
  @Test(arguments: [
    (["wrap", "--", "printen"], "printenv"), (["wrap", "--policy", "p", "--", "ls", "/usr/bin/printen"], "/usr/bin/printenv"), (["wrap", "--stand"], "--standalone"),
    (["even"], "events"),
  ])
  func bashCompletesTheCommandThatIsWrapped(_ words: [String], _ completion: String) throws {
    let program = try "\(Programs.buildDirectory())/agentsh"
    let script = """
      shopt -s extglob; source <("$0" --generate-completion-script bash); COMP_WORDS=(agentsh "$@"); COMP_CWORD=$#; COMP_LINE="${COMP_WORDS[*]}"; COMP_POINT=${#COMP_LINE}
      "$(complete -p agentsh | sed 's/.*-F \\([^ ]*\\) .*/\\1/')" agentsh "${@: -1}"; printf '<%s>' "${COMPREPLY[@]%% }"
      """
    let outcome = try run(["bash", "-c", script, program] + words)
    #expect(outcome.output.contains("<\(completion)>"), "\(outcome)")
  }

  @Test func nothingOutlivesTheSession() throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer()
    let outcome = try server.shell("setsid sleep 3600 & (setsid sh -c 'sleep 3600 & sleep 3600' &) ; nohup sleep 3600 >/dev/null 2>&1 & echo started")
    #expect(outcome.output.contains("started"))
    // The supervisor has said that nothing is left, and is on its own way out.
    #expect(processes(of: server.firstUser).filter { (try? content("/proc/\($0)/comm")).map { $0 != "agentsh-supervi\n" } ?? false }.isEmpty)
    try eventually("the supervisor is gone") { processes(of: server.firstUser).isEmpty }
    try eventually("the session's directory is gone") { server.sessions.isEmpty }
  }

  @Test func twoHundredProcessesAreGoneWhenTheLauncherIs() throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer()
    let outcome = try server.wrap(["/usr/bin/perl", "-e", "for (1..200) { if (!fork) { $x = 'x' x 1_000_000; sleep 3600 } } print qq(all\n)"])
    #expect(outcome.output == "all\n")
    // As above.
    #expect(processes(of: server.firstUser).filter { (try? content("/proc/\($0)/comm")).map { $0 != "agentsh-supervi\n" } ?? false }.isEmpty)
  }

  @Test func aTimeoutEndsTheSession() throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer()
    let outcome = try server.wrap(["--timeout", "300ms", "--", "sh", "-c", "sleep 3600"])
    #expect(outcome.status != 0)
    #expect(outcome.milliseconds < 5000)
    // The supervisor, too, which ends a moment after it has told the totals.
    try eventually("all have ended") { processes(of: server.firstUser).isEmpty }
    #expect(try server.record(#require(server.records.first)).last?.contains("\"reason\":\"timeout\"") == true)
  }

  @Test func aProcessOutsideCannotBeSignalled() throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer()
    let outside = try RunningProcess(server.asUser(server.firstUser) + ["sleep", "3600"])
    try eventually("it runs as the user") { processes(of: server.firstUser).contains(outside.pid) }
    let outcome = try server.shell("kill -9 \(outside.pid); sleep 60 & kill $!; wait $!; echo $?")
    #expect(outcome.output == "143\n")
    #expect(kill(outside.pid, 0) == 0)
    #expect(statusField("State", of: outside.pid)?.hasPrefix("S") == true)
    let lines = try server.record(#require(server.records.first))
    #expect(lines.contains { $0.contains("\"op\":\"signal.send\"") && $0.contains("\"decision\":\"deny\"") })
  }

  /// More stuck calls at once than a usual pool has threads, and one process that goes on.
  @Test func manyStuckCallsDelayNoOther() throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer()
    makeFIFO("\(server.project(server.firstUser))/fifo", owner: server.firstUser)
    let script = #"""
      use POSIX "WNOHANG"; my @children;
      for (1..150) { my $child = fork(); if (!$child) { open(my $f, "<", "fifo"); exit 0 } push @children, $child }
      for (1..100) { open(my $f, ">", "file$_") or die "open: $!"; close $f; unlink "file$_" }
      my $stuck = grep { waitpid($_, WNOHANG) == 0 } @children; print "done while $stuck are stuck\n"; kill 9, @children;
      """#
    #expect(try server.wrap(["/usr/bin/perl", "-e", script]).output == "done while 150 are stuck\n")
  }

  @Test func theEnvironmentNamesTheSession() throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer()
    let outcome = try server.shell("echo $AGENTSH_SESSION_ID")
    #expect(outcome.output == "\(try #require(server.records.first))\n")
  }

  @Test func fifosDelayNobodyElse() throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer()
    makeFIFO("\(server.project(server.firstUser))/fifo", owner: server.firstUser)
    let outcome = try server.shell(
      "for i in 1 2 3 4 5 6 7 8 9 10; do cat fifo & done; for i in 1 2 3; do touch f$i; done; echo $(ls f?); echo x > fifo; kill %1 %2 2>/dev/null; exit 3")
    #expect(outcome.status == 3)
    #expect(outcome.output.contains("f1 f2 f3"))
    #expect(outcome.milliseconds < 5000)
  }
}
