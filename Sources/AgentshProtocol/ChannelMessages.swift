/// Why a peer of one of the three sockets was turned away.
public enum PeerRejectionReason: String, Sendable, CaseIterable {
  case wrongUID = "wrong_uid"
  case wrongProcess = "wrong_process"
  case wrongToken = "wrong_token"
  case malformed
  case timeout
}

/// A peer that was turned away, for the server's record.
public struct PeerRejection: WireMessage, Equatable {
  public var socket: SessionSocket
  public var reason: PeerRejectionReason
  public var uid: UInt32
  public var pid: Int32?
  /// How many alike were turned away since the last such message; a flood is counted, not written out.
  public var count: Int

  public init(socket: SessionSocket, reason: PeerRejectionReason, uid: UInt32, pid: Int32?, count: Int = 1) {
    self.socket = socket
    self.reason = reason
    self.uid = uid
    self.pid = pid
    self.count = count
  }

  public init(object: JSONObject) throws(ProtocolError) {
    let fields = FieldReader(object, prefix: "rejected.")
    try fields.expectOnly(["socket", "reason", "uid", "pid", "count"])
    guard let socket = SessionSocket(rawValue: try fields.string("socket")) else {
      throw .invalid(field: "rejected.socket", reason: "must be notify, signal or ptrace")
    }
    guard let reason = PeerRejectionReason(rawValue: try fields.string("reason")) else {
      throw .invalid(field: "rejected.reason", reason: "is no reason known here")
    }
    self.socket = socket
    self.reason = reason
    uid = try fields.userID("uid")
    pid = try fields.optionalProcessID("pid")
    count = try fields.optionalCount("count") ?? 1
  }

  public var object: JSONObject {
    var object: JSONObject = ["socket": .string(socket.rawValue), "reason": .string(reason.rawValue), "uid": .integer(Int64(uid))]
    object.add("pid", pid.map { .integer(Int64($0)) })
    if count != 1 { object.add("count", .integer(Int64(count))) }
    return object
  }
}

/// What a supervisor tells the server, one object a packet.
public enum SupervisorReport: WireMessage, Equatable {
  /// The supervisor has dropped its rights and accepts on the three sockets; what Landlock is to hold under the target.
  case ready(FloorPlan)
  /// Put this process in the session's cgroup and compare its filter; its pidfd comes along.
  case attest(pid: Int32)
  case rejected(PeerRejection)
  /// The root target's handshake is complete.
  case started(pid: Int32)
  /// How many operations were refused up to now: the answer to the request with this number.
  case counted(request: Int, refused: Int)
  /// The session has ended and its record is closed.
  case ended(SessionSummary)
  /// A process of the session, whose pidfd comes along, asks for a connection to the server, with this number.
  case knock(request: Int)
  /// A report of the session of that id, which runs inside the supervisor's own.
  indirect case nested(session: String, SupervisorReport)

  public init(object: JSONObject) throws(ProtocolError) {
    let fields = FieldReader(object)
    if let session = try fields.optionalString("session") {
      try fields.expectOnly(["session", "report"])
      let report = try SupervisorReport(object: try fields.object("report"))
      // One level: what a session inside says of another inside itself is nothing that any supervisor sends.
      if case .nested = report { throw .unknownMessage }
      self = .nested(session: session, report)
      return
    }
    guard object.members.count == 1 else { throw .unknownMessage }
    if let ready = try fields.optionalReader("ready") {
      try ready.expectOnly(["floor"])
      self = .ready(try FloorPlan(object: try ready.object("floor")))
    } else if let attest = try fields.optionalReader("attest") {
      self = .attest(pid: try attest.processID("pid"))
    } else if let rejected = try fields.optionalObject("rejected") {
      self = .rejected(try PeerRejection(object: rejected))
    } else if let started = try fields.optionalReader("started") {
      self = .started(pid: try started.processID("pid"))
    } else if let counted = try fields.optionalReader("counted") {
      try counted.expectOnly(["request", "refused"])
      self = .counted(request: try counted.count("request"), refused: try counted.count("refused"))
    } else if let ended = try fields.optionalReader("ended") {
      self = .ended(try SessionSummary(ended))
    } else if let knock = try fields.optionalReader("knock") {
      try knock.expectOnly(["request"])
      self = .knock(request: try knock.count("request"))
    } else {
      throw .unknownMessage
    }
  }

