import Synchronization

/// How many records a session has, per decision.
public struct DecisionCounts: Sendable, Equatable {
  private var counts: [AuditDecision: Int] = [:]

  public init() {}

  public subscript(decision: AuditDecision) -> Int { counts[decision] ?? 0 }

  /// Counts one more; also for what is decided and, by the policy, not written.
  public mutating func add(_ decision: AuditDecision) {
    counts[decision, default: 0] += 1
  }

  /// Operations that did not happen.
  public var refused: Int {
    counts.reduce(0) { $0 + ($1.key.isRefusal ? $1.value : 0) }
  }

  public var audited: Int { self[.audit] }
  public var allowed: Int { self[.allow] }

  /// Each decision that occurred, in the order of the policy language.
  public var all: [(decision: AuditDecision, count: Int)] {
    AuditDecision.allCases.compactMap { decision in counts[decision].map { (decision, $0) } }
  }
}

/// One record file, written by many threads: a lock, the writer, and the counts.
public final class AuditLog<Failure: Error>: Sendable {
  private struct State: ~Copyable {
    var writer: RecordWriter<Failure>
    var counts = DecisionCounts()
    /// The latest lines about refusals, oldest first, without their newlines.
    var refusals: [[UInt8]] = []
    /// What every further record meets with; nil while the record is open.
    var closed: Failure?
  }

  private let state: Mutex<State>
  /// How many lines about refusals are kept, and how long one of them may be: a command line can have megabytes.
  static var mostRefusals: Int { 64 }
  static var longestRefusal: Int { 16 << 10 }

  /// - Parameters: as `RecordWriter`'s.
  public init(
    continuing position: ChainPosition = .start, clock: @escaping RecordWriter<Failure>.Clock, sink: @escaping RecordWriter<Failure>.Sink
  ) {
    state = Mutex(State(writer: RecordWriter(continuing: position, clock: clock, sink: sink)))
  }

  /// Writes one record and counts its decision; when this returns, the sink has the whole line.
  ///
  /// What the sink throws is thrown: the operation is to be refused then. The decision is counted all the same.
  public func write(_ record: AuditRecord) throws(Failure) { try write(record, afterwards: nil) }

  /// Writes the last record: whatever comes after it is thrown `failure`, and neither written nor counted.
  public func close(with record: AuditRecord, afterwards failure: Failure) throws(Failure) { try write(record, afterwards: failure) }

  /// Whether the last record has been written.
  public var isClosed: Bool { state.withLock { $0.closed != nil } }

  private func write(_ record: AuditRecord, afterwards closing: Failure?) throws(Failure) {
    let failure: Failure? = state.withLock { state in
      if let closed = state.closed { return closed }
      state.closed = closing
      if let decision = record.decision { state.counts.add(decision) }
      do throws(Failure) {
        let line = try state.writer.write(record)
        if record.decision?.isRefusal == true, line.count <= Self.longestRefusal {
          if state.refusals.count >= Self.mostRefusals { state.refusals.removeFirst() }
          state.refusals.append(line.last == UInt8(ascii: "\n") ? line.dropLast() : line)
        }
        return nil
      } catch {
        return error
      }
    }
    if let failure { throw failure }
  }

  /// Counts a decision that the policy does not want written.
  public func count(_ decision: AuditDecision) {
    state.withLock { $0.counts.add(decision) }
  }

  public var counts: DecisionCounts { state.withLock { $0.counts } }

  /// The latest lines about refusals, oldest first: a bounded number, each bounded.
  public var latestRefusals: [[UInt8]] { state.withLock { $0.refusals } }

  /// Where the chain stands now.
  public var position: ChainPosition { state.withLock { $0.writer.position } }
}
