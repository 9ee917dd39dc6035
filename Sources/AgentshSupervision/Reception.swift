import AgentshSystem
import Synchronization

/// Whose turn it is to receive: one thread at a time waits in the kernel for the next trapped call, and it goes on to answer what it received itself.
///
/// The kernel wakes every thread that waits on a listener for every call (its waiters are not exclusive), so a second waiting thread costs each
/// call a switch to it and back. With one, the place is empty while that thread answers. It is filled again, before the answer, when
/// another call is waiting already and a processor may be free for it, or when the answer may take long; after a millisecond by the watch; and
/// otherwise by the same thread, which comes back in a few microseconds.
///
/// Where targets run on several processors at once (`noteConcurrency`), two threads wait for a while: each call is received on the processor
/// that it was made on then, and none waits, its processor idle, for a thread that answers another's elsewhere.
///
/// Whoever has the place alone takes all that waits there, so that what doesn't get a thread at once is answered in turn of its processes (`Backlog`):
/// threads beyond the processors would only take them from one another.
final class Reception: Sendable {
  /// What a thread does that has no call to answer.
  enum Turn: Equatable {
    case receive
    case end
  }

  /// For people and tests.
  struct Counts: Equatable {
    var threads: Int
    var answering: Int
    var parked: Int
    var isTaken: Bool
  }

  private struct State {
    /// How many wait in the kernel, or are on the way there.
    var receivers = 0
    /// The only one of them looks for all that waits: nobody joins it.
    var isAlone = false
    /// Since when nobody does, CLOCK_MONOTONIC in nanoseconds.
    var emptySince: UInt64 = 0
    /// Threads that answer a call.
    var answering = 0
    /// Since when each of them does, CLOCK_MONOTONIC in nanoseconds, at a place of its own; 0 where there is none.
    var since: [UInt64] = []
    /// Received, and not being answered yet. Only whoever has the place adds to it.
    var backlog = Backlog()
    /// Threads that sleep until it is their turn.
    var parked = 0
    /// Turns given to parked threads that have not taken them up yet.
    var granted = 0
    /// All threads of the pool.
    var threads = 0
    var isClosed = false
    /// Calls received since the watch looked last.
    var received = 0
    var watchSleeps = false
    /// The receiver waits for one of the answering threads to be done.
    var awaitsRoom = false
  }

  private let gate = Gate(State())
  /// Of the backlog, to be looked at without the lock.
  private let backlogCount = Atomic<Int>(0)
  /// Until when targets are taken to run on several processors at once, CLOCK_MONOTONIC in nanoseconds.
  private let concurrentUntil = Atomic<UInt64>(0)
  private let mostThreads: Int
  private let mostBusy: Int
  private let mostParked: Int
  private let idleNanoseconds: UInt64
  private let usualNanoseconds: UInt64
  private let stuckNanoseconds: UInt64
  private let concurrentNanoseconds: UInt64

  /// - Parameters:
  ///   - mostThreads: all of them but one may answer at the same time; what comes then waits for one of them to be done, and is refused when all are stuck.
  ///   - mostBusy: how many threads that are not held up by anything answer at the same time, while others wait.
  ///   - mostParked: how many are kept for the next burst.
  ///   - idleMilliseconds: how long those are kept.
  ///   - usualMicroseconds: an answer that takes longer is held up by something, and its thread keeps no processor busy.
  ///   - stuckMilliseconds: threads of which none has begun an answer for so long are stuck.
  ///   - concurrentMilliseconds: how long a second thread waits after targets were seen to run at once.
  init(
    mostThreads: Int, mostBusy: Int = 2, mostParked: Int = 4, idleMilliseconds: UInt64 = 10_000, usualMicroseconds: UInt64 = 1000,
    stuckMilliseconds: UInt64 = 1000, concurrentMilliseconds: UInt64 = 20
  ) {
    self.mostThreads = max(2, mostThreads)
    self.mostBusy = max(2, mostBusy)
    self.mostParked = mostParked
    idleNanoseconds = idleMilliseconds * 1_000_000
    usualNanoseconds = usualMicroseconds * 1000
    stuckNanoseconds = stuckMilliseconds * 1_000_000
    concurrentNanoseconds = concurrentMilliseconds * 1_000_000
  }

