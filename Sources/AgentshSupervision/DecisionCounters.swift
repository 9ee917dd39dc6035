import AgentshPolicy
import Synchronization

/// How many decisions of each kind a session has seen.
final class DecisionCounters: Sendable {
  private let permitted = Atomic<Int>(0)
  private let audited = Atomic<Int>(0)
  private let refused = Atomic<Int>(0)

  func count(_ verdict: Verdict) {
    if !verdict.isPermitted {
      refused.add(1, ordering: .relaxed)
    } else if verdict.decision == .audit {
      audited.add(1, ordering: .relaxed)
    } else {
      permitted.add(1, ordering: .relaxed)
    }
  }

  var values: (permitted: Int, audited: Int, refused: Int) {
    (permitted.load(ordering: .relaxed), audited.load(ordering: .relaxed), refused.load(ordering: .relaxed))
  }
}
