import AgentshFilter
import AgentshPolicy
import AgentshSystem
import Glibc
import Synchronization

extension Worker {
  /// Refuses a call of a group that people ask about (sandboxes, debuggers, profilers, …) and that the policy doesn't permit.
  ///
  /// The filter has decided, by number and registers: whatever is sent here is refused, and is sent only so that the record says why. The programs themselves
  /// say little of it ("No permissions to create new namespace"). The first of each kind in a session is recorded. There is nothing to decide, and so
  /// nothing is returned but the failure.
  func refuseRestricted(_ call: TrappedCall, _ kind: CallKind) -> CallFailure {
    let group = RestrictedRefusals.group(call, kind)
    guard supervision.restrictedRefusals.isNew(group, kind) else { return .errno(EPERM) }
    let consequence = group.consequence.map { ": \($0)" } ?? ""
    let message = """
      \(kind.rawValue) is refused in every session whose policy doesn't permit it (syscalls: {allow: [\(group.rawValue)]})\(consequence); \
      more of the same are not recorded
      """
    do throws(CallFailure) {
      try settle(call, kind, .syscall, .nothing, Verdict(decision: .deny, rule: "builtin:\(group.rawValue)", message: message), refusal: EPERM)
    } catch {
      return error
    }
    return .errno(EPERM)
  }
}

/// Which of these refusals a session's record has.
final class RestrictedRefusals: Sendable {
  private struct Key: Hashable {
    let group: RestrictedGroup
    let kind: CallKind
  }

  private let recorded = Mutex<Set<Key>>([])

  func isNew(_ group: RestrictedGroup, _ kind: CallKind) -> Bool { recorded.withLock { $0.insert(Key(group: group, kind: kind)).inserted } }

  /// Whether nothing is left to be said about such a call.
  func isSettled(_ call: TrappedCall, _ kind: CallKind) -> Bool {
    let key = Key(group: Self.group(call, kind), kind: kind)
    return recorded.withLock { $0.contains(key) }
  }

  /// Because of which group the filter refuses a call.
  static func group(_ call: TrappedCall, _ kind: CallKind) -> RestrictedGroup {
    switch kind {
    // SOCK_RAW of inet and inet6 is the one, AF_PACKET and SOCK_PACKET the other: socket(2).
    case .socket: UInt32(truncatingIfNeeded: call.arguments.0) & 0x3f != 17 && UInt32(truncatingIfNeeded: call.arguments.1) & 0xf == 3 ? .rawSockets : .packetSockets
    // CLONE_UNTRACED without any of the flags for namespaces: clone(2).
    case .clone: call.arguments.0 & 0x7E02_0000 == 0 ? .ptrace : .namespaces
    default: SyscallTable.named(kind.rawValue)?.restrictedGroups.first ?? .namespaces
    }
  }
}

extension RestrictedGroup {
  /// What it means for the user.
  fileprivate var consequence: String? {
    switch self {
    case .mount, .namespaces: "sandboxes and containers can't be made here"
    case .ptrace: "debuggers and tracers can't be used here, nor LeakSanitizer (ASAN_OPTIONS=detect_leaks=0)"
    case .perf, .bpf: "profilers and tracers of the kernel can't be used here"
    default: nil
    }
  }
}
