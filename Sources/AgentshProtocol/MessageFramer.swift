/// What a stream did that no message does.
public enum FramingError: Error, Sendable, Equatable {
  /// More bytes than the limit came without a NUL.
  case overflow(limit: Int)
}

/// Cuts a byte stream into messages that each end with a NUL, as Varlink frames them.
///
/// It never holds more than `limit` bytes, looks at each byte once, and is dead after an overflow: the connection is to
/// be closed then.
public struct MessageFramer: Sendable {
  /// Largest message on the control socket, in bytes without the NUL.
  public static let controlLimit = 1 << 20
  /// Largest message on the three sockets of a session and on the server's channel, in bytes without the NUL.
  public static let sessionLimit = 64 << 10

  public let limit: Int
  private var pending: [UInt8] = []
  private var isDead = false

  /// - Parameter limit: the most bytes a message may have, its NUL not counted.
  public init(limit: Int) {
    self.limit = limit
  }

  /// How many bytes of an unfinished message are held.
  public var pendingCount: Int { pending.count }

  /// Whether a message has begun and not ended.
  public var isInsideMessage: Bool { !pending.isEmpty }

  /// Takes the next bytes of the stream and gives the messages that are complete now, without their NULs.
  public mutating func append(_ chunk: [UInt8]) throws(FramingError) -> [[UInt8]] {
    try append(chunk[...])
  }

  /// Takes the next bytes of the stream and gives the messages that are complete now, without their NULs.
  public mutating func append(_ chunk: ArraySlice<UInt8>) throws(FramingError) -> [[UInt8]] {
    guard !isDead else { throw .overflow(limit: limit) }
    var messages: [[UInt8]] = []
    var rest = chunk
    while let end = rest.firstIndex(of: 0) {
      let part = rest[rest.startIndex..<end]
      try hold(part)
      messages.append(pending)
      pending.removeAll(keepingCapacity: false)
      rest = rest[(end + 1)...]
    }
    try hold(rest)
    return messages
  }

  private mutating func hold(_ part: ArraySlice<UInt8>) throws(FramingError) {
    guard part.count <= limit - pending.count else {
      isDead = true
      pending = []
      throw .overflow(limit: limit)
    }
    pending.append(contentsOf: part)
  }
}
