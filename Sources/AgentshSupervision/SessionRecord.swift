import AgentshAudit
import AgentshPolicy
import AgentshSystem
import Glibc
import Synchronization

/// The record of one session: a file that only grows, one line a decision, each chained to the one before.
final class SessionRecord: Sendable {
  /// A decision of a worker, ready to be written.
  struct Entry {
    let process: Int32
    let executable: [UInt8]?
    let operation: AuditOperation
    let call: String
    let subject: DecisionSubject
    let verdict: Verdict
    let errno: CInt?
    let microseconds: UInt64
  }

  let session: String
  let uid: UInt32
  /// Whether the policy wants permitted reads on record too (`audit: {log_allowed: true}`).
  let recordsAllowedReads: Bool
  private let log: AuditLog<SyscallError>
  private let file: RecordFile
  private let unwritten = Mutex(Unwritten())

  /// What could not be written, and so did not happen.
  private struct Unwritten {
    var count = 0
    var isFailing = false
  }

  /// - Parameters:
  ///   - descriptor: the record file, open for appending and empty; the record owns it.
  ///   - most: how many bytes it may have, its last line included; nil: as many as there is room for (`RecordRoom`).
  init(descriptor: consuming OwnedDescriptor, session: String, uid: UInt32, recordsAllowedReads: Bool, most: Int64? = nil) {
    self.session = session
    self.uid = uid
    self.recordsAllowedReads = recordsAllowedReads
    let file = RecordFile(descriptor, most: most)
    self.file = file
    log = AuditLog(clock: { wallClock() }, sink: { line throws(SyscallError) in try file.append(line) })
  }

  /// Writes a decision; false when it isn't on record now, and then it must not take effect.
  func write(_ entry: Entry) -> Bool {
    write(
      AuditRecord(
        operation: entry.operation, session: session, uid: uid, pid: entry.process, exe: entry.executable, syscall: entry.call,
        subject: auditSubject(entry.subject), fields: auditFields(entry.subject), decision: auditDecision(entry.verdict), rule: entry.verdict.rule,
        message: entry.verdict.message, errno: entry.errno, durationMicroseconds: Int(clamping: entry.microseconds)))
  }

  /// Writes an event of the session itself (session.start, session.end).
  func write(_ record: AuditRecord) -> Bool {
    do throws(SyscallError) {
      try log.write(record)
    } catch {
      if !log.isClosed { noteFailure(error) }
      return false
    }
    noteSuccess()
    return true
  }

  /// Writes the last line. Whoever is still about to write one is refused: a record ends there.
  func close(with record: AuditRecord) -> Bool {
    file.makeRoomForTheLast()
    do throws(SyscallError) {
      try log.close(with: record, afterwards: SyscallError("write", .badFileDescriptor, "the record is closed"))
    } catch {
      return false
    }
    return true
  }

  /// How many records could not be written.
  var unwrittenCount: Int { unwritten.withLock { $0.count } }

  /// The administrator is told once, and again when it is over: on stderr, which is the server's log.
  private func noteFailure(_ error: SyscallError) {
    let isFirst = unwritten.withLock { state in
      state.count += 1
      defer { state.isFailing = true }
      return !state.isFailing
    }
    if isFirst { SupervisorMain.complain("session \(session): the record can't be written, so what has to be on record is refused: \(error)") }
  }

  private func noteSuccess() {
    let count: Int? = unwritten.withLock { state in
      guard state.isFailing else { return nil }
      state.isFailing = false
      return state.count
    }
    if let count { SupervisorMain.complain("session \(session): the record can be written again; \(count) entries are missing and what they were about was refused") }
  }

  /// The latest lines about refusals, oldest first.
  var latestRefusals: [[UInt8]] { log.latestRefusals }

  /// How many records there are of each decision.
  var decisionCounts: DecisionCounts { log.counts }

  /// The hash of the last line, which the server keeps too: without it a record could be cut short unseen.
  var lastHash: [UInt8] { log.position.lastHash }
}

/// The file under a record: a line is in it whole or not at all.
private final class RecordFile: Sendable {
  private let descriptor: OwnedDescriptor
  /// The writer's lock is held whenever it is used, but for the last line.
  private let room: Mutex<RecordRoom>

