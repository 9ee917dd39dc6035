import AgentshProtocol
@testable import AgentshServer
import AgentshSystem
import FoundationEssentials
import Glibc
import Testing

/// What one connection, or what runs inside a session, can hold of the server.
@Suite(.serialized) struct QuotaTests {
  @Test func whoReadsNoRepliesIsReadNoCallsFrom() throws {
    guard canRunPrivileged() else { return }
    let rig = try ServerRig()
    let client = try rig.client(uid: 60001)
    let call = VarlinkCall(
      method: "org.varlink.service.GetInterfaceDescription", parameters: ["interface": .string("org.agentsh.Control")]).frame
    let calls = Array([[UInt8]](repeating: call, count: 500).joined())
    var sent = 0
    while sent < 64 << 20 {
      guard (try? client.socket.sendAll(calls, deadline: .after(milliseconds: 5000))) != nil else { break }
      sent += calls.count
    }
    // What the sockets hold, and what is read at a time.
    #expect(sent < 4 << 20)
    try waitFor("the server has given up") { try rig.connectionsOfServer() == 0 }
    #if !AGENTSH_SANITIZED  // whose runtime holds memory back
      #expect(try rig.residentKilobytes() < 60_000)
    #endif
  }

  @Test func whatIsBegunBehindACallHasToBeFinishedInTime() throws {
    guard canRunPrivileged() else { return }
    let rig = try ServerRig()
    let client = try rig.client(uid: 60001)
    try client.socket.sendAll(VarlinkCall(method: "org.agentsh.Control.GetSession", parameters: ["session": .string("x")]).frame + Array("{\"method\":".utf8))
    #expect(try #require(try client.receive()).answer.error == "UnknownSession")
    #expect(try #require(try client.receive()).answer.reason.contains("was not complete within 2000 ms"))
    #expect(try client.receive() == nil)
  }

  @Test func whoHoldsMostGivesWayAndNotWhoComesLast() throws {
    guard canRunPrivileged() else { return }
    // Time enough for all of them to be sent.
    let rig = try ServerRig(ServerRig.prepare(configuration: ServerRig.configuration.replacing("handshake_timeout: 2s", with: "handshake_timeout: 60s")))
    // Together more than a user may hold, each less than a message may have.
    let holders = try (0..<10).map { _ in try rig.client(uid: 60001) }
    let part = [UInt8](repeating: UInt8(ascii: "{"), count: 900 << 10)
    let small = [UInt8](repeating: UInt8(ascii: "{"), count: 500 << 10)
    for (number, holder) in holders.enumerated() { try? holder.socket.sendAll(number == 9 ? small : part, deadline: .after(milliseconds: 5000)) }
    // The last one's message is read to its end.
    try holders[9].socket.sendAll([0])
    #expect(try #require(try holders[9].receive()).answer.error == "InvalidParameter")
    // What was told before that has come.
    let refused = try holders.prefix(9).filter { try waitUntilReady($0.socket.descriptor, deadline: .after(milliseconds: 0)) }
    let reasons = try refused.map { try #require(try $0.receive()).answer.reason }
    #expect(reasons.count == 1 && reasons.allSatisfy { $0.contains("your unfinished messages take more than") }, "\(reasons)")
  }

  /// As a user inside that user's session: follows it on so many connections, says how many are served, and stays.
  private static let follower = """
    use Socket; use POSIX; open(my $group, '>', $ARGV[0]) or die "$ARGV[0]: $!"; syswrite($group, $$); close($group) or die;
    POSIX::setgid(60001); POSIX::setuid(60001); my @held;
    for (1 .. 80) {
      socket(my $s, AF_UNIX, SOCK_STREAM, 0) or die; connect($s, pack_sockaddr_un($ARGV[1])) or die;
      $SIG{PIPE} = 'IGNORE';
      syswrite($s, qq({"method":"org.agentsh.Control.Events","parameters":{"follow":true},"more":true}\\0)) or next;
      push @held, $s if sysread($s, my $byte, 1);
    }
    $| = 1; print "held ", scalar(@held), "\\n"; sleep 1000;
    """

  @Test func whatRunsInsideASessionLeavesItsUserConnectionsToStopItBy() throws {
    guard canRunPrivileged() else { return }
    // The session is there for as long as it takes: nobody shakes hands for it.
    let rig = try ServerRig(ServerRig.prepare(configuration: ServerRig.configuration.replacing("handshake_timeout: 2s", with: "handshake_timeout: 60s")))
    let hierarchy = try #require(try hierarchy(of: rig))
    let session = try rig.client(uid: 60001).wrap(["name": .string("writes")]).text("session")
    let null = try openAt(AT_FDCWD, Array("/dev/null".utf8), flags: O_RDWR)
    let output = try openAt(AT_FDCWD, Array("\(rig.scratch.path)/follower".utf8), flags: O_WRONLY | O_CREAT, mode: 0o644)
    let process = try spawnSupervisor(
      Array("/usr/bin/perl".utf8), arguments: ["perl", "-e", Self.follower, "\(hierarchy)/\(session)/cgroup.procs", rig.socketPath].map { Array($0.utf8) },
      descriptors: [null.rawValue, output.rawValue, output.rawValue], identity: nil)
    try waitFor("it holds what it can get", seconds: 60) { rig.scratch.read("follower").hasSuffix("\n") }
    #expect(rig.scratch.read("follower") == "held 16\n")
    #expect(try rig.client(uid: 60001).call("StopSession", ["session": .string(session)]).error == nil)
    #expect(try waitUntilReady(process.pidfd.descriptor, deadline: .after(milliseconds: 10_000)))
    reapChild(process.pid)
  }

  // MARK: What is kept

  private func facts(_ number: Int) -> Session.Facts {
    // A user who makes it as long as can be.
    let words = [[UInt8]](repeating: [UInt8](repeating: 7, count: 2000), count: 1000)
    return Session.Facts(
      id: "s\(number)", name: nil, uid: 7, user: "u", policy: "p", command: Session.kept(command: words), cwd: Session.kept([UInt8](repeating: 0x80, count: 4000)),
      started: "", record: [], order: UInt64(number))
  }

  @Test func aSessionKeepsNoMoreOfItsCommandThanIsWorthListing() {
    #expect(Session.kept(command: [Array("/bin/sh".utf8), Array("-c".utf8), []]) == ["/bin/sh", "-c", ""])
    #expect(Session.kept(Array("/srv/häuser".utf8)) == "/srv/häuser")
    let many = Session.kept(command: [[UInt8]](repeating: Array("ab".utf8), count: 70))
    #expect(many.count == Session.mostWords + 1 && many.last == "…" && many.first == "ab")
    let long = Session.kept([UInt8](repeating: 7, count: 5000))
    #expect(long.hasSuffix("\\x07…") && long.utf8.count <= Session.mostText + 3)
    let facts = facts(1)
    #expect(facts.command.joined().utf8.count < 1100 && facts.cwd.utf8.count < 1100)
  }

  @Test func aListOfSessionsFitsIntoAMessageAndKeepsTheNewest() throws {
    let sessions = (0..<2000).map { Session(facts($0)) }
    let infos = ControlLoop.fitting(sessions)
    #expect(ControlResponse.sessions(infos).reply.frame.count <= MessageFramer.controlLimit)
    #expect(infos.count > 100 && infos.count < 2000)
    #expect(infos.map(\.session) == sessions.suffix(infos.count).map(\.facts.id))
    #expect(ControlLoop.fitting(Array(sessions.prefix(3))).map(\.session) == ["s0", "s1", "s2"])
  }
}
