internal import AgentshAudit
internal import AgentshProtocol
internal import AgentshSupervision
internal import AgentshSystem
import Glibc
import Logging
import SystemPackage

/// Sessions from the start of their supervisor to the removal of all that was theirs.
extension ControlLoop {
  /// How long a supervisor may take to end its session before it is killed: longer than the five seconds that it gives its processes to end by
  /// themselves, so that it can kill what is left and close the record; shorter than the ten after which a server that stops gives up.
  static let stopMilliseconds: Int64 = 8000
  /// The most packets taken from one channel before others have their turn.
  static let packetsAtATime = 32

  func watch(_ opened: OpenedSession, for connection: UInt64) {
    let number = nextNumber
    nextNumber += 1
    let parent = opened.session.facts.parent.flatMap { sessionNumbers[$0] }.flatMap { sessions[$0] }
    let session = WatchedSession(number: number, opened: opened, parent: parent, wrapConnection: connection)
    sessions[number] = session
    sessionNumbers[session.id] = number
    do throws(SyscallError) {
      if let supervisor = opened.supervisor {
        try epoll.add(supervisor.process.pidfd.descriptor.rawValue, .readable, token: Self.token(.supervisor, number))
        try epoll.add(supervisor.channel.rawValue, .readable, token: Self.token(.channel, number))
      }
      try watchLauncher(of: session)
      if let events = opened.cgroupEvents {
        try epoll.add(events, [.priority, .edgeTriggered], token: Self.token(.cgroup, number))
      }
    } catch {
      fail(session, "it can't be watched: \(error)")
      if opened.supervisor == nil { endNested(session, 0) } else { supervisorEnded(session) }
      return
    }
    if let nested = opened.nested, !hand(nested, to: session) {
      fail(session, "the session around it is ending")
      endNested(session, 0)
      return
    }
    watchFor(opened.readyDeadline)
    offerToFollowers(session.session)
    if stopping != nil { stop(session, "the server is stopping") }
  }

  /// Gives a session inside another to the supervisor of that one.
  private func hand(_ nested: NestedDescriptors, to session: WatchedSession) -> Bool {
    guard let parent = session.parent, parent.status == nil, parent.stopReason == nil, parent.summary == nil,
      let kill = session.opened.killDescriptor
    else { return false }
    return send(
      .open(session: session.id), over: parent,
      descriptors: [
        nested.record.rawValue, session.opened.caller.pidfd.descriptor.rawValue, nested.plan.rawValue, kill, nested.link.rawValue,
      ])
  }

  // MARK: What supervisors say

  /// Takes what a supervisor has said, up to a number of messages: true when there may be more.
  @discardableResult func readChannel(_ session: WatchedSession) -> Bool {
    guard let supervisor = session.opened.supervisor else { return false }
    for _ in 0..<Self.packetsAtATime {
      do throws(SyscallError) {
        guard var received = try supervisor.channel.receive(atMost: MessageFramer.sessionLimit + 1) else { return false }
        if received.isEnd {
          closeChannel(session)
          return false
        }
        let descriptor = received.descriptors.takeFirst()
        guard received.descriptors.count == 0, !received.isTruncated, let report = try? SupervisorReport.decode(received.bytes) else {
          fail(session, "its supervisor sent what is no message")
          return false
        }
        handle(report, descriptor, from: session)
      } catch {
        // Told once, and before what is still there: the supervisor has ended with an order unread.
        if error.errno == .connectionReset { continue }
        closeChannel(session)
        return false
      }
    }
    return true
  }

  private func closeChannel(_ session: WatchedSession) {
    guard session.isChannelOpen else { return }
    session.isChannelOpen = false
    if let supervisor = session.opened.supervisor { epoll.remove(supervisor.channel.rawValue) }
  }

