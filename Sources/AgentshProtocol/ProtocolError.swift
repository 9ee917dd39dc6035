/// Why a message is refused; every decoder of this module gives one of these and never traps.
public enum ProtocolError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The bytes are not JSON as agentsh takes it.
  case notJSON(JSONError)
  /// The message is JSON, and no object.
  case notAnObject
  /// A field that has to be there is not.
  case missing(field: String)
  /// A field holds something it can't hold; `reason` says what is expected.
  case invalid(field: String, reason: String)
  /// A field that this message does not have.
  case unknownField(String)
  /// An object that is none of the messages expected here.
  case unknownMessage

  public var description: String {
    switch self {
    case .notJSON(let error): "the message is not valid JSON: \(error)"
    case .notAnObject: "the message is not a JSON object"
    case .missing(let field): "\(field) is missing"
    case .invalid(let field, let reason): "\(field) \(reason)"
    case .unknownField(let field): "\(displayEscaped(field)) is not known here"
    case .unknownMessage: "the message is none that is expected here"
    }
  }

  /// The field at fault, where one is.
  public var field: String? {
    switch self {
    case .missing(let field), .invalid(let field, _), .unknownField(let field): field
    case .notJSON, .notAnObject, .unknownMessage: nil
    }
  }
}

extension JSONObject {
  /// Parses one message: a JSON object and nothing else.
  public static func parse(_ bytes: [UInt8]) throws(ProtocolError) -> JSONObject {
    let value: JSONValue
    do throws(JSONError) { value = try JSONValue.parse(bytes) } catch { throw .notJSON(error) }
    guard case .object(let object) = value else { throw .notAnObject }
    return object
  }
}
