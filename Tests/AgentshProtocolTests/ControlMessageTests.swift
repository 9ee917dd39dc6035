import Testing

@testable import AgentshProtocol

@Suite struct ControlMessageTests {
  private func request(_ text: String) throws(ControlError) -> ControlRequest {
    let call: VarlinkCall
    do throws(ProtocolError) { call = try VarlinkCall.decode(Array(text.utf8)) } catch { throw ControlError(error) }
    return try ControlRequest(call)
  }

  static let requests: [ControlRequest] = [
    .ping, .getInfo, .getInterfaceDescription(interface: ControlInterface.name), .listSessions(all: false), .listSessions(all: true),
    .getSession(session: "ab"), .stopSession(session: "cd"), .events(EventsRequest()),
    .events(EventsRequest(session: "x", follow: true, decision: "deny", operation: "file.write")),
    .wrap(WrapRequest(command: [Array("true".utf8)], cwd: Array("/".utf8))),
    .wrap(
      WrapRequest(
        callerUID: UserID.highest, command: [[0xFF, 0x80], [], Array("é\n".utf8)], cwd: [0x2F, 0xC3], policy: "agent-default", name: "a name",
        timeoutMilliseconds: 1, sudoUID: 0, network: "restricted")),
  ]

  @Test(arguments: requests)
  func whatAClientSendsIsWhatTheServerReads(request: ControlRequest) throws {
    let frame = request.call.frame
    #expect(frame.last == 0)
    #expect(!frame.dropLast().contains(0))
    #expect(try ControlRequest(try VarlinkCall.decode(Array(frame.dropLast()))) == request)
  }

  @Test(arguments: ["-1", "4294967295", "4294967296", "18446744073709551616", "-9223372036854775808", "0.5", "1e3", "\"0\"", "\"root\"", "true", "[]", "{}"])
  func aCallerUIDThatIsNoUserIsAClearError(uid: String) {
    #expect {
      try request(#"{"method":"org.agentsh.Control.Wrap","parameters":{"caller_uid":\#(uid),"command":["a"],"cwd":"/"}}"#)
    } throws: { error in
      guard case .invalidParameter(let reason)? = error as? ControlError else { return false }
      return reason.hasPrefix("caller_uid must be ") && reason.contains("0 to 4294967294")
    }
  }

