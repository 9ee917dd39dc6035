import AgentshSystem
import Glibc
import Synchronization
import SystemPackage

/// The threads that receive and answer a session's trapped calls.
///
/// There are as many as calls that wait for something at the same moment, and a few more: a call that blocks delays no other. See `Reception`.
final class WorkerPool: Sendable {
  /// How the pool tells that it can't go on; called on one of its threads.
  enum Ending: Sendable, Equatable {
    /// No process is left under the filter.
    case abandoned
    /// Receiving fails.
    case failed(Errno)
  }

  /// Most threads at the same time; a session with as many stuck calls gets ENOMEM for more. A thousand connections that nobody answers leave room for
  /// everything else.
  static let mostThreads = 1536
  /// How long the place may be empty before the watch fills it.
  private static let longestGap: UInt64 = 1_000_000
  /// Between two looks at calls that wait for long, at least; with many of them more, so that looking takes a small part of one processor.
  private static let sweepMilliseconds: Int64 = 10
  private static let waitsPerMillisecond = 4
  /// A call that is received in less was there already: waiting for one takes two switches between threads. Nanoseconds.
  private static let shortestWait: UInt64 = 2500
  /// Most calls that are received at a time before one of them is answered.
  private static let mostReceived = 256

  private let supervision: Supervision
  private let reception: Reception
  private let wake: EventDescriptor
  /// Which process a thread belongs to, for fair turns and nothing else: a number that has changed hands meanwhile costs a turn.
  private let processes = Mutex<[Int32: Int32]>([:])
  /// The thread whose call was answered last.
  private let lastThread = Atomic<Int32>(0)
  private let onEnding: @Sendable (Ending) -> Void

  /// - Parameter onEnding: called at most a few times, from any of the pool's threads.
  init(
    supervision: Supervision, mostThreads: Int = WorkerPool.mostThreads, onEnding: @escaping @Sendable (Ending) -> Void
  ) throws(SyscallError) {
    self.supervision = supervision
    reception = Reception(mostThreads: mostThreads, mostBusy: sysconf(CInt(_SC_NPROCESSORS_ONLN)))
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
      var first: TrappedCall?
      if !reception.hasBacklog {
        supervision.wakeUp.use(inPlace: true, supervision.listener)
        let asked = monotonicNanoseconds()
        switch supervision.listener.receive() {
        case .call(let call):
          first = call
          // It was there already.
          if monotonicNanoseconds() &- asked < Self.shortestWait, call.thread != lastThread.load(ordering: .relaxed) { reception.noteConcurrency() }
        case .nothing:
          // A target that died before its call was received, or all of them: the kernel says so by the same errno.
          if supervision.listener.isAbandoned(waiting: 0) {
            reception.close()
            return onEnding(.abandoned)
          }
          if reception.isClosed { return }
          continue
        case .failed(let errno):
          reception.close()
          return onEnding(.failed(errno))
        }
      }
      let others = first == nil || worker.looksForOthers() && reception.keepAlone() ? receiveOthers() : []
      worker.sawOthers = first == nil || !others.isEmpty
      turn = answer(first, others, worker)
    }
  }

  /// What waits already. Nobody else receives meanwhile, so that what is seen to be there is there.
  private func receiveOthers() -> [TrappedCall] {
    var calls: [TrappedCall] = []
    while calls.count < Self.mostReceived, supervision.listener.hasPendingCall(), case .call(let call) = supervision.listener.receive() {
      calls.append(call)
    }
    return calls
  }

  /// Answers one of the calls that wait, these among them.
  private func answer(_ first: TrappedCall?, _ others: [TrappedCall], _ worker: Worker) -> Reception.Turn {
    if let first, others.isEmpty, supervision.kinds.kind(of: first) == nil, supervision.unknownCalls.isSettled(first) {
      supervision.listener.answer(first.id, errno: ENOSYS)
      return .receive
    }
    if let first, others.isEmpty, let kind = supervision.kinds.kind(of: first), kind.isRefused, supervision.restrictedRefusals.isSettled(first, kind) {
      supervision.listener.answer(first.id, errno: EPERM)
      return .receive
    }
    let admission: Reception.Admission
    if let first, others.isEmpty {
      admission = reception.beginAnswering(first)
    } else {
      let all = (first.map { [$0] } ?? []) + others
      admission = reception.beginAnswering(all.map { Reception.Received(call: $0, process: process(of: $0.thread)) })
    }
    if admission.mustWakeWatch { wake.signal() }
    guard admission.isAdmitted else {
      if let call = admission.call { refuse(call, worker) }
      return .receive
    }
    worker.wakesInPlace = !admission.isCrowded && !admission.isConcurrent
    // Others need not wait for this one.
    if admission.needsHelp { expectDelay() }
    if let call = admission.call {
      lastThread.store(call.thread, ordering: .relaxed)
      worker.handle(call)
    }
    return reception.finishAnswering(admission.place)
  }

  /// All threads but this one are held up. A signal is decided all the same, since it waits for nothing and may be what ends the others.
  private func refuse(_ call: TrappedCall, _ worker: Worker) {
    switch supervision.kinds.kind(of: call) {
    case .kill, .tgkill, .tkill, .rt_sigqueueinfo, .rt_tgsigqueueinfo, .pidfd_send_signal: worker.handle(call)
    case nil: supervision.listener.answer(call.id, errno: ENOSYS)
    case .some(let kind) where kind.isRefused: supervision.listener.answer(call.id, errno: EPERM)
    default: supervision.listener.answer(call.id, errno: ENOMEM)
    }
  }

  private func process(of thread: Int32) -> Int32 {
    if let known = processes.withLock({ $0[thread] }) { return known }
    var found = thread
    if let handle = try? Pidfd.open(thread, thread: true), let information = try? handle.information() {
      found = information.process
    } else if let status = try? readSmallFile(at: AT_FDCWD, procPath(thread, "status"), limit: 4096),
      let process = statusField("Tgid:", in: status).flatMap({ Int32($0) })
    {
      found = process
    }
    processes.withLock { known in
      if known.count >= 1024 { known.removeAll(keepingCapacity: true) }
      known[thread] = found
    }
    return found
  }

  // MARK: The watch

  /// Fills the place of the receiving thread when it stays empty, and interrupts calls whose targets are gone. Sleeps while nothing happens.
  private func watch() {
    var quietLooks = 0
    var nextSweep = Deadline.after(milliseconds: Self.sweepMilliseconds)
    while !reception.isClosed {
      let look = reception.look(emptyFor: Self.longestGap)
      if look.mustFill { expectDelay() }
      let waitCount = supervision.waits.count
      let waits = waitCount > 0
      if waits, nextSweep.hasPassed {
        supervision.waits.sweep(listener: supervision.listener)
        nextSweep = .after(milliseconds: max(Self.sweepMilliseconds, Int64(waitCount / Self.waitsPerMillisecond)))
      }
      quietLooks = look.isBusy ? 0 : quietLooks + 1
      let deadline: Deadline
      if quietLooks >= 16, reception.letWatchSleep(answersWait: waits) {
        deadline = waits ? nextSweep : .never
      } else {
        deadline = .after(milliseconds: look.isEmpty ? 1 : 2)
      }
      guard let isWoken = try? waitUntilReady(wake.descriptor, deadline: deadline) else { return onEnding(.failed(currentErrno)) }
      if isWoken { wake.clear() }
    }
  }
}