  init(_ descriptor: consuming OwnedDescriptor, most: Int64?) {
    room = Mutex(RecordRoom(size: (try? fileStatus(descriptor).size) ?? 0, most: most))
    self.descriptor = descriptor
  }

  /// The next line is the last, for which room was kept.
  func makeRoomForTheLast() { room.withLock { $0.isLast = true } }

  func append(_ line: [UInt8]) throws(SyscallError) {
    try room.withLock { room throws(SyscallError) in try room.make(for: line.count) { fileSystemSpace(descriptor) } }
    let result = writeAll(descriptor.rawValue, line)
    if let error = result.error {
      // A full disk may have taken the start of the line: it is taken back, so that the next line starts on its own.
      if result.written > 0 { _ = ftruncate(descriptor.rawValue, off_t(room.withLock { $0.size })) }
      throw error
    }
    room.withLock { $0.take(line.count) }
  }
}

/// How far a record may grow: while it is smaller than what is still free on its file system, so that no session takes more than half of what others need to
/// begin, and the server to write its own log; and to the size that the administrator permits. The last line may have what was kept for it.
struct RecordRoom {
  /// Bytes of whole lines.
  private(set) var size: Int64
  private let most: Int64
  var isLast = false
  /// Bytes that may be written before the next look at the file system.
  private var granted: Int64 = 0
  /// The last line that was asked about found no room.
  private var isUsedUp = false

  private static let keptForTheLast: Int64 = 4096
  private static let mostGranted: Int64 = 1 << 20
  /// What has to be free again before lines are taken again: else the administrator would be told of every short line that goes in and every long one that doesn't.
  private static let resumption: Int64 = 64 << 10

  init(size: Int64, most: Int64?) {
    self.size = size
    self.most = (most ?? .max) - Self.keptForTheLast
  }

  /// Throws ENOSPC where a line of that length finds no room.
  /// - Parameter space: of the file system, in bytes; nil where it has no size.
  mutating func make(for length: Int, _ space: () -> (free: Int64, total: Int64)?) throws(SyscallError) {
    let length = Int64(length)
    if isLast || granted >= length { return }
    let (free, total) = space() ?? (.max, .max)
    // A byte more in the record is one that is no longer free.
    let beside = (free - size) / 2
    let left = min(beside, most - size)
    guard left >= max(length, isUsedUp ? min(Self.resumption, total / 16) : 0) else {
      (granted, isUsedUp) = (0, true)
      throw SyscallError(
        "write", .noSpace, beside < most - size ? "record, which leaves no more free than it has" : "record, which has the size that limits.record_size permits")
    }
    isUsedUp = false
    granted = max(length, min(left / 8, Self.mostGranted))
  }

  /// Notes what was written.
  mutating func take(_ length: Int) {
    size += Int64(length)
    granted = max(0, granted - Int64(length))
  }
}

/// The record's word for a verdict. What is refused although its rule would permit it (a rule that this version can't carry out) is a denial.
func auditDecision(_ verdict: Verdict) -> AuditDecision {
  switch verdict.decision {
  case .allow: verdict.isPermitted ? .allow : .deny
  case .audit: verdict.isPermitted ? .audit : .deny
  case .deny: .deny
  case .approve: .approve
  case .redirect: verdict.isPermitted ? .redirect : .deny
  case .softDelete: .softDelete
  case .absorb: .absorb
  }
}

private func auditSubject(_ subject: DecisionSubject) -> AuditSubject {
  switch subject {
  case .nothing: .none
  case .path(let path): .path(path)
  case .paths(let old, let new): .paths(old, new: new)
  case .command(_, let arguments): .command(arguments)
  case .address(let text, _): .address(Array(text.utf8))
  case .unixAddress(let address): .address(Array("unix:".utf8) + address)
  case .signal(let number, let process): .signal(signalName(number), target: process)
  }
}

/// What stands behind the subject: the name that an address was decided by.
private func auditFields(_ subject: DecisionSubject) -> [AuditField] {
  if case .address(_, let host?) = subject { return [AuditField("host", .bytes(host))] }
  return []
}
