/// All that a supervisor is told about its session, in a sealed file that it inherits.
///
/// The file is written by agentshd (or by the launcher in embedded mode) and never by anything that a target can reach.
/// Byte strings travel as base 64: paths and arguments are bytes, not text.
public struct SessionPlan: WireMessage, Equatable {
  /// Values for a policy's variables, taken literally.
  public struct Variables: Sendable, Equatable {
    public var projectRoot: [UInt8]
    public var gitRoot: [UInt8]?
    public var home: [UInt8]
    public var user: [UInt8]

    public init(projectRoot: [UInt8], gitRoot: [UInt8]? = nil, home: [UInt8], user: [UInt8]) {
      self.projectRoot = projectRoot
      self.gitRoot = gitRoot
      self.home = home
      self.user = user
    }
  }

  /// Where a session's resolver has its two sockets.
  public struct Resolver: Sendable, Equatable {
    /// An address in 127.0.0.0/8, as a number.
    public var bits: UInt32
    public var port: UInt16

    public init(bits: UInt32, port: UInt16) {
      self.bits = bits
      self.port = port
    }
  }

  /// Random UUID, as text.
  public var sessionID: String
  public var token: SessionToken
  public var callerUID: UInt32
  public var callerGID: UInt32
  /// Supplementary groups.
  public var groups: [UInt32]
  /// The launcher.
  public var callerPID: Int32
  public var command: [[UInt8]]
  /// What `command` lacks, by the caller's word.
  public var omission: CommandOmission?
  public var cwd: [UInt8]
  public var policyName: String
  /// The policy's YAML, as it was read.
  public var policySource: [UInt8]
  /// The file it came from, for messages.
  public var policyFile: String
  /// Lower-case hexadecimal SHA-256 of `policySource`.
  public var policySHA256: String
  public var variables: Variables
  /// Lower-case hexadecimal SHA-256 of the compiled filter.
  public var filterSHA256: String
  /// Rights of landlock(7) that the filter leaves to the floor alone (LANDLOCK_ACCESS_FS_*): the floor has to say exactly what the policy says of them.
  public var exactRights: UInt64 = 0
  /// The filter that the supervisor puts on itself; empty: it makes its own.
  public var supervisorFilter: [UInt8] = []
  /// How far the session is to reach at most, beside what the policy says (`WrapRequest.network`).
  public var network: String?
  /// The session's resolver, whose sockets are descriptors 11 and 12; nil where the policy goes by no name.
  public var resolver: Resolver?
  /// What the root target's first trapped call must carry.
  public var nonce: UInt64
  public var handshakeTimeoutMilliseconds: Int
  /// When the session is to be ended; nil: never.
  public var timeoutMilliseconds: Int?
  public var name: String?
  /// The session that this one lies inside of.
  public var parent: String?
  /// When the server opened the session, as it tells it; nil in embedded mode.
  public var opened: String?
  /// What SUDO_UID said: a claim for the record.
  public var sudoUID: UInt32?
  /// Host features in use, for `session.start`.
  public var features: [String]
  /// What of the policy is not enforced, for `session.start`.
  public var notEnforced: [String]
  /// The launcher is the server.
  public var isEmbedded: Bool
  /// The server reads the installed filter back and compares it; without that right, nonce and listener alone tie it.
  public var serverChecksFilter: Bool
  /// Descriptor 10 is a cgroup's kill file.
  public var canKillCgroup: Bool
  /// Directory of the three sockets.
  public var sessionDirectory: [UInt8]
  /// Path of the record, for messages.
  public var recordPath: [UInt8]
  /// How many bytes the record may have; nil: as many as there is room for.
  public var recordSize: Int64?