  private func handle(_ report: SupervisorReport, _ descriptor: consuming OwnedDescriptor?, from session: WatchedSession) {
    switch report {
    case .ready(let floor): becomeReady(session, floor)
    case .attest:
      guard session.isReady, let descriptor = consume descriptor else {
        fail(session, "its supervisor asked for an attestation without a process")
        return
      }
      let target = SharedPidfd(descriptor)
      let attestation = Attestation(opened: session.opened, readsFilter: context.host.canReadFilters, reaper: context.reaper)
      let (id, mailbox) = (session.id, mailbox)
      workers.submit(for: session.session.facts.uid) { mailbox.post(.attested(session: id, attestation.run(target.pidfd))) }
    case .rejected(let rejection): note(rejection, in: session)
    case .started(let pid):
      session.session.update {
        $0.pid = pid
        if $0.phase == .starting { $0.phase = .running }
      }
      beginTerm(of: session)
      if let rehearsal = session.opened.rehearsal { context.spares.want(session.opened.identity, rehearsal) }
    case .counted(let request, let refused): noteCount(refused, of: session, request: request)
    case .ended(let summary):
      session.summary = summary
      session.session.update {
        $0.refused = summary.refused
        $0.phase = .ending
      }
      if session.opened.supervisor == nil { endNested(session, 0) } else { expectEnd(of: session) }
    case .knock(let request):
      guard let descriptor = consume descriptor else {
        fail(session, "its supervisor asked for a connection without a process")
        return
      }
      do throws(SyscallError) {
        let connection = try letIn(descriptor, by: session)
        _ = send(.door(request: request, errno: nil), over: session, descriptors: [connection.rawValue])
      } catch {
        order(.door(request: request, errno: error.errno.rawValue), session)
      }
    case .nested(let id, let report):
      // Only of sessions that lie inside this supervisor's own, and that it has not said to be over.
      guard let number = sessionNumbers[id], let nested = sessions[number], nested.parent === session, nested.status == nil else { return }
      handle(report, descriptor, from: nested)
    }
  }

  private func becomeReady(_ session: WatchedSession, _ floor: FloorPlan) {
    guard !session.isReady else { return }
    session.isReady = true
    if session.stopReason == nil, session.overdue == nil { session.deadline = nil }
    if session.term == nil, let milliseconds = session.opened.reply.handshakeMilliseconds {
      set(Term(afterMilliseconds: milliseconds, .handshake), of: session)
    }
    guard let connection = session.wrapConnection else { return }
    session.wrapConnection = nil
    var reply = session.opened.reply
    let isRequired = reply.floor.isRequired
    reply.floor = floor
    reply.floor.isRequired = isRequired
    if let nested = session.opened.nested { connections[connection]?.attach(nested) }
    answer(connection, .success(.wrap(reply)))
  }

  func finishAttestation(_ id: String, _ result: ServerOrderResult) {
    guard let number = sessionNumbers[id], let session = sessions[number] else { return }
    switch result {
    case .attested: order(.attested, session)
    case .notAttested(let reason):
      context.log.logger.warning("session \(id): the target is not attested: \(reason)")
      order(.notAttested(reason: reason), session)
    }
  }

  private func order(_ order: ServerOrder, _ session: WatchedSession) {
    let carrier = session.parent ?? session
    guard carrier.isChannelOpen else { return }
    // A packet goes whole or not at all; a supervisor that lets its queue fill up is not working.
    if !send(order, to: session) { fail(carrier, "its supervisor takes no messages") }
  }

  /// Sends an order to a session, by the supervisor of the session around it where it lies inside one; false when there is no room, or nobody to take it.
  func send(_ order: ServerOrder, to session: WatchedSession) -> Bool {
    guard let parent = session.parent else { return send(order, over: session) }
    return send(.nested(session: session.id, order), over: parent)
  }

