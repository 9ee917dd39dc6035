import AgentshPolicy
import AgentshProtocol
import AgentshSystem
import Glibc
import Synchronization
import SystemPackage

/// A session that was opened inside this supervisor's own: on a thread of its own, from its launcher's handshake to its end.
///
/// The kernel allows one listener for a chain of filters, so it has none: its calls come by the listener of the session around, whose workers ask both
/// policies. What is its own: policy, record, floor, control group, totals, time limit, and the tie to its launcher, a process of the session around.
final class NestedLoop: SessionCourse {
  private let around: Supervision
  private let channel: NestedChannel
  private let epoll: Epoll
  private let launcher: Pidfd
  private var session: NestedSession?
  /// The launcher has been told the nonce, or that there will be none.
  private var isAnswered = false
  private var isRefused = false

  /// Runs a session to its end.
  /// - Parameters:
  ///   - uid: the only one that it may be of.
  ///   - orders: where its loop takes what the server says, and calls of processes whose session isn't running.
  static func run(_ id: String, _ parts: NestedParts, around: Supervision, uid: UInt32, _ channel: NestedChannel, _ orders: Mailbox) {
    do {
      guard let taken = parts.take() else { throw SyscallError("recvmsg", .protocolError, "the session's descriptors") }
      let loop = try NestedLoop(id, taken, around, uid, channel, orders)
      loop.run()
    } catch {
      channel.tell(.ended(summary(ofNothing: id, "\(error)")))
    }
  }

  /// The totals of a session that never came about.
  static func summary(ofNothing session: String, _ reason: String) -> SessionSummary {
    SessionSummary(session: session, refused: 0, audited: 0, allowed: 0, durationMilliseconds: 0, ending: .unknown, reason: reason, hasRun: false)
  }

  private init(
    _ id: String, _ parts: consuming NestedParts.Taken, _ around: Supervision, _ uid: UInt32, _ channel: NestedChannel, _ orders: Mailbox
  ) throws {
    let plan = try SupervisorStart.readPlan(parts.plan)
    guard plan.sessionID == id, plan.callerUID == uid, plan.canKillCgroup, plan.exactRights == 0 else { throw StartError.identity("the plan is of another session") }
    let prepared = try SupervisorStart.policy(plan, prepared: nil)
    self.around = around
    self.channel = channel
    epoll = try Epoll()
    launcher = Pidfd(parts.launcher)
    try super.init(
      plan: plan, prepared, record: parts.record, killFile: parts.kill, mailbox: orders, around: around.floor)
    try watch(launcher.descriptor.rawValue, .readable, token: Token.launcher)
    try watch(orders.rawValue, .readable, token: Token.mailbox)
    take(launcher: UnixSocket(owning: parts.link))
  }

  private func run() {
    channel.tell(.ready(sessionFloor.plan))
    while !isOver {
      do throws(SyscallError) {
        for event in try epoll.wait(deadline: nextDeadline) { handle(event) }
      } catch {
        fail("waiting for events: \(error)")
        break
      }
      checkDeadlines()
    }
    finish()
  }

  private func handle(_ event: EpollEvent) {
    switch event.token {
    case Token.launcher:
      unwatch(launcher.descriptor.rawValue)
      launcherEnded()
    case Token.mailbox: readMailbox()
    case Token.signalSocket: readSignalSocket()
    case Token.target: targetEnded()
    default: break
    }
  }

  override func watch(_ descriptor: CInt, _ events: EpollEvents, token: UInt64) throws(SyscallError) { try epoll.add(descriptor, events, token: token) }
  override func unwatch(_ descriptor: CInt) { epoll.remove(descriptor) }

  private func readMailbox() {
    for letter in mailbox.takeAll() {
      switch letter {
      case .order(.attested): if phase == .attesting { attested() }
      case .order(.notAttested(let why)):
        if phase == .handshaking || phase == .attesting { killAll(because: "the target's filter was not attested: \(why)") }
      case .order(.stop(let why)): terminate(because: why)
      case .order(.count(let request)): channel.tell(.counted(request: request, refused: counters.refused))
      case .order: break
      case .firstCall(let call): firstCall(call)
      case .end(let why): killAll(because: why)
      case .abandoned, .receptionFailed, .knock, .nestedEnded: break
      }
    }
  }

  // MARK: The handshake

  /// The launcher's first message names its child; what the launcher says later is about the running session.
  override func take(_ message: [UInt8]) {
    if phase == .handshaking { takeHello(message) } else { super.take(message) }
  }

