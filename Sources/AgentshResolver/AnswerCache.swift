public import AgentshPolicy

/// Answers that may be given again, to the very same query.
///
/// The key is all of a query but its id, so that whatever a client says of EDNS, DNSSEC or the case of letters is answered as it was asked.
public struct AnswerCache: Sendable {
  private struct Entry: Sendable {
    let answer: Message
    /// What it says of its own question.
    let addresses: [(address: IPAddress, ttl: UInt32)]
    let since: UInt64
    let expiry: UInt64
  }

  private var entries: [[UInt8]: Entry] = [:]
  private var bytes = 0
  private let most: Int
  private let mostBytes: Int
  private static let second: UInt64 = 1_000_000_000
  /// However long an answer says that it holds: a change should be seen soon.
  private static let longest: UInt64 = 300
  private static let largest = 4096

  public init(most: Int = 1024, mostBytes: Int = 1 << 20) {
    self.most = max(1, most)
    self.mostBytes = mostBytes
  }

  public var count: Int { entries.count }

  private static func key(_ query: [UInt8]) -> [UInt8] { Array(query.dropFirst(2)) }

  /// Keeps an answer, if it is one to be kept. Moments as in `NameMemory`.
  public mutating func keep(_ answer: Message, to query: [UInt8], now: UInt64) {
    guard answer.bytes.count <= Self.largest, let seconds = answer.lifetime else { return }
    let key = Self.key(query)
    if let old = entries.removeValue(forKey: key) { bytes -= old.answer.bytes.count }
    if entries.count >= most || bytes + answer.bytes.count > mostBytes { shrink(now) }
    let addresses = answer.questions.first.map { answer.addresses(of: $0.name) } ?? []
    entries[key] = Entry(answer: answer, addresses: addresses, since: now, expiry: now &+ min(UInt64(seconds), Self.longest) * Self.second)
    bytes += answer.bytes.count
  }

  /// The answer to this query, with what is left of its TTLs and with the query's id, and the addresses that it gives, in seconds as it came; nil where
  /// there is none.
  public func answer(to query: [UInt8], now: UInt64) -> (bytes: [UInt8], addresses: [(address: IPAddress, ttl: UInt32)])? {
    guard query.count >= 12, let entry = entries[Self.key(query)], entry.expiry > now, now >= entry.since else { return nil }
    let aged = entry.answer.aged(by: UInt32(clamping: (now - entry.since) / Self.second))
    return (Message.bytes(aged, withID: UInt16(query[0]) << 8 | UInt16(query[1])), entry.addresses)
  }

  private mutating func shrink(_ now: UInt64) {
    entries = entries.filter { $0.value.expiry > now }
    if entries.count > most * 3 / 4 || entries.values.reduce(0, { $0 + $1.answer.bytes.count }) > mostBytes * 3 / 4 { entries = [:] }
    bytes = entries.values.reduce(0) { $0 + $1.answer.bytes.count }
  }
}
