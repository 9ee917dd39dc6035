public import AgentshPolicy

/// A question of a client, as far as it can be answered or passed on at all.
public struct Query: Sendable {
  public let message: Message
  public let question: Question

  public enum Reading: Sendable {
    case query(Query)
    /// It can't be used; this is to be answered.
    case answer([UInt8])
    /// Nothing that could be answered.
    case nothing
  }

  /// Reads what a client sent. What is passed on is one question and at most the one record in which EDNS travels (RFC 6891): nothing else in a query means
  /// anything to a resolver, and it would only carry data out.
  public static func read(_ bytes: [UInt8]) -> Reading {
    guard bytes.count >= 12, bytes[2] & 0x80 == 0 else { return .nothing }
    guard bytes[2] >> 3 & 15 == 0 else { return .answer(header(of: bytes, .notImplemented)) }
    guard let message = try? Message(bytes), message.questions.count == 1, let question = message.questions.first,
      message.records.allSatisfy({ $0.section == .additional && $0.type == .opt && $0.owner == .root }), message.records.count <= 1
    else { return .answer(header(of: bytes, .formatError)) }
    return .query(Query(message: message, question: question))
  }

  /// An answer that repeats nothing of a question that can't be read.
  private static func header(of bytes: [UInt8], _ code: ResponseCode) -> [UInt8] {
    Array(bytes.prefix(2)) + [0x80 | bytes[2] & 0x79, UInt8(code.rawValue)] + [UInt8](repeating: 0, count: 8)
  }

  /// A question of our own, without an id yet.
  public static func bytes(asking name: DomainName, _ type: RecordType) -> [UInt8] {
    // Recursion desired, one question.
    [0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0] + name.wire + word(type.rawValue) + word(1)
  }

  /// Whether it uses EDNS.
  public var extended: ResourceRecord? { message.records.first }

  /// What may be sent back in one datagram.
  public var datagramLimit: Int { max(512, extended.map { Int($0.recordClass) } ?? 512) }

  /// An answer of our own: with these addresses, or with none and a code. `reason` goes along where the client understands it
  /// (RFC 8914: "blocked", or "no reachable authority" where a server failed).
  public func answer(_ code: ResponseCode, addresses: [IPAddress] = [], ttl: UInt32 = 0, names: [DomainName] = [], reason: String? = nil) -> [UInt8] {
    var reply = Array(message.bytes.prefix(2))
    // Response, opcode and "recursion desired" as asked; recursion available; "checking disabled" as asked.
    reply += [0x80 | message.bytes[2] & 0x79, 0x80 | message.bytes[3] & 0x10 | UInt8(code.rawValue)]
    let records = addresses.compactMap { Self.data($0, question.type) } + names.map { (RecordType.ptr, $0.wire) }
    reply += Self.word(1) + Self.word(UInt16(truncatingIfNeeded: records.count)) + Self.word(0) + Self.word(extended == nil ? 0 : 1)
    reply += question.name.wire + Self.word(question.type.rawValue) + Self.word(question.recordClass)
    for (type, data) in records {
      // The owner is the question's name, which begins behind the header.
      reply += [0xc0, 12] + Self.word(type.rawValue) + Self.word(1)
      reply += Self.word(UInt16(truncatingIfNeeded: ttl >> 16)) + Self.word(UInt16(truncatingIfNeeded: ttl)) + Self.word(UInt16(data.count)) + data
    }
    if let extended {
      var options: [UInt8] = []
      if let reason {
        let text = Array(reason.utf8.prefix(200))
        options = Self.word(15) + Self.word(UInt16(text.count + 2)) + Self.word(code == .serverFailure ? 22 : 15) + text
      }
      // The root, a size that passes everywhere, no extended code, "DNSSEC OK" as asked.
      reply += [0] + Self.word(RecordType.opt.rawValue) + Self.word(1232) + [0, 0, UInt8(truncatingIfNeeded: extended.ttl >> 8) & 0x80, 0]
      reply += Self.word(UInt16(options.count)) + options
    }
    return reply
  }

  private static func word(_ value: UInt16) -> [UInt8] { [UInt8(value >> 8), UInt8(truncatingIfNeeded: value)] }

  private static func data(_ address: IPAddress, _ asked: RecordType) -> (RecordType, [UInt8])? {
    switch address {
    case .v4(let value):
      guard asked == .a || asked == .any else { return nil }
      return (.a, (0..<4).map { UInt8(truncatingIfNeeded: value >> UInt32(24 - 8 * $0)) })
    case .v6(let high, let low, _):
      guard asked == .aaaa || asked == .any else { return nil }
      return (.aaaa, (0..<16).map { UInt8(truncatingIfNeeded: ($0 < 8 ? high : low) >> UInt64(56 - 8 * ($0 % 8))) })
    }
  }

  /// Whether a message is an answer to what was sent with `id`: the same question, whole.
  public static func isAnswer(_ message: Message, to question: Question, id: UInt16) -> Bool {
    message.isResponse && message.id == id && message.opcode == 0 && message.questions.count == 1
      && message.questions.first.map { question.isSame(as: $0) } == true
  }
}

extension DomainName {
  /// The address that a name below in-addr.arpa or ip6.arpa stands for (RFC 1035, 3.5; RFC 3596, 2.5); nil for other names.
  public var reversedAddress: IPAddress? {
    let labels = folded.labels.map { Array($0) }
    guard labels.count >= 2, labels[labels.count - 1] == Array("arpa".utf8) else { return nil }
    let parts = labels.dropLast(2).reversed()
    switch labels[labels.count - 2] {
    case Array("in-addr".utf8):
      guard parts.count == 4, parts.allSatisfy({ $0.count <= 3 }) else { return nil }
      return IPAddress(parts.map { String(decoding: $0, as: UTF8.self) }.joined(separator: "."))
    case Array("ip6".utf8):
      let digits = parts.compactMap { $0.count == 1 ? Self.digit($0[0]) : nil }
      guard digits.count == 32, parts.count == 32 else { return nil }
      return IPAddress(bytes: (0..<16).map { digits[2 * $0] << 4 | digits[2 * $0 + 1] })
    default: return nil
    }
  }

  private static func digit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
    default: nil
    }
  }
}
