import AgentshProtocol
@testable import AgentshServer
import AgentshSystem
import FoundationEssentials
import Glibc
import Testing

/// What doesn't end when it should holds nobody up, and is taken away when it has ended.
@Suite(.serialized) struct RemainderTests {
  private func exists(_ path: String) -> Bool { (try? linkStatus(at: AT_FDCWD, Array(path.utf8))) != nil }

  private func state(_ process: Int32) -> Character? {
    let text = (try? String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)) ?? ""
    return text.split(separator: "\n").first { $0.hasPrefix("State:\t") }?.dropFirst("State:\t".count).first
  }

  private func start(_ words: [String], output: String, in scratch: Scratch) throws -> SpawnedProcess {
    let null = try openAt(AT_FDCWD, Array("/dev/null".utf8), flags: O_RDWR)
    let file = try openAt(AT_FDCWD, Array("\(scratch.path)/\(output)".utf8), flags: O_WRONLY | O_CREAT, mode: 0o644)
    return try spawnSupervisor(
      Array((words.first ?? "").utf8), arguments: words.map { Array($0.utf8) }, descriptors: [null.rawValue, file.rawValue, file.rawValue], identity: nil)
  }

  // MARK: Processes

  /// Traces a process without ever waiting for it, so that nobody else can reap it.
  private static let tracer = """
    use Config; my $call = $Config{archname} =~ /x86_64/ ? 101 : 117;
    syscall($call, 0x4206, $ARGV[0] + 0, 0, 0) == 0 or die "ptrace: $!"; $| = 1; print "seized\\n"; sleep 1000;
    """

  @Test func aSpareThatCannotBeReapedWhenItIsLetGoOfIsReapedLater() throws {
    guard canRunPrivileged() else { return }
    let scratch = try Scratch()
    let program = try scratch.write("program", "#!/bin/sh\nexec /usr/bin/perl -e 'sleep 1000' \(scratch.path)\n", mode: 0o755)
    let spares = try SpareSupervisors(program: Array(program.utf8), reaper: Reaper()) { 1 }
    let identity = SpawnIdentity(uid: 60001, gid: 60001, groups: [], capabilities: 0)
    spares.want(identity, SpareSupervisors.Rehearsal(policy: "p", isResolving: false, plan: []))
    var found: Int32?
    try waitFor("a spare") {
      found = try FileManager.default.contentsOfDirectory(atPath: "/proc").compactMap { Int32($0) }.first { process in
        (try? String(contentsOfFile: "/proc/\(process)/cmdline", encoding: .utf8))?.hasPrefix("/usr/bin/perl\0-e\0sleep 1000\0\(scratch.path)") == true
      }
      return found != nil
    }
    let spare = try #require(found)
    let tracer = try start(["/usr/bin/perl", "-e", Self.tracer, "\(spare)"], output: "tracer", in: scratch)
    try waitFor("it is traced: \(scratch.read("tracer"))") { scratch.read("tracer") == "seized\n" }
    spares.clear()
    try waitFor("it has ended") { state(spare) == "Z" }
    try tracer.pidfd.sendSignal(SIGKILL)
    reapChild(tracer.pid)
    try waitFor("it is reaped") { state(spare) == nil }
    spares.stop()
  }

  @Test func aTraceeThatDoesNotEndIsLeftToTheReaper() throws {
    guard canRunPrivileged() else { return }
    let scratch = try Scratch()
    let reaper = try Reaper()
    let target = try start(["/bin/sleep", "1000"], output: "target", in: scratch)
    #expect(seize(target.pid) == 0)
    #expect(!collect(target.pid, deadline: .after(milliseconds: 10)))
    reaper.collect(tracee: target.pid)
    try target.pidfd.sendSignal(SIGKILL)
    try waitFor("it is collected") { state(target.pid) == nil }
    #expect(collect(target.pid, deadline: .after(milliseconds: 0)))
  }

  // MARK: Control groups

  @Test func aControlGroupThatCannotBeRemovedIsTriedAgainAndItsSessionHasEnded() throws {
    guard canRunPrivileged() else { return }
    let rig = try ServerRig()
    let client = try rig.client(uid: 60001)
    let session = try client.wrap().text("session")
    let group = "\(try #require(try hierarchy(of: rig)))/\(session)"
    #expect(makeDirectory("\(group)/inner", 0o755) == 0)
    #expect(try client.call("StopSession", ["session": .string(session)]).error == nil)
    #expect(exists(group))
    #expect(try client.call("ListSessions").sessions == [])
    #expect(try leftovers(rig).isEmpty)
    #expect(removeDirectory("\(group)/inner") == 0)
    try waitFor("the group is removed", seconds: 30) { !exists(group) }
  }

  @Test func aControlGroupWithoutADirectoryIsRemovedByTheNextServerIfItIsItsOwn() throws {
    guard canRunPrivileged() else { return }
    let scratch = try ServerRig.prepare()
    let session: String
    let place: String
    do {
      let killed = try ServerRig.start(scratch)
      let path = "\(scratch.path)/run/control.sock"
      try waitFor("it listens") { (try? Client(path, uid: 0).call("Ping")) != nil }
      session = try Client(path, uid: 60001).wrap().text("session")
      try killed.pidfd.sendSignal(SIGKILL)
      reapChild(killed.pid)
    }
    try FileManager.default.removeItem(atPath: "\(scratch.path)/run/sessions/\(session)")
    // Of a server that lies beside this one, and of nobody.
    let others = ["00000000-0000-4000-8000-\(session.suffix(12))", "not-a-session-\(session)"]
    do {
      let rig = try ServerRig(scratch)
      place = try #require(try hierarchy(of: rig))
    }
    #expect(!exists("\(place)/\(session)"))
    for other in others { #expect(makeDirectory("\(place)/\(other)", 0o755) == 0) }
    do { _ = try ServerRig(scratch) }
    for other in others { #expect(removeDirectory("\(place)/\(other)") == 0) }
  }

  // MARK: Records

  private func id(_ number: Int) -> String { "00000000-0000-4000-8000-0000000000\(10 + number)" }

  @Test func refusalsOfRecordsWithoutAnEndAreCountedWhileOthersAreServed() throws {
    guard canRunPrivileged() else { return }
    let scratch = try ServerRig.prepare()
    for number in 0..<12 {
      let start = #"{"seq":1,"time":"2026-01-01T00:00:\#(10 + number).000000000Z","session":"\#(id(number))","uid":60001,"pid":1,"op":"session.start","policy":"first"}"#
      let refused = #"{"seq":2,"op":"file.read","decision":"deny"}"#
      try scratch.write("log/sessions/\(id(number)).jsonl", ([start] + [String](repeating: refused, count: 3)).joined(separator: "\n") + "\n")
    }
    let rig = try ServerRig(scratch)
    let client = try rig.client(uid: 60001)
    let sessions = try client.call("ListSessions", ["all": .bool(true)]).sessions
    #expect(sessions.count == 10)
    for session in sessions {
      try waitFor("what it refused is counted") {
        guard case .object(let object)? = try client.call("GetSession", ["session": .string(session)]).object["session"] else { return false }
        return object["refused"] == .integer(3)
      }
    }
  }

  @Test func aFilterThatMatchesNothingIsAppliedBitByBit() throws {
    let scratch = try Scratch()
    let line = #"{"seq":1,"op":"file.read","decision":"allow","path":"\#(String(repeating: "a", count: 900))"}"# + "\n"
    try scratch.write("\(id(0)).jsonl", String(repeating: line, count: 5000) + #"{"seq":2,"op":"exec","decision":"deny"}"# + "\n")
    let directory = SharedDescriptor(try openAt(AT_FDCWD, Array(scratch.path.utf8), flags: O_RDONLY | O_DIRECTORY))
    let facts = Session.Facts(
      id: id(0), name: nil, uid: 7, user: "u", policy: "p", command: [], cwd: "/", started: "", record: [], order: 0)
    let stream = RecordStream(EventsRequest(session: id(0), decision: "deny"), sessions: [Session(facts)], in: directory)
    var empty = 0
    var part = stream.readPart()
    while part.frames.isEmpty, !part.isAtEnd, part.failure == nil {
      empty += 1
      part = stream.readPart()
    }
    #expect(empty >= 3)
    #expect(String(decoding: part.frames, as: UTF8.self).contains("exec"))
  }

  @Test func theRecordOfARefusedWrapTellsLittleOfItsCommand() throws {
    guard canRunPrivileged() else { return }
    let rig = try ServerRig()
    let word = JSONValue.string(String(repeating: "\u{1}", count: 1000))
    #expect(try rig.client(uid: 60009).wrap(["command": .array([JSONValue](repeating: word, count: 100))]).error == "NotPermitted")
    let record = try #require(rig.records("session.refused").first)
    #expect(record.utf8.count < 8192 && record.contains(#""words":100,"#))
  }

  // MARK: The configuration

  @Test func withoutAConfigurationNamedTheInstallationsOwnIsRead() throws {
    guard canRunPrivileged() else { return }
    let scratch = try ServerRig.prepare()
    let program = "\(scratch.path)/sbin/agentshd"
    #expect(try run(program, "--check", in: scratch).hasPrefix("/etc/agentsh"))
    try scratch.write("libexec/agentsh/sysconfdir", "\(scratch.path)/etc\n")
    try scratch.write("etc/agentsh/agentshd.yaml", scratch.read("agentshd.yaml"))
    let checked = try run(program, "--check", in: scratch)
    #expect(checked.hasSuffix("\(scratch.path)/etc/agentsh/agentshd.yaml: good\n"), "\(checked)")
  }
}
