import AgentshFilter
import AgentshPolicy
import AgentshProtocol
import AgentshSystem
import Glibc
import SystemPackage

/// The session of a supervisor from the handshake to its end, on the supervisor's first thread.
final class SessionLoop: SessionCourse {
  private let channel: ServerChannel
  private let sockets: SessionSockets
  private let handshake = SessionHandshake()

  // What the handshake gave. The listener goes to `supervision` once it is attested.
  private var listener: SeccompListener?
  private var notifySocket: UnixSocket?
  private var supervision: Supervision?
  private var pool: WorkerPool?
  /// Sessions inside, by their ids: where their loops take orders.
  private var inside: [String: Mailbox] = [:]
  private var knocks = Knocks()
  /// Where the session looks names up; nil where its policy goes by none.
  let names: SessionNames?

  /// Takes over the inherited descriptors.
  init(plan: SessionPlan, _ prepared: PreparedPolicy) throws(SyscallError) {
    channel = try ServerChannel(UnixSocket(owning: OwnedDescriptor(owning: Inherited.channel)))
    let launcher = Pidfd(OwnedDescriptor(owning: Inherited.launcher))
    sockets = try SessionSockets(
      notify: UnixSocket(owning: OwnedDescriptor(owning: Inherited.notify)),
      signal: UnixSocket(owning: OwnedDescriptor(owning: Inherited.signal)),
      ptrace: UnixSocket(owning: OwnedDescriptor(owning: Inherited.ptrace)), launcher: launcher,
      rules: SessionSockets.Rules(callerUID: plan.callerUID, token: plan.token), handshake: handshake, epoll: try Epoll())
    let mailbox = try Mailbox()
    names = if let resolver = plan.resolver { try SessionNames(address: resolver.address, port: resolver.port) } else { nil }
    // A policy that goes by names was promised what it needs for that.
    guard !prepared.bound.knowsNames || names != nil else { throw SyscallError("bind", .protocolError, "the session's resolver") }
    try super.init(
      plan: plan, prepared, record: OwnedDescriptor(owning: Inherited.record),
      killFile: OwnedDescriptor(owning: Inherited.kill), mailbox: mailbox)
    try watch(channel.rawValue, .readable, token: Token.channel)
    try watch(sockets.launcherDescriptor, .readable, token: Token.launcher)
    try watch(mailbox.rawValue, .readable, token: Token.mailbox)
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
      unwatch(sockets.launcherDescriptor)
      launcherEnded()
    case Token.mailbox: readMailbox()
    case Token.signalSocket: readSignalSocket()
    case Token.target: targetEnded()
    case Token.listener: if event.events.contains(.hangUp) { abandoned() }
    case SessionSockets.firstPeerToken...: sockets.read(peer: event.token)
    default: break
    }
  }

  override func watch(_ descriptor: CInt, _ events: EpollEvents, token: UInt64) throws(SyscallError) {
    try sockets.watch(descriptor, events, token: token)
  }

  override func unwatch(_ descriptor: CInt) { sockets.unwatch(descriptor) }

  override var nextDeadline: Deadline {
    min(super.nextDeadline, min(knocks.deadline, min(sockets.nextDeadline, sockets.tally.deadline)))
  }

  override func checkDeadlines() {
    super.checkDeadlines()
    for call in knocks.takeOverdue() { supervision?.listener.answer(call, errno: ETIMEDOUT) }
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
    dropped = handshake.dropped
    take(completed)
    guard let targetNumber, let raw = targetDescriptor else { return }
    phase = .attesting
    if !channel.tell(.attest(pid: targetNumber), descriptors: [raw]) { fail("the server can't be asked to attest the filter") }
  }

  private func take(_ completed: consuming SessionHandshake.Completed) {
    do throws(SyscallError) {
      try watch(completed.listener.descriptor.rawValue, .hangUp, token: Token.listener)
    } catch {
      fail("waiting for events: \(error)")
    }
    take(target: completed.target, number: completed.pid)
    listener = consume completed.listener
    take(launcher: completed.signalSocket)
    notifySocket = consume completed.notifySocket
  }

  private func readChannel() {
    for received in channel.orders() {
      switch received.order {
      case .attested: if phase == .attesting { attested() }
      case .notAttested(let why): if phase == .attesting { killAll(because: "the target's filter was not attested: \(why)") }
      case .stop(let why): terminate(because: why)
      case .count(let request): _ = channel.tellIfRoom(.counted(request: request, refused: counters.refused))
      case .door(let request, let errno): open(request, received.takeFirst(), errno)
      case .open(let session): begin(session, received)
      case .nested(let session, let order): inside[session]?.put(.order(order))
      }
    }
    guard !channel.isOpen else { return }
    unwatch(channel.rawValue)
    for call in knocks.takeAll() { supervision?.listener.answer(call, errno: ENOTCONN) }
    for mailbox in inside.values { mailbox.put(.order(.notAttested(reason: "the server has gone"))) }
    // A running session goes on without its server; one that has not begun does not begin.
    if phase == .handshaking || phase == .attesting { killAll(because: "the server has gone") }
  }

  private func attested() {
    if targetHasEnded { return killAll(because: "the target ended before it was let go") }
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
    // Away before it is used: what ends the session because nobody listens any more turns away whoever still waits.
    guard let socket = notifySocket.take() else { return }
    do throws(SyscallError) {
      try socket.sendAll(reply.frame, deadline: .after(milliseconds: 1000))
    } catch {
      killAll(because: "the launcher hung up")
    }
  }

  override func turnAway(_ reason: String) {
    if notifySocket != nil { replyNotify(.refused(reason: reason)) }
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
      case .knock(let call, let process): knock(call, process)
      case .nestedEnded(let session): inside[session] = nil
      case .order: break
      }
    }
  }

  /// The nonce ties listener, filter and process together: it is made by the process that was attested, under the filter of this listener.
  private func firstCall(_ call: TrappedCall) {
    guard phase == .awaitingNonce, let supervision else { return }
    guard isNonce(call), supervision.listener.isWaiting(call.id) else { return killAll(because: "the first call of the session did not carry its nonce") }
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
    beginRunning()
    supervision.listener.answer(call.id, value: 0)
  }

  // MARK: Sessions inside

  /// Whether its processes may open sessions inside: a server has to be there for that, and a control group that tells whose process is whose.
  var permitsNested: Bool { policy.allowsNestedSessions && !plan.isEmbedded && plan.canKillCgroup }

  /// Asks the server for a connection, for a process that made this call.
  private func knock(_ call: TrappedCall, _ process: Int32) {
    guard let supervision else { return }
    guard phase == .running, channel.isOpen else { return _ = supervision.listener.answer(call.id, errno: ENOTCONN) }
    guard let pidfd = try? Pidfd.open(process), supervision.listener.isWaiting(call.id) else { return }
    guard let request = knocks.add(call.id) else { return _ = supervision.listener.answer(call.id, errno: EAGAIN) }
    if !channel.tell(.knock(request: request), descriptors: [pidfd.descriptor.rawValue], milliseconds: 200), let call = knocks.take(request) {
      supervision.listener.answer(call, errno: ENOTCONN)
    }
  }

  /// Hands the server's connection to the process that asked for it.
  private func open(_ request: Int, _ connection: consuming OwnedDescriptor?, _ errno: Int32?) {
    guard let supervision, let call = knocks.take(request) else { return }
    guard let connection = consume connection else { return _ = supervision.listener.answer(call, errno: errno ?? EPERM) }
    do throws(SyscallError) {
      let number = try supervision.listener.inject(call, connection, closeOnExec: true)
      supervision.listener.answer(call, value: Int64(number))
    } catch {
      supervision.listener.answer(call, errno: error.errno.rawValue)
    }
  }

  /// Takes up a session inside, on a thread of its own.
  private func begin(_ session: String, _ received: ServerChannel.Received) {
    let box = mailbox
    do throws(SyscallError) {
      guard phase == .running, let supervision, supervision.nested != nil else { throw SyscallError("session", .canceled, "the session around is ending") }
      guard let parts = NestedParts(received) else { throw SyscallError("recvmsg", .protocolError, "the session's descriptors") }
      let channel = try NestedChannel(self.channel, session: session)
      let orders = try Mailbox()
      let uid = plan.callerUID
      // Reading a policy takes more of the stack than a worker's calls.
      try startThread("nested", stackBytes: 4 << 20) {
        NestedLoop.run(session, parts, around: supervision, uid: uid, channel, orders)
        box.put(.nestedEnded(session: session))
      }
      inside[session] = orders
    } catch {
      channel.tell(.nested(session: session, .ended(NestedLoop.summary(ofNothing: session, "\(error)"))))
    }
  }

  override func willTerminate(_ reason: String) {
    for mailbox in inside.values { mailbox.put(.order(.stop(reason: "the session around it is being ended: \(reason)"))) }
  }

  // MARK: The end

  private func abandoned() {
    guard !isAbandoned else { return }
    isAbandoned = true
    if let raw = supervision?.listener.descriptor.rawValue { unwatch(raw) }
    // It hangs up before there is anything to supervise, too.
    if let raw = listener?.descriptor.rawValue { unwatch(raw) }
    waitForStatus()
    killAll(because: nil)
  }

  override func willKill() {
    handshake.killTarget()
    supervision?.isEnding.store(true, ordering: .relaxed)
    // Without a listener nothing says when the last has gone, but then nothing ran yet either.
    if supervision == nil { isAbandoned = true }
    for mailbox in inside.values { mailbox.put(.end(reason: "the session around it has ended")) }
  }

  override var supervisesNothing: Bool { supervision == nil || pool == nil }

  override var isOver: Bool {
    guard super.isOver else { return false }
    // Those inside close their records first. Nothing lives in them any more.
    if case .killing(let giveUp) = phase, !inside.isEmpty, !giveUp.hasPassed { return false }
    return true
  }

  private func finish() {
    pool?.close()
    supervision?.drainRelay()
    if !isAbandoned { fail("processes of the session could not be killed") }
    let summary = closeRecord()
    tellRejections()
    channel.tell(.ended(summary))
    tellLauncher(.summary(summary))
  }
}

/// Calls by which processes of the session have asked for a connection to the server, and that wait for it.
private struct Knocks {
  private static let most = 16
  private static let patienceMilliseconds: Int64 = 10_000

  private var waiting: [Int: (call: UInt64, deadline: Deadline)] = [:]
  private var next = 0

  /// The request's number; nil where too many wait.
  mutating func add(_ call: UInt64) -> Int? {
    guard waiting.count < Self.most else { return nil }
    next += 1
    waiting[next] = (call, .after(milliseconds: Self.patienceMilliseconds))
    return next
  }

  mutating func take(_ request: Int) -> UInt64? { waiting.removeValue(forKey: request)?.call }

  mutating func takeAll() -> [UInt64] {
    defer { waiting = [:] }
    return waiting.values.map(\.call)
  }

  mutating func takeOverdue() -> [UInt64] {
    let overdue = waiting.filter(\.value.deadline.hasPassed)
    for request in overdue.keys { waiting[request] = nil }
    return overdue.values.map(\.call)
  }

  var deadline: Deadline { waiting.values.map(\.deadline).min() ?? .never }
}
