import AgentshPolicy
import AgentshSystem
import Glibc
import Synchronization

/// Trapped calls that stand in no line of the table: numbers newer than it or in its gaps, and every call by another convention of the processor.
///
/// All of them get ENOSYS, as from a kernel without them. A session's record names each number once, and no more than `mostRecorded` of them, so
/// that a program that looks for calls in a loop fills no disk and costs others next to nothing: what is known already is answered by the receiving
/// thread at once, without a look at /proc.
final class UnknownCalls: Sendable {
  static let mostRecorded = 64
  private let recorded = Mutex<Set<UInt64>>([])

  private func key(_ call: TrappedCall) -> UInt64 { UInt64(call.architecture) << 32 | UInt64(UInt32(bitPattern: call.number)) }

  /// Whether nothing is left to be said about such a call.
  func isSettled(_ call: TrappedCall) -> Bool {
    recorded.withLock { $0.count >= Self.mostRecorded || $0.contains(key(call)) }
  }

  /// How many numbers are on record with this one; nil when it was there already, or there is no more room.
  func add(_ call: TrappedCall) -> Int? {
    recorded.withLock { recorded in
      guard recorded.count < Self.mostRecorded, recorded.insert(key(call)).inserted else { return nil }
      return recorded.count
    }
  }

  /// Whether it was made by the conventions of another kind of program: i386 or x32 on x86_64, 32-bit ARM on arm64.
  static func isForeign(_ call: TrappedCall) -> Bool {
    switch call.architecture {
    // __X32_SYSCALL_BIT: asm/unistd.h.
    case 0xC000_003E: call.number > 0 && call.number & 0x4000_0000 != 0
    case 0xC000_00B7: false
    default: true
    }
  }

  /// The number as the record has it: `470`, `x32:59`, `i386:11`.
  static func name(_ call: TrappedCall) -> String {
    switch call.architecture {
    case 0xC000_003E where isForeign(call): "x32:\(call.number & ~0x4000_0000)"
    case 0xC000_003E, 0xC000_00B7: "\(call.number)"
    case 0x4000_0003: "i386:\(call.number)"
    case 0x4000_0028: "arm:\(call.number)"
    default: "\(String(call.architecture, radix: 16)):\(call.number)"
    }
  }
}

extension Worker {
  /// Answers a call that the table doesn't know, and records the first of each number.
  func refuseUnknown(_ call: TrappedCall) -> Answer {
    guard let count = supervision.unknownCalls.add(call) else { return .failure(ENOSYS) }
    let reason = UnknownCalls.isForeign(call) ? "this is a call of another binary interface, and no session has those" : "no call known to this version has this number"
    let message = reason + (count < UnknownCalls.mostRecorded ? "; more of the same are not recorded" : "; no more such numbers of this session are recorded")
    let verdict = Verdict(decision: .deny, rule: "builtin:unknown-call", message: message)
    let caller = describe(call)
    let entry = SessionRecord.Entry(
      process: caller.process, executable: caller.executable, operation: .syscall, call: UnknownCalls.name(call), subject: .nothing,
      verdict: verdict, errno: ENOSYS, microseconds: microsecondsSinceReceived())
    // It is refused with or without a record.
    for layer in [supervision.layer] + (inner.map { [$0.layer] } ?? []) {
      layer.counters.count(auditDecision(verdict))
      _ = layer.record.write(entry)
    }
    return .failure(ENOSYS)
  }
}
