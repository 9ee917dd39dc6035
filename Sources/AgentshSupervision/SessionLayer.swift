import AgentshPolicy
import AgentshSystem

/// A session as the calls of its processes are decided in it: its policy, its record, and who belongs to it.
///
/// A process lives in one session, or in two: one that was opened inside another. Then both are asked everything, and both have to permit.
final class SessionLayer: Sendable {
  let policy: BoundPolicy
  let record: SessionRecord
  let relations: SessionRelations
  let counters: DecisionCounters
  /// Whether processes of the session may trace each other (the policy permits ptrace). Never inside another session: nothing would keep a debugger there
  /// from processes of the session around, which may do more.
  let permitsTracing: Bool

  init(policy: BoundPolicy, record: SessionRecord, relations: SessionRelations, counters: DecisionCounters, permitsTracing: Bool) {
    self.policy = policy
    self.record = record
    self.relations = relations
    self.counters = counters
    self.permitsTracing = permitsTracing
  }
}

/// What there is for each of the sessions that a process lives in: the outer one, and the one inside, if there is one.
struct Layered<Value> {
  let outer: Value
  let inner: Value?

  init(outer: Value, inner: Value? = nil) {
    self.outer = outer
    self.inner = inner
  }
}

/// What the sessions that a process lives in say to one question.
typealias Judgement = Layered<Verdict>

extension Layered where Value == Verdict {
  /// Whether all permit it.
  var isPermitted: Bool { outer.isPermitted && inner?.isPermitted ?? true }
  /// Whether one of them wants it on record in any case.
  var isRecorded: Bool { outer.isRecorded || inner?.isRecorded ?? false }
  /// Whether those that refuse it want the caller to believe that it was done.
  var isAbsorbed: Bool { [outer, inner].allSatisfy { $0?.isPermitted ?? true || $0?.decision == .absorb } }
}

extension Worker {
  /// Asks each session that the caller lives in.
  func layered<Value>(_ ask: (SessionLayer) -> Value) -> Layered<Value> {
    guard let inner else { return Layered(outer: ask(supervision.layer)) }
    return Layered(outer: ask(supervision.layer), inner: ask(inner.layer))
  }

  /// The innermost session that the caller lives in: who belongs to it belongs to the others.
  var innermost: SessionLayer { inner?.layer ?? supervision.layer }

  /// What Landlock holds of what is done for the caller: every session's floor, and what the caller has put on itself.
  var floor: ActingFloor { ownDomain?.floor ?? inner?.floor ?? supervision.floor }

  /// Whether all sessions that the caller lives in permit tracing.
  var permitsTracing: Bool { supervision.layer.permitsTracing && inner?.layer.permitsTracing ?? true }
}
