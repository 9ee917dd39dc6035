/// Parameters of `Wrap`: what the launcher asks for.
public struct WrapRequest: WireMessage, Equatable {
  /// The user on whose behalf the client speaks; nil means the peer's own. Only uid 0 may name another.
  public var callerUID: UInt32?
  /// The command and its arguments, bytes as the kernel takes them: no NUL, at least one.
  public var command: [[UInt8]]
  /// What `command` lacks of the command line; nil: nothing.
  public var omission: CommandOmission?
  /// Absolute path of the working directory.
  public var cwd: [UInt8]
  public var policy: String?
  /// A name for people to find the session by.
  public var name: String?
  /// After how many milliseconds the session is ended.
  public var timeoutMilliseconds: Int?
  /// What SUDO_UID said: a claim for the record.
  public var sudoUID: UInt32?
  /// How far the session is to reach at most, one of `networkModes`; nil: as far as the policy says. It can only make that less.
  public var network: String?

  public static let networkModes = ["none", "restricted", "full"]

  public init(
    callerUID: UInt32? = nil, command: [[UInt8]], omission: CommandOmission? = nil, cwd: [UInt8], policy: String? = nil, name: String? = nil,
    timeoutMilliseconds: Int? = nil, sudoUID: UInt32? = nil, network: String? = nil
  ) {
    self.omission = omission
    self.network = network
    self.callerUID = callerUID
    self.command = command
    self.cwd = cwd
    self.policy = policy
    self.name = name
    self.timeoutMilliseconds = timeoutMilliseconds
    self.sudoUID = sudoUID
  }

  public init(object: JSONObject) throws(ProtocolError) {
    let fields = FieldReader(object)
    try fields.expectOnly([
      "caller_uid", "command", "command_b64", "command_omitted", "command_omitted_bytes", "command_sha256", "cwd", "cwd_b64", "policy", "name", "timeout_ms", "sudo_uid", "network",
    ])
    callerUID = try fields.optionalUserID("caller_uid")
    sudoUID = try fields.optionalUserID("sudo_uid")
    if let bytes = try fields.optionalBase64List("command_b64") {
      command = bytes
    } else {
      command = try fields.strings("command").map { Array($0.utf8) }
    }
    guard !command.isEmpty else { throw .invalid(field: "command", reason: "must name a program") }
    for argument in command { _ = try fields.checkNoNUL(argument, "command") }
    omission = try CommandOmission(fields, of: command)
    if let bytes = try fields.optionalBase64("cwd_b64") {
      cwd = try fields.checkNoNUL(bytes, "cwd_b64")
    } else {
      cwd = try fields.checkNoNUL(Array(try fields.string("cwd").utf8), "cwd")
    }
    guard cwd.first == UInt8(ascii: "/") else { throw .invalid(field: "cwd", reason: "must be an absolute path") }
    policy = try fields.optionalString("policy")
    if let policy { try Self.checkLabel(policy, "policy", longest: 255) }
    name = try fields.optionalString("name")
    if let name { try Self.checkLabel(name, "name", longest: 64) }
    timeoutMilliseconds = try fields.optionalInteger("timeout_ms", in: 1...Self.longestTimeout).map { Int(truncatingIfNeeded: $0) }
    network = try Self.networkMode(fields)
  }

  static func networkMode(_ fields: FieldReader) throws(ProtocolError) -> String? {
    guard let network = try fields.optionalString("network") else { return nil }
    guard networkModes.contains(network) else { throw .invalid(field: "network", reason: "must be none, restricted or full") }
    return network
  }

  /// One year, in milliseconds: far from any overflow of a deadline.
  public static let longestTimeout: Int64 = 366 * 86_400_000

