/// An error that the server answers on the control socket: those of org.agentsh.Control, each with a reason for people, and
/// those that every Varlink service has.
public enum ControlError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The caller may not do this.
  case notPermitted(reason: String)
  /// A limit on sessions is reached.
  case limitReached(reason: String)
  /// There is no such session, or none that the caller may see.
  case unknownSession(reason: String)
  /// A parameter is missing, of the wrong type, or out of range.
  case invalidParameter(reason: String)
  /// The host lacks something that the policy's enforcement needs; or, with `ofServer`, the server lacks something or fails at something, about which
  /// nobody but its administrator can do anything.
  case hostCannotEnforce(reason: String, ofServer: Bool = false)
  /// org.varlink.service: no such interface.
  case interfaceNotFound(interface: String)
  /// org.varlink.service: the interface has no such method.
  case methodNotFound(method: String)
  /// org.varlink.service: the method exists and is not offered (here: protocol upgrades, streams without `more`).
  case methodNotImplemented(method: String)
  /// org.varlink.service: a parameter of a method of that interface is wrong.
  case serviceInvalidParameter(parameter: String)
  /// An error that this build does not know, from a newer server.
  case other(name: String, reason: String)

  /// The full Varlink name.
  public var name: String {
    switch self {
    case .notPermitted: "\(ControlInterface.name).NotPermitted"
    case .limitReached: "\(ControlInterface.name).LimitReached"
    case .unknownSession: "\(ControlInterface.name).UnknownSession"
    case .invalidParameter: "\(ControlInterface.name).InvalidParameter"
    case .hostCannotEnforce: "\(ControlInterface.name).HostCannotEnforce"
    case .interfaceNotFound: "\(VarlinkServiceInterface.name).InterfaceNotFound"
    case .methodNotFound: "\(VarlinkServiceInterface.name).MethodNotFound"
    case .methodNotImplemented: "\(VarlinkServiceInterface.name).MethodNotImplemented"
    case .serviceInvalidParameter: "\(VarlinkServiceInterface.name).InvalidParameter"
    case .other(let name, _): name
    }
  }

  /// One sentence for a person.
  public var reason: String {
    switch self {
    case .notPermitted(let reason), .limitReached(let reason), .unknownSession(let reason), .invalidParameter(let reason),
      .hostCannotEnforce(let reason, _), .other(_, let reason):
      reason
    case .interfaceNotFound(let interface): "there is no interface \(displayEscaped(interface))"
    case .methodNotFound(let method): "there is no method \(displayEscaped(method))"
    case .methodNotImplemented(let method): "\(displayEscaped(method)) can't be called this way"
    case .serviceInvalidParameter(let parameter): "the parameter \(displayEscaped(parameter)) is wrong"
    }
  }

  public var description: String { reason }

  public var parameters: JSONObject {
    switch self {
    case .interfaceNotFound(let interface): ["interface": .string(interface)]
    case .methodNotFound(let method), .methodNotImplemented(let method): ["method": .string(method)]
    case .serviceInvalidParameter(let parameter): ["parameter": .string(parameter)]
    case .hostCannotEnforce(_, true): ["reason": .string(reason), "of_server": .bool(true)]
    default: ["reason": .string(reason)]
    }
  }

  /// The reply that carries this error.
  public var reply: VarlinkReply { VarlinkReply(parameters: parameters, error: name) }

  /// The error that a reply carries; nil where it carries none.
  public init?(_ reply: VarlinkReply) {
    guard let name = reply.error else { return nil }
    func text(_ field: String) -> String {
      if case .string(let text)? = reply.parameters[field] { return text }
      return ""
    }
    switch name {
    case "\(ControlInterface.name).NotPermitted": self = .notPermitted(reason: text("reason"))
    case "\(ControlInterface.name).LimitReached": self = .limitReached(reason: text("reason"))
    case "\(ControlInterface.name).UnknownSession": self = .unknownSession(reason: text("reason"))
    case "\(ControlInterface.name).InvalidParameter": self = .invalidParameter(reason: text("reason"))
    case "\(ControlInterface.name).HostCannotEnforce": self = .hostCannotEnforce(reason: text("reason"), ofServer: reply.parameters["of_server"] == .bool(true))
    case "\(VarlinkServiceInterface.name).InterfaceNotFound": self = .interfaceNotFound(interface: text("interface"))
    case "\(VarlinkServiceInterface.name).MethodNotFound": self = .methodNotFound(method: text("method"))
    case "\(VarlinkServiceInterface.name).MethodNotImplemented": self = .methodNotImplemented(method: text("method"))
    case "\(VarlinkServiceInterface.name).InvalidParameter": self = .serviceInvalidParameter(parameter: text("parameter"))
    default: self = .other(name: name, reason: text("reason"))
    }
  }

  /// What a client is told whose parameters did not decode.
  public init(_ error: ProtocolError) {
    self = .invalidParameter(reason: error.description)
  }
}
