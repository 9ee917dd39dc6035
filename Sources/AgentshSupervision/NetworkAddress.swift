import AgentshPolicy
import Glibc

/// A socket address as a target gave it, copied once: what is decided is what is used.
struct SocketAddress {
  enum Meaning: Equatable {
    case inet(IPAddress, port: UInt16)
    case unix(UnixName)
    /// AF_UNSPEC; some calls read an IPv4 address behind it.
    case unspecified(IPAddress?, port: UInt16)
    /// Too short for what its family needs.
    case malformed
    case other(family: UInt16)
  }

  enum UnixName: Equatable {
    /// As written, up to its NUL; the kernel resolves it.
    case path([UInt8])
    /// Without the leading NUL.
    case abstract([UInt8])
    case unnamed
  }

  /// What the kernel reads at most: sizeof(struct sockaddr_storage).
  static let longest = 128
  let bytes: [UInt8]
  let meaning: Meaning

  init(_ bytes: [UInt8]) {
    self.bytes = bytes
    meaning = Self.meaning(of: bytes)
  }

  /// Whether it means somebody on one link only, or everybody there, so that which one belongs to the address: broadcast, multicast, link-local of IPv6.
  var isOfLink: Bool {
    switch meaning {
    case .inet(.v4(let value), _): value >> 28 == 0xe || value == .max
    case .inet(.v6(let high, _, _), _): high >> 54 == 0xfe80 >> 6 || high >> 56 == 0xff
    default: false
    }
  }

  private static func meaning(of bytes: [UInt8]) -> Meaning {
    guard bytes.count >= 2 else { return .malformed }
    let family = UInt16(bytes[0]) | UInt16(bytes[1]) << 8  // in the machine's order, which is little-endian wherever this runs
    switch Int32(family) {
    case AF_INET:
      guard bytes.count >= 16, let address = IPAddress(bytes: Array(bytes[4..<8])) else { return .malformed }
      return .inet(address, port: port(bytes))
    case AF_INET6:
      // SIN6_LEN_RFC2133: the scope may be missing.
      guard bytes.count >= 24 else { return .malformed }
      let scope = bytes.count >= 28 ? (0..<4).reduce(0 as UInt32) { $0 | UInt32(bytes[24 + $1]) << UInt32(8 * $1) } : 0
      guard let address = IPAddress(bytes: Array(bytes[8..<24]), scope: scope) else { return .malformed }
      return .inet(address, port: port(bytes))
    case AF_UNIX:
      if bytes.count == 2 { return .unix(.unnamed) }
      guard bytes.count <= 110 else { return .malformed }
      let name = bytes[2...]
      if name.first == 0 { return .unix(.abstract(Array(name.dropFirst()))) }
      return .unix(.path(Array(name.prefix { $0 != 0 })))
    case AF_UNSPEC:
      guard bytes.count >= 16 else { return .unspecified(nil, port: 0) }
      return .unspecified(IPAddress(bytes: Array(bytes[4..<8])), port: port(bytes))
    default:
      return .other(family: family)
    }
  }

  private static func port(_ bytes: [UInt8]) -> UInt16 { UInt16(bytes[2]) << 8 | UInt16(bytes[3]) }

  /// `192.0.2.1:443`, `[2001:db8::1]:443`.
  static func text(_ address: IPAddress, port: UInt16) -> String {
    if case .v4 = address { return "\(address):\(port)" }
    return "[\(address)]:\(port)"
  }

  /// The address that leads to a Unix socket by way of a descriptor that pins it.
  static func ofPinned(_ path: [UInt8]) -> [UInt8] { [UInt8(AF_UNIX), 0] + path + [0] }
}

extension SocketAddress {
  /// The bytes of an internet address with port 0: same place in both families.
  var withoutPort: [UInt8] { bytes.count < 4 ? bytes : Array(bytes.prefix(2)) + [0, 0] + bytes.dropFirst(4) }

  private static let loopback: [UInt8] = [127, 0, 0, 1]
  private static let mapped = [UInt8](repeating: 0, count: 10) + [0xff, 0xff]

  /// An unspecified destination as what it leads to: over IPv4 the address that the socket is bound to, over IPv6 ::1, or ::ffff:127.0.0.1 from an
  /// address of IPv4; 127.0.0.1 from none.
  func replacingUnspecified(boundTo own: IPAddress?) -> SocketAddress {
    var place = bytes
    // As IPAddress has it, an address of IPv4 in the form of IPv6 is one of IPv4.
    var four: [UInt8]?
    if case .v4(let value)? = own { four = (0..<4).map { UInt8(truncatingIfNeeded: value >> UInt32(24 - 8 * $0)) } }
    if bytes.count >= 24, bytes[0] == UInt8(AF_INET6) {
      if bytes[8..<20].elementsEqual(Self.mapped) {
        place.replaceSubrange(20..<24, with: four ?? Self.loopback)
      } else {
        place.replaceSubrange(8..<24, with: four == nil ? [UInt8](repeating: 0, count: 15) + [1] : Self.mapped + Self.loopback)
      }
    } else if bytes.count >= 16 {
      place.replaceSubrange(4..<8, with: four ?? Self.loopback)
    }
    return SocketAddress(place)
  }
}
