/// Why memory of a target could not be had.
public enum TargetMemoryError: Error, Sendable {
  /// The address isn't mapped or not readable: the target's EFAULT.
  case fault
  /// No end within the allowed length: the target's ENAMETOOLONG or E2BIG.
  case tooLong
  /// The target is gone.
  case gone
  /// No right to look (not dumpable, and no CAP_SYS_PTRACE in effect).
  case notPermitted
}

/// Memory that is read in pieces: a target's, or bytes that stand for it where what is made of them is tested.
public protocol ReadableMemory {
  /// At least one and at most `count` bytes; fewer where the mapping ends.
  func bytes(at address: UInt64, upTo count: Int) throws(TargetMemoryError) -> [UInt8]
}

extension ReadableMemory {
  /// Bytes up to and without the NUL, at most `limit - 1` of them (PATH_MAX counts the NUL).
  @inlinable
  public func string(at address: UInt64, limit: Int = 4096) throws(TargetMemoryError) -> [UInt8] {
    try longString(at: address, limit: limit)
  }

  /// `string`, a page at a time.
  @inlinable
  func longString(at address: UInt64, limit: Int) throws(TargetMemoryError) -> [UInt8] {
    var text: [UInt8] = []
    var position = address
    while text.count < limit {
      // Up to the page's end first: the next page need not be mapped.
      let page = Int(4096 - position % 4096)
      let part = try bytes(at: position, upTo: min(page, limit - text.count, text.isEmpty ? 1024 : 4096))
      if let end = part.firstIndex(of: 0) {
        if text.isEmpty { return Array(part[..<end]) }
        text += part[..<end]
        return text
      }
      text += part
      let (next, overflow) = position.addingReportingOverflow(UInt64(part.count))
      if overflow { throw text.count < limit ? .fault : .tooLong }
      position = next
    }
    throw .tooLong
  }

  /// Exactly `count` bytes, or a fault.
  @inlinable
  public func bytes(at address: UInt64, count: Int) throws(TargetMemoryError) -> [UInt8] {
    guard count > 0 else { return [] }
    var content = try bytes(at: address, upTo: count)
    while content.count < count {
      let (next, overflow) = address.addingReportingOverflow(UInt64(content.count))
      if overflow { throw .fault }
      content += try bytes(at: next, upTo: count - content.count)
    }
    return content
  }
}
