import Testing

@testable import AgentshProtocol

@Suite struct SessionMessageTests {
  private static let token = SessionToken(bytes: Array(100..<132))

  private func roundTrip<Message: WireMessage & Equatable>(_ message: Message) throws {
    #expect(try Message.decode(message.packet) == message)
    #expect(message.frame == message.packet + [0])
  }

  @Test func handshakeMessagesGoBothWays() throws {
    let token = try #require(Self.token)
    try roundTrip(ProcessHello(token: token, pid: .max))
    var names: [[UInt8]] = (0..<100).map { Array("N\($0)".utf8) }
    names.append([0xFF, 0x0A])
    let long = [UInt8](repeating: 0x41, count: 1000)
    let hello = ProcessHello(token: token, pid: 1, dropped: DroppedVariables([long] + names))
    try roundTrip(hello)
    #expect(hello.dropped.names.count == 64 && hello.dropped.more == 38 && hello.dropped.names[0].count == 128)
    #expect(hello.frame.count < MessageFramer.sessionLimit)
    try roundTrip(ListenerHello(token: token))
    for reply in [HandshakeReply.accepted, .acceptedWithNonce(0), .acceptedWithNonce(.max), .acceptedWithNonce(0x0123_4567_89AB_CDEF), .refused(reason: "x")] {
      try roundTrip(reply)
    }
    for message in [LauncherMessage.signal(1), .signal(64), .ended(waitStatus: 0), .ended(waitStatus: 0xFF00), .ended(waitStatus: 139), .used(cpuMicroseconds: 0, memoryKiB: 4096)] { try roundTrip(message) }
    for order in [ServerOrder.attested, .notAttested(reason: "r"), .stop(reason: ""), .count(request: 0), .door(request: 3, errno: nil), .door(request: 4, errno: 11), .open(session: "s")] {
      try roundTrip(order)
      try roundTrip(ServerOrder.nested(session: "s", order))
      #expect(throws: ProtocolError.self) { try ServerOrder.decode(ServerOrder.nested(session: "s", .nested(session: "t", order)).packet) }
    }
    for socket in SessionSocket.allCases {
      for reason in PeerRejectionReason.allCases {
        try roundTrip(SupervisorReport.rejected(PeerRejection(socket: socket, reason: reason, uid: UserID.highest, pid: nil)))
        try roundTrip(SupervisorReport.rejected(PeerRejection(socket: socket, reason: reason, uid: 0, pid: 1, count: 200)))
      }
    }
    for report in [SupervisorReport.ready(FloorPlan()), .attest(pid: 1), .started(pid: 2), .counted(request: 7, refused: 1), .knock(request: 2)] {
      try roundTrip(report)
      try roundTrip(SupervisorReport.nested(session: "s", report))
      #expect(throws: ProtocolError.self) { try SupervisorReport.decode(SupervisorReport.nested(session: "s", .nested(session: "t", report)).packet) }
    }
  }

  @Test(arguments: [
    (0, TargetEnding.exited(0)), (3 << 8, .exited(3)), (255 << 8, .exited(255)), (9, .signalled(9)), (139, .signalled(11)), (0x137F, .unknown),
    (-1, .unknown),
  ] as [(Int32, TargetEnding)])
  func aWaitStatusIsReadAsWaitpidMeansIt(status: Int32, ending: TargetEnding) {
    #expect(TargetEnding(waitStatus: status) == ending)
  }

  @Test(arguments: [TargetEnding.exited(0), .exited(255), .signalled(15), .unknown])
  func aSummaryGoesBothWays(ending: TargetEnding) throws {
    let summary = SessionSummary(
      session: "s", refused: 1, audited: 2, allowed: 3, decisions: [("allow", 3), ("deny", 1)], durationMilliseconds: 4, ending: ending, reason: "timeout",
      cpuMicroseconds: 5, memoryKiB: 6)
    #expect(try SessionSummary.decode(summary.packet).ending == ending)
    try roundTrip(SupervisorMessage.summary(summary))
    try roundTrip(SupervisorReport.ended(summary))
    try roundTrip(SupervisorMessage.stopped(reason: "time is up"))
    try roundTrip(SessionSummary(refused: 0, audited: 0, allowed: 0, durationMilliseconds: 0, ending: ending))
  }

  private static func plan() throws -> SessionPlan {
    SessionPlan(
      sessionID: "s", token: try #require(token), callerUID: 60001, callerGID: 60001, groups: [4, 27], callerPID: 77, command: [[0xFF], [], [0x0A]],
      cwd: [0x2F, 0xFE], policyName: "p", policySource: Array("version: 1\n".utf8), policyFile: "/etc/agentsh/policies/p.yaml",
      policySHA256: "00", variables: .init(projectRoot: [0x2F], gitRoot: nil, home: [0x2F, 0x68], user: [0x75]), filterSHA256: "11", nonce: .max - 1,
      handshakeTimeoutMilliseconds: 30_000, timeoutMilliseconds: nil, name: nil, sudoUID: nil, features: ["landlock"], notEnforced: ["mcp_rules"],
      isEmbedded: false, serverChecksFilter: true, canKillCgroup: true, sessionDirectory: [0x2F, 0x72], recordPath: [0x2F, 0x6C])
  }

  @Test func aPlanGoesBothWays() throws {
    var plan = try Self.plan()
    try roundTrip(plan)
    plan.variables.gitRoot = [0x2F, 0xFF]
    plan.timeoutMilliseconds = 5
    plan.name = "n"
    plan.sudoUID = 1000
    plan.network = "none"
    plan.recordSize = 4 << 30
    try roundTrip(plan)
    plan.network = "some"
    #expect(throws: ProtocolError.self) { try SessionPlan(object: plan.object) }
  }

  @Test func aPlanThatLacksAFieldIsRefused() throws {
    let optional = ["groups", "git_root", "timeout_ms", "name", "sudo_uid"]
    let object = try Self.plan().object
    for member in object.members where !optional.contains(member.name) {
      var cut = object
      cut[member.name] = nil
      #expect(throws: ProtocolError.missing(field: "plan.\(member.name)")) { try SessionPlan(object: cut) }
    }
    var more = object
    more["caller_uid2"] = .integer(0)
    #expect(throws: ProtocolError.unknownField("plan.caller_uid2")) { try SessionPlan(object: more) }
  }

  @Test func aTokenIsNeverPartOfADescription() throws {
    let token = try #require(Self.token)
    var text = ""
    dump(token, to: &text)
    text += "\(token) \(String(reflecting: token)) \(String(describing: try Self.plan().token))"
    #expect(!text.contains("6465"))
    #expect(!text.contains("100"))
  }

  @Test func tokensAreEqualByEveryByte() throws {
    let bytes: [UInt8] = Array(0..<32)
    let token = try #require(SessionToken(bytes: bytes))
    #expect(token == SessionToken(hexadecimal: token.hexadecimal))
    for index in bytes.indices {
      var other = bytes
      other[index] ^= 0x80
      #expect(token != SessionToken(bytes: other))
    }
    #expect(SessionToken(bytes: Array(bytes.dropLast())) == nil)
    #expect(SessionToken(hexadecimal: token.hexadecimal.uppercased()) == nil)
  }
}
