/// A moment of the wall clock, as clock_gettime(2) gives it for CLOCK_REALTIME.
public struct AuditTime: Sendable, Equatable {
  /// Seconds since 1970-01-01T00:00:00Z.
  public let seconds: Int64
  /// 0 to 999,999,999.
  public let nanoseconds: UInt32

  /// Values out of range are brought into it: a clock that is wrong must not stop the record.
  public init(seconds: Int64, nanoseconds: Int64) {
    self.seconds = min(max(seconds, 0), Self.lastSecond)
    self.nanoseconds = UInt32(clamping: min(max(nanoseconds, 0), 999_999_999))
  }

  /// 9999-12-31T23:59:59Z: RFC 3339 has years of four digits.
  static let lastSecond: Int64 = 253_402_300_799

  /// RFC 3339 in UTC with nanoseconds: `2026-01-02T03:04:05.000000006Z`.
  public var text: String {
    var stamp = TimeStamp()
    var bytes: [UInt8] = []
    stamp.append(self, to: &bytes)
    return String(decoding: bytes, as: UTF8.self)
  }
}

/// Writes times; remembers the last second's text, since records come many a second.
struct TimeStamp {
  private var second: Int64 = -1
  private var prefix: [UInt8] = []

  mutating func append(_ time: AuditTime, to bytes: inout [UInt8]) {
    if time.seconds != second {
      prefix = Self.text(of: time.seconds)
      second = time.seconds
    }
    bytes.append(contentsOf: prefix)
    bytes.append(UInt8(ascii: "."))
    appendDigits(UInt64(time.nanoseconds), count: 9, to: &bytes)
    bytes.append(UInt8(ascii: "Z"))
  }

  private static func text(of seconds: Int64) -> [UInt8] {
    let day = seconds / 86_400
    let rest = seconds % 86_400
    // Days to a date of the proleptic Gregorian calendar, in eras of 400 years that begin on 1 March: leap days come last.
    let shifted = day + 719_468
    let era = shifted / 146_097
    let dayOfEra = shifted % 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let marchMonth = (5 * dayOfYear + 2) / 153
    let dayOfMonth = dayOfYear - (153 * marchMonth + 2) / 5 + 1
    let month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
    let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(19)
    for (value, count, separator) in [
      (year, 4, "-"), (month, 2, "-"), (dayOfMonth, 2, "T"), (rest / 3_600, 2, ":"), (rest / 60 % 60, 2, ":"), (rest % 60, 2, ""),
    ] as [(Int64, Int, String)] {
      appendDigits(UInt64(clamping: value), count: count, to: &bytes)
      bytes.append(contentsOf: separator.utf8)
    }
    return bytes
  }
}

/// Writes the lowest `count` decimal digits of a number, with leading zeros.
func appendDigits(_ value: UInt64, count: Int, to bytes: inout [UInt8]) {
  let start = bytes.count
  bytes.append(contentsOf: repeatElement(UInt8(ascii: "0"), count: count))
  var rest = value
  var index = start + count
  while index > start, rest != 0 {
    index -= 1
    bytes[index] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
    rest /= 10
  }
}

/// Writes a number in decimal, without building a String.
func appendNumber(_ value: some FixedWidthInteger, to bytes: inout [UInt8]) {
  if value < 0 { bytes.append(UInt8(ascii: "-")) }
  let magnitude = UInt64(clamping: value.magnitude)
  var count = 1
  var rest = magnitude / 10
  while rest != 0 {
    count += 1
    rest /= 10
  }
  appendDigits(magnitude, count: count, to: &bytes)
}
