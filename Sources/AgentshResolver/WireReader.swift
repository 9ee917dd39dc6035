/// Why bytes are no message of the domain name system.
public enum MessageError: Error, Sendable, Equatable {
  /// It ends in the middle of something.
  case truncated
  /// A name with a label of an unknown kind, a pointer that doesn't lead backwards, or more than 255 bytes.
  case badName
  /// More of something than there may be.
  case malformed
}

/// Reads a message from its start to its end; every length is looked at first.
struct WireReader {
  let bytes: [UInt8]
  private(set) var index: Int

  init(_ bytes: [UInt8], at index: Int = 0) {
    self.bytes = bytes
    self.index = index
  }

  var isAtEnd: Bool { index >= bytes.count }

  mutating func byte() throws(MessageError) -> UInt8 {
    guard index >= 0, index < bytes.count else { throw .truncated }
    defer { index += 1 }
    return bytes[index]
  }

  mutating func word() throws(MessageError) -> UInt16 {
    let high = try byte()
    return UInt16(high) << 8 | UInt16(try byte())
  }

  mutating func long() throws(MessageError) -> UInt32 {
    let high = try word()
    return UInt32(high) << 16 | UInt32(try word())
  }

  mutating func skip(_ count: Int) throws(MessageError) -> Range<Int> {
    guard count >= 0, index >= 0, count <= bytes.count - index else { throw .truncated }
    defer { index += count }
    return index..<(index + count)
  }

  /// A name, which may be compressed (RFC 1035, 4.1.4). A pointer must lead to before the place where the part that it stands in began: each step then goes
  /// further back, and none can be taken twice.
  mutating func name() throws(MessageError) -> DomainName {
    var wire: [UInt8] = []
    var place = index
    var start = index
    var isCompressed = false
    while true {
      guard place >= 0, place < bytes.count else { throw .truncated }
      let length = bytes[place]
      switch length & 0xc0 {
      case 0:
        let end = place + 1 + Int(length)
        guard end <= bytes.count else { throw .truncated }
        guard wire.count + 1 + Int(length) <= DomainName.longest else { throw .badName }
        wire += bytes[place..<end]
        place = end
        if length == 0 {
          if !isCompressed { index = place }
          return DomainName(wire: wire)
        }
      case 0xc0:
        guard place + 1 < bytes.count else { throw .truncated }
        let target = Int(length & 0x3f) << 8 | Int(bytes[place + 1])
        guard target < start else { throw .badName }
        if !isCompressed { index = place + 2 }
        isCompressed = true
        place = target
        start = target
      default:
        throw .badName
      }
    }
  }
}
