/// The parts of a record's line that the chain is made of, found in its bytes.
struct RecordLine {
  private let bytes: ArraySlice<UInt8>
  let sequence: UInt64

  private static let head = Array("{\"seq\":".utf8)
  private static let previousKey = Array(",\"prev\":\"".utf8)
  private static let hashKey = Array("\",\"hash\":\"".utf8)
  private static let tail = Array("\"}".utf8)
  private static let digits = 64
  /// From `,"prev"` to the end of the line.
  private static let chainLength = previousKey.count + digits + hashKey.count + digits + tail.count

  /// - Parameter bytes: one line without its newline; nil where it does not begin and end as a record's line does.
  init?(_ bytes: ArraySlice<UInt8>) {
    guard bytes.count > Self.head.count + Self.chainLength, bytes.starts(with: Self.head) else { return nil }
    var index = bytes.startIndex + Self.head.count
    let numberStart = index
    var sequence: UInt64 = 0
    while index < bytes.endIndex, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[index]) {
      let (product, overflow) = sequence.multipliedReportingOverflow(by: 10)
      let (sum, carry) = product.addingReportingOverflow(UInt64(bytes[index] - UInt8(ascii: "0")))
      guard !overflow, !carry else { return nil }
      sequence = sum
      index += 1
    }
    guard index > numberStart, index < bytes.endIndex, bytes[index] == UInt8(ascii: ",") else { return nil }
    self.bytes = bytes
    self.sequence = sequence
    guard bytes.suffix(Self.tail.count).elementsEqual(Self.tail), bytes[hashKeyStart..<hashStart].elementsEqual(Self.hashKey),
      bytes[chainStart..<previousStart].elementsEqual(Self.previousKey), Self.areDigits(hash), Self.areDigits(previous)
    else { return nil }
  }

  private var chainStart: Int { bytes.endIndex - Self.chainLength }
  private var previousStart: Int { chainStart + Self.previousKey.count }
  private var hashKeyStart: Int { previousStart + Self.digits }
  private var hashStart: Int { hashKeyStart + Self.hashKey.count }

  /// The 64 digits after `prev`.
  var previous: ArraySlice<UInt8> { bytes[previousStart..<hashKeyStart] }

  /// The 64 digits after `hash`.
  var hash: ArraySlice<UInt8> { bytes[hashStart..<(hashStart + Self.digits)] }

  /// Whether `hash` is the hash of the line's text before it.
  var isHashRight: Bool {
    var computed: [UInt8] = []
    computed.reserveCapacity(Self.digits)
    // The hashed part ends with the quote that closes `prev`.
    AuditDigest.append(bytes[..<(hashKeyStart + 1)], to: &computed)
    return computed.elementsEqual(hash)
  }

  private static let operationKey = Array(",\"op\":\"".utf8)

  /// Whether the line is about `operation`; the key can't be imitated by a value, whose quotes are escaped.
  func isOperation(_ operation: AuditOperation) -> Bool {
    var index = bytes.startIndex
    while let comma = bytes[index...].firstIndex(of: UInt8(ascii: ",")) {
      if bytes[comma...].starts(with: Self.operationKey) {
        let value = bytes[(comma + Self.operationKey.count)...]
        let expected = Array(operation.rawValue.utf8)
        return value.starts(with: expected) && value.dropFirst(expected.count).first == UInt8(ascii: "\"")
      }
      index = comma + 1
    }
    return false
  }

  private static func areDigits(_ bytes: ArraySlice<UInt8>) -> Bool {
    bytes.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0) }
  }
}
