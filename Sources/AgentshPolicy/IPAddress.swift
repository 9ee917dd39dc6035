/// An internet address, in the form in which policies compare it.
public enum IPAddress: Sendable, Hashable, CustomStringConvertible {
  /// 32 bits, the first byte of the wire in the highest.
  case v4(UInt32)
  /// Two halves of 128 bits; the interface index of a link-local address, 0 without and for any other.
  case v6(high: UInt64, low: UInt64, scope: UInt32)

  /// From the bytes of `in_addr` (4) or `in6_addr` (16), as they stand in memory; nil for any other number of bytes.
  ///
  /// An IPv4 address in IPv6 clothes (`::ffff:a.b.c.d`) becomes the IPv4 address it is.
  public init?(bytes: [UInt8], scope: UInt32 = 0) {
    switch bytes.count {
    case 4: self = .v4(bytes.reduce(0) { $0 << 8 | UInt32($1) })
    case 16:
      let high = bytes.prefix(8).reduce(0 as UInt64) { $0 << 8 | UInt64($1) }
      let low = bytes.suffix(8).reduce(0 as UInt64) { $0 << 8 | UInt64($1) }
      self = IPAddress.normalized(high: high, low: low, scope: scope)
    default: return nil
    }
  }

  static func normalized(high: UInt64, low: UInt64, scope: UInt32) -> IPAddress {
    if high == 0, low >> 32 == 0xffff { return .v4(UInt32(truncatingIfNeeded: low)) }
    // Of any other address the kernel looks at no scope (__ipv6_addr_needs_scope_id of include/net/ipv6.h): one with a scope is the very same address.
    let nearby = high >> 48 & 0xff0f
    return .v6(high: high, low: low, scope: high >> 54 == 0xfe80 >> 6 || nearby == 0xff01 || nearby == 0xff02 ? scope : 0)
  }

  /// The same address without an interface: what names lead to.
  public var withoutScope: IPAddress {
    if case .v6(let high, let low, _) = self { return .v6(high: high, low: low, scope: 0) }
    return self
  }

  /// From its usual text: `192.0.2.1`, `2001:db8::1`, `fe80::1%3`; nil for anything else (no octal, no short forms).
  public init?(_ text: some StringProtocol) { self.init(text: Array(text.utf8)) }

  fileprivate init?(text bytes: [UInt8]) {
    if bytes.contains(UInt8(ascii: ":")) {
      guard let address = Self.parseV6(bytes) else { return nil }
      self = address
    } else {
      guard let value = Self.parseV4(bytes[...]) else { return nil }
      self = .v4(value)
    }
  }

  /// From text that inet_aton(3) and with it most programs take for an IPv4 address, in other forms than the usual one: fewer parts than four, numbers that
  /// begin with `0` or `0x`. Nil for anything else, and for what is an address to everybody.
  public init?(asProgramsRead text: some StringProtocol) {
    let parts = Array(text.utf8).split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    guard IPAddress(text) == nil, (1...4).contains(parts.count) else { return nil }
    var value: UInt64 = 0
    for (index, part) in parts.enumerated() {
      guard part.count <= 16, let first = part.first, (0x30...0x39).contains(first) else { return nil }
      let isHex = part.count > 1 && first == 0x30 && part[part.startIndex + 1] | 0x20 == UInt8(ascii: "x")
      let digits = String(decoding: isHex ? part.dropFirst(2) : part, as: UTF8.self)
      let radix = isHex ? 16 : first == 0x30 && part.count > 1 ? 8 : 10
      guard digits.utf8.allSatisfy(Self.isHexDigit), let number = UInt64(digits, radix: radix) else { return nil }
      // The last part has all the bytes that are left.
      let isLast = index == parts.count - 1
      let bits = isLast ? UInt64(32 - 8 * index) : 8
      guard number < 1 << bits else { return nil }
      value = value << bits | number
    }
    self = .v4(UInt32(truncatingIfNeeded: value))
  }

  private static func parseV4(_ bytes: ArraySlice<UInt8>) -> UInt32? {
    let parts = bytes.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    guard parts.count == 4 else { return nil }
    var value: UInt32 = 0
    for part in parts {
      guard let number = decimal(part), number < 256 else { return nil }
      // A leading zero is octal to some readers: refused rather than guessed.
      if part.count > 1 && part.first == UInt8(ascii: "0") { return nil }
      value = value << 8 | number
    }
    return value
  }

