import AgentshSystem
import Glibc
import SystemPackage

/// The threads that receive and answer a session's trapped calls.
///
/// There are as many as calls that wait for something at the same moment, and one more: a call that blocks delays no other. See `Reception`.
final class WorkerPool: Sendable {
  /// How the pool tells that it can't go on; called on one of its threads.
  enum Ending: Sendable, Equatable {
    /// No process is left under the filter.
    case abandoned
    /// Receiving fails.
    case failed(Errno)
  }

  /// Most threads at the same time; a session with as many stuck calls gets ENOMEM for more.
  static let mostThreads = 512
  /// How long the place may be empty before the watch fills it.
  private static let longestGap: UInt64 = 1_000_000
  /// Between two looks at calls that wait for long.
  private static let sweepMilliseconds: Int64 = 10

  private let supervision: Supervision
  private let reception: Reception
  private let wake: EventDescriptor
  private let onEnding: @Sendable (Ending) -> Void

  /// - Parameter onEnding: called at most a few times, from any of the pool's threads.
  init(
    supervision: Supervision, mostThreads: Int = WorkerPool.mostThreads, onEnding: @escaping @Sendable (Ending) -> Void
  ) throws(SyscallError) {
    self.supervision = supervision
    reception = Reception(mostThreads: mostThreads)
    wake = try EventDescriptor()
    self.onEnding = onEnding
  }

  var counts: Reception.Counts { reception.counts }

  /// Starts the watch and the first thread.
  func start() throws(SyscallError) {
    try startThread("watch") { self.watch() }
    guard reception.fill() == .startThread else { return }
    do throws(SyscallError) { try startWorker() } catch {
      reception.startFailed()
      throw error
    }
  }

  /// Sees to it that another thread receives while the caller answers a call that may take long: an exec being verified, an open that waits.
  func expectDelay() {
    guard reception.fill() == .startThread else { return }
    if (try? startWorker()) == nil { reception.startFailed() }
  }

  /// Lets the threads end as they finish what they do.
  func close() {
    reception.close()
    wake.signal()
  }

  private func startWorker() throws(SyscallError) {
    try startThread("worker") { self.work() }
  }

  private func work() {
    let worker = Worker(supervision: supervision)
    worker.expectDelay = { self.expectDelay() }
    var turn = Reception.Turn.receive
    while turn == .receive {
      switch supervision.listener.receive() {
      case .call(let call):
        turn = take(call, worker)
      case .nothing:
        // A target that died before its call was received, or all of them: the kernel says so by the same errno.
        if supervision.listener.isAbandoned(waiting: 0) {
          reception.close()
          return onEnding(.abandoned)
        }
        if reception.isClosed { return }
      case .failed(let errno):
        reception.close()
        return onEnding(.failed(errno))
      }
    }
  }

  private func take(_ call: TrappedCall, _ worker: Worker) -> Reception.Turn {
    let admission = reception.beginAnswering()
    if admission.mustWakeWatch { wake.signal() }
    guard admission.isAdmitted else {
      supervision.listener.answer(call.id, errno: ENOMEM)
      return .receive
    }
    // Another call is waiting already: it need not wait for this one.
    if worker.looksForOthers(), supervision.listener.hasPendingCall() {
      worker.sawOthers = true
      expectDelay()
    }
    worker.handle(call)
    return reception.finishAnswering()
  }

  // MARK: The watch

  /// Fills the place of the receiving thread when it stays empty, and interrupts calls whose targets are gone. Sleeps while nothing happens.
  private func watch() {
    var quietLooks = 0
    var nextSweep = Deadline.after(milliseconds: Self.sweepMilliseconds)
    while !reception.isClosed {
      let look = reception.look(emptyFor: Self.longestGap)
      if look.mustFill { expectDelay() }
      let waits = !supervision.waits.isEmpty
      if waits, nextSweep.hasPassed {
        supervision.waits.sweep(listener: supervision.listener)
        nextSweep = .after(milliseconds: Self.sweepMilliseconds)
      }
      quietLooks = look.isBusy ? 0 : quietLooks + 1
      let deadline: Deadline
      if quietLooks >= 16, reception.letWatchSleep() {
        deadline = waits ? nextSweep : .never
      } else {
        deadline = .after(milliseconds: 1)
      }
      guard (try? waitUntilReady(wake.descriptor, deadline: deadline)) != nil else { return onEnding(.failed(currentErrno)) }
      wake.clear()
    }
  }
}
