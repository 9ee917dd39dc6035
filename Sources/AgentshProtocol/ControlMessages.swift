/// Where a session is in its life.
public enum SessionState: String, Sendable, CaseIterable {
  /// The server has opened it; the target has not started.
  case starting
  case running
  case ended
}

/// How a session ended, as the last line of its record tells.
public struct SessionEnding: Sendable, Equatable {
  /// RFC 3339, UTC.
  public var time: String
  /// The command's exit status as a shell shows it; nil where it never started, or nobody saw its end.
  public var status: Int?
  /// Why, where it was not the command's own end: "timeout", "stopped by …", ….
  public var reason: String?
  public var durationMilliseconds: Int?
  /// How often each decision was made: counts by words.
  public var decisions: JSONObject

  public init(time: String, status: Int? = nil, reason: String? = nil, durationMilliseconds: Int? = nil, decisions: JSONObject = [:]) {
    self.time = time
    self.status = status
    self.reason = reason
    self.durationMilliseconds = durationMilliseconds
    self.decisions = decisions
  }

  /// nil where the session has no end, or its record doesn't tell.
  init?(_ fields: FieldReader) throws(ProtocolError) {
    guard let time = try fields.optionalString("ended") else { return nil }
    self.time = time
    status = try fields.optionalCount("status")
    reason = try fields.optionalString("reason")
    durationMilliseconds = try fields.optionalCount("duration_ms")
    decisions = try fields.optionalObject("decisions") ?? [:]
    for member in decisions.members {
      guard case .integer(let count) = member.value, count >= 0 else { throw .invalid(field: "decisions", reason: "must hold counts") }
    }
  }

  func add(to object: inout JSONObject) {
    object.add("ended", .string(time))
    object.add("status", status.map { .integer(Int64($0)) })
    object.add("reason", reason.map { .string($0) })
    object.add("duration_ms", durationMilliseconds.map { .integer(Int64($0)) })
    object.add("decisions", .object(decisions))
  }
}

/// One session, as `ListSessions` and `GetSession` tell it.
public struct SessionInfo: WireMessage, Equatable {
  public var session: String
  public var name: String?
  public var uid: UInt32
  /// The user's name, or the number as text where there is none.
  public var user: String
  public var policy: String
  /// The root target, once it has started.
  public var pid: Int32?
  /// Ready to be shown: each argument display-escaped.
  public var command: [String]
  /// Ready to be shown.
  public var cwd: String
  /// RFC 3339, UTC.
  public var started: String
  public var state: SessionState
  /// Operations refused so far, as far as the server knows.
  public var refused: Int
  /// Path of the record.
  public var record: String
  /// The session that this one lies inside of.
  public var parent: String?
  /// `GetSession` only.
  public var ending: SessionEnding?

  public init(
    session: String, name: String? = nil, uid: UInt32, user: String, policy: String, pid: Int32? = nil, command: [String], cwd: String,
    started: String, state: SessionState, refused: Int, record: String, parent: String? = nil, ending: SessionEnding? = nil
  ) {
    self.session = session
    self.name = name
    self.uid = uid
    self.user = user
    self.policy = policy
    self.pid = pid
    self.command = command
    self.cwd = cwd
    self.started = started
    self.state = state
    self.refused = refused
    self.record = record
    self.parent = parent
    self.ending = ending
  }

  public init(object: JSONObject) throws(ProtocolError) {
    let fields = FieldReader(object)
    session = try fields.string("session")
    name = try fields.optionalString("name")
    uid = try fields.userID("uid")
    user = try fields.string("user")
    policy = try fields.string("policy")
    pid = try fields.optionalProcessID("pid")
    command = try fields.strings("command")
    cwd = try fields.string("cwd")
    started = try fields.string("started")
    guard let state = SessionState(rawValue: try fields.string("state")) else {
      throw .invalid(field: "state", reason: "must be starting, running or ended")
    }
    self.state = state
    refused = try fields.count("refused")
    record = try fields.string("record")
    parent = try fields.optionalString("parent")
    ending = try SessionEnding(fields)
  }

  public var object: JSONObject {
    var object: JSONObject = ["session": .string(session)]
    object.add("name", name.map { .string($0) })
    object.add("uid", .integer(Int64(uid)))
    object.add("user", .string(user))
    object.add("policy", .string(policy))
    object.add("pid", pid.map { .integer(Int64($0)) })
    object.add("command", .array(command.map { .string($0) }))
    object.add("cwd", .string(cwd))
    object.add("started", .string(started))
    object.add("state", .string(state.rawValue))
    object.add("refused", .integer(Int64(refused)))
    object.add("record", .string(record))
    object.add("parent", parent.map { .string($0) })
    ending?.add(to: &object)
    return object
  }
}

