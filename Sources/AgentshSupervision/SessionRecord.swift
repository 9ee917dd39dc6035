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
  private let unwritten = Mutex(Unwritten())

  /// What could not be written, and so did not happen.
  private struct Unwritten {
    var count = 0
    var isFailing = false
  }

  /// - Parameter descriptor: the record file, open for appending and empty; the record owns it.
  init(descriptor: consuming OwnedDescriptor, session: String, uid: UInt32, recordsAllowedReads: Bool) {
    self.session = session
    self.uid = uid
    self.recordsAllowedReads = recordsAllowedReads
    let file = RecordFile(descriptor)
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
  /// Bytes of whole lines; the writer's lock is held whenever it is used.
  private let size: Mutex<Int64>

  init(_ descriptor: consuming OwnedDescriptor) {
    size = Mutex((try? fileStatus(descriptor).size) ?? 0)
    self.descriptor = descriptor
  }

  func append(_ line: [UInt8]) throws(SyscallError) {
    let result = writeAll(descriptor.rawValue, line)
    if let error = result.error {
      // A full disk may have taken the start of the line: it is taken back, so that the next line starts on its own.
      if result.written > 0 { _ = ftruncate(descriptor.rawValue, off_t(size.withLock { $0 })) }
      throw error
    }
    size.withLock { $0 += Int64(line.count) }
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
