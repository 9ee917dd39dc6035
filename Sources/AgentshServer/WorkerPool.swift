internal import AgentshSystem
import Synchronization

/// Threads for what may take time: files, the user database, starting processes, waiting for a tracee.
///
/// Users take turns, and no user has all threads: a user who asks a thousand things delays nobody else's one.
final class WorkerPool: Sendable {
  typealias Job = @Sendable () -> Void

  private struct State {
    var waiting: [UInt32: [Job]] = [:]
    /// Users with waiting jobs, the next one first.
    var turn: [UInt32] = []
    var running: [UInt32: Int] = [:]
  }

  private let gate = Gate(State())
  private let mostPerUser: Int

  init(threads: Int) throws(SyscallError) {
    mostPerUser = max(1, threads - 2)
    for number in 0..<threads {
      // The user database's modules and Swift's runtime want more stack than the smallest.
      try startThread("worker-\(number)", stackBytes: 1 << 20) { [self] in run() }
    }
  }

  /// Queues a job of a user. Jobs of one user start in order.
  func submit(for uid: UInt32, _ job: @escaping Job) {
    gate.withLock { state in
      state.waiting[uid, default: []].append(job)
      if !state.turn.contains(uid) { state.turn.append(uid) }
    }
    gate.wakeOne()
  }

  private func run() {
    while true {
      guard let (uid, job) = gate.wait({ next(&$0) }) else { continue }
      job()
      let hasMore = gate.withLock { state in
        let left = state.running[uid, default: 1] - 1
        state.running[uid] = left > 0 ? left : nil
        return !state.turn.isEmpty
      }
      // A job of the same user may have waited for this one to end.
      if hasMore { gate.wakeOne() }
    }
  }

  private func next(_ state: inout State) -> (uid: UInt32, job: Job)? {
    for (index, uid) in state.turn.enumerated() where state.running[uid, default: 0] < mostPerUser {
      guard var jobs = state.waiting[uid], !jobs.isEmpty else { continue }
      let job = jobs.removeFirst()
      state.turn.remove(at: index)
      if jobs.isEmpty {
        state.waiting[uid] = nil
      } else {
        state.waiting[uid] = jobs
        state.turn.append(uid)
      }
      state.running[uid, default: 0] += 1
      return (uid, job)
    }
    return nil
  }
}

/// Results on their way from workers to the loop.
final class Mailbox: Sendable {
  private let messages = Mutex<[LoopMessage]>([])
  private let wake: EventDescriptor

  init() throws(SyscallError) { wake = try EventDescriptor() }

  var rawValue: CInt { wake.descriptor.rawValue }

  func post(_ message: LoopMessage) {
    messages.withLock { $0.append(message) }
    wake.signal()
  }

  func takeAll() -> [LoopMessage] {
    wake.clear()
    return messages.withLock { messages in
      defer { messages = [] }
      return messages
    }
  }
}
