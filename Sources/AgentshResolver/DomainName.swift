/// The name of a host or of anything else in the domain name system (RFC 1035): at most 255 bytes on the wire, of any value.
public struct DomainName: Sendable, Hashable {
  /// Labels with their lengths, uncompressed, as written; the last is the root's.
  public let wire: [UInt8]

  /// The root: no label at all.
  public static let root = DomainName(wire: [0])

  init(wire: [UInt8]) { self.wire = wire }

  /// Longest name on the wire.
  static let longest = 255
  static let longestLabel = 63

  /// Labels, as written.
  public var labels: [ArraySlice<UInt8>] {
    var labels: [ArraySlice<UInt8>] = []
    var index = 0
    while index < wire.count, wire[index] > 0 {
      let end = min(wire.count, index + 1 + Int(wire[index]))
      labels.append(wire[(index + 1)..<end])
      index = end
    }
    return labels
  }

  /// The same name with ASCII letters in lower case: what names are compared by (RFC 4343).
  public var folded: DomainName { DomainName(wire: wire.map(lowerCase)) }

  /// As policies and records write it: lower case, no dot at the end, what isn't printable and what would mean something else as `\DDD`. Two names have the
  /// same text only if they are the same name.
  public var text: [UInt8] {
    var text: [UInt8] = []
    for label in labels {
      if !text.isEmpty { text.append(UInt8(ascii: ".")) }
      for byte in label {
        switch byte {
        case UInt8(ascii: "."), UInt8(ascii: "\\"), 0...0x20, 0x7f...:
          text.append(UInt8(ascii: "\\"))
          text += [byte / 100, byte / 10 % 10, byte % 10].map { UInt8(ascii: "0") + $0 }
        default:
          text.append(lowerCase(byte))
        }
      }
    }
    return text
  }

  /// From text as people and files write it, with or without a dot at the end; `\DDD` and `\X` as in master files. Nil for what is no name.
  public init?(text: some Collection<UInt8>) {
    var wire: [UInt8] = []
    var label: [UInt8] = []
    var bytes = text[...]
    if bytes.elementsEqual([UInt8(ascii: ".")]) {
      self = .root
      return
    }
    func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
    while let byte = bytes.popFirst() {
      switch byte {
      case UInt8(ascii: "."):
        guard !label.isEmpty else { return nil }
        wire += [UInt8(label.count)] + label
        label = []
      case UInt8(ascii: "\\"):
        guard let next = bytes.first else { return nil }
        if isDigit(next) {
          let digits = bytes.prefix(3)
          guard digits.count == 3, digits.allSatisfy(isDigit) else { return nil }
          guard let value = UInt8(exactly: digits.reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) }) else { return nil }
          label.append(value)
          bytes = bytes.dropFirst(3)
        } else {
          label.append(next)
          bytes = bytes.dropFirst()
        }
      default:
        label.append(byte)
      }
      guard label.count <= Self.longestLabel, wire.count < Self.longest else { return nil }
    }
    if !label.isEmpty { wire += [UInt8(label.count)] + label }
    guard !wire.isEmpty, wire.count < Self.longest else { return nil }
    self.init(wire: wire + [0])
  }

  /// Whether this name is `other` or below it.
  public func isWithin(_ other: DomainName) -> Bool {
    let mine = folded.labels.map { Array($0) }
    let theirs = other.folded.labels.map { Array($0) }
    return mine.count >= theirs.count && mine.suffix(theirs.count).elementsEqual(theirs)
  }
}

/// ASCII only, as the domain name system has it.
func lowerCase(_ byte: UInt8) -> UInt8 { byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte }
