/// The three sockets of a session.
public enum SessionSocket: String, Sendable, CaseIterable {
  case notify
  case signal
  case ptrace
}

/// First message of a peer on signal.sock or ptrace.sock; one pidfd of process `pid` comes with its first byte.
public struct ProcessHello: WireMessage, Equatable {
  public var token: SessionToken
  /// The root target, in the pid namespace of the host.
  public var pid: Int32
  /// What the command is not given of the caller's environment: a claim of the launcher's, for the record. On signal.sock.
  public var dropped: DroppedVariables

  public init(token: SessionToken, pid: Int32, dropped: DroppedVariables = DroppedVariables([])) {
    self.token = token
    self.pid = pid
    self.dropped = dropped
  }

  public init(object: JSONObject) throws(ProtocolError) {
    let fields = FieldReader(object)
    try fields.expectOnly(["token", "pid", "env_dropped", "env_dropped_more"])
    token = try fields.token("token")
    pid = try fields.processID("pid")
    dropped = try DroppedVariables(fields)
  }

  public var object: JSONObject {
    var object: JSONObject = ["token": .string(token.hexadecimal), "pid": .integer(Int64(pid))]
    dropped.add(to: &object)
    return object
  }
}

/// Names of environment variables that a policy drops: as many, and as much of each, as a record has room for.
public struct DroppedVariables: Sendable, Equatable {
  public static let mostNames = 64
  public static let longestName = 128
  private static let ellipsis = Array("…".utf8)

  public let names: [[UInt8]]
  /// How many there are beyond these.
  public let more: Int

  public init(_ all: [[UInt8]]) {
    names = all.prefix(Self.mostNames).map { $0.count <= Self.longestName ? $0 : $0.prefix(Self.longestName - Self.ellipsis.count) + Self.ellipsis }
    more = all.count - names.count
  }

  init(_ fields: FieldReader) throws(ProtocolError) {
    names = try fields.optionalBase64List("env_dropped") ?? []
    guard names.count <= Self.mostNames, names.allSatisfy({ $0.count <= Self.longestName }) else {
      throw .invalid(field: "env_dropped", reason: "must have at most \(Self.mostNames) names of at most \(Self.longestName) bytes")
    }
    more = try fields.optionalCount("env_dropped_more") ?? 0
  }

  func add(to object: inout JSONObject) {
    if !names.isEmpty { object.add("env_dropped", .array(names.map { .string(Base64.encode($0)) })) }
    if more > 0 { object.add("env_dropped_more", .integer(Int64(more))) }
  }
}

/// First message of a peer on notify.sock; the seccomp listener comes with its first byte.
public struct ListenerHello: WireMessage, Equatable {
  public var token: SessionToken

  public init(token: SessionToken) {
    self.token = token
  }

  public init(object: JSONObject) throws(ProtocolError) {
    let fields = FieldReader(object)
    try fields.expectOnly(["token"])
    token = try fields.token("token")
  }

  public var object: JSONObject { ["token": .string(token.hexadecimal)] }
}

/// The supervisor's answer to either hello.
public enum HandshakeReply: WireMessage, Equatable {
  case accepted
  /// On notify.sock: what the root target's first trapped call has to carry.
  case acceptedWithNonce(UInt64)
  case refused(reason: String)

  public init(object: JSONObject) throws(ProtocolError) {
    let fields = FieldReader(object)
    if let reason = try fields.optionalString("error") {
      try fields.expectOnly(["error"])
      self = .refused(reason: reason)
      return
    }
    try fields.expectOnly(["ok", "nonce"])
    guard try fields.bool("ok") else { throw .unknownMessage }
    self = try fields.optionalString("nonce") == nil ? .accepted : .acceptedWithNonce(try fields.nonce("nonce"))
  }

  public var object: JSONObject {
    switch self {
    case .accepted: ["ok": .bool(true)]
    case .acceptedWithNonce(let nonce): ["ok": .bool(true), "nonce": .string(nonceText(nonce))]
    case .refused(let reason): ["error": .string(reason)]
    }
  }
}

/// What the launcher tells the supervisor on signal.sock after the handshake.
public enum LauncherMessage: WireMessage, Equatable {
  /// Deliver this signal to the root target.
  case signal(Int32)
  /// The root target was reaped with this wait status.
  case ended(waitStatus: Int32)
  /// What the reaped processes have used, as far as the launcher knows: it comes before `ended`, and counts where no control group tells.
  case used(cpuMicroseconds: Int, memoryKiB: Int)

  public init(object: JSONObject) throws(ProtocolError) {
    let fields = FieldReader(object)
    try fields.expectOnly(["signal", "ended", "used"])
    guard object.members.count == 1 else { throw .unknownMessage }
    if let signal = try fields.optionalInteger("signal", in: 1...64) {
      self = .signal(Int32(truncatingIfNeeded: signal))
    } else if let status = try fields.optionalInt32("ended") {
      self = .ended(waitStatus: status)
    } else if let used = try fields.optionalReader("used") {
      self = .used(cpuMicroseconds: try used.count("cpu_us"), memoryKiB: try used.count("memory_kb"))
    } else {
      throw .unknownMessage
    }
  }

  public var object: JSONObject {
    switch self {
    case .signal(let signal): ["signal": .integer(Int64(signal))]
    case .ended(let status): ["ended": .integer(Int64(status))]
    case .used(let cpu, let memory): ["used": .object(["cpu_us": .integer(Int64(cpu)), "memory_kb": .integer(Int64(memory))])]
    }
  }
}

/// What the supervisor tells the launcher on signal.sock after the handshake.
public enum SupervisorMessage: WireMessage, Equatable {
  /// The session was ended; the launcher prints why.
  case stopped(reason: String)
  /// Everything has ended and the record is closed.
  case summary(SessionSummary)

  public init(object: JSONObject) throws(ProtocolError) {
    let fields = FieldReader(object)
    guard object.members.count == 1 else { throw .unknownMessage }
    if let reason = try fields.optionalString("stopped") {
      self = .stopped(reason: reason)
    } else if let summary = try fields.optionalReader("summary") {
      self = .summary(try SessionSummary(summary))
    } else {
      throw .unknownMessage
    }
  }

  public var object: JSONObject {
    switch self {
    case .stopped(let reason): ["stopped": .string(reason)]
    case .summary(let summary): ["summary": .object(summary.object)]
    }
  }
}