  public init(
    sessionID: String, token: SessionToken, callerUID: UInt32, callerGID: UInt32, groups: [UInt32], callerPID: Int32, command: [[UInt8]],
    cwd: [UInt8], policyName: String, policySource: [UInt8], policyFile: String, policySHA256: String, variables: Variables,
    filterSHA256: String, nonce: UInt64, handshakeTimeoutMilliseconds: Int, timeoutMilliseconds: Int? = nil, name: String? = nil,
    sudoUID: UInt32? = nil, features: [String] = [], notEnforced: [String] = [], isEmbedded: Bool, serverChecksFilter: Bool,
    canKillCgroup: Bool, sessionDirectory: [UInt8], recordPath: [UInt8]
  ) {
    self.sessionID = sessionID
    self.token = token
    self.callerUID = callerUID
    self.callerGID = callerGID
    self.groups = groups
    self.callerPID = callerPID
    self.command = command
    self.cwd = cwd
    self.policyName = policyName
    self.policySource = policySource
    self.policyFile = policyFile
    self.policySHA256 = policySHA256
    self.variables = variables
    self.filterSHA256 = filterSHA256
    self.nonce = nonce
    self.handshakeTimeoutMilliseconds = handshakeTimeoutMilliseconds
    self.timeoutMilliseconds = timeoutMilliseconds
    self.name = name
    self.sudoUID = sudoUID
    self.features = features
    self.notEnforced = notEnforced
    self.isEmbedded = isEmbedded
    self.serverChecksFilter = serverChecksFilter
    self.canKillCgroup = canKillCgroup
    self.sessionDirectory = sessionDirectory
    self.recordPath = recordPath
  }

  public init(object: JSONObject) throws(ProtocolError) {
    let fields = FieldReader(object, prefix: "plan.")
    try fields.expectOnly([
      "session", "token", "caller_uid", "caller_gid", "groups", "caller_pid", "command", "command_omitted", "command_omitted_bytes", "command_sha256", "cwd", "policy", "policy_source", "policy_file",
      "policy_sha256", "project_root", "git_root", "home", "user", "filter_sha256", "nonce", "handshake_timeout_ms", "timeout_ms", "name",
      "parent", "opened", "sudo_uid", "exact_rights", "supervisor_filter", "network", "resolver", "resolver_port", "features", "not_enforced", "embedded", "server_checks_filter",
      "cgroup_kill", "directory", "record", "record_size",
    ])
    sessionID = try fields.string("session")
    token = try fields.token("token")
    callerUID = try fields.userID("caller_uid")
    callerGID = try fields.userID("caller_gid")
    groups = []
    for element in try fields.optionalArray("groups") ?? [] {
      guard case .integer(let value) = element, let gid = UInt32(exactly: value), gid <= UserID.highest else {
        throw .invalid(field: "plan.groups", reason: "must be a list of group ids")
      }
      groups.append(gid)
    }
    callerPID = try fields.processID("caller_pid")
    command = try fields.base64List("command")
    guard !command.isEmpty else { throw .invalid(field: "plan.command", reason: "must name a program") }
    for argument in command { _ = try fields.checkNoNUL(argument, "command") }
    omission = try CommandOmission(fields, of: command)
    cwd = try fields.checkNoNUL(try fields.base64("cwd"), "cwd")
    policyName = try fields.string("policy")
    policySource = try fields.base64("policy_source")
    policyFile = try fields.string("policy_file")
    policySHA256 = try fields.string("policy_sha256")
    let gitRoot = try fields.optionalBase64("git_root")
    variables = Variables(
      projectRoot: try fields.checkNoNUL(try fields.base64("project_root"), "project_root"),
      gitRoot: gitRoot == nil ? nil : try fields.checkNoNUL(gitRoot ?? [], "git_root"),
      home: try fields.checkNoNUL(try fields.base64("home"), "home"), user: try fields.checkNoNUL(try fields.base64("user"), "user"))
    filterSHA256 = try fields.string("filter_sha256")
    exactRights = UInt64(clamping: try fields.optionalInteger("exact_rights", in: 0...0xffff) ?? 0)
    supervisorFilter = try fields.optionalBase64("supervisor_filter") ?? []
    network = try WrapRequest.networkMode(fields)
    if let bits = try fields.optionalInteger("resolver", in: 0x7f00_0000...0x7fff_ffff) {
      resolver = Resolver(
        bits: UInt32(truncatingIfNeeded: bits), port: UInt16(truncatingIfNeeded: try fields.integer("resolver_port", in: 1...65_535)))
    }
    nonce = try fields.nonce("nonce")
    handshakeTimeoutMilliseconds = Int(
      truncatingIfNeeded: try fields.integer("handshake_timeout_ms", in: 1...WrapRequest.longestTimeout))
    timeoutMilliseconds = try fields.optionalInteger("timeout_ms", in: 1...WrapRequest.longestTimeout).map { Int(truncatingIfNeeded: $0) }
    name = try fields.optionalString("name")
    parent = try fields.optionalString("parent")
    opened = try fields.optionalString("opened")
    sudoUID = try fields.optionalUserID("sudo_uid")
    features = try fields.strings("features")
    notEnforced = try fields.strings("not_enforced")
    isEmbedded = try fields.bool("embedded")
    serverChecksFilter = try fields.bool("server_checks_filter")
    canKillCgroup = try fields.bool("cgroup_kill")
    sessionDirectory = try fields.checkNoNUL(try fields.base64("directory"), "directory")
    recordPath = try fields.checkNoNUL(try fields.base64("record"), "record")
    recordSize = try fields.optionalInteger("record_size", in: 1...Int64.max)
  }