  private static func parseV6(_ bytes: [UInt8]) -> IPAddress? {
    var text = bytes[...]
    var scope: UInt32 = 0
    if let percent = text.firstIndex(of: UInt8(ascii: "%")) {
      guard let number = decimal(text[(percent + 1)...]) else { return nil }
      scope = number
      text = text[..<percent]
    }
    var before: [UInt16] = []
    var after: [UInt16] = []
    var gap = false
    var index = text.startIndex
    if text.starts(with: [UInt8(ascii: ":"), UInt8(ascii: ":")]) {
      gap = true
      index += 2
    }
    while index < text.endIndex {
      let end = text[index...].firstIndex(of: UInt8(ascii: ":")) ?? text.endIndex
      let part = text[index..<end]
      if part.contains(UInt8(ascii: ".")) {
        guard end == text.endIndex, let v4 = parseV4(part) else { return nil }
        let groups = [UInt16(truncatingIfNeeded: v4 >> 16), UInt16(truncatingIfNeeded: v4)]
        if gap { after += groups } else { before += groups }
        index = end
        break
      }
      guard !part.isEmpty, part.count <= 4, part.allSatisfy(isHexDigit) else { return nil }
      let group = part.reduce(0 as UInt16) { $0 << 4 | UInt16($1 < 0x3a ? $1 - 0x30 : ($1 | 0x20) - 0x57) }
      if gap { after.append(group) } else { before.append(group) }
      if end == text.endIndex { index = end; break }
      index = end + 1
      if index < text.endIndex, text[index] == UInt8(ascii: ":") {
        guard !gap else { return nil }
        gap = true
        index += 1
      } else if index == text.endIndex {
        return nil
      }
    }
    let count = before.count + after.count
    guard gap ? count < 8 : count == 8 else { return nil }
    let groups = before + Array(repeating: 0, count: 8 - count) + after
    let high = groups.prefix(4).reduce(0 as UInt64) { $0 << 16 | UInt64($1) }
    let low = groups.suffix(4).reduce(0 as UInt64) { $0 << 16 | UInt64($1) }
    return normalized(high: high, low: low, scope: scope)
  }

  private static func isHexDigit(_ byte: UInt8) -> Bool {
    (0x30...0x39).contains(byte) || (0x41...0x46).contains(byte) || (0x61...0x66).contains(byte)
  }

  fileprivate static func decimal(_ digits: ArraySlice<UInt8>) -> UInt32? {
    guard !digits.isEmpty, digits.count <= 9 else { return nil }
    var value: UInt32 = 0
    for digit in digits {
      guard digit >= 0x30, digit <= 0x39 else { return nil }
      value = value * 10 + UInt32(digit - 0x30)
    }
    return value
  }

  /// 127.0.0.0/8 or ::1.
  public var isLoopback: Bool {
    switch self {
    case .v4(let value): value >> 24 == 127
    case .v6(let high, let low, _): high == 0 && low == 1
    }
  }

  /// 0.0.0.0 or `::`.
  public var isUnspecified: Bool {
    switch self {
    case .v4(let value): value == 0
    case .v6(let high, let low, _): high == 0 && low == 0
    }
  }

  /// Whether it leads to this machine, to networks of its own or to many machines at once, so that nobody who answers for a name may send a
  /// connection there: loopback, private, shared, link-local (where clouds keep their metadata), benchmarking, multicast, reserved and unspecified
  /// addresses, and IPv6 addresses that carry one of these (NAT64, 6to4, Teredo, IPv4-compatible).
  public var isSpecialPurpose: Bool {
    switch self {
    case .v4(let value):
      return Self.specialBlocks.contains { value & ~0 << UInt32(32 - $0.bits) == $0.base }
    case .v6(let high, let low, _):
      // fc00::/7, fe80::/10, fec0::/10, ff00::/8.
      if high >> 57 == 0xfc >> 1 || high >> 54 == 0xfe80 >> 6 || high >> 54 == 0xfec0 >> 6 || high >> 56 == 0xff { return true }
      // ::, ::1 and ::a.b.c.d; ::ffff:0:a.b.c.d (SIIT).
      if high == 0, low >> 32 == 0 || low >> 32 == 0xffff_0000 { return true }
      // NAT64: the network's own prefix (RFC 8215), and the well-known one with an address in it (RFC 6052).
      if high >> 16 == 0x0064_ff9b_0001 { return true }
      if high == 0x0064_ff9b << 32, low >> 32 == 0 { return IPAddress.v4(UInt32(truncatingIfNeeded: low)).isSpecialPurpose }
      // Discarded (100::/64, 100:0:0:1::/64), benchmarks (2001:2::/48), segment routing (5f00::/16).
      if high & ~1 == 0x0100 << 48 || high >> 16 == 0x2001_0002_0000 || high >> 48 == 0x5f00 { return true }
      // Teredo: the server's address, and the client's turned over (RFC 4380).
      if high >> 32 == 0x2001_0000 {
        return IPAddress.v4(UInt32(truncatingIfNeeded: high)).isSpecialPurpose || IPAddress.v4(~UInt32(truncatingIfNeeded: low)).isSpecialPurpose
      }
      // 6to4.
      if high >> 48 == 0x2002 { return IPAddress.v4(UInt32(truncatingIfNeeded: high >> 16)).isSpecialPurpose }
      return false
    }
  }

