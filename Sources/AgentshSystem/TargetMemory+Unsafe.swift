import CAgentshSystem
import Glibc
import SystemPackage

/// Bounded reads and writes of another process's memory: process_vm_readv(2), by thread id. The caller brackets them by an id check, since the
/// number alone may have become someone else's.
public struct TargetMemory: ReadableMemory, Sendable {
  public let thread: Int32

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

  /// At least one and at most `count` bytes; fewer where the mapping ends.
  public func bytes(at address: UInt64, upTo count: Int) throws(TargetMemoryError) -> [UInt8] {
    if count <= Self.usualLength { return try unsafe briefly(at: address, upTo: count) { unsafe Array($0) } }
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

  /// Bytes up to and without the NUL, at most `limit - 1` of them (PATH_MAX counts the NUL).
  public func string(at address: UInt64, limit: Int = 4096) throws(TargetMemoryError) -> [UInt8] {
    // Up to the page's end: the next page need not be mapped.
    let count = min(Self.usualLength, limit, Int(4096 - address % 4096))
    let text = try unsafe briefly(at: address, upTo: count) { part in unsafe part.firstIndex(of: 0).map { unsafe Array(part[..<$0]) } }
    if let text { return text }
    return try longString(at: address, limit: limit)
  }

  /// Most paths and structures are shorter.
  private static var usualLength: Int { 1024 }

  /// Reads to memory of this function's own, of which `body` takes what it needs.
  private func briefly<Value>(at address: UInt64, upTo count: Int, _ body: (UnsafeBufferPointer<UInt8>) -> Value) throws(TargetMemoryError) -> Value {
    let result = unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: Self.usualLength) { buffer -> Result<Value, TargetMemoryError> in
      // SAFETY: the kernel writes at most `count` bytes, which is no more than the buffer holds; read is what it has written.
      let got = unsafe ash_read_memory(thread, address, buffer.baseAddress, count)
      if got < 0 { return .failure(classify(currentErrno)) }
      if got == 0 && count > 0 { return .failure(.fault) }
      return unsafe .success(body(UnsafeBufferPointer(rebasing: buffer[..<got])))
    }
    return try result.get()
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
