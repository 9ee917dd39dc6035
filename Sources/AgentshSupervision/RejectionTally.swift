import AgentshProtocol
import AgentshSystem

/// Peers that were turned away and not yet told to the server: a few are told one by one, a flood is added up.
struct RejectionTally {
  private struct Key: Hashable {
    let socket: SessionSocket
    let reason: PeerRejectionReason
    let uid: UInt32
  }
  private struct Sum {
    var pid: Int32?
    var count: Int
  }

  /// Sums that may wait; one more key than that (a flood from ever other uids) is added to the sum of uid 2^32-1.
  private static let mostKeys = 256
  /// Messages at once, and then one for each refill.
  private static let burst = 20
  private static let refillMilliseconds: Int64 = 100

  private var waiting: [Key: Sum] = [:]
  private var order: [Key] = []
  private var credit = RejectionTally.burst
  private var nextRefill = Deadline.never
  /// All that were ever turned away.
  private(set) var total = 0

  mutating func add(_ socket: SessionSocket, _ reason: PeerRejectionReason, _ peer: PeerCredentials) {
    total += 1
    var key = Key(socket: socket, reason: reason, uid: peer.uid)
    if waiting[key] == nil, waiting.count >= Self.mostKeys { key = Key(socket: socket, reason: reason, uid: UserID.highest) }
    if waiting[key] == nil { order.append(key) }
    waiting[key, default: Sum(pid: nil, count: 0)].count += 1
    waiting[key]?.pid = peer.pid > 0 ? peer.pid : nil
  }

  /// The next message that may be sent now, or nil; `deadline` says when to ask again.
  mutating func next() -> PeerRejection? {
    guard let key = order.first, let sum = waiting[key] else { return nil }
    refill()
    guard credit > 0 else { return nil }
    credit -= 1
    if nextRefill == .never { nextRefill = .after(milliseconds: Self.refillMilliseconds) }
    order.removeFirst()
    waiting[key] = nil
    return PeerRejection(socket: key.socket, reason: key.reason, uid: key.uid, pid: sum.pid, count: sum.count)
  }

  /// A message could not be sent: it waits with the others.
  mutating func putBack(_ rejection: PeerRejection) {
    let key = Key(socket: rejection.socket, reason: rejection.reason, uid: rejection.uid)
    if waiting[key] == nil { order.append(key) }
    waiting[key, default: Sum(pid: rejection.pid, count: 0)].count += rejection.count
    credit = 0
    nextRefill = .after(milliseconds: Self.refillMilliseconds)
  }

  /// When there may be something to send.
  var deadline: Deadline { order.isEmpty ? .never : (credit > 0 ? .after(milliseconds: 0) : nextRefill) }

  private mutating func refill() {
    guard nextRefill != .never, nextRefill.hasPassed else { return }
    let now = monotonicNanoseconds()
    let step = UInt64(Self.refillMilliseconds) * 1_000_000
    let steps = (now - nextRefill.nanoseconds) / step + 1
    credit = min(Self.burst, credit + Int(clamping: steps))
    nextRefill = credit == Self.burst ? .never : .after(milliseconds: Self.refillMilliseconds)
  }
}
