import AgentshFilter
import AgentshPolicy
import AgentshProtocol
import AgentshSystem
import Glibc
import SystemPackage

/// One session from the handshake to its end, on the supervisor's first thread: it waits for events and never for anything else.
final class SessionLoop {
  /// How far the session is.
  private enum Phase: Equatable {
    /// The launcher has until the deadline to hand everything over.
    case handshaking
    /// The server compares the filter.
    case attesting
    /// The first trapped call has to carry the nonce.
    case awaitingNonce
    case running
    /// SIGTERM was sent; what is left at that moment is killed.
    case terminating(until: Deadline)
    /// Everything is being killed, until nothing is left.
    case killing(giveUp: Deadline)
  }

  private enum Token {
    static let channel: UInt64 = 10
    static let launcher: UInt64 = 11
    static let mailbox: UInt64 = 12
    static let signalSocket: UInt64 = 13
    static let target: UInt64 = 14
    static let listener: UInt64 = 15
  }

  /// Between SIGTERM and SIGKILL.
  private static let graceMilliseconds: Int64 = 5000
  /// How long killing is tried, and how often.
  private static let killMilliseconds: Int64 = 10_000
  private static let killAgainMilliseconds: Int64 = 50
  /// How often a cgroup is looked at whose processes have all been killed and are ending.
  private static let lookMilliseconds: Int64 = 1
  /// How long the launcher may take to say how its child ended.
  private static let statusMilliseconds: Int64 = 2000

  let plan: SessionPlan
  let policy: Policy
  let bound: BoundPolicy
  let sessionFloor: SessionFloor
  let floor: ActingFloor
  /// Where the session looks names up; nil where its policy goes by none.
  let names: SessionNames?
  let record: SessionRecord
  let counters = DecisionCounters()
  private let channel: ServerChannel
  private let sockets: SessionSockets
  private let handshake = SessionHandshake()
  private let processes: SessionProcesses
  private let mailbox: Mailbox
  private let kinds: CallKinds

  private var phase = Phase.handshaking
  private var handshakeDeadline: Deadline
  private var timeout = Deadline.never
  let began = monotonicNanoseconds()

  // What the handshake gave. The listener goes to `supervision` once it is attested.
  private var target: Pidfd?
  private(set) var targetNumber: Int32?
  private var listener: SeccompListener?
  private var signalSocket: UnixSocket?
  private var signalFramer = MessageFramer(limit: MessageFramer.sessionLimit)
  private var notifySocket: UnixSocket?
  private var supervision: Supervision?
  private var pool: WorkerPool?

  // How it ended.
  private(set) var ending = TargetEnding.unknown
  private(set) var reason: String?
  private var hasStatus = false
  private var isAbandoned = false
  private var hasStarted = false
  private var hasFailed = false
  /// The command was let go.
  private(set) var hasRun = false
  private var statusDeadline = Deadline.never
  private var nextKill = Deadline.never
  private var nextLook = Deadline.never
  /// What the launcher says that was used.
  private var claimed: (cpuMicroseconds: Int?, memoryKiB: Int?) = (nil, nil)
  /// CPU time and memory, from before the cgroup is gone; by the launcher's word where the cgroup doesn't tell.
  private(set) var used: (cpuMicroseconds: Int?, memoryKiB: Int?) = (nil, nil)

  /// Takes over the inherited descriptors.
  init(plan: SessionPlan, _ prepared: PreparedPolicy) throws(SyscallError) {
    self.plan = plan
    policy = prepared.policy
    bound = prepared.bound
    let left = FloorRights(rawValue: plan.exactRights)
    sessionFloor = SessionFloor(prepared.floor, policy, holding: left)
    // What the filter doesn't trap has to be held exactly, or nobody would decide it.
    guard sessionFloor.exactRights().isSuperset(of: left) else { throw SyscallError("landlock_create_ruleset", .notSupportedOnSocket, "exact rights") }
    floor = try ActingFloor(sessionFloor.rules)
    names = if let resolver = plan.resolver { try SessionNames(address: resolver.address, port: resolver.port) } else { nil }
    // A policy that goes by names was promised what it needs for that.
    guard !bound.knowsNames || names != nil else { throw SyscallError("bind", .protocolError, "the session's resolver") }
    channel = try ServerChannel(UnixSocket(owning: OwnedDescriptor(owning: Inherited.channel)))
    record = SessionRecord(
      descriptor: OwnedDescriptor(owning: Inherited.record), session: plan.sessionID, uid: plan.callerUID,
      recordsAllowedReads: policy.audit.logAllowed)
    let launcher = Pidfd(OwnedDescriptor(owning: Inherited.launcher))
    processes = SessionProcesses(
      killFile: OwnedDescriptor(owning: Inherited.kill), isCgroup: plan.canKillCgroup, launcher: plan.callerPID)
    mailbox = try Mailbox()
    kinds = CallKinds()
    sockets = try SessionSockets(
      notify: UnixSocket(owning: OwnedDescriptor(owning: Inherited.notify)),
      signal: UnixSocket(owning: OwnedDescriptor(owning: Inherited.signal)),
      ptrace: UnixSocket(owning: OwnedDescriptor(owning: Inherited.ptrace)), launcher: launcher,
      rules: SessionSockets.Rules(callerUID: plan.callerUID, token: plan.token), handshake: handshake, epoll: try Epoll())
    handshakeDeadline = .after(milliseconds: Int64(plan.handshakeTimeoutMilliseconds))
    try sockets.watch(channel.rawValue, .readable, token: Token.channel)
    try sockets.watch(sockets.launcherDescriptor, .readable, token: Token.launcher)
    try sockets.watch(mailbox.rawValue, .readable, token: Token.mailbox)
  }

