/// Bytes as text that is safe to show: what isn't UTF-8, control characters and what turns the direction of writing
/// become escapes, so that a name can't speak to a terminal.
func printable(_ bytes: some Sequence<UInt8>) -> String {
  let bytes = Array(bytes)
  if bytes.allSatisfy({ $0 >= 0x20 && $0 < 0x7f }) { return String(decoding: bytes, as: UTF8.self) }
  var text = ""
  for scalar in String(decoding: bytes, as: UTF8.self).unicodeScalars {
    switch scalar.value {
    case 0..<0x20, 0x7f:
      // As paths of the record are shown.
      text += "\\x" + (scalar.value < 0x10 ? "0" : "") + String(scalar.value, radix: 16)
    case 0x80..<0xa0, 0x200b...0x200f, 0x2028...0x202e, 0x2060...0x2069, 0xfeff:
      text += "\\u{\(String(scalar.value, radix: 16))}"
    default: text.unicodeScalars.append(scalar)
    }
  }
  return text
}