  private func send(_ order: ServerOrder, over session: WatchedSession, descriptors: [CInt] = []) -> Bool {
    guard session.isChannelOpen, let supervisor = session.opened.supervisor else { return false }
    let packet = order.packet
    return (try? supervisor.channel.send(packet[...], descriptors: descriptors)) == packet.count
  }

  private func note(_ rejection: PeerRejection, in session: WatchedSession) {
    let key = RejectionCounter.Key(
      session: session.id, socket: rejection.socket.rawValue, reason: rejection.reason.rawValue, uid: rejection.uid)
    if context.refusals.admits(key, count: rejection.count) {
      context.log.note(Self.record(of: key, pid: rejection.pid, count: rejection.count))
    } else {
      writeHeldLater()
    }
  }

  func writeHeldLater() {
    guard heldWrittenAt == nil else { return }
    let at = Deadline.after(milliseconds: 1000)
    heldWrittenAt = at
    watchFor(at)
  }

  func writeHeldRejections() {
    heldWrittenAt = nil
    for (key, count) in context.refusals.takeHeld() { context.log.note(Self.record(of: key, pid: nil, count: count)) }
  }

  private static func record(of key: RejectionCounter.Key, pid: Int32?, count: Int) -> AuditRecord {
    var fields = [AuditField("reason", .text(key.reason)), AuditField("socket", .text(key.socket))]
    if count != 1 { fields.append(AuditField("count", .integer(Int64(count)))) }
    return AuditRecord(
      operation: key.socket == "control" ? .sessionRefused : .peerRejected, session: key.session,
      uid: key.uid, pid: pid, fields: fields, decision: .deny)
  }

  // MARK: The end of a session

  func stop(session id: String, _ reason: String, for connection: UInt64) {
    guard let number = sessionNumbers[id], let session = sessions[number] else {
      if let session = context.sessions.session(id), session.isActive {
        answer(connection, .failure(.unknownSession(reason: "session \(id) is only just being opened; try again")))
      } else {
        answer(connection, .success(.done))
      }
      return
    }
    session.stopConnections.append(connection)
    stop(session, reason)
  }

  func stop(_ session: WatchedSession, _ reason: String) {
    guard session.stopReason == nil else { return }
    session.stopReason = reason
    session.session.update { $0.phase = .ending }
    order(.stop(reason: reason), session)
    expectEnd(of: session)
  }

  func expectEnd(of session: WatchedSession) {
    wakeSupervisor(of: session)
    let deadline = Deadline.after(milliseconds: Self.stopMilliseconds)
    session.deadline = min(session.deadline ?? .never, deadline)
    watchFor(deadline)
  }

  /// Ends a session whose supervisor can't be trusted to do it.
  private func fail(_ session: WatchedSession, _ reason: String) {
    if session.failure == nil { session.failure = reason }
    context.log.logger.error("session \(session.id): \(reason)")
    try? session.opened.supervisor?.process.pidfd.sendSignal(SIGKILL)
    killGroup(session)
  }

  private func killGroup(_ session: WatchedSession) {
    guard session.opened.hasGroup else {
      let facts = session.session.facts
      workers.submit(for: facts.uid) { ProcessTree.kill(session: facts.id, of: facts.uid) }
      return
    }
    do throws(SyscallError) { try session.opened.killGroup() } catch {
      context.log.logger.error("session \(session.id): its processes can't be killed: \(error)")
    }
  }

  func deadlinePassed(_ session: WatchedSession) {
    session.deadline = nil
    let overdue = session.overdue.map(Term.reason)
    if session.status != nil {
      killGroup(session)
      finishIfEmpty(session)
    } else if session.opened.supervisor == nil {
      // The supervisor of the session around has others to serve.
      fail(session, overdue ?? (session.isReady || session.stopReason != nil ? "it did not end in time" : "its supervisor was not ready in time"))
      endNested(session, 0)
    } else if !session.isReady, session.stopReason == nil {
      fail(session, "its supervisor was not ready in time")
    } else {
      fail(session, overdue ?? "its supervisor did not end in time")
    }
  }