  public var object: JSONObject {
    switch self {
    case .ready(let floor): ["ready": .object(["floor": .object(floor.object)])]
    case .attest(let pid): ["attest": .object(["pid": .integer(Int64(pid))])]
    case .rejected(let rejection): ["rejected": .object(rejection.object)]
    case .started(let pid): ["started": .object(["pid": .integer(Int64(pid))])]
    case .counted(let request, let refused):
      ["counted": .object(["request": .integer(Int64(request)), "refused": .integer(Int64(refused))])]
    case .ended(let summary): ["ended": .object(summary.object)]
    case .knock(let request): ["knock": .object(["request": .integer(Int64(request))])]
    case .nested(let session, let report): ["session": .string(session), "report": .object(report.object)]
    }
  }
}

/// What the server tells a supervisor, one object a packet.
public enum ServerOrder: WireMessage, Equatable {
  /// The filter is the compiled one, and the process is in its cgroup.
  case attested
  case notAttested(reason: String)
  /// End the session.
  case stop(reason: String)
  /// Say how many operations were refused, with this number.
  case count(request: Int)
  /// The connection that was asked for with this number; it comes along, unless there is an errno.
  case door(request: Int, errno: Int32?)
  /// Take up this session inside the supervisor's own. Its record, the launcher's pidfd, its plan, its cgroup's kill file and the connection to the
  /// launcher come along, in this order.
  case open(session: String)
  /// An order to the session of that id, which runs inside the supervisor's own.
  indirect case nested(session: String, ServerOrder)

  /// How many descriptors come with `open`.
  public static let openDescriptors = 5

  public init(object: JSONObject) throws(ProtocolError) {
    let fields = FieldReader(object)
    try fields.expectOnly(["attested", "reason", "stop", "count", "door", "open", "session", "order"])
    if let session = try fields.optionalString("session") {
      try fields.expectOnly(["session", "order"])
      let order = try ServerOrder(object: try fields.object("order"))
      if case .nested = order { throw .unknownMessage }
      self = .nested(session: session, order)
    } else if let door = try fields.optionalReader("door") {
      guard object.members.count == 1 else { throw .unknownMessage }
      try door.expectOnly(["request", "errno"])
      self = .door(request: try door.count("request"), errno: try door.optionalInteger("errno", in: 1...4095).map { Int32(truncatingIfNeeded: $0) })
    } else if let session = try fields.optionalString("open") {
      guard object.members.count == 1 else { throw .unknownMessage }
      self = .open(session: session)
    } else if let request = try fields.optionalCount("count") {
      guard object.members.count == 1 else { throw .unknownMessage }
      self = .count(request: request)
    } else if let reason = try fields.optionalString("stop") {
      guard object.members.count == 1 else { throw .unknownMessage }
      self = .stop(reason: reason)
    } else if let attested = try fields.optionalBool("attested") {
      self = attested ? .attested : .notAttested(reason: try fields.optionalString("reason") ?? "the server gave no reason")
    } else {
      throw .unknownMessage
    }
  }

  public var object: JSONObject {
    switch self {
    case .attested: ["attested": .bool(true)]
    case .notAttested(let reason): ["attested": .bool(false), "reason": .string(reason)]
    case .stop(let reason): ["stop": .string(reason)]
    case .count(let request): ["count": .integer(Int64(request))]
    case .door(let request, let errno): ["door": .object(Self.door(request, errno))]
    case .open(let session): ["open": .string(session)]
    case .nested(let session, let order): ["session": .string(session), "order": .object(order.object)]
    }
  }

  private static func door(_ request: Int, _ errno: Int32?) -> JSONObject {
    var object: JSONObject = ["request": .integer(Int64(request))]
    object.add("errno", errno.map { .integer(Int64($0)) })
    return object
  }
}
