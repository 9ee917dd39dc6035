/// One JSON value (RFC 8259), kept as small as the messages of agentsh need.
///
/// Foundation's coders would add a megabyte and about one millisecond to every start of the launcher and the supervisor,
/// so the protocol has its own: strict, bounded in depth and size, and total on bytes from outside.
public enum JSONValue: Sendable, Equatable {
  case null
  case bool(Bool)
  /// A number written without fraction and exponent that fits 64 bits.
  case integer(Int64)
  /// Any other valid number, as it was written: agentsh has no use for fractions, but says so in words of its own.
  case number(String)
  case string(String)
  case array([JSONValue])
  case object(JSONObject)

  /// What kind of value this is, for messages to people.
  public var kind: String {
    switch self {
    case .null: "null"
    case .bool: "a boolean"
    case .integer: "an integer"
    case .number: "a number that is no 64-bit integer"
    case .string: "text"
    case .array: "a list"
    case .object: "an object"
    }
  }
}

/// A JSON object whose members keep their order.
///
/// Names are compared byte for byte: `String`'s `==` would take a Kelvin sign for a K.
public struct JSONObject: Sendable, Equatable, ExpressibleByDictionaryLiteral {
  /// One member of an object.
  public struct Member: Sendable, Equatable {
    public let name: String
    public var value: JSONValue

    public init(_ name: String, _ value: JSONValue) {
      self.name = name
      self.value = value
    }
  }

  public private(set) var members: [Member]

  public init(_ members: [Member] = []) {
    self.members = members
  }

  public init(dictionaryLiteral elements: (String, JSONValue)...) {
    members = elements.map { Member($0.0, $0.1) }
  }

  public var isEmpty: Bool { members.isEmpty }

  /// The value of the member called `name`; setting `nil` removes it.
  public subscript(name: String) -> JSONValue? {
    get {
      for member in members where sameBytes(member.name, name) { return member.value }
      return nil
    }
    set {
      guard let index = members.firstIndex(where: { sameBytes($0.name, name) }) else {
        if let newValue { members.append(Member(name, newValue)) }
        return
      }
      if let newValue { members[index].value = newValue } else { members.remove(at: index) }
    }
  }

  /// Adds a member at the end, unless `value` is nil: an absent optional field is left out.
  mutating func add(_ name: String, _ value: JSONValue?) {
    if let value { members.append(Member(name, value)) }
  }
}

/// Equality of text by its bytes, not by Unicode's canonical equivalence.
@inline(__always)
func sameBytes(_ left: String, _ right: String) -> Bool {
  left.utf8.elementsEqual(right.utf8)
}
