/// Text for a person's terminal from bytes that a target chose.
///
/// Control characters, escape sequences, bytes that are no UTF-8, line separators, and the characters that reorder or
/// hide text (bidirectional controls, zero-width and tag characters) become `\xNN` or `\u{...}`; a backslash is doubled,
/// so that no name can look like an escape that it is not. The result is always one line.
public func displayEscaped(_ bytes: [UInt8]) -> String {
  var output: [UInt8] = []
  output.reserveCapacity(bytes.count)
  var index = 0
  while index < bytes.count {
    let byte = bytes[index]
    if byte < 0x80 {
      index += 1
      switch byte {
      case UInt8(ascii: "\\"): output.append(contentsOf: [byte, byte])
      case 0x20..<0x7F: output.append(byte)
      default: appendByteEscape(byte, to: &output)
      }
      continue
    }
    guard let (scalar, length) = UTF8Scalar.decode(bytes, at: index) else {
      appendByteEscape(byte, to: &output)
      index += 1
      continue
    }
    if isSafeToShow(scalar) {
      output.append(contentsOf: bytes[index..<(index + length)])
    } else {
      output.append(contentsOf: "\\u{\(String(scalar, radix: 16))}".utf8)
    }
    index += length
  }
  return String(decoding: output, as: UTF8.self)
}

/// Text for a person's terminal from text that a target or a peer chose.
public func displayEscaped(_ text: String) -> String {
  displayEscaped(Array(text.utf8))
}

/// A command line as a person may read it: each argument escaped, and quoted where it has spaces or is empty.
public func displayEscaped(command arguments: [[UInt8]]) -> String {
  arguments.map { argument in
    let text = displayEscaped(argument)
    let isPlain = !text.isEmpty && text.utf8.allSatisfy { $0 > 0x20 && $0 != UInt8(ascii: "'") && $0 != UInt8(ascii: "\"") }
    return isPlain ? text : "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "\\'") + "'"
  }.joined(separator: " ")
}

private func appendByteEscape(_ byte: UInt8, to output: inout [UInt8]) {
  output.append(contentsOf: [UInt8(ascii: "\\"), UInt8(ascii: "x"), hexDigit(byte >> 4), hexDigit(byte)])
}

/// Whether a scalar above ASCII shows as itself: not a control, separator, format or unassigned-for-text character.
private func isSafeToShow(_ value: UInt32) -> Bool {
  guard let scalar = Unicode.Scalar(value) else { return false }
  switch scalar.properties.generalCategory {
  case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned: return false
  case .spaceSeparator: return false  // a no-break or em space passes for the end of a name
  default: break
  }
  // Invisible though not of category Cf: variation selectors, fillers, the combining grapheme joiner.
  return !scalar.properties.isDefaultIgnorableCodePoint
}