  /// 0/8, 10/8, 100.64/10, 127/8, 169.254/16, 172.16/12, 192.0.0/24, 192.88.99/24, 192.168/16, 198.18/15, 224/4, 240/4: what IANA's registry of IPv4
  /// special-purpose addresses calls not globally reachable, but for those that documents use and nobody has.
  private static let specialBlocks: [(base: UInt32, bits: Int)] = [
    (0, 8), (0x0a00_0000, 8), (0x6440_0000, 10), (0x7f00_0000, 8), (0xa9fe_0000, 16), (0xac10_0000, 12), (0xc000_0000, 24), (0xc058_6300, 24),
    (0xc0a8_0000, 16), (0xc612_0000, 15), (0xe000_0000, 4), (0xf000_0000, 4),
  ]

  public var description: String {
    switch self {
    case .v4(let value):
      return [24, 16, 8, 0].map { String(value >> UInt32($0) & 255) }.joined(separator: ".")
    case .v6(let high, let low, let scope):
      let groups = [high, low].flatMap { half in [48, 32, 16, 0].map { UInt16(truncatingIfNeeded: half >> UInt64($0)) } }
      // The longest run of at least two zero groups becomes `::` (RFC 5952).
      var best = 0..<0
      var start = 0
      for index in 0...groups.count where index == groups.count || groups[index] != 0 {
        if index - start > max(best.count, 1) { best = start..<index }
        start = index + 1
      }
      func hex(_ slice: ArraySlice<UInt16>) -> String { slice.map { String($0, radix: 16) }.joined(separator: ":") }
      let text = best.isEmpty ? hex(groups[...]) : hex(groups[..<best.lowerBound]) + "::" + hex(groups[best.upperBound...])
      return scope == 0 ? text : "\(text)%\(scope)"
    }
  }
}

/// A block of addresses, such as `10.0.0.0/8`.
struct CIDR: Sendable, Hashable, CustomStringConvertible {
  let base: IPAddress
  let bits: Int

  var description: String { "\(base)/\(bits)" }

  /// Nil when it isn't `address/bits`, or a bare address, which stands for itself alone.
  init?(_ text: String) {
    let parts = Array(text.utf8).split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
    guard parts.count <= 2, let first = parts.first, !first.contains(UInt8(ascii: "%")),
      let address = IPAddress(text: Array(first))
    else { return nil }
    let mapped = first.contains(UInt8(ascii: ":"))
    var length: Int?
    if parts.count == 2 {
      guard let number = IPAddress.decimal(parts[1]) else { return nil }
      length = Int(number)
    }
    switch address {
    case .v4(let value):
      var bits = 32
      if let number = length {
        bits = mapped ? number - 96 : number
        guard bits >= 0, bits <= 32 else { return nil }
      }
      self.bits = bits
      base = .v4(bits == 0 ? 0 : value & ~0 << UInt32(32 - bits))
    case .v6(let high, let low, _):
      var bits = 128
      if let number = length {
        guard number <= 128 else { return nil }
        bits = number
      }
      self.bits = bits
      let highMask: UInt64 = bits == 0 ? 0 : bits >= 64 ? ~0 : ~0 << UInt64(64 - bits)
      let lowMask: UInt64 = bits <= 64 ? 0 : bits == 128 ? ~0 : ~0 << UInt64(128 - bits)
      base = .v6(high: high & highMask, low: low & lowMask, scope: 0)
    }
  }

  func contains(_ address: IPAddress) -> Bool {
    switch (base, address) {
    case (.v4(let mine), .v4(let other)): return bits == 0 || mine == other & ~0 << UInt32(32 - bits)
    case (.v6(let mineHigh, let mineLow, _), .v6(let high, let low, _)):
      let highMask: UInt64 = bits == 0 ? 0 : bits >= 64 ? ~0 : ~0 << UInt64(64 - bits)
      let lowMask: UInt64 = bits <= 64 ? 0 : bits == 128 ? ~0 : ~0 << UInt64(128 - bits)
      return high & highMask == mineHigh && low & lowMask == mineLow
    default: return false
    }
  }
}
