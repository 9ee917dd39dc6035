/// Carries arguments through the parser, which wants text, without changing a byte of them.
///
/// A byte that is no part of well-formed UTF-8 becomes one character of the last private-use plane, and so does each byte of a
/// character that already is of that range: decoding gives the very bytes again, for every input.
enum ArgumentText {
  private static let base: UInt32 = 0x10FF00

  static func encode(_ bytes: [UInt8]) -> String {
    if let text = String(validating: bytes, as: UTF8.self), !text.unicodeScalars.contains(where: isCarrier) { return text }
    var result = String.UnicodeScalarView()
    var index = 0
    while index < bytes.count {
      let length = scalarLength(bytes[index])
      let end = min(bytes.count, index + length)
      if let text = String(validating: bytes[index..<end], as: UTF8.self), let scalar = text.unicodeScalars.first, !isCarrier(scalar) {
        result.append(scalar)
        index = end
      } else {
        result.append(carrier(bytes[index]))
        index += 1
      }
    }
    return String(result)
  }

  static func decode(_ text: String) -> [UInt8] {
    var bytes: [UInt8] = []
    for scalar in text.unicodeScalars {
      if isCarrier(scalar) {
        bytes.append(UInt8(truncatingIfNeeded: scalar.value - base))
      } else {
        bytes.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
      }
    }
    return bytes
  }

  private static func isCarrier(_ scalar: Unicode.Scalar) -> Bool { scalar.value >= base && scalar.value <= base + 0xFF }

  private static func carrier(_ byte: UInt8) -> Unicode.Scalar { Unicode.Scalar(base + UInt32(byte)) ?? "\u{FFFD}" }

  private static func scalarLength(_ first: UInt8) -> Int {
    switch first {
    case 0xC2...0xDF: 2
    case 0xE0...0xEF: 3
    case 0xF0...0xF4: 4
    default: 1
    }
  }
}