  var counts: Counts {
    gate.withLock { Counts(threads: $0.threads, answering: $0.answering, parked: $0.parked, isTaken: $0.receivers > 0) }
  }

  /// Whether the receiver waits for room. For tests.
  var awaitsRoom: Bool { gate.withLock { $0.awaitsRoom } }

  /// A call, and the process that made it.
  struct Received {
    let call: TrappedCall
    let process: Int32
  }

  /// What `beginAnswering` says.
  struct Admission {
    /// False when too many calls are being answered: this one is to be refused at once, and its thread goes on receiving.
    let isAdmitted: Bool
    /// The watch sleeps and has to be woken.
    let mustWakeWatch: Bool
    /// The call to be answered or refused; nil when none was given and none waited.
    var call: TrappedCall?
    /// Others wait that were received already.
    var isCrowded = false
    /// Others wait, or targets run at once and another may call before this one is answered, and another thread would not be one too many.
    var needsHelp = false
    /// Targets were seen to run at once a moment ago.
    var isConcurrent = false
    /// To be given back to `finishAnswering`.
    var place: Int?
  }

  /// Whether calls wait that were received already: then whoever has the place answers one of them before it waits in the kernel.
  var hasBacklog: Bool { backlogCount.load(ordering: .relaxed) > 0 }

  /// A call was there before anybody waited for it, and its thread isn't the one that was answered last: targets run at once.
  func noteConcurrency() { concurrentUntil.store(monotonicNanoseconds() &+ concurrentNanoseconds, ordering: .relaxed) }

  /// Whether the caller alone has the place, and keeps it to itself until it begins to answer: what it sees waiting is there when it receives it.
  func keepAlone() -> Bool {
    gate.withLock { state in
      guard state.receivers == 1 else { return false }
      state.isAlone = true
      return true
    }
  }

  /// The caller, who has the place, has received a call, and nobody else's waits here.
  func beginAnswering(_ call: TrappedCall? = nil) -> Admission { beginAnswering(call, adding: []) }

  /// The caller, who has the place, has received calls; it answers the one that is given to it next, which may be another.
  func beginAnswering(_ received: [Received]) -> Admission { beginAnswering(nil, adding: received) }

  private func beginAnswering(_ single: TrappedCall?, adding received: [Received]) -> Admission {
    var mustWake: Bool?
    while true {
      let step = gate.withLock { state in
        if mustWake == nil {
          state.received += max(1, received.count)
          for one in received { state.backlog.add(one.call, of: one.process) }
          mustWake = state.watchSleeps
          state.watchSleeps = false
        }
        return admit(single, mustWake ?? false, &state)
      }
      switch step {
      case .admission(let admission): return admission
      case .wait(let until): _ = gate.wait(until: until) { state in state.awaitsRoom && !state.isClosed ? nil : true }
      }
    }
  }

  private enum Step {
    case admission(Admission)
    /// All threads answer: there may be room later, and at that moment (CLOCK_MONOTONIC, nanoseconds) they are stuck.
    case wait(until: UInt64)
  }

  private func admit(_ single: TrappedCall?, _ mustWake: Bool, _ state: inout State) -> Step {
    let now = monotonicNanoseconds()
    let isFull = state.answering + 1 >= mostThreads
    if isFull, !state.isClosed, let newest = state.since.max(), now &- newest < stuckNanoseconds {
      state.awaitsRoom = true
      return .wait(until: newest &+ stuckNanoseconds)
    }
    state.awaitsRoom = false
    let call = single ?? state.backlog.take()
    backlogCount.store(state.backlog.count, ordering: .relaxed)
    if isFull { return .admission(Admission(isAdmitted: false, mustWakeWatch: mustWake, call: call)) }
    state.answering += 1
    state.receivers -= 1
    state.isAlone = false
    if state.receivers == 0 { state.emptySince = now }
    let place = state.since.firstIndex(of: 0) ?? state.since.count
    if place == state.since.count { state.since.append(now) } else { state.since[place] = now }
    let isCrowded = !state.backlog.isEmpty
    // Many that take long together may be waiting for processors and nothing else.
    let usual = usualNanoseconds * UInt64(1 + state.answering / 8)
    let isConcurrent = now < concurrentUntil.load(ordering: .relaxed)
    let needsHelp = (isCrowded || isConcurrent) && state.since.count { $0 != 0 && now &- $0 < usual } < mostBusy
    return .admission(
      Admission(
        isAdmitted: true, mustWakeWatch: mustWake, call: call, isCrowded: isCrowded, needsHelp: needsHelp, isConcurrent: isConcurrent, place: place))
  }