  /// A name as people type it: printable, no slash, so that it is never a path and never garbles a line.
  private static func checkLabel(_ text: String, _ field: String, longest: Int) throws(ProtocolError) {
    guard (1...longest).contains(text.utf8.count) else {
      throw .invalid(field: field, reason: "must have 1 to \(longest) bytes")
    }
    guard !text.utf8.contains(UInt8(ascii: "/")), !text.utf8.contains(UInt8(ascii: "\\")), displayEscaped(text).utf8.count == text.utf8.count
    else {
      throw .invalid(field: field, reason: "must be printable text without slashes: \(displayEscaped(text))")
    }
  }

  public var object: JSONObject {
    var object: JSONObject = [:]
    object.add("caller_uid", callerUID.map { .integer(Int64($0)) })
    object.add("command", .array(command.map { .string(String(decoding: $0, as: UTF8.self)) }))
    if !command.allSatisfy(isUTF8) { object.add("command_b64", .array(command.map { .string(Base64.encode($0)) })) }
    omission?.add(to: &object)
    object.add("cwd", .string(String(decoding: cwd, as: UTF8.self)))
    if !isUTF8(cwd) { object.add("cwd_b64", .string(Base64.encode(cwd))) }
    object.add("policy", policy.map { .string($0) })
    object.add("name", name.map { .string($0) })
    object.add("timeout_ms", timeoutMilliseconds.map { .integer(Int64($0)) })
    object.add("sudo_uid", sudoUID.map { .integer(Int64($0)) })
    object.add("network", network.map { .string($0) })
    return object
  }
}

func isUTF8(_ bytes: [UInt8]) -> Bool {
  String(validating: bytes, as: UTF8.self) != nil
}

/// What of the caller's environment the command is given: the policy's `env_policy` and `env_inject`.
public struct EnvironmentPlan: WireMessage, Equatable {
  public var allow: [String]
  public var deny: [String]
  /// Set whatever the caller's environment holds, in this order.
  public var inject: [(name: String, value: String)]
  public var maxBytes: Int?
  public var maxKeys: Int?
  public var blockIteration: Bool

  public init(
    allow: [String] = [], deny: [String] = [], inject: [(name: String, value: String)] = [], maxBytes: Int? = nil, maxKeys: Int? = nil,
    blockIteration: Bool = false
  ) {
    self.allow = allow
    self.deny = deny
    self.inject = inject
    self.maxBytes = maxBytes
    self.maxKeys = maxKeys
    self.blockIteration = blockIteration
  }

  public init(object: JSONObject) throws(ProtocolError) {
    let fields = FieldReader(object, prefix: "environment.")
    allow = try fields.strings("allow")
    deny = try fields.strings("deny")
    inject = []
    for member in try fields.object("inject").members {
      guard case .string(let value) = member.value else {
        throw .invalid(field: "environment.inject", reason: "must hold texts only")
      }
      guard !member.name.isEmpty, !member.name.utf8.contains(UInt8(ascii: "=")), !member.name.utf8.contains(0), !value.utf8.contains(0) else {
        throw .invalid(field: "environment.inject", reason: "holds what is no environment variable")
      }
      inject.append((member.name, value))
    }
    maxBytes = try fields.optionalCount("max_bytes")
    maxKeys = try fields.optionalCount("max_keys")
    blockIteration = try fields.bool("block_iteration")
  }

  public var object: JSONObject {
    var object: JSONObject = [
      "allow": .array(allow.map { .string($0) }), "deny": .array(deny.map { .string($0) }),
      "inject": .object(JSONObject(inject.map { JSONObject.Member($0.name, .string($0.value)) })),
    ]
    object.add("max_bytes", maxBytes.map { .integer(Int64($0)) })
    object.add("max_keys", maxKeys.map { .integer(Int64($0)) })
    object.add("block_iteration", .bool(blockIteration))
    return object
  }

  public static func == (left: Self, right: Self) -> Bool { left.object == right.object }
}