  /// Runs the session; the process's exit status.
  func run() -> Int32 {
    channel.tell(.ready(sessionFloor.plan))
    while true {
      let events: [EpollEvent]
      do throws(SyscallError) {
        events = try sockets.wait(deadline: nextDeadline)
      } catch {
        fail("waiting for events: \(error)")
        finish()
        return SupervisorMain.failure
      }
      // New peers first: a flood of wrong ones must be gone before the rightful one's turn comes.
      for event in events {
        if let role = SessionSockets.role(of: event.token) { sockets.accept(on: role) }
      }
      for event in events { handle(event) }
      sockets.checkDeadlines()
      takeHandshake()
      checkDeadlines()
      tellRejections()
      if isOver {
        finish()
        return hasFailed ? SupervisorMain.failure : 0
      }
    }
  }

  private func handle(_ event: EpollEvent) {
    switch event.token {
    case Token.channel: readChannel()
    case Token.launcher:
      sockets.unwatch(sockets.launcherDescriptor)
      statusDeadline = .after(milliseconds: 0)
      killAll(because: hasStatus ? nil : "the launcher ended")
    case Token.mailbox: readMailbox()
    case Token.signalSocket: readSignalSocket()
    case Token.target: targetEnded()
    case Token.listener: if event.events.contains(.hangUp) { abandoned() }
    case SessionSockets.firstPeerToken...: sockets.read(peer: event.token)
    default: break
    }
  }

  // MARK: Deadlines

  private var nextDeadline: Deadline {
    var next = min(sockets.nextDeadline, sockets.tally.deadline)
    switch phase {
    case .handshaking, .attesting, .awaitingNonce: next = min(next, handshakeDeadline)
    case .running: next = min(next, timeout)
    case .terminating(let until): next = min(next, until)
    case .killing(let giveUp):
      let waited = isAbandoned ? (nextLook == .never ? statusDeadline : nextLook) : .never
      next = min(next, min(giveUp, min(nextKill, waited)))
    }
    return next
  }

  private func checkDeadlines() {
    switch phase {
    case .handshaking, .attesting, .awaitingNonce:
      if handshakeDeadline.hasPassed { killAll(because: "the handshake took longer than \(plan.handshakeTimeoutMilliseconds) ms") }
    case .running:
      if timeout.hasPassed { terminate(because: "timeout") }
    case .terminating(let until):
      if until.hasPassed { killAll(because: nil) }
    case .killing:
      if nextKill.hasPassed { kill() }
    }
  }

  private func tellRejections() {
    while let rejection = sockets.tally.next() {
      if !channel.tellIfRoom(.rejected(rejection)) { return sockets.tally.putBack(rejection) }
    }
  }

  // MARK: The handshake

  private func takeHandshake() {
    guard phase == .handshaking, handshake.isComplete else { return }
    guard let completed = handshake.complete() else { return fail("the handshake could not be completed") }
    sockets.close()
    take(completed)
    guard let targetNumber, let raw = targetDescriptor else { return }
    phase = .attesting
    if !channel.tell(.attest(pid: targetNumber), descriptors: [raw]) { fail("the server can't be asked to attest the filter") }
  }

