import AgentshProtocol
@testable import AgentshServer
import AgentshSystem
import FoundationEssentials
import Glibc
import Testing

/// A real agentshd, its real sockets and real uids; only the supervisor is a stub.
@Suite(.serialized) struct ServerTests {
  // MARK: Who calls

  @Test(arguments: [
    (UInt32(60001), JSONValue?.none, UInt32?(60001)), (60001, .integer(60001), 60001), (60001, .integer(60003), nil), (60001, .integer(0), nil),
    (0, nil, 0), (0, .integer(60001), 60001), (0, .integer(60003), 60003),
  ])
  func onlyUidZeroMayNameAnotherCaller(peer: UInt32, named: JSONValue?, owner: UInt32?) throws {
    guard canRunPrivileged() else { return }
    let rig = try ServerRig()
    let client = try rig.client(uid: peer)
    let answer = try client.wrap(named.map { ["caller_uid": $0] } ?? [:])
    guard let owner else {
      #expect(answer.error == "NotPermitted")
      #expect(rig.records("session.refused").count == 1)
      return
    }
    let session = try #require(try rig.client().call("GetSession", ["session": .string(answer.text("session"))]).object["session"])
    guard case .object(let object) = session else { return }
    #expect(object["uid"] == .integer(Int64(owner)))
    #expect(try linkStatus(at: AT_FDCWD, Array(answer.text("notify_socket").utf8)).owner == owner)
  }

  @Test(arguments: [.integer(-1), .integer(4_294_967_295), .integer(4_294_967_296), .string("60001"), .number("1.5"), .bool(true)] as [JSONValue])
  func aUidThatIsNoneIsAClearError(uid: JSONValue) throws {
    guard canRunPrivileged() else { return }
    let rig = try ServerRig()
    let answer = try rig.client().wrap(["caller_uid": uid])
    #expect(answer.error == "InvalidParameter")
    #expect(answer.reason.contains("caller_uid"))
  }

  @Test func aWordThatNoLineOfARecordHasIsRefused() throws {
    guard canRunPrivileged() else { return }
    let rig = try ServerRig()
    let client = try rig.client(uid: 60001)
    for parameters in [["decision": .string("bogus")], ["decision": .string("x*")], ["op": .string("file.raed")]] as [JSONObject] {
      #expect(try client.call("Events", parameters, more: true).error == "InvalidParameter")
    }
    #expect(try client.call("Events", ["decision": .string("a*"), "op": .string("file.*")], more: true).error == nil)
  }

  @Test func aUserWithoutAssignmentIsRefusedAndToldSo() throws {
    guard canRunPrivileged() else { return }
    let rig = try ServerRig()
    let answer = try rig.client(uid: 60009).wrap()
    #expect(answer.error == "NotPermitted")
    #expect(answer.reason.contains("no assignment") && answer.reason.contains("60009"))
  }

  @Test func aPolicyThatIsNotAssignedIsRefusedAndThoseThatAreAreNamed() throws {
    guard canRunPrivileged() else { return }
    let rig = try ServerRig()
    let refused = try rig.client(uid: 60002).wrap(["policy": .string("first")])
    #expect(refused.error == "NotPermitted")
    #expect(refused.reason == "you may not use policy first; you may use: second")
    #expect(try rig.client(uid: 60001).wrap(["policy": .string("second")]).text("policy") == "second")
  }