/// Parameters of the reply to `Wrap`: what the launcher needs to start the command.
public struct WrapReply: WireMessage, Equatable {
  public var session: String
  public var policy: String
  /// Absolute paths of the session's three sockets.
  public var notifySocket: [UInt8]
  public var signalSocket: [UInt8]
  public var ptraceSocket: [UInt8]
  public var token: SessionToken
  /// The seccomp program: an array of struct sock_filter, 8 bytes each.
  public var filter: [UInt8]
  public var environment: EnvironmentPlan
  /// What Landlock is to hold under the command.
  public var floor: FloorPlan
  /// For the user, one sentence each.
  public var warnings: [String]
  /// Absolute path of the session's record.
  public var record: [UInt8]
  /// The session lies inside another, whose listener serves it too: there are no sockets, and the connection to the supervisor comes along.
  public var isNested = false
  /// How long the launcher may take from here until its command runs, in milliseconds; nil where the server doesn't say.
  public var handshakeMilliseconds: Int?

  public init(
    session: String, policy: String, notifySocket: [UInt8], signalSocket: [UInt8], ptraceSocket: [UInt8], token: SessionToken,
    filter: [UInt8], environment: EnvironmentPlan, floor: FloorPlan = FloorPlan(), warnings: [String] = [], record: [UInt8]
  ) {
    self.session = session
    self.policy = policy
    self.notifySocket = notifySocket
    self.signalSocket = signalSocket
    self.ptraceSocket = ptraceSocket
    self.token = token
    self.filter = filter
    self.environment = environment
    self.floor = floor
    self.warnings = warnings
    self.record = record
  }

  public init(object: JSONObject) throws(ProtocolError) {
    let fields = FieldReader(object)
    session = try fields.string("session")
    policy = try fields.string("policy")
    isNested = try fields.optionalBool("nested") ?? false
    notifySocket = isNested ? [] : try Self.path(fields, "notify_socket")
    signalSocket = isNested ? [] : try Self.path(fields, "signal_socket")
    ptraceSocket = isNested ? [] : try Self.path(fields, "ptrace_socket")
    token = try fields.token("token")
    filter = try fields.base64("filter")
    // BPF_MAXINSNS instructions of 8 bytes (linux/bpf_common.h).
    guard !filter.isEmpty, filter.count.isMultiple(of: 8), filter.count <= 4096 * 8 else {
      throw .invalid(field: "filter", reason: "must be 1 to 4096 instructions of 8 bytes")
    }
    environment = try EnvironmentPlan(object: try fields.object("environment"))
    // A launcher that is told of no floor must not take that for one that holds nothing.
    floor = try FloorPlan(object: try fields.object("floor"))
    warnings = try fields.optionalStrings("warnings") ?? []
    record = try Self.path(fields, "record")
    handshakeMilliseconds = try fields.optionalCount("handshake_ms")
  }

  private static func path(_ fields: FieldReader, _ name: String) throws(ProtocolError) -> [UInt8] {
    let path = try fields.checkNoNUL(Array(try fields.string(name).utf8), name)
    guard path.first == UInt8(ascii: "/") else { throw .invalid(field: name, reason: "must be an absolute path") }
    return path
  }

  public var object: JSONObject {
    func text(_ path: [UInt8]) -> JSONValue { .string(String(decoding: path, as: UTF8.self)) }
    var object: JSONObject = ["session": .string(session), "policy": .string(policy)]
    if isNested {
      object.add("nested", .bool(true))
    } else {
      object.add("notify_socket", text(notifySocket))
      object.add("signal_socket", text(signalSocket))
      object.add("ptrace_socket", text(ptraceSocket))
    }
    object.add("token", .string(token.hexadecimal))
    object.add("filter", .string(Base64.encode(filter)))
    object.add("environment", .object(environment.object))
    object.add("floor", .object(floor.object))
    object.add("warnings", .array(warnings.map { .string($0) }))
    object.add("record", text(record))
    object.add("handshake_ms", handshakeMilliseconds.map { .integer(Int64($0)) })
    return object
  }
}
