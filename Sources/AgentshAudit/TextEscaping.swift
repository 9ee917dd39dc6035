import AgentshProtocol

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
      } else if let (scalar, length) = UTF8Scalar.decode(bytes, at: index) {
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
}

/// Writes bytes in quotes as base 64 with padding (RFC 4648 section 4).
func appendBase64(_ bytes: [UInt8], to line: inout [UInt8]) {
  line.append(UInt8(ascii: "\""))
  line.append(contentsOf: Base64.encode(bytes).utf8)
  line.append(UInt8(ascii: "\""))
}
