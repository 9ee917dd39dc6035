import AgentshSystem
import Synchronization

/// How long connecting took, by address and port, so that a thread is started to receive meanwhile only where connecting waits. A wrong guess delays other
/// calls until the watch of the pool sees it, once.
final class Destinations: Sendable {
  /// One connect that is under way.
  struct Attempt {
    let address: [UInt8]
    let began: UInt64
    /// Whether it is expected to be over in no time.
    let isQuick: Bool
  }

  private struct Known {
    /// Whether the last one was answered at once.
    var isQuick = false
    /// How many are under way: where one waits, the next will.
    var attempts = 0
  }

  private let known = Mutex<[[UInt8]: Known]>([:])
  private static let most = 256
  /// On the same machine it takes a twentieth of it.
  private static let quickNanoseconds: UInt64 = 250_000

  func begin(_ address: [UInt8]) -> Attempt {
    let isQuick = known.withLock { known in
      if known.count >= Self.most { known = known.filter { $0.value.attempts > 0 } }
      let entry = known[address, default: Known()]
      known[address, default: Known()].attempts += 1
      return entry.isQuick && entry.attempts == 0
    }
    return Attempt(address: address, began: monotonicNanoseconds(), isQuick: isQuick)
  }

  func end(_ attempt: Attempt) {
    let isQuick = monotonicNanoseconds() &- attempt.began < Self.quickNanoseconds
    known.withLock { known in
      guard let attempts = known[attempt.address]?.attempts else { return }
      known[attempt.address] = Known(isQuick: isQuick, attempts: attempts - 1)
    }
  }
}
