/// Why bytes are not the JSON that agentsh takes.
public struct JSONError: Error, Sendable, Equatable, CustomStringConvertible {
  /// Offset in bytes at which the trouble was noticed.
  public let offset: Int
  public let reason: String

  public var description: String { "\(reason) at byte \(offset)" }
}

extension JSONValue {
  /// Parses exactly one value, with white space around it at most.
  ///
  /// Stricter than many parsers on purpose: text must be valid UTF-8, a name may stand once in an object (two readers
  /// could otherwise see two different messages), surrogates come in pairs, and nothing is nested deeper than `depth`.
  /// - Parameters:
  ///   - bytes: the whole text; its length is the caller's to bound.
  ///   - depth: how many arrays and objects may be open at once.
  public static func parse(_ bytes: [UInt8], depth: Int = 32) throws(JSONError) -> JSONValue {
    var parser = JSONParser(bytes: bytes, depthLimit: depth)
    let value = try parser.value()
    parser.skipSpace()
    guard parser.peek() == nil else { throw parser.error("something follows the value") }
    return value
  }
}

struct JSONParser {
  private let bytes: [UInt8]
  private let depthLimit: Int
  private var position = 0
  private var depth = 0

  init(bytes: [UInt8], depthLimit: Int) {
    self.bytes = bytes
    self.depthLimit = depthLimit
  }

  func error(_ reason: String) -> JSONError { JSONError(offset: position, reason: reason) }

  @inline(__always)
  func peek() -> UInt8? { position < bytes.count ? bytes[position] : nil }

  mutating func skipSpace() {
    while let byte = peek(), byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D { position += 1 }
  }