  public var object: JSONObject {
    func data(_ bytes: [UInt8]) -> JSONValue { .string(Base64.encode(bytes)) }
    func texts(_ list: [String]) -> JSONValue { .array(list.map { .string($0) }) }
    func number(_ value: some BinaryInteger) -> JSONValue { .integer(Int64(clamping: value)) }
    var object: JSONObject = [:]
    object.add("session", .string(sessionID))
    object.add("token", .string(token.hexadecimal))
    object.add("caller_uid", number(callerUID))
    object.add("caller_gid", number(callerGID))
    object.add("groups", .array(groups.map { number($0) }))
    object.add("caller_pid", number(callerPID))
    object.add("command", .array(command.map(data)))
    omission?.add(to: &object)
    object.add("cwd", data(cwd))
    object.add("policy", .string(policyName))
    object.add("policy_source", data(policySource))
    object.add("policy_file", .string(policyFile))
    object.add("policy_sha256", .string(policySHA256))
    object.add("project_root", data(variables.projectRoot))
    object.add("git_root", variables.gitRoot.map(data))
    object.add("home", data(variables.home))
    object.add("user", data(variables.user))
    object.add("filter_sha256", .string(filterSHA256))
    if exactRights != 0 { object.add("exact_rights", number(exactRights)) }
    if !supervisorFilter.isEmpty { object.add("supervisor_filter", data(supervisorFilter)) }
    object.add("network", network.map { .string($0) })
    if let resolver {
      object.add("resolver", number(resolver.bits))
      object.add("resolver_port", number(resolver.port))
    }
    object.add("nonce", .string(nonceText(nonce)))
    object.add("handshake_timeout_ms", number(handshakeTimeoutMilliseconds))
    object.add("timeout_ms", timeoutMilliseconds.map { number($0) })
    object.add("name", name.map { .string($0) })
    object.add("parent", parent.map { .string($0) })
    object.add("opened", opened.map { .string($0) })
    object.add("sudo_uid", sudoUID.map { number($0) })
    object.add("features", texts(features))
    object.add("not_enforced", texts(notEnforced))
    object.add("embedded", .bool(isEmbedded))
    object.add("server_checks_filter", .bool(serverChecksFilter))
    object.add("cgroup_kill", .bool(canKillCgroup))
    object.add("directory", data(sessionDirectory))
    object.add("record", data(recordPath))
    object.add("record_size", recordSize.map { number($0) })
    return object
  }
}
