/// JSON text from bytes that a target chose: the result is ASCII where it could do harm, and never more than one line.
enum TextEscaping {
  /// Writes the bytes in quotes.
  ///
  /// Quotes, backslashes, control characters (C0, DEL, C1), line separators and the characters that reorder or hide text
  /// are escaped; each byte that is not part of well-formed UTF-8 becomes `\ufffd`.
  /// - Returns: whether the bytes were all UTF-8, so that the text alone tells them.
  @discardableResult
  static func append(_ bytes: [UInt8], to line: inout [UInt8]) -> Bool {
    var isWhole = true
    line.append(UInt8(ascii: "\""))
    var index = 0
    while index < bytes.count {
      let start = index
      while index < bytes.count, isPlain(bytes[index]) { index += 1 }
      if start < index { line.append(contentsOf: bytes[start..<index]) }
      guard index < bytes.count else { break }
      let byte = bytes[index]
      if byte < 0x80 {
        appendASCII(byte, to: &line)
        index += 1
      } else if let (scalar, length) = decodeScalar(bytes, at: index) {
        if isHarmless(scalar) {
          line.append(contentsOf: bytes[index..<(index + length)])
        } else {
          appendEscape(scalar, to: &line)
        }
        index += length
      } else {
        isWhole = false
        appendEscape(0xFFFD, to: &line)
        index += 1
      }
    }
    line.append(UInt8(ascii: "\""))
    return isWhole
  }

  static func append(_ text: String, to line: inout [UInt8]) {
    // Names, rules and session ids are short and plain: they are copied once, and looked at where they lie then.
    let start = line.count
    line.append(UInt8(ascii: "\""))
    line.append(contentsOf: text.utf8)
    var index = start + 1
    while index < line.count, isPlain(line[index]) { index += 1 }
    if index == line.count {
      line.append(UInt8(ascii: "\""))
    } else {
      let bytes = Array(line[(start + 1)...])
      line.removeSubrange(start...)
      append(bytes, to: &line)
    }
  }

  @inline(__always)
  private static func isPlain(_ byte: UInt8) -> Bool {
    byte >= 0x20 && byte < 0x7F && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\")
  }

  private static func appendASCII(_ byte: UInt8, to line: inout [UInt8]) {
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"): line.append(contentsOf: [UInt8(ascii: "\\"), byte])
    case 0x0A: line.append(contentsOf: [UInt8(ascii: "\\"), UInt8(ascii: "n")])
    case 0x0D: line.append(contentsOf: [UInt8(ascii: "\\"), UInt8(ascii: "r")])
    case 0x09: line.append(contentsOf: [UInt8(ascii: "\\"), UInt8(ascii: "t")])
    default: appendEscape(UInt32(byte), to: &line)
    }
  }

  private static func appendEscape(_ scalar: UInt32, to line: inout [UInt8]) {
    guard scalar < 0x10000 else {
      appendEscape(0xD800 + (scalar - 0x10000) >> 10, to: &line)
      appendEscape(0xDC00 + (scalar - 0x10000) & 0x3FF, to: &line)
      return
    }
    line.append(UInt8(ascii: "\\"))
    line.append(UInt8(ascii: "u"))
    for shift in [12, 8, 4, 0] as [UInt32] { line.append(hexDigit(UInt8(truncatingIfNeeded: scalar >> shift & 0xF))) }
  }

  private static func isHarmless(_ scalar: UInt32) -> Bool {
    switch scalar {
    case 0x80..<0xA0: false  // C1: some terminals take U+009B for an escape sequence
    case 0xAD, 0x061C, 0x180E, 0x200B...0x200F, 0x2028...0x202E, 0x2060...0x206F, 0xFEFF, 0xFFF9...0xFFFB: false
    case 0xE0000...0xE0FFF: false
    default: true
    }
  }

  /// The scalar that starts at `index`, and its length; nil where the bytes there are no well-formed UTF-8 (Unicode table 3-7).
  private static func decodeScalar(_ bytes: [UInt8], at index: Int) -> (scalar: UInt32, length: Int)? {
    let first = bytes[index]
    let length: Int
    var scalar: UInt32
    let lowest: UInt32
    switch first {
    case 0xC2...0xDF: (length, scalar, lowest) = (2, UInt32(first & 0x1F), 0x80)
    case 0xE0...0xEF: (length, scalar, lowest) = (3, UInt32(first & 0x0F), 0x800)
    case 0xF0...0xF4: (length, scalar, lowest) = (4, UInt32(first & 0x07), 0x10000)
    default: return nil
    }
    guard length <= bytes.count - index else { return nil }
    for offset in 1..<length {
      let byte = bytes[index + offset]
      guard byte & 0xC0 == 0x80 else { return nil }
      scalar = scalar << 6 | UInt32(byte & 0x3F)
    }
    guard scalar >= lowest, Unicode.Scalar(scalar) != nil else { return nil }
    return (scalar, length)
  }
}

/// The lower-case hexadecimal digit of a value below 16.
@inline(__always)
func hexDigit(_ value: UInt8) -> UInt8 {
  let nibble = value & 0xF
  return nibble < 10 ? UInt8(ascii: "0") + nibble : UInt8(ascii: "a") + (nibble - 10)
}

/// Writes bytes in quotes as base 64 with padding (RFC 4648 section 4).
func appendBase64(_ bytes: [UInt8], to line: inout [UInt8]) {
  func digit(_ value: UInt8) -> UInt8 {
    switch value & 0x3F {
    case 0..<26: UInt8(ascii: "A") + (value & 0x3F)
    case 26..<52: UInt8(ascii: "a") + ((value & 0x3F) - 26)
    case 52..<62: UInt8(ascii: "0") + ((value & 0x3F) - 52)
    case 62: UInt8(ascii: "+")
    default: UInt8(ascii: "/")
    }
  }
  line.append(UInt8(ascii: "\""))
  var index = 0
  while index < bytes.count {
    let first = bytes[index]
    let second = index + 1 < bytes.count ? bytes[index + 1] : 0
    let third = index + 2 < bytes.count ? bytes[index + 2] : 0
    line.append(digit(first >> 2))
    line.append(digit(first << 4 | second >> 4))
    line.append(index + 1 < bytes.count ? digit(second << 2 | third >> 6) : UInt8(ascii: "="))
    line.append(index + 2 < bytes.count ? digit(third) : UInt8(ascii: "="))
    index += 3
  }
  line.append(UInt8(ascii: "\""))
}