  private func take(_ completed: consuming SessionHandshake.Completed) {
    targetNumber = completed.pid
    do throws(SyscallError) {
      try setNonBlocking(completed.signalSocket.rawValue)
      try sockets.watch(completed.signalSocket.rawValue, .readable, token: Token.signalSocket)
      try sockets.watch(completed.target.descriptor.rawValue, .readable, token: Token.target)
      try sockets.watch(completed.listener.descriptor.rawValue, .hangUp, token: Token.listener)
    } catch {
      fail("waiting for events: \(error)")
    }
    target = consume completed.target
    listener = consume completed.listener
    signalSocket = consume completed.signalSocket
    notifySocket = consume completed.notifySocket
  }

  private var targetDescriptor: CInt? {
    switch target {
    case .some(let pidfd): pidfd.descriptor.rawValue
    case .none: nil
    }
  }

  private func readChannel() {
    for order in channel.orders() {
      switch order {
      case .attested: if phase == .attesting { attested() }
      case .notAttested(let why): if phase == .attesting { killAll(because: "the target's filter was not attested: \(why)") }
      case .stop(let why): terminate(because: why)
      case .count(let request): _ = channel.tellIfRoom(.counted(request: request, refused: counters.refused))
      }
    }
    guard !channel.isOpen else { return }
    sockets.unwatch(channel.rawValue)
    // A running session goes on without its server; one that has not begun does not begin.
    if phase == .handshaking || phase == .attesting { killAll(because: "the server has gone") }
  }

  private func attested() {
    guard let number = targetNumber, let listener = listener.take() else { return fail("there is nothing to supervise") }
    _ = listener.useSynchronousWakeUp()
    let box = mailbox
    do throws(SyscallError) {
      let root = try TargetRoot(of: number)
      let supervision = root.supervision(
        listener: listener, loop: self, kinds: kinds, rootTarget: number, endSession: { box.put(.end(reason: $0)) })
      self.supervision = supervision
      phase = .awaitingNonce
      // Only one thread can wait here, and it is not this one: a target that dies now must not hold up the loop.
      try startThread("first call") { Self.awaitFirstCall(supervision, box) }
    } catch {
      return fail("\(error)")
    }
    replyNotify(.acceptedWithNonce(plan.nonce))
  }

  private func replyNotify(_ reply: HandshakeReply) {
    do throws(SyscallError) {
      try notifySocket?.sendAll(reply.frame, deadline: .after(milliseconds: 1000))
    } catch {
      killAll(because: "the launcher hung up")
    }
    notifySocket = nil
  }

  private static func awaitFirstCall(_ supervision: Supervision, _ box: Mailbox) {
    while true {
      switch supervision.listener.receive() {
      case .call(let call): return box.put(.firstCall(call))
      case .nothing: if supervision.listener.isAbandoned(waiting: 0) { return box.put(.abandoned) }
      case .failed(let errno): return box.put(.receptionFailed(errno))
      }
    }
  }

  private func readMailbox() {
    for letter in mailbox.takeAll() {
      switch letter {
      case .firstCall(let call): firstCall(call)
      case .abandoned: abandoned()
      case .receptionFailed(let errno): fail("receiving trapped calls: \(errno)")
      case .end(let why): fail(why)
      }
    }
  }

  /// The nonce ties listener, filter and process together: it is made by the process that was attested, under the filter of this listener.
  private func firstCall(_ call: TrappedCall) {
    guard phase == .awaitingNonce, let supervision else { return }
    let isNonce =
      call.architecture == kinds.architecture && kinds[call.number] == .prctl && call.thread == targetNumber
      && call.arguments.0 == UInt64(FilterSpecification.nonceOption) && call.arguments.1 == plan.nonce & 0xFFFF_FFFF
      && call.arguments.2 == plan.nonce >> 32
    guard isNonce, supervision.listener.isWaiting(call.id) else { return killAll(because: "the first call of the session did not carry its nonce") }
    guard record.write(startRecord()) else { return fail("the record can't be written: the disk may be full") }
    hasStarted = true
    channel.tell(.started(pid: call.thread), milliseconds: 200)
    let box = mailbox
    do throws(SyscallError) {
      if let names {
        try NameResolver.start(
          NameResolver.Session(names: names, policy: bound, record: record, counters: counters),
          datagrams: OwnedDescriptor(owning: Inherited.resolverDatagrams), stream: OwnedDescriptor(owning: Inherited.resolverStream))
      }
      let pool = try WorkerPool(supervision: supervision) { ending in
        switch ending {
        case .abandoned: box.put(.abandoned)
        case .failed(let errno): box.put(.receptionFailed(errno))
        }
      }
      try pool.start()
      self.pool = pool
    } catch {
      return fail("\(error)")
    }
    phase = .running
    if let milliseconds = plan.timeoutMilliseconds { timeout = .after(milliseconds: Int64(milliseconds)) }
    hasRun = true
    supervision.listener.answer(call.id, value: 0)
  }