  func supervisorEnded(_ session: WatchedSession) {
    guard session.status == nil, let supervisor = session.opened.supervisor else { return }
    guard let status = reap(supervisor.process.pidfd) else { return }
    epoll.remove(supervisor.process.pidfd.descriptor.rawValue)
    // What it said last is still there, behind answers to whoever asked for lists. It can't say more.
    while session.isChannelOpen, readChannel(session) {}
    closeChannel(session)
    session.status = status
    for nested in Array(sessions.values) where nested.parent === session && nested.status == nil { endNested(nested, status) }
    end(session, status)
  }

  /// A session inside another is over, or nobody serves it any more: `status` is then how the supervisor ended.
  private func endNested(_ session: WatchedSession, _ status: Int32) {
    guard session.status == nil else { return }
    session.status = status
    end(session, status)
  }

  private func end(_ session: WatchedSession, _ status: Int32) {
    // Whatever is left runs without anybody to decide what it may do.
    killGroup(session)
    session.session.update { $0.phase = .ending }
    if let connection = session.wrapConnection {
      session.wrapConnection = nil
      let reason = session.failure ?? session.summary?.reason ?? "its supervisor ended at once (\(Self.words(status)))"
      answer(connection, .failure(.hostCannotEnforce(reason: "the session can't be set up: \(reason); agentshd's log says more", ofServer: true)))
    }
    finishIfEmpty(session)
  }

  /// Removes all that is left of a session once nothing lives in its control group.
  func finishIfEmpty(_ session: WatchedSession) {
    let isEmpty = (try? session.opened.groupIsEmpty()) ?? false
    guard session.status != nil else { return }
    if isEmpty, removeGroup(session) {
      finish(session)
      return
    }
    session.emptyChecks += 1
    // The kernel tells when the last one has gone; where it doesn't (version 1), or hasn't let go yet, look again.
    let delay: Int64 = session.opened.cgroupEvents == nil || isEmpty ? 20 : 1000
    guard session.emptyChecks < 250 else {
      // Something in it can't be killed now, or somebody has made a group in it. Whatever it is, it is decided on by nobody and counts no more.
      context.log.logger.error("session \(session.id): its control group can't be removed; that is tried again every 10 s")
      let parent = session.parent.map { Array($0.id.utf8) }
      context.lingering.withLock { $0.append(LingeringGroup(name: Array(session.id.utf8), parent: parent, isKilled: true)) }
      lookAtLingeringLater()
      finish(session)
      return
    }
    let deadline = Deadline.after(milliseconds: delay)
    session.deadline = deadline
    watchFor(deadline)
  }

  /// How often control groups that could not be removed are looked at.
  static let lingeringMilliseconds: Int64 = 10_000

  func lookAtLingeringLater() {
    guard lingeringAt == nil else { return }
    let at = Deadline.after(milliseconds: Self.lingeringMilliseconds)
    lingeringAt = at
    watchFor(at)
  }

  func lookAtLingering() {
    lingeringAt = nil
    if context.settleLingering() { lookAtLingeringLater() }
  }

  /// Counts what records without an end tell, one after the other: each may be long, and nobody waits for it.
  func countLater(_ sessions: [String]) { Self.countLater(sessions[...], context, workers) }

  /// Has what is missing in `server.jsonl` of sessions that are over written.
  func closeForgottenLater(running: Set<String>) {
    let context = context
    workers.submit(for: 0) { context.closeForgotten(running: running) }
  }

  private static func countLater(_ sessions: ArraySlice<String>, _ context: ServerContext, _ workers: WorkerPool) {
    guard let id = sessions.first else { return }
    workers.submit(for: 0) {
      if let session = context.sessions.session(id), let file = try? PastRecords.open(id, in: context) {
        let refused = PastRecords.refusals(in: file)
        session.update { $0.refused = refused }
      }
      countLater(sessions.dropFirst(), context, workers)
    }
  }