/// Parameters of `Events`: which lines of the record are wanted.
public struct EventsRequest: WireMessage, Equatable {
  /// A session; nil means all that the caller may see.
  public var session: String?
  /// Go on with lines that are still to come.
  public var follow: Bool
  public var decision: String?
  public var operation: String?

  public init(session: String? = nil, follow: Bool = false, decision: String? = nil, operation: String? = nil) {
    self.session = session
    self.follow = follow
    self.decision = decision
    self.operation = operation
  }

  public init(object: JSONObject) throws(ProtocolError) {
    let fields = FieldReader(object)
    try fields.expectOnly(["session", "follow", "decision", "op"])
    session = try fields.optionalString("session")
    follow = try fields.optionalBool("follow") ?? false
    decision = try fields.optionalString("decision")
    operation = try fields.optionalString("op")
  }

  public var object: JSONObject {
    var object: JSONObject = [:]
    object.add("session", session.map { .string($0) })
    if follow { object.add("follow", .bool(true)) }
    object.add("decision", decision.map { .string($0) })
    object.add("op", operation.map { .string($0) })
    return object
  }
}

/// A call that the server can serve, with its parameters checked.
public enum ControlRequest: Sendable, Equatable {
  case wrap(WrapRequest)
  case listSessions(all: Bool)
  case getSession(session: String)
  case stopSession(session: String)
  case events(EventsRequest)
  case ping
  case getInfo
  case getInterfaceDescription(interface: String)

  /// Decides what a call is.
  ///
  /// Errors are those that the client is to be sent: unknown interface, unknown method, a parameter that is missing,
  /// unknown or wrong, `Events` without `more`, or an upgrade.
  public init(_ call: VarlinkCall) throws(ControlError) {
    let isControl = sameBytes(call.interface, ControlInterface.name)
    guard isControl || sameBytes(call.interface, VarlinkServiceInterface.name) else {
      throw .interfaceNotFound(interface: call.interface)
    }
    let request: ControlRequest?
    do throws(ProtocolError) {
      request = isControl ? try Self.controlMethod(call) : try Self.serviceMethod(call)
    } catch {
      throw isControl ? ControlError(error) : .serviceInvalidParameter(parameter: error.field ?? "")
    }
    guard let request else { throw .methodNotFound(method: call.method) }
    guard !call.upgrade else { throw .methodNotImplemented(method: call.method) }
    if case .events = request, !call.more {
      throw .invalidParameter(reason: "Events gives many replies: call it with \"more\"")
    }
    self = request
  }

  /// The part of the method's name after the interface.
  private static func member(_ call: VarlinkCall) -> String {
    String(decoding: call.method.utf8.dropFirst(call.interface.utf8.count + 1), as: UTF8.self)
  }

  private static func controlMethod(_ call: VarlinkCall) throws(ProtocolError) -> ControlRequest? {
    let fields = FieldReader(call.parameters)
    switch member(call) {
    case "Wrap": return .wrap(try WrapRequest(object: call.parameters))
    case "ListSessions":
      try fields.expectOnly(["all"])
      return .listSessions(all: try fields.optionalBool("all") ?? false)
    case "GetSession": return .getSession(session: try sessionParameter(fields))
    case "StopSession": return .stopSession(session: try sessionParameter(fields))
    case "Events": return .events(try EventsRequest(object: call.parameters))
    case "Ping":
      try fields.expectOnly([])
      return .ping
    default: return nil
    }
  }

  private static func serviceMethod(_ call: VarlinkCall) throws(ProtocolError) -> ControlRequest? {
    let fields = FieldReader(call.parameters)
    switch member(call) {
    case "GetInfo":
      try fields.expectOnly([])
      return .getInfo
    case "GetInterfaceDescription":
      try fields.expectOnly(["interface"])
      return .getInterfaceDescription(interface: try fields.string("interface"))
    default: return nil
    }
  }

  private static func sessionParameter(_ fields: FieldReader) throws(ProtocolError) -> String {
    try fields.expectOnly(["session"])
    let session = try fields.string("session")
    guard (1...255).contains(session.utf8.count) else { throw .invalid(field: "session", reason: "must have 1 to 255 bytes") }
    return session
  }

