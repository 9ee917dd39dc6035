internal import AgentshSystem
import Synchronization

/// Bounds how many records of one kind are written: so many a second each, the rest counted and told in one record later.
///
/// Without it whoever is turned away could fill the disk with the record of it.
final class RejectionCounter: Sendable {
  struct Key: Hashable, Sendable {
    let session: String?
    let socket: String
    let reason: String
    let uid: UInt32
  }

  private struct State {
    /// Written in the second that began at `since`.
    var written: [UInt32: Int] = [:]
    var since: UInt64 = 0
    var held: [Key: Int] = [:]
  }

  /// Records a second for one uid.
  static let perSecond = 20
  /// Different things that are counted at a time; beyond that the count goes to one that has no session and reason "other".
  static let mostKeys = 4096

  private let state = Mutex(State())

  /// Whether a record may be written now; else the `count` is held.
  func admits(_ key: Key, count: Int = 1) -> Bool {
    let now = monotonicNanoseconds()
    return state.withLock { state in
      if now &- state.since >= 1_000_000_000 {
        state.since = now
        state.written = [:]
      }
      if state.written[key.uid, default: 0] < Self.perSecond, state.written.count < Self.mostKeys {
        state.written[key.uid, default: 0] += 1
        return true
      }
      if state.held[key] != nil || state.held.count < Self.mostKeys {
        state.held[key, default: 0] += count
      } else {
        state.held[Key(session: nil, socket: key.socket, reason: "other", uid: UInt32.max - 1), default: 0] += count
      }
      return false
    }
  }

  var holdsSome: Bool { state.withLock { !$0.held.isEmpty } }

  /// What was counted and not written, and begins anew.
  func takeHeld() -> [(key: Key, count: Int)] {
    state.withLock { state in
      let held = state.held.map { (key: $0.key, count: $0.value) }
      state.held = [:]
      return held
    }
  }
}