  private func takeHello(_ message: [UInt8]) {
    guard let hello = try? ProcessHello.decode(message), hello.token == plan.token else { return killAll(because: "the launcher's first message is none") }
    do throws(SyscallError) {
      let pidfd = try Pidfd.open(hello.pid)
      // Named by number: believed because it is the launcher's child, and alive, so that nobody else's process is attested or killed.
      let parent = try ProcessIdentity.parentID(of: pidfd)
      guard parent == (try ProcessIdentity.processID(of: launcher)), !pidfd.hasExited() else { throw SyscallError("pidfd_open", .noSuchProcess) }
      dropped = hello.dropped
      take(target: pidfd, number: hello.pid)
    } catch {
      return killAll(because: "the process that the launcher named is no child of it")
    }
    guard let raw = targetDescriptor, phase == .handshaking else { return }
    phase = .attesting
    if !channel.tell(.attest(pid: hello.pid), descriptors: [raw]) { fail("the server can't be asked to attest the filter") }
  }

  /// The filter on top is the compiled one, and the process lives in this session's control group: from its next call on it is held to both policies.
  private func attested() {
    if targetHasEnded { return killAll(because: "the target ended before it was let go") }
    guard let number = targetNumber, let nested = around.nested else { return fail("there is nothing to supervise") }
    let relations = SessionRelations(rootTarget: number, launcher: plan.callerPID, server: around.layer.relations.server)
    let layer = SessionLayer(policy: bound, record: record, relations: relations, counters: counters, permitsTracing: false)
    let session = NestedSession(id: Array(plan.sessionID.utf8), layer: layer, floor: floor, mailbox: mailbox)
    nested.add(session)
    self.session = session
    phase = .awaitingNonce
    isAnswered = true
    sendLauncher(HandshakeReply.acceptedWithNonce(plan.nonce).frame)
  }

  private func firstCall(_ call: TrappedCall) {
    // A call of a process that is being killed: nobody answers it.
    guard phase == .awaitingNonce, let session else { return }
    guard isNonce(call), around.listener.isWaiting(call.id) else { return killAll(because: "the first call of the session did not carry its nonce") }
    guard record.write(startRecord()) else { return fail("the record can't be written: the disk may be full") }
    hasStarted = true
    channel.tell(.started(pid: call.thread), milliseconds: 200)
    session.begin()
    beginRunning()
    around.listener.answer(call.id, value: 0)
  }

  override func turnAway(_ reason: String) {
    guard !isAnswered else { return }
    isAnswered = true
    isRefused = true
    sendLauncher(HandshakeReply.refused(reason: reason).frame)
  }

  override func tellLauncher(_ message: SupervisorMessage) {
    // Before it has its answer it understands no other, and a refusal is the last that it hears.
    if isAnswered, !isRefused { super.tellLauncher(message) }
  }

  // MARK: The end

  override func willKill() {
    session?.end()
    // No listener tells when the last has gone: its control group does.
    isAbandoned = true
  }

  private func finish() {
    let isLeft = isPopulated
    if isLeft { fail("processes of the session could not be killed") }
    let summary = closeRecord()
    // What is left in its group has nothing done for it, as long as it is there.
    if let session, !isLeft { around.nested?.remove(session) }
    channel.tell(.ended(summary))
    tellLauncher(.summary(summary))
  }
}

/// The descriptors that come with a session inside.
final class NestedParts: Sendable {
  struct Taken: ~Copyable {
    let record: OwnedDescriptor
    let launcher: OwnedDescriptor
    let plan: OwnedDescriptor
    let kill: OwnedDescriptor
    /// The connection to the launcher.
    let link: OwnedDescriptor
  }

  private let parts: Mutex<Taken?>

  /// nil where they are not as many as there have to be.
  init?(_ received: ServerChannel.Received) {
    guard received.count == ServerOrder.openDescriptors, let record = received.takeFirst(), let launcher = received.takeFirst(),
      let plan = received.takeFirst(), let kill = received.takeFirst(), let link = received.takeFirst()
    else { return nil }
    parts = Mutex(Taken(record: record, launcher: launcher, plan: plan, kill: kill, link: link))
  }

  func take() -> Taken? { parts.withLock { $0.take() } }
}

/// What a session inside says to the server: over a channel of its own to the same end, since the supervisor's belongs to another thread.
final class NestedChannel: Sendable {
  private let socket: UnixSocket
  private let session: String

  init(_ channel: ServerChannel, session: String) throws(SyscallError) {
    socket = UnixSocket(owning: try channel.duplicate())
    self.session = session
  }

  @discardableResult func tell(_ report: SupervisorReport, descriptors: [CInt] = [], milliseconds: Int64 = 2000) -> Bool {
    do throws(SyscallError) {
      try socket.sendAll(SupervisorReport.nested(session: session, report).packet, descriptors: descriptors, deadline: .after(milliseconds: milliseconds))
      return true
    } catch {
      return false
    }
  }
}