  mutating func value() throws(JSONError) -> JSONValue {
    skipSpace()
    guard let byte = peek() else { throw error("the text ends where a value is expected") }
    switch byte {
    case UInt8(ascii: "{"): return .object(try object())
    case UInt8(ascii: "["): return .array(try array())
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try word("true", .bool(true))
    case UInt8(ascii: "f"): return try word("false", .bool(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number()
    default: throw error("this is no JSON value")
    }
  }

  private mutating func word(_ text: StaticString, _ value: JSONValue) throws(JSONError) -> JSONValue {
    for byte in text.description.utf8 {
      guard peek() == byte else { throw error("this is no JSON value") }
      position += 1
    }
    return value
  }

  private mutating func open() throws(JSONError) {
    guard depth < depthLimit else { throw error("nested deeper than \(depthLimit) levels") }
    depth += 1
    position += 1
    skipSpace()
  }

  private mutating func array() throws(JSONError) -> [JSONValue] {
    try open()
    defer { depth -= 1 }
    var elements: [JSONValue] = []
    if peek() == UInt8(ascii: "]") {
      position += 1
      return elements
    }
    while true {
      elements.append(try value())
      skipSpace()
      switch peek() {
      case UInt8(ascii: ","): position += 1
      case UInt8(ascii: "]"):
        position += 1
        return elements
      default: throw error("a list goes on with , or ends with ]")
      }
    }
  }

  private mutating func object() throws(JSONError) -> JSONObject {
    try open()
    defer { depth -= 1 }
    var members: [JSONObject.Member] = []
    // A few names are compared one by one; many would make that quadratic, which a peer could use.
    var names: Set<[UInt8]> = []
    if peek() == UInt8(ascii: "}") {
      position += 1
      return JSONObject()
    }
    while true {
      skipSpace()
      guard peek() == UInt8(ascii: "\"") else { throw error("an object's member begins with its name in quotes") }
      let name = try string()
      if members.count < 16 {
        guard !members.contains(where: { sameBytes($0.name, name) }) else { throw error("a name stands twice in one object") }
      } else {
        if names.isEmpty { names = Set(members.map { Array($0.name.utf8) }) }
        guard names.insert(Array(name.utf8)).inserted else { throw error("a name stands twice in one object") }
      }
      skipSpace()
      guard peek() == UInt8(ascii: ":") else { throw error("a member's name is followed by :") }
      position += 1
      members.append(JSONObject.Member(name, try value()))
      skipSpace()
      switch peek() {
      case UInt8(ascii: ","): position += 1
      case UInt8(ascii: "}"):
        position += 1
        return JSONObject(members)
      default: throw error("an object goes on with , or ends with }")
      }
    }
  }

  private mutating func digits() -> Int {
    let start = position
    while let byte = peek(), (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { position += 1 }
    return position - start
  }

  private mutating func number() throws(JSONError) -> JSONValue {
    let start = position
    if peek() == UInt8(ascii: "-") { position += 1 }
    let leadingZero = peek() == UInt8(ascii: "0")
    let count = digits()
    guard count > 0, !(leadingZero && count > 1) else { throw error("this is no number as JSON writes it") }
    var isInteger = true
    if peek() == UInt8(ascii: ".") {
      isInteger = false
      position += 1
      guard digits() > 0 else { throw error("a fraction needs digits") }
    }
    if let byte = peek(), byte == UInt8(ascii: "e") || byte == UInt8(ascii: "E") {
      isInteger = false
      position += 1
      if let sign = peek(), sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-") { position += 1 }
      guard digits() > 0 else { throw error("an exponent needs digits") }
    }
    let text = String(decoding: bytes[start..<position], as: UTF8.self)
    if isInteger, let value = Int64(text) { return .integer(value) }
    // Nobody needs a number this long; keeping it would only feed it to a log.
    guard position - start <= 64 else { throw error("the number is too long") }
    return .number(text)
  }

  private mutating func string() throws(JSONError) -> String {
    position += 1
    var start = position
    // The common case: nothing escaped, so the text is one slice of the input.
    while let byte = peek(), byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\"), byte >= 0x20 { position += 1 }
    if peek() == UInt8(ascii: "\"") {
      defer { position += 1 }
      return try text(bytes[start..<position])
    }
    var collected = Array(bytes[start..<position])
    while true {
      guard let byte = peek() else { throw error("the text ends inside a string") }
      switch byte {
      case UInt8(ascii: "\""):
        position += 1
        return try text(collected[...])
      case UInt8(ascii: "\\"):
        position += 1
        try escape(into: &collected)
      case 0..<0x20:
        throw error("a control character stands bare in a string")
      default:
        start = position
        while let byte = peek(), byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\"), byte >= 0x20 { position += 1 }
        collected.append(contentsOf: bytes[start..<position])
      }
    }
  }

  private func text(_ slice: ArraySlice<UInt8>) throws(JSONError) -> String {
    guard let text = String(validating: slice, as: UTF8.self) else { throw error("a string is not UTF-8") }
    return text
  }

  private mutating func escape(into collected: inout [UInt8]) throws(JSONError) {
    guard let byte = peek() else { throw error("the text ends inside a string") }
    position += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): collected.append(byte)
    case UInt8(ascii: "b"): collected.append(0x08)
    case UInt8(ascii: "f"): collected.append(0x0C)
    case UInt8(ascii: "n"): collected.append(0x0A)
    case UInt8(ascii: "r"): collected.append(0x0D)
    case UInt8(ascii: "t"): collected.append(0x09)
    case UInt8(ascii: "u"):
      var scalar = try hexadecimal()
      if (0xD800..<0xDC00).contains(scalar) {
        guard peek() == UInt8(ascii: "\\") else { throw error("half of a surrogate pair") }
        position += 1
        guard peek() == UInt8(ascii: "u") else { throw error("half of a surrogate pair") }
        position += 1
        let low = try hexadecimal()
        guard (0xDC00..<0xE000).contains(low) else { throw error("half of a surrogate pair") }
        scalar = 0x10000 + ((scalar - 0xD800) << 10) + (low - 0xDC00)
      }
      guard let unicode = Unicode.Scalar(scalar) else { throw error("half of a surrogate pair") }
      collected.append(contentsOf: UTF8.encode(unicode) ?? UTF8.encodedReplacementCharacter)
    default: throw error("an escape that JSON does not have")
    }
  }

  private mutating func hexadecimal() throws(JSONError) -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<4 {
      guard let byte = peek(), let digit = hexDigitValue(byte) else { throw error("\\u needs four hexadecimal digits") }
      value = value << 4 | UInt32(digit)
      position += 1
    }
    return value
  }
}
