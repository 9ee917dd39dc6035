/// Reads the fields of one object with their types, and knows the name to complain about.
///
/// A field that is `null` counts as absent, as Varlink has it.
struct FieldReader {
  private let object: JSONObject
  private let prefix: String

  init(_ object: JSONObject, prefix: String = "") {
    self.object = object
    self.prefix = prefix
  }

  private func named(_ name: String) -> String { prefix + name }

  private func present(_ name: String) -> JSONValue? {
    guard let value = object[name], value != .null else { return nil }
    return value
  }

  private func required<T>(_ name: String, _ value: T?) throws(ProtocolError) -> T {
    guard let value else { throw .missing(field: named(name)) }
    return value
  }

  /// Refuses fields that are not among `names`.
  func expectOnly(_ names: [String]) throws(ProtocolError) {
    for member in object.members where !names.contains(where: { sameBytes($0, member.name) }) {
      throw .unknownField(named(member.name))
    }
  }

  func optionalString(_ name: String) throws(ProtocolError) -> String? {
    switch present(name) {
    case nil: return nil
    case .string(let text): return text
    case .some(let other): throw .invalid(field: named(name), reason: "must be text, not \(other.kind)")
    }
  }

  func string(_ name: String) throws(ProtocolError) -> String {
    try required(name, try optionalString(name))
  }

  func optionalBool(_ name: String) throws(ProtocolError) -> Bool? {
    switch present(name) {
    case nil: return nil
    case .bool(let value): return value
    case .some(let other): throw .invalid(field: named(name), reason: "must be true or false, not \(other.kind)")
    }
  }

  func bool(_ name: String) throws(ProtocolError) -> Bool {
    try required(name, try optionalBool(name))
  }

  func optionalInteger(_ name: String, in range: ClosedRange<Int64> = Int64.min...Int64.max) throws(ProtocolError) -> Int64? {
    switch present(name) {
    case nil: return nil
    case .integer(let value) where range.contains(value): return value
    case .integer(let value):
      throw .invalid(field: named(name), reason: "must be from \(range.lowerBound) to \(range.upperBound), not \(value)")
    case .number(let text): throw .invalid(field: named(name), reason: "must be an integer of at most 64 bits, not \(text)")
    case .some(let other): throw .invalid(field: named(name), reason: "must be an integer, not \(other.kind)")
    }
  }

  func integer(_ name: String, in range: ClosedRange<Int64> = Int64.min...Int64.max) throws(ProtocolError) -> Int64 {
    try required(name, try optionalInteger(name, in: range))
  }

  func optionalUserID(_ name: String) throws(ProtocolError) -> UInt32? {
    switch present(name) {
    case nil: return nil
    case .integer(let value):
      do throws(UserIDError) { return try UserID.checked(value) } catch { throw .invalid(field: named(name), reason: error.reason) }
    case .number(let text): throw .invalid(field: named(name), reason: "must be a whole number from 0 to \(UserID.highest), not \(text)")
    case .some(let other):
      throw .invalid(field: named(name), reason: "must be a number from 0 to \(UserID.highest), not \(other.kind)")
    }
  }

  func userID(_ name: String) throws(ProtocolError) -> UInt32 {
    try required(name, try optionalUserID(name))
  }

  /// A process id: 1 to 2^31-1.
  func processID(_ name: String) throws(ProtocolError) -> Int32 {
    Int32(truncatingIfNeeded: try integer(name, in: 1...Int64(Int32.max)))
  }

  func optionalProcessID(_ name: String) throws(ProtocolError) -> Int32? {
    try optionalInteger(name, in: 1...Int64(Int32.max)).map { Int32(truncatingIfNeeded: $0) }
  }

  func optionalInt32(_ name: String) throws(ProtocolError) -> Int32? {
    try optionalInteger(name, in: Int64(Int32.min)...Int64(Int32.max)).map { Int32(truncatingIfNeeded: $0) }
  }

  /// A count or a time: 0 to 2^63-1.
  func optionalCount(_ name: String) throws(ProtocolError) -> Int? {
    try optionalInteger(name, in: 0...Int64.max).map { Int(truncatingIfNeeded: $0) }
  }

