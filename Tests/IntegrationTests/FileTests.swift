import AgentshSystem
import Glibc
import Testing

/// Files, as programs see them in a session: the same where they are permitted, out of reach by every way where they aren't.
@Suite(.serialized) struct FileTests {
  /// The program of Programs/, readable for every user.
  private func program(_ name: String, for server: TestServer) throws -> String {
    let source = String(#filePath.dropLast("FileTests.swift".count)) + "Programs/" + name
    let place = "\(server.directory)/\(name)"
    try write(content(source), to: place, mode: 0o755)
    return place
  }

  /// An empty directory of the first user, whose mode doesn't depend on where it is.
  private func emptyDirectory(_ path: String, of uid: UInt32) -> String {
    makeDirectory(path, mode: 0o755, owner: uid)
    return path
  }

  @Test func fileCallsAnswerTheSameAsWithoutSupervision() throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer()
    let user = server.firstUser
    let suite = try program("file-parity.py", for: server)
    let alone = try run(
      server.asUser(user) + ["/usr/bin/python3", suite, emptyDirectory("\(server.project(user))/alone", of: user)], milliseconds: 120_000)
    #expect(alone.status == 0)
    let wrapped = try server.start(["/usr/bin/python3", suite, emptyDirectory("\(server.project(user))/wrapped", of: user)])
      .finish(milliseconds: 120_000)
    #expect(wrapped.status == 0)
    let (expected, found) = (alone.output.split(separator: "\n"), wrapped.output.split(separator: "\n"))
    #expect(expected.count > 120)
    #expect(expected.count == found.count)
    for (line, other) in zip(expected, found) { #expect(line == other) }
  }

  @Test func aNameThatIsOpenedAgainGivesWhatStandsThereNow() throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer()
    let user = server.firstUser
    let suite = try program("file-again.py", for: server)
    let alone = try run(
      server.asUser(user) + ["/usr/bin/python3", suite, emptyDirectory("\(server.project(user))/alone", of: user)], milliseconds: 60_000)
    #expect(alone.status == 0, "\(alone.errors)")
    let wrapped = try server.start(["/usr/bin/python3", suite, emptyDirectory("\(server.project(user))/wrapped", of: user)])
      .finish(milliseconds: 60_000)
    #expect(wrapped.status == 0, "\(wrapped.errors)")
    #expect(alone.output.split(separator: "\n").count > 35)
    #expect(alone.output == wrapped.output)
  }

