public import AgentshPolicy

/// Types of records that mean something here; all others are passed on as they are.
public struct RecordType: Sendable, Hashable, RawRepresentable, CustomStringConvertible {
  public let rawValue: UInt16
  public init(rawValue: UInt16) { self.rawValue = rawValue }

  public static let a = RecordType(rawValue: 1)
  public static let cname = RecordType(rawValue: 5)
  public static let soa = RecordType(rawValue: 6)
  public static let ptr = RecordType(rawValue: 12)
  public static let aaaa = RecordType(rawValue: 28)
  public static let dname = RecordType(rawValue: 39)
  public static let opt = RecordType(rawValue: 41)
  public static let svcb = RecordType(rawValue: 64)
  public static let https = RecordType(rawValue: 65)
  public static let ixfr = RecordType(rawValue: 251)
  public static let axfr = RecordType(rawValue: 252)
  public static let any = RecordType(rawValue: 255)

  private static let names: [UInt16: String] = [
    1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 12: "PTR", 15: "MX", 16: "TXT", 28: "AAAA", 33: "SRV", 35: "NAPTR", 39: "DNAME", 43: "DS", 44: "SSHFP", 46: "RRSIG",
    47: "NSEC", 48: "DNSKEY", 52: "TLSA", 64: "SVCB", 65: "HTTPS", 99: "SPF", 251: "IXFR", 252: "AXFR", 255: "ANY", 257: "CAA",
  ]

  /// `AAAA`, `TYPE65280` (RFC 3597).
  public var description: String { Self.names[rawValue] ?? "TYPE\(rawValue)" }
}

/// What an answer says about its question: RCODE of RFC 1035.
public enum ResponseCode: UInt16, Sendable {
  case noError = 0
  case formatError = 1
  case serverFailure = 2
  case nameError = 3
  case notImplemented = 4
  case refused = 5
}

/// What a message asks about.
public struct Question: Sendable, Hashable {
  public let name: DomainName
  public let type: RecordType
  /// 1 is the internet.
  public let recordClass: UInt16

  public init(name: DomainName, type: RecordType, recordClass: UInt16 = 1) {
    self.name = name
    self.type = type
    self.recordClass = recordClass
  }

  /// Whether an answer to `other` answers this: letters may come back in either case.
  public func isSame(as other: Question) -> Bool { type == other.type && recordClass == other.recordClass && name.folded == other.name.folded }
}

/// A record of a message, where it lies.
public struct ResourceRecord: Sendable {
  public enum Section: Sendable { case answer, authority, additional }

  public let section: Section
  public let owner: DomainName
  public let type: RecordType
  public let recordClass: UInt16
  public let ttl: UInt32
  /// Where the four bytes of the TTL begin.
  let ttlPlace: Int
  /// Where its data lies.
  public let data: Range<Int>
}

/// A message of the domain name system, read as far as it has to be understood; its bytes are passed on untouched.
public struct Message: Sendable {
  /// Longest message: what TCP can carry.
  public static let longest = 65_535

  public let bytes: [UInt8]
  public let questions: [Question]
  public let records: [ResourceRecord]

  private static let headerSize = 12

  /// Reads a message to its end. Throws when it isn't one, and when anything lies behind it.
  public init(_ bytes: [UInt8]) throws(MessageError) {
    guard bytes.count <= Self.longest else { throw .malformed }
    var reader = WireReader(bytes)
    _ = try reader.skip(4)
    let counts = [try reader.word(), try reader.word(), try reader.word(), try reader.word()]
    var questions: [Question] = []
    for _ in 0..<counts[0] {
      let name = try reader.name()
      let type = RecordType(rawValue: try reader.word())
      questions.append(Question(name: name, type: type, recordClass: try reader.word()))
    }
    var records: [ResourceRecord] = []
    for (section, count) in zip([ResourceRecord.Section.answer, .authority, .additional], counts[1...]) {
      for _ in 0..<count {
        let owner = try reader.name()
        let type = RecordType(rawValue: try reader.word())
        let recordClass = try reader.word()
        let place = reader.index
        let ttl = try reader.long()
        let length = Int(try reader.word())
        records.append(
          ResourceRecord(
            section: section, owner: owner, type: type, recordClass: recordClass, ttl: ttl, ttlPlace: place, data: try reader.skip(length)))
      }
    }
    guard reader.isAtEnd else { throw .malformed }
    self.bytes = bytes
    self.questions = questions
    self.records = records
  }

  public var id: UInt16 { UInt16(bytes[0]) << 8 | UInt16(bytes[1]) }
  public var isResponse: Bool { bytes[2] & 0x80 != 0 }
  public var opcode: UInt8 { bytes[2] >> 3 & 15 }
  public var isTruncated: Bool { bytes[2] & 2 != 0 }
  /// RCODE without what EDNS adds to it.
  public var code: UInt16 { UInt16(bytes[3] & 15) }

