/// A method call as Varlink writes it (https://varlink.org/Service).
public struct VarlinkCall: WireMessage, Equatable {
  /// Interface and method, joined by a dot.
  public var method: String
  public var parameters: JSONObject
  /// The client wants no reply.
  public var oneway: Bool
  /// The client takes more than one reply.
  public var more: Bool
  /// The client wants to speak another protocol on this connection afterwards.
  public var upgrade: Bool

  public init(method: String, parameters: JSONObject = [:], oneway: Bool = false, more: Bool = false, upgrade: Bool = false) {
    self.method = method
    self.parameters = parameters
    self.oneway = oneway
    self.more = more
    self.upgrade = upgrade
  }

  public init(object: JSONObject) throws(ProtocolError) {
    let fields = FieldReader(object)
    try fields.expectOnly(["method", "parameters", "oneway", "more", "upgrade"])
    method = try fields.string("method")
    guard method.utf8.count <= 255 else { throw .invalid(field: "method", reason: "is too long") }
    parameters = try fields.optionalObject("parameters") ?? [:]
    oneway = try fields.optionalBool("oneway") ?? false
    more = try fields.optionalBool("more") ?? false
    upgrade = try fields.optionalBool("upgrade") ?? false
  }

  public var object: JSONObject {
    var object: JSONObject = ["method": .string(method), "parameters": .object(parameters)]
    if oneway { object["oneway"] = .bool(true) }
    if more { object["more"] = .bool(true) }
    if upgrade { object["upgrade"] = .bool(true) }
    return object
  }

  /// The part before the last dot; empty where there is none.
  public var interface: String {
    guard let dot = method.utf8.lastIndex(of: UInt8(ascii: ".")) else { return "" }
    return String(method[..<dot])
  }
}

/// A reply as Varlink writes it: parameters, of the method or of the error.
public struct VarlinkReply: WireMessage, Equatable {
  public var parameters: JSONObject
  /// Full name of an error; nil where the call went well.
  public var error: String?
  /// More replies to the same call follow.
  public var continues: Bool

  public init(parameters: JSONObject = [:], error: String? = nil, continues: Bool = false) {
    self.parameters = parameters
    self.error = error
    self.continues = continues
  }

  public init(object: JSONObject) throws(ProtocolError) {
    let fields = FieldReader(object)
    parameters = try fields.optionalObject("parameters") ?? [:]
    error = try fields.optionalString("error")
    continues = try fields.optionalBool("continues") ?? false
  }

  public var object: JSONObject {
    var object: JSONObject = [:]
    if let error { object["error"] = .string(error) }
    object["parameters"] = .object(parameters)
    if continues { object["continues"] = .bool(true) }
    return object
  }
}
