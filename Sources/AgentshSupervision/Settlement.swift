import AgentshAudit
import AgentshPolicy
import AgentshSystem
import Glibc

/// What a decision was about, for the record.
enum DecisionSubject: Sendable {
  /// The call itself, whatever it was about.
  case nothing
  case path([UInt8])
  /// A call with two names (rename, link): both are shown.
  case paths([UInt8], [UInt8])
  case command(path: [UInt8], arguments: [[UInt8]])
  /// With the name that it was decided by, where one is known.
  case address(String, host: [UInt8]? = nil)
  /// A Unix socket's path, or `@name` of the abstract namespace.
  case unixAddress([UInt8])
  case signal(number: Int32, process: Int32)
}

extension Worker {
  /// Counts and records a verdict, before anything happens, and throws the refusal's errno if it is one.
  ///
  /// Each session that the caller lives in has its own say, counts and record. Where one refuses, those that would permit have no part in it.
  /// Everything but an allowed read is on record before the call is performed or answered; when it can't be written, the call is refused.
  /// - Parameters:
  ///   - operation: the record's `op`, such as `.fileWrite`.
  ///   - refusal: errno that a refused target gets.
  ///   - isAnswered: the call waits no more, and its process is held by other means: an execution that is verified at its stop.
  ///   - isPlainRead: a permitted read, which is recorded only where the policy asks for it.
  func settle(
    _ call: TrappedCall, _ kind: CallKind, _ operation: AuditOperation, _ subject: DecisionSubject, _ judgement: Judgement,
    refusal: CInt = EACCES, isPlainRead: Bool = false, isAnswered: Bool = false
  ) throws(CallFailure) {
    let isPermitted = judgement.isPermitted
    if isPermitted || !judgement.outer.isPermitted {
      try settle(call, kind, operation, subject, judgement.outer, in: supervision.layer, refusal, isPlainRead, isAnswered)
    }
    if let inner, let verdict = judgement.inner, isPermitted || !verdict.isPermitted {
      try settle(call, kind, operation, subject, verdict, in: inner.layer, refusal, isPlainRead, isAnswered)
    }
    if !isPermitted { throw .errno(refusal) }
  }

  /// The same for what holds in every session alike.
  func settle(
    _ call: TrappedCall, _ kind: CallKind, _ operation: AuditOperation, _ subject: DecisionSubject, _ verdict: Verdict, refusal: CInt = EACCES,
    isAnswered: Bool = false
  ) throws(CallFailure) {
    try settle(call, kind, operation, subject, layered { _ in verdict }, refusal: refusal, isAnswered: isAnswered)
  }

  private func settle(
    _ call: TrappedCall, _ kind: CallKind, _ operation: AuditOperation, _ subject: DecisionSubject, _ verdict: Verdict, in layer: SessionLayer,
    _ refusal: CInt, _ isPlainRead: Bool, _ isAnswered: Bool
  ) throws(CallFailure) {
    layer.counters.count(auditDecision(verdict))
    if mustRecord(verdict, in: layer, isPlainRead: isPlainRead) {
      let caller = describe(call)
      // All that was read by the caller's number so far (its memory, its directories, who it is) was the caller's, if the call still waits now.
      // Nothing is recorded or done without this; a permitted read that isn't recorded needs it not: its descriptor goes to that call or to nobody.
      if !isAnswered { try checkStillWaiting(call) }
      let entry = SessionRecord.Entry(
        process: caller.process, executable: caller.executable, operation: operation, call: kind.rawValue, subject: subject, verdict: verdict,
        errno: verdict.isPermitted ? nil : refusal, microseconds: microsecondsSinceReceived())
      // A record that can't be written refuses what it was about: a full disk must not become a way to act unseen.
      guard layer.record.write(entry) else { throw .errno(verdict.isPermitted ? EIO : refusal) }
    }
  }
  func mustRecord(_ verdict: Verdict, in layer: SessionLayer, isPlainRead: Bool) -> Bool {
    verdict.isRecorded || !isPlainRead || layer.record.recordsAllowedReads
  }
}