  @Test func fromInsideASessionNoneCanBeOpenedStoppedOrSeen() throws {
    guard canRunPrivileged() else { return }
    let rig = try ServerRig()
    let own = try rig.client(uid: 60001)
    let outer = try own.wrap().text("session")
    let other = try rig.client(uid: 60003).wrap().text("session")
    // As root, so that only the place it runs in can be what refuses it.
    let script = """
      use Socket; open(my $group, '>', $ARGV[0]) or die "$ARGV[0]: $!"; print $group $$; close($group) or die;
      socket(my $s, AF_UNIX, SOCK_STREAM, 0) or die; connect($s, pack_sockaddr_un($ARGV[1])) or die;
      for my $call (@ARGV[2 .. $#ARGV]) {
        syswrite($s, "$call\\0"); my $reply = '';
        sysread($s, $reply, 65536, length $reply) or die until $reply =~ /\\0/;
        $reply =~ s/\\0//; print "$reply\\n";
      }
      """
    let hierarchy = try #require(try hierarchy(of: rig))
    func call(_ method: String, _ parameters: String) -> String { #"{"method":"org.agentsh.Control.\#(method)","parameters":\#(parameters)}"# }
    let output = try run(
      "/usr/bin/perl", "-e", script, "\(hierarchy)/\(outer)/cgroup.procs", rig.socketPath,
      call("Wrap", #"{"command":["/bin/true"],"cwd":"/"}"#), call("StopSession", #"{"session":"\#(outer)"}"#),
      call("StopSession", #"{"session":"\#(other)"}"#), call("GetSession", #"{"session":"\#(other)"}"#), call("ListSessions", "{}"),
      in: rig.scratch
    ).split(separator: "\n")
    try #require(output.count == 5)
    #expect(output[0].contains("NotPermitted") && output[0].contains("already inside session \(outer)"))
    #expect(output[1].contains("NotPermitted"))
    #expect(output[2].contains("NotPermitted"))
    #expect(output[3].contains("UnknownSession"))
    #expect(output[4].contains(outer) && !output[4].contains(other))
  }

  // MARK: What a session is given

  @Test func theSupervisorHasTheCallersIdentityOneCapabilityAndNothingElse() throws {
    guard canRunPrivileged() else { return }
    let rig = try ServerRig()
    let client = try rig.client(uid: 60001)
    let session = try client.wrap(["name": .string("reports")]).text("session")
    let report = rig.scratch.read("log/sessions/\(session).jsonl")
    for expected in [
      "Uid: 60001 60001 60001 60001;", "CapPrm: 0000000000080000;", "CapEff: 0000000000080000;", "CapBnd: 0000000000080000;",
      "CapInh: 0000000000080000;", "CapAmb: 0000000000080000;", "NoNewPrivs: 1;", "SigBlk: 0000000000000000;",
      "ENV 0", "PLAN 1",
    ] { #expect(report.contains(expected), "\(expected) in \(report)") }
    // 13 and 14 are the stub's own: its text, and the directory that it lists them with.
    #expect(report.contains("FDS 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 ENV"), "\(report.suffix(100))")
    let file = try linkStatus(at: AT_FDCWD, Array("\(rig.scratch.path)/log/sessions/\(session).jsonl".utf8))
    #expect(file.owner == 0 && file.mode & 0o7777 == 0o640)
  }

  @Test func withoutTheRightToChangeOwnersSessionsAreOpenedAllTheSame() throws {
    guard canRunPrivileged() else { return }
    let all = try ThreadCapabilities.current().permitted
    let rig = try ServerRig(identity: SpawnIdentity(uid: 0, gid: 0, groups: [], capabilities: all & ~1))
    let client = try rig.client(uid: 60001)
    let answer = try client.wrap()
    let socket = try linkStatus(at: AT_FDCWD, Array(answer.text("notify_socket").utf8))
    #expect(socket.owner == 0 && socket.mode & 0o7777 == 0o666)
  }

  /// What is missing is the server's, and is named: nobody is sent to look at the host.
  @Test(arguments: [(UInt64(7), "that takes CAP_SETUID"), (6, "that takes CAP_SETGID"), (8, "that takes CAP_SETPCAP"), (21, "it lacks CAP_SYS_ADMIN")])
  func aServerWithoutACapabilitySaysWhichItLacks(_ capability: UInt64, _ words: String) throws {
    guard canRunPrivileged() else { return }
    let all = try ThreadCapabilities.current().permitted
    let rig = try ServerRig(identity: SpawnIdentity(uid: 0, gid: 0, groups: [], capabilities: all & ~(1 << capability)))
    try expectOwnAffair(rig, words)
  }

  @Test(arguments: [
    ("mount -t tmpfs -o size=4k,mode=750 x log", "/log/server.jsonl: No space left on device"),
    ("mkdir -m 711 run/sessions && mount -t tmpfs -o nr_inodes=1,mode=711 x run/sessions", "No space left on device"),
    ("ulimit -n 26", "its RLIMIT_NOFILE, LimitNOFILE= of its unit, is too low"),
  ])
  func aServerThatCantSetASessionUpSaysWhere(_ script: String, _ words: String) throws {
    guard canRunPrivileged() else { return }
    let scratch = try ServerRig.prepare()
    for name in ["run", "log"] { try FileManager.default.createDirectory(atPath: "\(scratch.path)/\(name)", withIntermediateDirectories: true) }
    let words = words.hasPrefix("/") ? "write \(scratch.path)\(words)" : words
    try expectOwnAffair(
      try ServerRig(scratch, through: ["/usr/bin/unshare", "--mount", "/bin/sh", "-c", "cd \(scratch.path) && \(script) && exec \"$@\"", "sh"]), words)
  }

  private func expectOwnAffair(_ rig: ServerRig, _ words: String) throws {
    // Longer than a page: the log of a full disk has no room for it.
    let command: JSONValue = .array([.string("/bin/true"), .string(String(repeating: "x", count: 8000))])
    let answer = try rig.client(uid: 60001).wrap(["command": command])
    #expect(answer.error == "HostCannotEnforce")
    #expect(answer.reason.contains(words), "\(answer.reason)")
    let isOfServer = answer.isOfServer
    #expect(isOfServer)
  }

  @Test func parallelWrapsNeverExceedTheLimitOfAUser() throws {
    guard canRunPrivileged() else { return }
    let rig = try ServerRig()
    let clients = try (0..<24).map { _ in try rig.client(uid: 60001) }
    for client in clients { try client.send("Wrap", ["command": .array([.string("/bin/true")]), "cwd": .string("/")]) }
    let answers = try clients.map { try #require(try $0.receive()).answer }
    #expect(answers.filter { $0.error == nil }.count == 5)
    #expect(answers.filter { $0.error == "LimitReached" }.count == 19)
  }

  @Test(arguments: [("dies", "ended at once (exit status 3)"), ("silent", "was not ready in time")])
  func aSupervisorThatDoesNotComeUpIsAnErrorAndLeavesNothing(name: String, reason: String) throws {
    guard canRunPrivileged() else { return }
    let rig = try ServerRig()
    let client = try rig.client(uid: 60001)
    let answer = try client.wrap(["name": .string(name)])
    #expect(answer.error == "HostCannotEnforce")
    #expect(answer.reason.contains(reason), "\(answer.reason)")
    try waitFor("nothing is left") { try leftovers(rig).isEmpty }
    #expect(try client.call("ListSessions", ["all": .bool(true)]).sessions == [])
  }

  // MARK: Seeing and stopping

  @Test func usersNeverSeeOrStopEachOthersSessionsAndAdminsDo() throws {
    guard canRunPrivileged() else { return }
    let rig = try ServerRig()
    let (first, second, admin) = (try rig.client(uid: 60001), try rig.client(uid: 60002), try rig.client(uid: 60003))
    let mine = try first.wrap(["name": .string("mine")]).text("session")
    let theirs = try second.wrap().text("session")
    #expect(try first.call("ListSessions").sessions == [mine])
    #expect(try second.call("ListSessions").sessions == [theirs])
    #expect(try Set(admin.call("ListSessions").sessions) == [mine, theirs])
    for (method, name) in [("GetSession", mine), ("StopSession", mine), ("StopSession", "mine"), ("GetSession", String(mine.prefix(8)))] {
      #expect(try second.call(method, ["session": .string(name)]).error == "UnknownSession")
    }
    #expect(try second.call("Events", ["session": .string(mine)], more: true).error == "UnknownSession")
    #expect(try first.call("StopSession", ["session": .string("mine")]).error == nil)
    #expect(try admin.call("StopSession", ["session": .string(theirs)]).error == nil)
    #expect(try admin.call("ListSessions").sessions == [])
    try waitFor("nothing is left") { try leftovers(rig).isEmpty }
  }

  @Test func whenTheSupervisorDiesEverythingInTheSessionDiesWithIt() throws {
    guard canRunPrivileged() else { return }
    let rig = try ServerRig()
    let client = try rig.client(uid: 60001)
    let session = try client.wrap().text("session")
    let hierarchy = try #require(try hierarchy(of: rig))
    let null = try openAt(AT_FDCWD, Array("/dev/null".utf8), flags: O_RDWR)
    let target = try spawnSupervisor(
      Array("/bin/sleep".utf8), arguments: [Array("sleep".utf8), Array("1000".utf8)],
      descriptors: [null.rawValue, null.rawValue, null.rawValue], identity: nil)
    try rig.scratchWrite("\(hierarchy)/\(session)/cgroup.procs", "\(target.pid)")
    let supervisor = try #require(try supervisors(of: rig).first)
    #expect(kill(supervisor, SIGKILL) == 0)
    #expect(try waitUntilReady(target.pidfd.descriptor, deadline: .after(milliseconds: 10_000)))
    reapChild(target.pid)
    try waitFor("nothing is left") { try leftovers(rig).isEmpty }
    // The directory goes first.
    try waitFor("its end is on record") { rig.records("session.closed").count == 1 }
    #expect(rig.records("session.closed").first?.contains("the supervisor died") == true)
    #expect(try client.call("ListSessions").sessions == [])
  }

  @Test(arguments: ["stubborn", "garbles"])
  func aSupervisorThatDoesNotObeyIsKilled(name: String) throws {
    guard canRunPrivileged() else { return }
    let rig = try ServerRig()
    let client = try rig.client(uid: 60001)
    let session = try client.wrap(["name": .string(name)]).text("session")
    let answer = try client.call("StopSession", ["session": .string(session)])
    // What talks nonsense is killed as soon as it does, which may be before.
    #expect(answer.error == nil || name == "garbles" && answer.reason.hasPrefix("session \(session) ended at "), "\(answer)")
    try waitFor("nothing is left") { try leftovers(rig).isEmpty }
  }

  @Test func rejectedPeersAreOnRecordAndAFloodOfThemIsCounted() throws {
    guard canRunPrivileged() else { return }
    let rig = try ServerRig()
    let client = try rig.client(uid: 60001)
    _ = try client.wrap(["name": .string("rejects")])
    try waitFor("all are counted") {
      let counts = rig.records("peer.rejected").map { line in
        line.split(separator: "\"count\":").dropFirst().first.flatMap { Int($0.prefix { $0.isNumber }) } ?? 1
      }
      return counts.reduce(0, +) == 500 && counts.count < 100
    }
    let line = try #require(rig.records("peer.rejected").first)
    #expect(line.contains(#""uid":60002,"pid":77,"op":"peer.rejected","reason":"wrong_uid","socket":"notify""#))
  }

  // MARK: Events

  @Test func theRecordIsStreamedWithTheWantedLinesOnly() throws {
    guard canRunPrivileged() else { return }
    let rig = try ServerRig()
    let client = try rig.client(uid: 60001)
    let session = try client.wrap(["name": .string("writes")]).text("session")
    try client.send("Events", ["session": .string(session), "decision": .string("deny")], more: true)
    var lines = 0
    while let (answer, continues) = try client.receive() {
      if continues {
        #expect(answer.text("line").contains(#""decision":"deny""#))
        lines += 1
      } else {
        #expect(answer.error == nil)
        break
      }
    }
    #expect(lines == 1000)
    // The connection is still good for other calls.
    #expect(try client.call("Ping").error == nil)
  }

  @Test func aFollowerIsGivenNewLinesAndTheEnd() throws {
    guard canRunPrivileged() else { return }
    let rig = try ServerRig()
    let (client, follower) = (try rig.client(uid: 60001), try rig.client(uid: 60001))
    let session = try client.wrap().text("session")
    try follower.send("Events", ["session": .string(session), "follow": .bool(true)], more: true)
    for number in 0..<3 {
      try rig.scratchWrite("\(rig.scratch.path)/log/sessions/\(session).jsonl", "{\"seq\":\(number)}\n")
      let (answer, continues) = try #require(try follower.receive())
      #expect(answer.text("line") == "{\"seq\":\(number)}" && continues)
    }
    #expect(try client.call("StopSession", ["session": .string(session)]).error == nil)
    #expect(try #require(try follower.receive()).continues == false)
  }

  /// What a caller sees of others' is not more than without following; an administrator sees all.
  @Test func whoFollowsEverythingIsGivenSessionsThatAreOpenedLater() throws {
    guard canRunPrivileged() else { return }
    let rig = try ServerRig()
    let (client, other, follower, admin) = (try rig.client(uid: 60001), try rig.client(uid: 60002), try rig.client(uid: 60001), try rig.client(uid: 60003))
    for one in [follower, admin] { try one.send("Events", ["follow": .bool(true)], more: true) }
    // Served by now: the answer to a later call of the same user has come.
    for uid in [UInt32(60001), 60003] { _ = try rig.client(uid: uid).call("ListSessions") }
    func say(_ client: Client, _ text: String) throws -> String {
      let session = try client.wrap().text("session")
      try rig.scratchWrite("\(rig.scratch.path)/log/sessions/\(session).jsonl", "{\"op\":\"\(text)\"}\n")
      return session
    }
    func next(_ client: Client) throws -> String {
      let (answer, continues) = try #require(try client.receive())
      #expect(continues)
      return answer.text("line")
    }
    _ = try say(other, "others")
    #expect(try next(admin) == "{\"op\":\"others\"}")
    for number in 0..<4 {
      let session = try say(client, "own\(number)")
      for one in [follower, admin] { #expect(try next(one) == "{\"op\":\"own\(number)\"}") }
      // The end of one is not the end.
      #expect(try client.call("StopSession", ["session": .string(session)]).error == nil)
    }
  }

  @Test func aReaderWhoReadsNothingIsDroppedAndCostsNoMemory() throws {
    guard canRunPrivileged() else { return }
    let rig = try ServerRig()
    let (client, slow) = (try rig.client(uid: 60001), try rig.client(uid: 60001))
    let session = try client.wrap().text("session")
    let line = "{\"x\":\"" + String(repeating: "a", count: 1000) + "\"}\n"
    try rig.scratchWrite("\(rig.scratch.path)/log/sessions/\(session).jsonl", String(repeating: line, count: 20_000))
    try slow.send("Events", ["session": .string(session)], more: true)
    // Past the deadline the server has closed: what it had sent by then is all that comes.
    try waitFor("it is being served") { try rig.connectionsOfServer() == 2 }
    try waitFor("the server has given up", seconds: 15) { try rig.connectionsOfServer() == 1 }
    #expect(try client.call("Ping").error == nil)
    #if !AGENTSH_SANITIZED  // whose runtime holds memory back
      #expect(try rig.residentKilobytes() < 60_000)
    #endif
  }
}
