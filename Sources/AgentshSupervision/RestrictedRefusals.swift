import AgentshFilter
import AgentshPolicy
import AgentshSystem
import Glibc
import Synchronization

extension Worker {
  /// Refuses a call by which sandboxes and containers make themselves and which the policy doesn't permit.
  ///
  /// The filter has decided, by number and registers: whatever is sent here is refused, and is sent only so that the record says why. The programs themselves
  /// say little of it ("No permissions to create new namespace"). The first of each kind in a session is recorded.
  func refuseRestricted(_ call: TrappedCall, _ kind: CallKind) throws(CallFailure) -> Answer {
    guard supervision.restrictedRefusals.isNew(kind) else { return .failure(EPERM) }
    let group = (SyscallTable.named(kind.rawValue)?.restrictedGroups.first ?? .namespaces).rawValue
    let message = """
      \(kind.rawValue) is refused in every session whose policy doesn't permit it (syscalls: {allow: [\(group)]}): sandboxes and containers can't be made \
      here; more of the same are not recorded
      """
    try settle(call, kind, .syscall, .nothing, Verdict(decision: .deny, rule: "builtin:\(group)", message: message), refusal: EPERM)
    return .failure(EPERM)
  }
}

/// Which of these refusals a session's record has.
final class RestrictedRefusals: Sendable {
  private let recorded = Mutex<Set<CallKind>>([])

  func isNew(_ kind: CallKind) -> Bool { recorded.withLock { $0.insert(kind).inserted } }
}
