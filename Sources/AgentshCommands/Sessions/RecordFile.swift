internal import AgentshProtocol
internal import AgentshSystem
import Glibc
import SystemPackage

/// Reading a record line by line.
enum RecordFile {
  /// Longer lines are not written by agentsh.
  private static let lineLimit = 4 << 20

  static func forEachLine(_ path: [UInt8], _ body: ([UInt8]) throws(CommandFailure) -> Void) throws(CommandFailure) {
    var pending: [UInt8] = []
    try forEachChunk(path) { chunk throws(CommandFailure) in
      var rest = chunk[...]
      while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
        try body(pending + rest[..<end])
        pending = []
        rest = rest[(end + 1)...]
      }
      pending += rest
      guard pending.count <= lineLimit else { throw CommandFailure(.no, "\(displayEscaped(path)): a line has no end: this is no record") }
    }
    if !pending.isEmpty { try body(pending) }
  }

  /// The file's bytes, some at a time.
  static func forEachChunk(_ path: [UInt8], _ body: ([UInt8]) throws(CommandFailure) -> Void) throws(CommandFailure) {
    let file: OwnedDescriptor
    do throws(SyscallError) { file = try openAt(AT_FDCWD, path, flags: O_RDONLY | O_NOCTTY) } catch {
      throw CommandFailure(.no, "\(displayEscaped(path)): \(error.errno)")
    }
    while true {
      let chunk: [UInt8]
      do throws(SyscallError) { chunk = try readAll(file, limit: 256 << 10) } catch {
        throw CommandFailure(.no, "\(displayEscaped(path)): \(error.errno)")
      }
      if chunk.isEmpty { return }
      try body(chunk)
    }
  }
}
