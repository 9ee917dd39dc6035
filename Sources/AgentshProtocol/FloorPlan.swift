/// What Landlock is to hold under a session's processes, from the supervisor, which knows the caller's policy with its variables, to the launcher.
public struct FloorPlan: WireMessage, Equatable {
  public struct Grant: Sendable, Hashable {
    /// Absolute, without NUL.
    public var path: [UInt8]
    /// LANDLOCK_ACCESS_FS_* of landlock(7).
    public var rights: UInt64

    public init(path: [UInt8], rights: UInt64) {
      self.path = path
      self.rights = rights
    }
  }

  /// Rights on places of the file system; what is granted nowhere is refused.
  public var grants: [Grant]
  /// TCP ports; nil: any.
  public var connectPorts: [UInt16]?
  public var bindPorts: [UInt16]?
  public var scopesSignals: Bool
  public var scopesAbstractSockets: Bool
  /// Whether the processes are to be in a domain of their own even where nothing else is held.
  public var separates: Bool
  /// Whether the command must not be started where the kernel has no Landlock.
  public var isRequired: Bool

  /// Every right that there is.
  private static let allRights: UInt64 = (1 << 16) - 1
  /// A packet has to take it, with room for the rest.
  public static let mostBytes = 48 << 10

  /// A floor that holds nothing.
  public init() { self.init(grants: [Grant(path: [UInt8(ascii: "/")], rights: Self.allRights)]) }

  public init(
    grants: [Grant], connectPorts: [UInt16]? = nil, bindPorts: [UInt16]? = nil, scopesSignals: Bool = false, scopesAbstractSockets: Bool = false,
    separates: Bool = false, isRequired: Bool = false
  ) {
    self.grants = grants
    self.connectPorts = connectPorts
    self.bindPorts = bindPorts
    self.scopesSignals = scopesSignals
    self.scopesAbstractSockets = scopesAbstractSockets
    self.separates = separates
    self.isRequired = isRequired
  }

  public init(object: JSONObject) throws(ProtocolError) {
    let fields = FieldReader(object, prefix: "floor.")
    try fields.expectOnly(["grants", "connect_ports", "bind_ports", "scope_signals", "scope_abstract_sockets", "separate", "required"])
    grants = []
    for element in try fields.optionalArray("grants") ?? [] {
      guard case .object(let object) = element else { throw .invalid(field: "floor.grants", reason: "must be a list of objects") }
      let grant = FieldReader(object, prefix: "floor.grants.")
      try grant.expectOnly(["path", "rights"])
      let path = try grant.checkNoNUL(try grant.base64("path"), "path")
      guard path.first == UInt8(ascii: "/") else { throw .invalid(field: "floor.grants.path", reason: "must be an absolute path") }
      grants.append(Grant(path: path, rights: UInt64(try grant.integer("rights", in: 0...Int64(Self.allRights)))))
    }
    connectPorts = try Self.ports(fields, "connect_ports")
    bindPorts = try Self.ports(fields, "bind_ports")
    scopesSignals = try fields.bool("scope_signals")
    scopesAbstractSockets = try fields.bool("scope_abstract_sockets")
    separates = try fields.optionalBool("separate") ?? false
    isRequired = try fields.bool("required")
  }

  private static func ports(_ fields: FieldReader, _ name: String) throws(ProtocolError) -> [UInt16]? {
    guard let elements = try fields.optionalArray(name) else { return nil }
    var ports: [UInt16] = []
    for element in elements {
      guard case .integer(let value) = element, let port = UInt16(exactly: value) else {
        throw .invalid(field: "floor.\(name)", reason: "must be a list of ports")
      }
      ports.append(port)
    }
    return ports
  }

  public var object: JSONObject {
    func list(_ ports: [UInt16]) -> JSONValue { .array(ports.map { .integer(Int64($0)) }) }
    var object: JSONObject = [
      "grants": .array(
        grants.map { .object(["path": .string(Base64.encode($0.path)), "rights": .integer(Int64(clamping: $0.rights))]) })
    ]
    object.add("connect_ports", connectPorts.map(list))
    object.add("bind_ports", bindPorts.map(list))
    object.add("scope_signals", .bool(scopesSignals))
    object.add("scope_abstract_sockets", .bool(scopesAbstractSockets))
    if separates { object.add("separate", .bool(true)) }
    object.add("required", .bool(isRequired))
    return object
  }
}