  /// The call that a client sends for this request.
  public var call: VarlinkCall {
    let control = ControlInterface.name + "."
    let service = VarlinkServiceInterface.name + "."
    switch self {
    case .wrap(let request): return VarlinkCall(method: control + "Wrap", parameters: request.object)
    case .listSessions(let all): return VarlinkCall(method: control + "ListSessions", parameters: all ? ["all": .bool(true)] : [:])
    case .getSession(let session): return VarlinkCall(method: control + "GetSession", parameters: ["session": .string(session)])
    case .stopSession(let session): return VarlinkCall(method: control + "StopSession", parameters: ["session": .string(session)])
    case .events(let request): return VarlinkCall(method: control + "Events", parameters: request.object, more: true)
    case .ping: return VarlinkCall(method: control + "Ping")
    case .getInfo: return VarlinkCall(method: service + "GetInfo")
    case .getInterfaceDescription(let interface):
      return VarlinkCall(method: service + "GetInterfaceDescription", parameters: ["interface": .string(interface)])
    }
  }
}

/// What the server answers to a request that went well.
public enum ControlResponse: Sendable, Equatable {
  case wrap(WrapReply)
  case sessions([SessionInfo])
  case session(SessionInfo)
  /// One line of the record, without its newline; `continues` while more may follow.
  case event(line: String, continues: Bool)
  /// The answer of `StopSession` and `Ping`.
  case done
  case info(ServiceInfo)
  case interfaceDescription(String)

  public var reply: VarlinkReply {
    switch self {
    case .wrap(let reply): VarlinkReply(parameters: reply.object)
    case .sessions(let sessions): VarlinkReply(parameters: ["sessions": .array(sessions.map { .object($0.object) })])
    case .session(let session): VarlinkReply(parameters: ["session": .object(session.object)])
    case .event(let line, let continues): VarlinkReply(parameters: ["line": .string(line)], continues: continues)
    case .done: VarlinkReply()
    case .info(let info): VarlinkReply(parameters: info.object)
    case .interfaceDescription(let text): VarlinkReply(parameters: ["description": .string(text)])
    }
  }

  /// Answers a request for an interface's description.
  public static func description(of interface: String) throws(ControlError) -> ControlResponse {
    if sameBytes(interface, ControlInterface.name) { return .interfaceDescription(ControlInterface.description) }
    if sameBytes(interface, VarlinkServiceInterface.name) { return .interfaceDescription(VarlinkServiceInterface.description) }
    throw .interfaceNotFound(interface: interface)
  }
}

/// What a client makes of replies; each function throws `ProtocolError` where the reply is not of that kind.
public enum ControlReplies {
  public static func sessions(_ reply: VarlinkReply) throws(ProtocolError) -> [SessionInfo] {
    guard let elements = try FieldReader(reply.parameters).optionalArray("sessions") else { throw .missing(field: "sessions") }
    var sessions: [SessionInfo] = []
    for element in elements {
      guard case .object(let object) = element else { throw .invalid(field: "sessions", reason: "must be a list of objects") }
      sessions.append(try SessionInfo(object: object))
    }
    return sessions
  }

  public static func session(_ reply: VarlinkReply) throws(ProtocolError) -> SessionInfo {
    try SessionInfo(object: try FieldReader(reply.parameters).object("session"))
  }

  public static func wrap(_ reply: VarlinkReply) throws(ProtocolError) -> WrapReply {
    try WrapReply(object: reply.parameters)
  }

  /// The line of one reply to `Events`; nil in a last reply that carries none.
  public static func eventLine(_ reply: VarlinkReply) throws(ProtocolError) -> String? {
    try FieldReader(reply.parameters).optionalString("line")
  }
}

/// What `org.varlink.service.GetInfo` tells.
public struct ServiceInfo: WireMessage, Equatable {
  public var vendor: String
  public var product: String
  public var version: String
  public var url: String
  public var interfaces: [String]

  public init(
    vendor: String = "agentsh", product: String = "agentshd", version: String, url: String,
    interfaces: [String] = [VarlinkServiceInterface.name, ControlInterface.name]
  ) {
    self.vendor = vendor
    self.product = product
    self.version = version
    self.url = url
    self.interfaces = interfaces
  }

  public init(object: JSONObject) throws(ProtocolError) {
    let fields = FieldReader(object)
    vendor = try fields.string("vendor")
    product = try fields.string("product")
    version = try fields.string("version")
    url = try fields.string("url")
    interfaces = try fields.strings("interfaces")
  }

  public var object: JSONObject {
    [
      "vendor": .string(vendor), "product": .string(product), "version": .string(version), "url": .string(url),
      "interfaces": .array(interfaces.map { .string($0) }),
    ]
  }
}