  /// That a name may be read is remembered; nothing else about it is.
  @Test func whatMayBeReadAgainAndAgainIsNotChangedForThat() throws {
    guard isPrivileged("a server") else { return }
    let policy = TestServer.policy.replacing(
      "  - name: watched",
      with: "  - name: kept\n    paths: [\"${PROJECT_ROOT}/kept\"]\n    operations: [write, create, delete, chmod, rename]\n    decision: deny\n"
        + "  - name: seen\n    paths: [\"${PROJECT_ROOT}/seen\"]\n    operations: [read, open]\n    decision: audit\n  - name: watched")
    let server = try TestServer(policies: ["test": policy])
    let project = server.project(server.firstUser)
    for name in ["kept", "seen"] { try write("text\n", to: "\(project)/\(name)", owner: server.firstUser) }
    let script = """
      for turn in 1 2 3 4 5; do
        read -r line <kept; [ "$line" = text ] || echo "not read"
        (echo changed >kept) 2>/dev/null && echo written
        (echo changed >>kept) 2>/dev/null && echo appended
        (exec 3<>kept) 2>/dev/null && echo opened
        read -r line <seen
      done
      true
      """
    let outcome = try server.wrap(["bash", "-c", script])
    #expect(outcome.status == 0 && outcome.output.isEmpty, "\(outcome)")
    #expect(try content("\(project)/kept") == "text\n")
    let record = try server.record(try #require(server.records.first))
    func count(_ rule: String, _ decision: String) -> Int {
      record.count { $0.contains("\"rule\":\"\(rule)\"") && $0.contains("\"decision\":\"\(decision)\"") }
    }
    #expect(count("kept", "deny") == 15)
    #expect(count("seen", "audit") == 5)
  }

  @Test func aNameThatIsProtectedIsOutOfReachByEveryWay() throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer()
    let user = server.firstUser
    let attacks = try program("file-attacks.py", for: server)
    func prepared(_ name: String) throws -> String {
      let directory = emptyDirectory("\(server.project(user))/\(name)", of: user)
      makeDirectory("\(directory)/sub", mode: 0o755, owner: user)
      try write("SECRET=1\n", to: "\(directory)/sub/.env", owner: user)
      return directory
    }
    // Without supervision every one of them gets there: the attacks are real.
    let alone = try run(server.asUser(user) + ["/usr/bin/python3", attacks, try prepared("alone")], milliseconds: 120_000)
    let won = alone.output.split(separator: "\n")
    #expect(won.count > 25)
    for line in won { #expect(line.hasSuffix(": won")) }

    let directory = try prepared("wrapped")
    let wrapped = try server.start(["/usr/bin/python3", attacks, directory]).finish(milliseconds: 120_000)
    let lost = wrapped.output.split(separator: "\n")
    #expect(lost.count == won.count, "\(wrapped.errors)")
    for line in lost { #expect(line.contains(": lost") && !line.contains("no read")) }
    #expect(try content("\(directory)/sub/.env") == "SECRET=1\n")
  }

  /// The supervisor opens files for targets, and to itself it is an open book: that way must be closed whatever the policy says.
  @Test func theSupervisorsOwnEntriesInProcAreClosed() throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer()
    let script = """
      echo ready; read p
      cd /proc/$p; for name in mem environ maps stat fd/7 root/etc/hostname cwd/x task/$p/mem; do cat $name >/dev/null 2>&1 && echo "open: $name"; done
      cat /proc/$p/stat >/dev/null 2>&1 && echo "open: absolute"; echo done
      """
    let process = try server.start(["sh", "-c", script])
    try process.waitFor("ready")
    process.write("\(try server.supervisor())\n")
    let outcome = try process.finish()
    #expect(outcome.output == "ready\ndone\n")
  }

  @Test func aDirectoryThatHoldsSomethingProtectedStaysWhereItIs() throws {
    guard isPrivileged("a server") else { return }
    let policy = TestServer.policy.replacing(
      "  - name: watched", with: "  - name: inner\n    paths: [\"${PROJECT_ROOT}/keep/inner/**\"]\n    operations: [write, create, delete]\n    decision: deny\n  - name: watched")
    let server = try TestServer(policies: ["test": policy, "open": TestServer.policy])
    let project = server.project(server.firstUser)
    for name in ["keep", "keep/inner", "free"] { makeDirectory("\(project)/\(name)", owner: server.firstUser) }
    // Under a policy without the rule it can be moved.
    func openly(_ command: [String]) throws -> Int32? { try run(server.client(["wrap", "--policy", "open", "--"] + command)).status }
    #expect(try openly(["mv", "\(project)/keep", "\(project)/moved"]) == 0)
    #expect(try openly(["mv", "\(project)/moved", "\(project)/keep"]) == 0)
    #expect(try server.wrap(["mv", "keep", "moved"]).status == 1)
    #expect(try server.wrap(["mv", "free", "moved"]).status == 0)
    #expect(exists("\(project)/keep/inner"))
    // Nor does a link stand in its place: whoever goes by that name outside would find what the session has put elsewhere.
    #expect(try openly(["ln", "-s", "../free", "\(project)/keep/other"]) == 0)
    #expect(try server.wrap(["rmdir", "keep/inner"]).status == 0)
    #expect(try server.wrap(["ln", "-s", "../free", "keep/inner"]).status == 1)
    #expect(try server.wrap(["mv", "keep/other", "keep/inner"]).status == 1)
    #expect(try openly(["mv", "\(project)/keep/other", "\(project)/keep/inner"]) == 0)
  }

  /// A mount gives what a rule protects another name, whether it was there before or root makes it meanwhile.
  @Test func whatIsProtectedIsSoByEveryNameThatMountsGiveIt() throws {
    guard isPrivileged("a server") else { return }
    let policy = TestServer.policy.replacing(
      "  - name: watched",
      with: "  - name: kept\n    paths: [\"${PROJECT_ROOT}/kept\", \"${PROJECT_ROOT}/kept/**\"]\n    operations: [\"*\"]\n    decision: deny\n  - name: watched"
    ).replacing("command_rules:", with: "command_rules:\n  - { name: no-program, commands: [\"${PROJECT_ROOT}/bin/program\"], decision: deny }")
    let server = try TestServer(policies: ["test": policy, "open": TestServer.policy])
    let user = server.firstUser
    let project = server.project(user)
    for name in ["kept", "kept/below", "free", "bin"] { makeDirectory("\(project)/\(name)", mode: 0o755, owner: user) }
    try write("secret\n", to: "\(project)/kept/file", owner: user)
    try write("open\n", to: "\(project)/free/file", owner: user)
    try write("#!/bin/sh\necho ran\n", to: "\(project)/bin/program", mode: 0o755, owner: user)
    let (before, meanwhile) = ("\(project)-before", "\(project)-meanwhile")
    for place in [before, meanwhile] { makeDirectory(place, mode: 0o755, owner: user) }
    defer { for place in [before, meanwhile] { _ = try? run(["umount", "-l", place]) } }
    #expect(try run(["mount", "--bind", project, before]).status == 0)
    func script(_ place: String) -> String {
      """
      cd '\(place)' && cat kept/file; cat free/file; ls kept; echo x 2>/dev/null >kept/new; rm -f kept/file; mv free kept/; mv kept moved; bin/program; ls
      """
    }
    let openly = try run(server.client(["wrap", "--policy", "open", "--", "sh", "-c", "cat '\(before)/kept/file'; '\(before)/bin/program'"]))
    #expect(openly.output == "secret\nran\n", "\(openly)")
    let expected = "open\nbin\nfree\nkept\n"
    let early = try server.shell(script(before))
    #expect(early.output == expected, "\(early)")
    let process = try server.start(["sh", "-c", "echo ready; read line; \(script(meanwhile))"])
    try process.waitFor("ready")
    #expect(try run(["mount", "--bind", project, meanwhile]).status == 0)
    process.write("go\n")
    let late = try process.finish()
    #expect(late.output == "ready\n" + expected, "\(late)")
    #expect(try content("\(project)/kept/file") == "secret\n")
  }

  /// Rules know processes by their paths below /proc, and `self` in any procfs is whoever looks: the supervisor, there.
  @Test func aProcfsElsewhereThanAtProcIsClosed() throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer()
    let place = "\(server.directory)/procfs"
    makeDirectory(place)
    try #require(try run(["mount", "-t", "proc", "proc", place]).status == 0)
    defer { _ = try? run(["umount", "-l", place]) }
    let script = "for name in self/status self/maps version; do cat \(place)/$name >/dev/null 2>&1 && echo $name; done; cat /proc/self/status >/dev/null && echo own"
    #expect(try run(server.asUser(server.firstUser) + ["sh", "-c", script]).output == "self/status\nself/maps\nversion\nown\n")
    #expect(try server.shell(script).output == "own\n")
    let lines = try server.record(#require(server.records.first))
    #expect(lines.contains { $0.contains("\"path\":\"\(place)/version\"") && $0.contains("\"rule\":\"builtin:mounts\"") })
  }

  /// What is typed into the user's other terminals, and what they show.
  @Test func terminalsThatTheSessionDoesntHoldAreClosed() throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer(policies: ["test": TestServer.policy.replacing("\"/dev/tty\"", with: "\"/dev/{tty,ptmx}\", \"/dev/pts/**\"")])
    let name = "\(server.project(server.firstUser))/name"
    let make = "import os, sys; ends = os.openpty(); open(sys.argv[1], 'w').write(os.ttyname(ends[1])); print('made', flush=True); sys.stdin.read()"
    let outside = try RunningProcess(server.asUser(server.firstUser) + ["/usr/bin/python3", "-c", make, name])
    try outside.waitFor("made")
    let look = """
      import os
      def tried(path):
          try: return os.close(os.open(path, os.O_RDONLY | os.O_NOCTTY)) or "opened"
          except OSError as error: return error.strerror
      print("other:", tried(open("name").read()))
      ends = os.openpty()
      own = os.ttyname(ends[1])
      print("own:", tried(own))
      os.close(ends[1])
      print("by its other end:", tried(own))
      """
    let script = "\(server.project(server.firstUser))/look.py"
    try write(look, to: script, owner: server.firstUser)
    #expect(try run(server.asUser(server.firstUser) + ["env", "-C", server.project(server.firstUser), "/usr/bin/python3", script]).output
      == "other: opened\nown: opened\nby its other end: opened\n")
    #expect(try server.wrap(["/usr/bin/python3", script]).output == "other: Permission denied\nown: opened\nby its other end: opened\n")
    outside.closeInput()
    _ = try outside.finish()
  }
}