  private func removeGroup(_ session: WatchedSession) -> Bool {
    do throws(SyscallError) { try session.opened.removeGroup() } catch { return error.errno == .noSuchFileOrDirectory }
    return true
  }

  private func finish(_ session: WatchedSession) {
    if let events = session.opened.cgroupEvents { epoll.remove(events) }
    unwatchLauncher(of: session)
    if let parent = session.parent {
      SessionDirectory.removeTerm(of: session.id, in: context.runtime.current.descriptor, name: Array(parent.id.utf8))
    } else {
      SessionDirectory.remove(in: context.runtime.current.descriptor, name: Array(session.id.utf8))
    }
    context.noteClosing(closingRecord(session), of: session.session)
    sessions[session.number] = nil
    sessionNumbers[session.id] = nil
    stopWaiting(for: session.number)
    if !session.isReady, session.opened.supervisor == nil { removeEmptyRecord(of: session) }
    if session.isReady {
      session.session.update { $0.phase = .ended }
      if session.summary == nil { countFromRecord(session.session) }
    } else {
      context.sessions.cancel(session.session)
    }
    for connection in session.stopConnections { answer(connection, .success(.done)) }
    wakeFollowers(of: session.session)
  }

  /// Nobody has taken up a session inside another: a record without a line tells nothing.
  private func removeEmptyRecord(of session: WatchedSession) {
    let name = Array("\(session.id).jsonl".utf8)
    guard let status = try? linkStatus(at: context.records.rawValue, name), status.size == 0 else { return }
    try? removeName(at: context.records.rawValue, name)
  }

  /// A supervisor that was killed has told no totals: its record tells.
  private func countFromRecord(_ session: Session) {
    let context = context
    workers.submit(for: session.facts.uid) {
      guard let file = try? PastRecords.open(session.facts.id, in: context) else { return }
      let refused = PastRecords.refusals(in: file)
      session.update { $0.refused = refused }
    }
  }

  private func closingRecord(_ session: WatchedSession) -> AuditRecord {
    var fields: [AuditField] = []
    if let summary = session.summary {
      if let status = summary.ending.shellStatus { fields.append(AuditField("status", .integer(Int64(status)))) }
      fields.append(AuditField("refused", .integer(Int64(summary.refused))))
    }
    if let last = context.lastHash(of: session.id) { fields.append(AuditField("last_hash", .text(last))) }
    var message = session.failure ?? session.summary?.reason ?? session.stopReason
    if session.summary == nil, let status = session.status {
      // Died, or was killed: the session went with it.
      message = message ?? "the supervisor died; everything in the session was killed"
      // That of a session inside another may go on with the one around.
      let hasEnded = session.opened.supervisor != nil || session.parent?.status != nil
      if hasEnded { fields.append(AuditField("supervisor", .text(Self.words(status)))) }
      context.log.logger.error("session \(session.id): \(message ?? "")\(hasEnded ? ": \(Self.words(status))" : "")")
    }
    return AuditRecord(operation: .sessionClosed, session: session.id, uid: session.session.facts.uid, fields: fields, message: message)
  }

  private static func words(_ status: Int32) -> String {
    switch TargetEnding(waitStatus: status) {
    case .exited(let status): "exit status \(status)"
    case .signalled(let signal): "signal \(signal)"
    case .unknown: "status \(status)"
    }
  }

  /// The time to stop is over: kills what is left.
  func abandonSessions() {
    abandonAdopted()
    for session in Array(sessions.values) {
      guard let supervisor = session.opened.supervisor else { continue }
      fail(session, "the server stops")
      session.failure = session.failure ?? "the server stopped"
      _ = try? waitUntilReady(supervisor.process.pidfd.descriptor, deadline: .after(milliseconds: 1000))
      supervisorEnded(session)
    }
  }
}