  /// The bytes with another id, which is all that is changed of a message on its way.
  public static func bytes(_ bytes: [UInt8], withID id: UInt16) -> [UInt8] {
    guard bytes.count >= 2 else { return bytes }
    var changed = bytes
    changed[0] = UInt8(id >> 8)
    changed[1] = UInt8(truncatingIfNeeded: id)
    return changed
  }

  // MARK: What an answer says

  /// The addresses that this answer gives for `name`: of the name itself and of what it is an alias for (CNAME, DNAME's made CNAMEs), and the hints of service
  /// bindings (RFC 9460). With how long each holds, in seconds: the shortest on the way to it.
  public func addresses(of name: DomainName) -> [(address: IPAddress, ttl: UInt32)] {
    // Names that stand for the one asked for. Each round follows all aliases that are known so far; a chain has no more links than there are records.
    var aliases: [DomainName: UInt32] = [name.folded: .max]
    let links = records.filter { $0.section == .answer && $0.type == .cname && $0.recordClass == 1 }
    for _ in 0..<min(links.count, 32) {
      var hasGrown = false
      for link in links {
        guard let ttl = aliases[link.owner.folded] else { continue }
        var reader = WireReader(bytes, at: link.data.lowerBound)
        guard let target = try? reader.name().folded, reader.index == link.data.upperBound, aliases[target] == nil else { continue }
        aliases[target] = min(ttl, Self.bounded(link.ttl))
        hasGrown = true
      }
      if !hasGrown { break }
    }
    var found: [(IPAddress, UInt32)] = []
    for record in records where record.recordClass == 1 && record.section != .authority {
      guard let ttl = aliases[record.owner.folded] else { continue }
      // Of the additional section only what explains an answer about services (RFC 9460, 4.1).
      let life = min(ttl, Self.bounded(record.ttl))
      switch record.type {
      case .a where record.data.count == 4, .aaaa where record.data.count == 16:
        if let address = IPAddress(bytes: Array(bytes[record.data])) { found.append((address, life)) }
      case .svcb where record.section == .answer, .https where record.section == .answer:
        found += hints(record).map { ($0, life) }
      default: break
      }
    }
    return found
  }

  /// ipv4hint and ipv6hint of a service binding.
  private func hints(_ record: ResourceRecord) -> [IPAddress] {
    var reader = WireReader(bytes, at: record.data.lowerBound)
    guard (try? reader.word()) != nil, (try? reader.name()) != nil else { return [] }
    var found: [IPAddress] = []
    while reader.index < record.data.upperBound {
      guard let key = try? reader.word(), let length = try? reader.word(), let value = try? reader.skip(Int(length)),
        value.upperBound <= record.data.upperBound
      else { break }
      let size = key == 4 ? 4 : key == 6 ? 16 : 0
      guard size > 0 else { continue }
      for place in stride(from: value.lowerBound, to: value.upperBound - size + 1, by: size) {
        if let address = IPAddress(bytes: Array(bytes[place..<(place + size)])) { found.append(address) }
      }
    }
    return found
  }

  /// A TTL with its highest bit set counts as none (RFC 2181, 8).
  private static func bounded(_ ttl: UInt32) -> UInt32 { ttl > UInt32(Int32.max) ? 0 : ttl }

  /// How long the whole answer may be given again, in seconds: the shortest TTL in it, and for one that says that there is nothing what its SOA says
  /// (RFC 2308). Nil for an answer that isn't to be kept.
  public var lifetime: UInt32? {
    guard isResponse, !isTruncated, code == 0 || code == 3, questions.count == 1 else { return nil }
    var shortest: UInt32 = .max
    var isPositive = false
    var hasAuthority = false
    for record in records where record.type != .opt {
      // Extended codes of EDNS are for the one who asked.
      shortest = min(shortest, Self.bounded(record.ttl))
      if record.section == .answer { isPositive = true }
      if record.section == .authority, record.type == .soa, record.data.count >= 22 {
        hasAuthority = true
        var reader = WireReader(bytes, at: record.data.upperBound - 4)
        if let minimum = try? reader.long() { shortest = min(shortest, minimum) }
      }
    }
    guard isPositive && code == 0 || hasAuthority, shortest > 0 else { return nil }
    return shortest
  }

  /// The bytes after `seconds` have gone by: TTLs that much smaller, but never below 0.
  public func aged(by seconds: UInt32) -> [UInt8] {
    guard seconds > 0 else { return bytes }
    var changed = bytes
    for record in records where record.type != .opt {
      let left = record.ttl > seconds ? record.ttl - seconds : 0
      for offset in 0..<4 { changed[record.ttlPlace + offset] = UInt8(truncatingIfNeeded: left >> UInt32(24 - 8 * offset)) }
    }
    return changed
  }
}