  @Test(arguments: [("0", 0), ("1000", 1000), ("4294967294", 4_294_967_294)] as [(String, UInt32)])
  func aCallerUIDInRangeIsTaken(text: String, uid: UInt32) throws {
    let parsed = try request(#"{"method":"org.agentsh.Control.Wrap","parameters":{"caller_uid":\#(text),"command":["a"],"cwd":"/"}}"#)
    guard case .wrap(let wrap) = parsed else {
      Issue.record("not a Wrap")
      return
    }
    #expect(wrap.callerUID == uid)
    #expect(try UserID.parse(text) == uid)
  }

  @Test(arguments: ["", " 1", "+1", "-1", "01", "1 ", "4294967295", "99999999999", "9223372036854775808", "0x1", "root", "１"])
  func aUserIDInTextIsPlainDigitsInRange(text: String) {
    #expect(throws: UserIDError.self) { try UserID.parse(text) }
  }

  @Test func anAbsentCallerUIDIsLeftToTheServer() throws {
    for field in ["", #""caller_uid":null,"#] {
      guard case .wrap(let wrap) = try request(#"{"method":"org.agentsh.Control.Wrap","parameters":{\#(field)"command":["a"],"cwd":"/"}}"#) else {
        Issue.record("not a Wrap")
        return
      }
      #expect(wrap.callerUID == nil)
    }
  }

  @Test func unknownInterfacesAndMethodsHaveVarlinksErrors() {
    #expect(throws: ControlError.interfaceNotFound(interface: "org.example")) { try request(#"{"method":"org.example.Ping"}"#) }
    #expect(throws: ControlError.interfaceNotFound(interface: "")) { try request(#"{"method":"Ping"}"#) }
    #expect(throws: ControlError.methodNotFound(method: "org.agentsh.Control.Open")) { try request(#"{"method":"org.agentsh.Control.Open"}"#) }
    #expect(throws: ControlError.methodNotFound(method: "org.agentsh.Control.")) { try request(#"{"method":"org.agentsh.Control."}"#) }
    #expect(throws: ControlError.methodNotFound(method: "org.varlink.service.X")) { try request(#"{"method":"org.varlink.service.X"}"#) }
    #expect(throws: ControlError.methodNotImplemented(method: "org.agentsh.Control.Ping")) {
      try request(#"{"method":"org.agentsh.Control.Ping","upgrade":true}"#)
    }
    #expect(throws: ControlError.serviceInvalidParameter(parameter: "interface")) {
      try request(#"{"method":"org.varlink.service.GetInterfaceDescription"}"#)
    }
  }

  @Test(arguments: [
    ControlError.notPermitted(reason: "no"), .limitReached(reason: "5 of 5"), .unknownSession(reason: "none"), .invalidParameter(reason: "x"),
    .hostCannotEnforce(reason: "no listener"), .hostCannotEnforce(reason: "disk full", ofServer: true), .interfaceNotFound(interface: "a.b"), .methodNotFound(method: "a.b.C"),
    .methodNotImplemented(method: "a.b.C"), .serviceInvalidParameter(parameter: "p"), .other(name: "org.x.Y", reason: "z"),
  ])
  func anErrorGoesThroughAReply(error: ControlError) throws {
    let reply = try VarlinkReply.decode(Array(error.reply.frame.dropLast()))
    #expect(ControlError(reply) == error)
  }

  @Test func aReplyWithoutErrorIsNoError() {
    #expect(ControlError(ControlResponse.done.reply) == nil)
  }

  private static func wrapReply() throws -> WrapReply {
    var reply = WrapReply(
      session: "s", policy: "p", notifySocket: Array("/r/notify.sock".utf8), signalSocket: Array("/r/signal.sock".utf8),
      ptraceSocket: Array("/r/ptrace.sock".utf8), token: try #require(SessionToken(bytes: Array(0..<32))), filter: Array(repeating: 6, count: 16),
      environment: EnvironmentPlan(
        allow: ["*"], deny: ["LD_*"], inject: [("B", "2"), ("A", "1=x")], maxBytes: 9, maxKeys: nil, blockIteration: true),
      warnings: ["w"], record: Array("/l/s.jsonl".utf8))
    reply.handshakeMilliseconds = 120_000
    return reply
  }

  @Test func repliesGoBothWays() throws {
    let wrap = try Self.wrapReply()
    let info = SessionInfo(
      session: "s", name: nil, uid: 60001, user: "a", policy: "p", pid: 7, command: ["sh"], cwd: "/", started: "2026-01-01T00:00:00Z", state: .running,
      refused: 3, record: "/l/s.jsonl")
    func through(_ response: ControlResponse) throws -> VarlinkReply { try VarlinkReply.decode(Array(response.reply.frame.dropLast())) }
    #expect(try ControlReplies.wrap(try through(.wrap(wrap))) == wrap)
    #expect(try ControlReplies.sessions(try through(.sessions([info, info]))) == [info, info])
    #expect(try ControlReplies.session(try through(.session(info))) == info)
    var over = info
    over.ending = SessionEnding(time: "2026-01-01T00:00:01Z", status: 143, reason: "timeout", durationMilliseconds: 1000, decisions: ["deny": .integer(3)])
    #expect(try ControlReplies.session(try through(.session(over))) == over)
    let event = try through(.event(line: "{\"seq\":1}", continues: true))
    #expect(event.continues)
    #expect(try ControlReplies.eventLine(event) == "{\"seq\":1}")
    #expect(try ServiceInfo(object: try through(.info(ServiceInfo(version: "1", url: "u"))).parameters).interfaces.contains(ControlInterface.name))
  }

  @Test func environmentVariablesThatCanNotBeAreRefused() throws {
    for inject in [["A=B": .string("x")], ["": .string("x")], ["A": .string("x\0y")]] as [JSONObject] {
      var object = EnvironmentPlan().object
      object["inject"] = .object(inject)
      #expect(throws: ProtocolError.self) { try EnvironmentPlan(object: object) }
    }
  }

  @Test func theDescriptionNamesEveryMethodAndError() throws {
    for name in ["Wrap", "ListSessions", "GetSession", "StopSession", "Events", "Ping"] {
      #expect(ControlInterface.description.contains("\nmethod \(name)("))
    }
    for name in ["NotPermitted", "LimitReached", "UnknownSession", "InvalidParameter", "HostCannotEnforce"] {
      #expect(ControlInterface.description.contains("\nerror \(name) (reason: string"))
    }
    #expect(throws: ControlError.interfaceNotFound(interface: "x.y")) { try ControlResponse.description(of: "x.y") }
    #expect(try ControlResponse.description(of: "org.varlink.service") == .interfaceDescription(VarlinkServiceInterface.description))
  }

  /// The description and the structs must not drift apart: each field that is sent is one that is described.
  @Test func everyFieldThatIsSentIsDescribed() throws {
    let request = WrapRequest(
      callerUID: 1, command: [[0xFF]], cwd: [0x2F, 0xFF], policy: "p", name: "n", timeoutMilliseconds: 1, sudoUID: 1, network: "none")
    let info = SessionInfo(
      session: "s", name: "n", uid: 1, user: "a", policy: "p", pid: 7, command: [], cwd: "/", started: "", state: .ended, refused: 0, record: "",
      ending: SessionEnding(time: "", status: 0, reason: "r", durationMilliseconds: 1))
    let environment = EnvironmentPlan(maxBytes: 1, maxKeys: 1)
    let events = EventsRequest(session: "s", follow: true, decision: "d", operation: "o")
    for object in [request.object, try Self.wrapReply().object, info.object, environment.object, events.object] {
      for member in object.members { #expect(ControlInterface.description.contains("\(member.name): ")) }
    }
  }
}