  func count(_ name: String) throws(ProtocolError) -> Int {
    try required(name, try optionalCount(name))
  }

  func optionalObject(_ name: String) throws(ProtocolError) -> JSONObject? {
    switch present(name) {
    case nil: return nil
    case .object(let object): return object
    case .some(let other): throw .invalid(field: named(name), reason: "must be an object, not \(other.kind)")
    }
  }

  func object(_ name: String) throws(ProtocolError) -> JSONObject {
    try required(name, try optionalObject(name))
  }

  func optionalReader(_ name: String) throws(ProtocolError) -> FieldReader? {
    try optionalObject(name).map { FieldReader($0, prefix: named(name) + ".") }
  }

  func reader(_ name: String) throws(ProtocolError) -> FieldReader {
    try required(name, try optionalReader(name))
  }

  func optionalArray(_ name: String) throws(ProtocolError) -> [JSONValue]? {
    switch present(name) {
    case nil: return nil
    case .array(let elements): return elements
    case .some(let other): throw .invalid(field: named(name), reason: "must be a list, not \(other.kind)")
    }
  }

  func optionalStrings(_ name: String) throws(ProtocolError) -> [String]? {
    guard let elements = try optionalArray(name) else { return nil }
    var texts: [String] = []
    texts.reserveCapacity(elements.count)
    for element in elements {
      guard case .string(let text) = element else {
        throw .invalid(field: named(name), reason: "must be a list of texts; one element is \(element.kind)")
      }
      texts.append(text)
    }
    return texts
  }

  func strings(_ name: String) throws(ProtocolError) -> [String] {
    try required(name, try optionalStrings(name))
  }

  /// Bytes that came as base 64.
  func optionalBase64(_ name: String) throws(ProtocolError) -> [UInt8]? {
    guard let text = try optionalString(name) else { return nil }
    guard let bytes = Base64.decode(text) else { throw .invalid(field: named(name), reason: "is not base 64") }
    return bytes
  }

  func base64(_ name: String) throws(ProtocolError) -> [UInt8] {
    try required(name, try optionalBase64(name))
  }

  func optionalBase64List(_ name: String) throws(ProtocolError) -> [[UInt8]]? {
    guard let texts = try optionalStrings(name) else { return nil }
    var list: [[UInt8]] = []
    list.reserveCapacity(texts.count)
    for text in texts {
      guard let bytes = Base64.decode(text) else { throw .invalid(field: named(name), reason: "has an element that is not base 64") }
      list.append(bytes)
    }
    return list
  }

  func base64List(_ name: String) throws(ProtocolError) -> [[UInt8]] {
    try required(name, try optionalBase64List(name))
  }

  /// 64 bits as 16 hexadecimal digits: JSON numbers of other programs are exact to 53 bits only.
  func nonce(_ name: String) throws(ProtocolError) -> UInt64 {
    guard let bytes = Hexadecimal.decode(try string(name)), bytes.count == 8 else {
      throw .invalid(field: named(name), reason: "must be 16 lower-case hexadecimal digits")
    }
    return bytes.reduce(0) { $0 << 8 | UInt64($1) }
  }

  func token(_ name: String) throws(ProtocolError) -> SessionToken {
    guard let token = SessionToken(hexadecimal: try string(name)) else {
      throw .invalid(field: named(name), reason: "must be 64 lower-case hexadecimal digits")
    }
    return token
  }

  /// A path or argument for the kernel: bytes without NUL.
  func checkNoNUL(_ bytes: [UInt8], _ name: String) throws(ProtocolError) -> [UInt8] {
    guard !bytes.contains(0) else { throw .invalid(field: named(name), reason: "must not hold a NUL byte") }
    return bytes
  }
}

/// A nonce as 16 lower-case hexadecimal digits.
func nonceText(_ nonce: UInt64) -> String {
  Hexadecimal.encode((0..<8).map { UInt8(truncatingIfNeeded: nonce >> (56 - 8 * UInt64($0))) })
}
