/// The secret that lets a process speak to the sockets of one session: 32 random bytes.
///
/// It is never part of a description or a log line.
public struct SessionToken: Sendable, Equatable, CustomStringConvertible, CustomReflectable {
  public static let byteCount = 32
  public let bytes: [UInt8]

  /// - Parameter bytes: 32 bytes from the kernel's random source; nil for any other number.
  public init?(bytes: [UInt8]) {
    guard bytes.count == Self.byteCount else { return nil }
    self.bytes = bytes
  }

  /// - Parameter hexadecimal: 64 lower-case digits; nil for anything else.
  public init?(hexadecimal: String) {
    guard hexadecimal.utf8.count == Self.byteCount * 2, let bytes = Hexadecimal.decode(hexadecimal) else { return nil }
    self.init(bytes: bytes)
  }

  /// The 64 digits that travel in messages.
  public var hexadecimal: String { Hexadecimal.encode(bytes) }

  public var description: String { "SessionToken(…)" }
  public var customMirror: Mirror { Mirror(self, children: []) }

  /// Compares in a time that does not depend on where two tokens differ.
  public static func == (left: Self, right: Self) -> Bool {
    guard left.bytes.count == right.bytes.count else { return false }
    var difference: UInt8 = 0
    for (one, other) in zip(left.bytes, right.bytes) { difference |= one ^ other }
    return difference == 0
  }
}
