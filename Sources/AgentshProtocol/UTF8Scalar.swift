/// Text that a target chose, one character at a time: what is no UTF-8 is told, never changed.
public enum UTF8Scalar {
  /// The scalar that starts at `index`, and its length; nil where the bytes there are no well-formed UTF-8 (Unicode table 3-7).
  public static func decode(_ bytes: [UInt8], at index: Int) -> (scalar: UInt32, length: Int)? {
    guard bytes.indices.contains(index) else { return nil }
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