  /// The call is answered: waits for the caller's next turn.
  func finishAnswering(_ place: Int? = nil) -> Turn {
    let turn: Turn? = gate.withLock { state in
      state.answering -= 1
      if let place, state.since.indices.contains(place) { state.since[place] = 0 }
      if state.awaitsRoom {
        state.awaitsRoom = false
        gate.wakeAll()
      }
      let mayJoin = state.receivers == 1 && !state.isAlone && state.backlog.isEmpty
        && monotonicNanoseconds() < concurrentUntil.load(ordering: .relaxed)
      if !state.isClosed, state.receivers == 0 || mayJoin {
        state.receivers += 1
        return .receive
      }
      if state.isClosed || state.parked >= mostParked {
        state.threads -= 1
        return .end
      }
      state.parked += 1
      return nil
    }
    if let turn { return turn }
    let granted = gate.wait(until: monotonicNanoseconds() &+ idleNanoseconds) { state -> Turn? in
      if state.isClosed { return .end }
      guard state.granted > 0 else { return nil }
      state.granted -= 1
      state.parked -= 1
      return .receive
    }
    if granted == .receive { return .receive }
    return gate.withLock { state in
      state.parked -= 1
      // A turn that was given while the wait timed out must not be lost.
      if state.granted > state.parked, !state.isClosed {
        state.granted -= 1
        return .receive
      }
      state.threads -= 1
      return .end
    }
  }

  /// How the empty place is filled.
  enum Filling: Equatable {
    /// It is taken, or was given to a thread that had waited for it.
    case done
    /// A thread must be started for it, which counts already. If that fails: `startFailed`.
    case startThread
  }

  /// Sees to it that somebody receives while the caller does something that may take long.
  func fill() -> Filling {
    gate.withLock { state in
      guard state.receivers == 0, !state.isClosed else { return .done }
      if state.parked > state.granted {
        state.receivers = 1
        state.granted += 1
        gate.wakeOne()
        return .done
      }
      guard state.threads < mostThreads else { return .done }
      state.receivers = 1
      state.threads += 1
      return .startThread
    }
  }

  /// There was no thread to be had: the place is empty again, and the watch tries once more.
  func startFailed() {
    gate.withLock { state in
      state.threads -= 1
      state.receivers -= 1
      state.emptySince = monotonicNanoseconds()
    }
  }

  /// What the watch sees.
  struct Look {
    /// The place has been empty for too long.
    let mustFill: Bool
    /// Nobody receives just now.
    let isEmpty: Bool
    /// Calls came since the last look, or are being answered.
    let isBusy: Bool
  }

  /// A look of the watch.
  func look(emptyFor nanoseconds: UInt64) -> Look {
    gate.withLock { state in
      let isEmpty = state.receivers == 0
      let isBusy = state.received > 0 || isEmpty
      state.received = 0
      let mustFill = isEmpty && monotonicNanoseconds() &- state.emptySince >= nanoseconds
      return Look(mustFill: mustFill, isEmpty: isEmpty, isBusy: isBusy)
    }
  }

  /// The watch goes to sleep and the next call wakes it: false when one came in between, or is being answered and may come to wait for something yet.
  /// - Parameter answersWait: some of them wait, so that the watch will look again.
  func letWatchSleep(answersWait: Bool) -> Bool {
    gate.withLock { state in
      guard state.received == 0, state.receivers > 0, answersWait || state.answering == 0 else { return false }
      state.watchSleeps = true
      return true
    }
  }

  /// No more turns: threads end as they come back.
  func close() {
    gate.withLock { $0.isClosed = true }
    gate.wakeAll()
  }

  var isClosed: Bool { gate.withLock { $0.isClosed } }
}
