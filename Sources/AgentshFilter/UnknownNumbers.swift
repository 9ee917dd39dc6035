/// The first instructions of a filter: calls by another convention of the processor, and numbers that no known call has, go to the supervisor, which
/// answers that there is no such call and records each of them once. Calls newer than the table can't widen a session, and numbers of x32
/// (0x40000000 and up) lie above all of them.
enum UnknownNumbers {
  /// - Parameter architecture: AUDIT_ARCH_* of the calls that the rest of the filter is about.
  static func gate(known numbers: [UInt32], architecture: UInt32, answering action: FilterAction) -> [UInt8] {
    var bytes = instruction(0x20, 0, 0, 4)  // ld [offsetof(struct seccomp_data, arch)]
    bytes += instruction(0x15, 1, 0, architecture)  // jeq: go on, else
    bytes += instruction(0x06, 0, 0, action.rawValue)  // ret
    bytes += instruction(0x20, 0, 0, 0)  // ld [offsetof(struct seccomp_data, nr)]
    for gap in gaps(in: numbers) {
      if let last = gap.last {
        bytes += instruction(0x35, 0, 2, gap.first)  // jge first: go on, else past the answer
        bytes += instruction(0x25, 1, 0, last)  // jgt last: past the answer
      } else {
        bytes += instruction(0x35, 0, 1, gap.first)
      }
      bytes += instruction(0x06, 0, 0, action.rawValue)  // ret
    }
    return bytes
  }

  /// Ranges of numbers that are not among `numbers`; the last one has no end.
  static func gaps(in numbers: [UInt32]) -> [(first: UInt32, last: UInt32?)] {
    var gaps: [(first: UInt32, last: UInt32?)] = []
    var next: UInt32 = 0
    for number in Set(numbers).sorted() {
      if number > next { gaps.append((next, number - 1)) }
      next = number + 1
    }
    gaps.append((next, nil))
    return gaps
  }

  /// struct sock_filter, little endian as both architectures are.
  private static func instruction(_ code: UInt16, _ ifTrue: UInt8, _ ifFalse: UInt8, _ operand: UInt32) -> [UInt8] {
    var bytes = [UInt8(truncatingIfNeeded: code), UInt8(truncatingIfNeeded: code >> 8), ifTrue, ifFalse]
    for shift in [UInt32(0), 8, 16, 24] { bytes.append(UInt8(truncatingIfNeeded: operand >> shift)) }
    return bytes
  }
}