  // MARK: The launcher

  private func readSignalSocket() {
    do throws(SyscallError) {
      // Nothing: a false alarm.
      guard let part = try signalSocket?.receive(atMost: MessageFramer.sessionLimit) else { return }
      if part.isEnd { return launcherHungUp() }
      guard let messages = try? signalFramer.append(part.bytes) else { return launcherHungUp() }
      for message in messages {
        guard let message = try? LauncherMessage.decode(message) else { return launcherHungUp() }
        handle(message)
      }
    } catch {
      launcherHungUp()
    }
  }

  private func handle(_ message: LauncherMessage) {
    switch message {
    case .signal(let number):
      // A signal that can't be delivered has nobody left to take it.
      try? target?.sendSignal(number)
    case .ended(let status):
      ending = TargetEnding(waitStatus: status)
      hasStatus = true
      killAll(because: nil)
    case .used(let cpu, let memory):
      claimed = (cpu, memory)
    }
  }

  private func launcherHungUp() {
    if let raw = signalSocket?.rawValue { sockets.unwatch(raw) }
    signalSocket = nil
    statusDeadline = .after(milliseconds: 0)
    killAll(because: hasStatus ? nil : "the launcher hung up")
  }

  private func tellLauncher(_ message: SupervisorMessage) {
    try? signalSocket?.sendAll(message.frame, deadline: .after(milliseconds: 1000))
  }

  // MARK: The end

  private func targetEnded() {
    if let raw = targetDescriptor { sockets.unwatch(raw) }
    if statusDeadline == .never { statusDeadline = .after(milliseconds: Self.statusMilliseconds) }
    killAll(because: nil)
  }

  private func abandoned() {
    guard !isAbandoned else { return }
    isAbandoned = true
    if let raw = supervision?.listener.descriptor.rawValue { sockets.unwatch(raw) }
    if statusDeadline == .never { statusDeadline = .after(milliseconds: Self.statusMilliseconds) }
    killAll(because: nil)
  }

  /// Something went wrong in here: the session ends, closed.
  private func fail(_ why: String) {
    hasFailed = true
    SupervisorMain.complain("session \(plan.sessionID): \(why)")
    killAll(because: "the supervisor can't go on: \(why)")
  }

  /// Asks everything to end, and kills what is left after a while.
  private func terminate(because why: String) {
    guard phase == .running else { return killAll(because: why) }
    reason = why
    tellLauncher(.stopped(reason: why))
    processes.signal(SIGTERM, rootTarget: targetNumber)
    // A stopped process takes no signal but these.
    processes.signal(SIGCONT, rootTarget: targetNumber)
    phase = .terminating(until: .after(milliseconds: Self.graceMilliseconds))
  }

  private func killAll(because why: String?) {
    if case .killing = phase { return }
    if let why, reason == nil {
      reason = why
      tellLauncher(.stopped(reason: why))
    }
    if notifySocket != nil { replyNotify(.refused(reason: reason ?? "the session has ended")) }
    phase = .killing(giveUp: .after(milliseconds: Self.killMilliseconds))
    if statusDeadline == .never { statusDeadline = .after(milliseconds: Self.statusMilliseconds) }
    kill()
  }

  private func kill() {
    nextKill = .after(milliseconds: Self.killAgainMilliseconds)
    handshake.killTarget()
    try? target?.sendSignal(SIGKILL)
    processes.kill(rootTarget: targetNumber)
    // Without a listener nothing says when the last has gone, but then nothing ran yet either.
    if supervision == nil { isAbandoned = true }
  }

  private var isOver: Bool {
    guard case .killing(let giveUp) = phase else { return false }
    if giveUp.hasPassed { return true }
    guard isAbandoned else { return false }
    if processes.isPopulated() {
      nextLook = .after(milliseconds: Self.lookMilliseconds)
      return false
    }
    nextLook = .never
    return hasStatus || signalSocket == nil || statusDeadline.hasPassed
  }

  private func finish() {
    pool?.close()
    supervision?.drainRelay()
    if !isAbandoned { fail("processes of the session could not be killed") }
    used = (processes.cpuMicroseconds() ?? claimed.cpuMicroseconds, processes.memoryKiB() ?? claimed.memoryKiB)
    if !hasStarted { _ = record.write(startRecord()) }
    let summary = summary()
    if !record.write(endRecord(summary)) { SupervisorMain.complain("session \(plan.sessionID): the end could not be recorded") }
    tellRejections()
    channel.tell(.ended(summary))
    tellLauncher(.summary(summary))
  }
}
