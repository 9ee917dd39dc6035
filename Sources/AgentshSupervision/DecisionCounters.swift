import AgentshAudit
import Synchronization

/// How many decisions of each kind a session has seen, recorded or not.
final class DecisionCounters: Sendable {
  private let allow = Atomic<Int>(0)
  private let deny = Atomic<Int>(0)
  private let audit = Atomic<Int>(0)
  private let approve = Atomic<Int>(0)
  private let redirect = Atomic<Int>(0)
  private let softDelete = Atomic<Int>(0)
  private let absorb = Atomic<Int>(0)

  func count(_ decision: AuditDecision) {
    switch decision {
    case .allow: allow.add(1, ordering: .relaxed)
    case .deny: deny.add(1, ordering: .relaxed)
    case .audit: audit.add(1, ordering: .relaxed)
    case .approve: approve.add(1, ordering: .relaxed)
    case .redirect: redirect.add(1, ordering: .relaxed)
    case .softDelete: softDelete.add(1, ordering: .relaxed)
    case .absorb: absorb.add(1, ordering: .relaxed)
    }
  }

  subscript(_ decision: AuditDecision) -> Int {
    switch decision {
    case .allow: allow.load(ordering: .relaxed)
    case .deny: deny.load(ordering: .relaxed)
    case .audit: audit.load(ordering: .relaxed)
    case .approve: approve.load(ordering: .relaxed)
    case .redirect: redirect.load(ordering: .relaxed)
    case .softDelete: softDelete.load(ordering: .relaxed)
    case .absorb: absorb.load(ordering: .relaxed)
    }
  }

  /// Operations that did not happen.
  var refused: Int { AuditDecision.allCases.reduce(0) { $0 + ($1.isRefusal ? self[$1] : 0) } }
}
