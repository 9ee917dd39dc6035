import FoundationEssentials
import Synchronization
import Testing

@testable import AgentshAudit

struct SinkError: Error, Equatable {}

/// Keeps what was written; can be told to refuse.
final class MemorySink: Sendable {
  private struct State {
    var lines: [[UInt8]] = []
    var isFull = false
  }
  private let state = Mutex(State())

  var lines: [[UInt8]] { state.withLock { $0.lines } }
  var file: [UInt8] { Array(lines.joined()) }

  func setFull(_ isFull: Bool) { state.withLock { $0.isFull = isFull } }

  func take(_ line: [UInt8]) throws(SinkError) {
    let isFull = state.withLock { state in
      if !state.isFull { state.lines.append(line) }
      return state.isFull
    }
    if isFull { throw SinkError() }
  }

  func log() -> AuditLog<SinkError> {
    AuditLog(clock: { AuditTime(seconds: 1_700_000_000, nanoseconds: 42) }, sink: { (line) throws(SinkError) in try self.take(line) })
  }
}

extension AuditRecord {
  static let start = AuditRecord(
    operation: .sessionStart, session: "5f0c", uid: 60001, pid: 7, subject: .command([Array("true".utf8)]),
    fields: [AuditField("policy", .text("agent-default")), AuditField("policy_sha256", .text("00"))])
  static let end = AuditRecord(operation: .sessionEnd, session: "5f0c", uid: 60001, fields: [AuditField("status", .integer(0))])

  static func write(_ path: [UInt8]) -> AuditRecord {
    AuditRecord(
      operation: .fileWrite, session: "5f0c", uid: 60001, pid: 8, exe: Array("/bin/sh".utf8), syscall: "openat", subject: .path(path), decision: .deny,
      rule: "system", message: "no", errno: 13, durationMicroseconds: 12)
  }
}

/// A line as a JSON reader of another hand sees it.
func foundationObject(_ line: [UInt8]) throws -> [String: JSONScalar] {
  try JSONDecoder().decode([String: JSONScalar].self, from: Data(line))
}

enum JSONScalar: Decodable, Equatable {
  case text(String)
  case number(Int64)
  case bool(Bool)
  case list([JSONScalar])
  case fields([String: JSONScalar])

  init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if let value = try? container.decode(String.self) {
      self = .text(value)
    } else if let value = try? container.decode(Bool.self) {
      self = .bool(value)
    } else if let value = try? container.decode(Int64.self) {
      self = .number(value)
    } else if let value = try? container.decode([JSONScalar].self) {
      self = .list(value)
    } else {
      self = .fields(try container.decode([String: JSONScalar].self))
    }
  }
}

func verify(_ file: [UInt8], chunk: Int = 1 << 16) -> Result<WholeRecord, BrokenRecord> {
  Result { () throws(BrokenRecord) in
    var verifier = RecordVerifier()
    var start = 0
    while start < file.count {
      let end = min(start + chunk, file.count)
      try verifier.append(file[start..<end])
      start = end
    }
    return try verifier.finish()
  }
}
