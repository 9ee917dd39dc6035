import CAgentshSystem
import Glibc
import SystemPackage

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

/// Bounded reads and writes of another process's memory: process_vm_readv(2), by thread id. The caller brackets them by an id check, since the
/// number alone may have become someone else's.
public struct TargetMemory: Sendable {
  public let thread: Int32
  private static let pageSize: UInt64 = 4096

  public init(thread: Int32) {
    self.thread = thread
  }

  private func classify(_ failure: Errno) -> TargetMemoryError {
    switch failure {
    case .badAddress: .fault
    case .notPermitted: .notPermitted
    case .noSuchProcess: .gone
    default: .fault
    }
  }

  /// Bytes up to and without the NUL, at most `limit - 1` of them (PATH_MAX counts the NUL).
  public func string(at address: UInt64, limit: Int = 4096) throws(TargetMemoryError) -> [UInt8] {
    var text: [UInt8] = []
    var position = address
    while text.count < limit {
      // Up to the page's end first: the next page need not be mapped.
      let page = Int(Self.pageSize - position % Self.pageSize)
      let part = try bytes(at: position, upTo: min(page, limit - text.count, text.isEmpty ? 1024 : 4096))
      if let end = part.firstIndex(of: 0) {
        if text.isEmpty { return Array(part[..<end]) }
        text += part[..<end]
        return text
      }
      text += part
      let (next, overflow) = position.addingReportingOverflow(UInt64(part.count))
      if overflow { throw .fault }
      position = next
    }
    throw .tooLong
  }

  /// At least one and at most `count` bytes; fewer where the mapping ends.
  public func bytes(at address: UInt64, upTo count: Int) throws(TargetMemoryError) -> [UInt8] {
    var failure: TargetMemoryError?
    let content = unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, length in
      // SAFETY: the kernel writes at most `count` bytes, the buffer's capacity.
      let got = unsafe ash_read_memory(thread, address, buffer.baseAddress, count)
      length = max(0, got)
      if got < 0 { failure = classify(currentErrno) } else if got == 0 && count > 0 { failure = .fault }
    }
    if let failure { throw failure }
    return content
  }

  /// Exactly `count` bytes, or a fault.
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

  /// A value of a plain C type.
  public func value<Value: BitwiseCopyable>(at address: UInt64, as type: Value.Type) throws(TargetMemoryError) -> Value {
    let content = try bytes(at: address, count: MemoryLayout<Value>.size)
    // SAFETY: exactly as many bytes as the type has, of a type that any bit pattern is valid for.
    return unsafe content.withUnsafeBytes { unsafe $0.loadUnaligned(as: Value.self) }
  }

  /// Writes all of `content`, or throws; a fault may leave the start written, as the kernel's own copy_to_user would.
  public func write(_ content: [UInt8], at address: UInt64) throws(TargetMemoryError) {
    guard !content.isEmpty else { return }
    // SAFETY: reads the array's storage, which outlives the call.
    let got = unsafe content.withUnsafeBytes { unsafe ash_write_memory(thread, address, $0.baseAddress, $0.count) }
    if got < 0 { throw classify(currentErrno) }
    if got != content.count { throw .fault }
  }
}
