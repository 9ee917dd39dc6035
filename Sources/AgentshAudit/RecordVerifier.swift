/// The first line of a record that is not as it was written.
public struct BrokenRecord: Error, Sendable, Equatable, CustomStringConvertible {
  /// Counted from 1.
  public let line: Int
  public let reason: String

  public var description: String { "line \(line): \(reason)" }
}

/// A record whose lines are all as they were written.
public struct WholeRecord: Sendable, Equatable {
  public enum End: Sendable, Equatable {
    /// A session's record with its last line.
    case closed
    /// A session's record without `session.end`: still running, killed, or cut off at the end of a line.
    case open
    /// The server's log, which has no end.
    case continuous
  }

  public let lines: Int
  public let end: End
}

/// Finds the first line of a record that was changed, removed, moved or made up.
///
/// Feed it the file in chunks of any size, then ask for the result. Each byte is looked at once or twice and memory is bounded
/// by the longest line. The chain is not keyed: it finds what was altered in a file, not a file that was written anew.
public struct RecordVerifier {
  /// Longer lines are not written by agentsh.
  public static let lineLimit = 4 << 20

  private var pending: [UInt8] = []
  private var lines = 0
  private var lastHash: [UInt8] = ChainPosition.start.lastHash
  private var isSession = false
  private var isClosed = false
  private var broken: BrokenRecord?

  public init() {}

  /// Checks the lines that end in this chunk.
  public mutating func append(_ chunk: [UInt8]) throws(BrokenRecord) {
    try append(chunk[...])
  }

  /// Checks the lines that end in this chunk; throws again for every chunk after a broken line.
  public mutating func append(_ chunk: ArraySlice<UInt8>) throws(BrokenRecord) {
    if let broken { throw broken }
    var rest = chunk
    while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
      if pending.isEmpty {
        try check(rest[rest.startIndex..<end])
      } else {
        try hold(rest[rest.startIndex..<end])
        let line = pending
        pending.removeAll(keepingCapacity: true)
        try check(line[...])
      }
      rest = rest[(end + 1)...]
    }
    try hold(rest)
  }

  /// Says what the whole record is; call it after the last chunk.
  public mutating func finish() throws(BrokenRecord) -> WholeRecord {
    if let broken { throw broken }
    guard pending.isEmpty else { throw fail("the line is not complete: the file was cut off here") }
    guard lines > 0 else {
      lines = 0
      throw fail("the record is empty")
    }
    return WholeRecord(lines: lines, end: isSession ? (isClosed ? .closed : .open) : .continuous)
  }

  private mutating func hold(_ part: ArraySlice<UInt8>) throws(BrokenRecord) {
    guard part.count <= Self.lineLimit - pending.count else {
      throw fail("the line is longer than any that agentsh writes")
    }
    pending.append(contentsOf: part)
  }

  private mutating func fail(_ reason: String) -> BrokenRecord {
    let broken = BrokenRecord(line: lines + 1, reason: reason)
    self.broken = broken
    pending = []
    return broken
  }

  private mutating func check(_ bytes: ArraySlice<UInt8>) throws(BrokenRecord) {
    guard let line = RecordLine(bytes) else { throw fail("this is no line of a record") }
    guard !isClosed else { throw fail("a line follows session.end") }
    guard line.isHashRight else { throw fail("the line was changed: its hash is not that of its text") }
    let expected = UInt64(clamping: lines) + 1
    guard line.sequence == expected else {
      throw fail("a line was removed, added or moved: number \(line.sequence) stands where \(expected) belongs")
    }
    guard line.previous.elementsEqual(lastHash) else {
      throw fail("the line does not continue the one before: that one was replaced or removed")
    }
    if lines == 0 { isSession = line.isOperation(.sessionStart) }
    if isSession { isClosed = line.isOperation(.sessionEnd) }
    lastHash.removeAll(keepingCapacity: true)
    lastHash.append(contentsOf: line.hash)
    lines += 1
  }
}
