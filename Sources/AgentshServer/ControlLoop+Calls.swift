internal import AgentshAudit
internal import AgentshProtocol
internal import AgentshSystem

/// The methods of the control socket.
extension ControlLoop {
  func serve(_ message: [UInt8], on connection: ControlConnection) {
    let call: VarlinkCall
    do throws(ProtocolError) { call = try VarlinkCall.decode(message) } catch {
      refuse(connection, ControlError(error))
      return
    }
    let request: ControlRequest
    do throws(ControlError) { request = try ControlRequest(call) } catch {
      if !call.oneway { send(error.reply.frame, on: connection) }
      return
    }
    guard let caller = connection.caller ?? (try? caller(connection.peer, connection.socket)) else {
      // It has ended, or can't be known for sure: nothing is done for it.
      close(connection)
      return
    }
    connection.caller = caller
    connection.isInside = caller.inside != nil
    connection.isBusy = true
    connection.isOneway = call.oneway
    connection.deadline = .never
    if let inside = caller.inside, caller.door == nil, hasNested(inside), request.asksForSessions {
      // Who of those in it asks can't be told here, and one inside another is to learn nothing of that one. By its own way it is known.
      answer(connection.id, .failure(.notPermitted(reason: "from inside session \(inside), which has others inside, ask with agentsh itself: it takes another way to the server")))
      return
    }
    let authority = PendingAuthority(caller: caller, context: context)
    let (id, context, mailbox) = (connection.id, context, mailbox)
    switch request {
    case .ping: answer(id, .success(.done))
    case .getInfo: answer(id, .success(.info(ServiceInfo(version: Server.version, url: Server.url))))
    case .getInterfaceDescription(let interface):
      answer(id, Self.result { () throws(ControlError) in try ControlResponse.description(of: interface) })
    case .wrap(let request): wrap(request, caller, on: connection)
    case .listSessions(let all):
      list(for: connection, isList: true) { () throws(ControlError) in
        let authority = try authority.resolve()
        context.settleUnwatched()
        return context.sessions.all.filter { authority.maySee($0) && (all || $0.isActive) }
      }
    case .getSession(let session):
      list(for: connection, isList: false) { () throws(ControlError) in
        let found = try context.find(session, for: try authority.resolve())
        context.learnEnding(of: found)
        return [found]
      }
    case .stopSession(let text):
      workers.submit(for: connection.uid) {
        do throws(ControlError) {
          let authority = try authority.resolve()
          guard authority.inside == nil else {
            throw .notPermitted(reason: "from inside session \(authority.inside ?? "") no session can be stopped; do it from a shell outside")
          }
          let session = try context.find(text, for: authority)
          let phase = session.current.phase
          if phase == .ended {
            context.learnEnding(of: session)
            let end = session.current.ending.map { "ended at \($0.time)" } ?? "has ended"
            throw .unknownSession(reason: "session \(session.facts.id) \(end)")
          }
          if phase == .unwatched {
            try context.killUnwatched(session, Self.stopReason(authority))
            mailbox.post(.answered(connection: id, .success(.done)))
            return
          }
          mailbox.post(.stopWanted(connection: id, session: session.facts.id, reason: Self.stopReason(authority)))
        } catch {
          mailbox.post(.answered(connection: id, .failure(error)))
        }
      }
    case .events(let request):
      workers.submit(for: connection.uid) {
        mailbox.post(
          .streamOpened(
            connection: id, Self.result { () throws(ControlError) in try Self.openStream(request, authority.resolve(), context) }))
      }
    }
  }

  private static func stopReason(_ authority: Authority) -> String { "stopped by uid \(authority.uid)" }

  /// Whether sessions lie inside a session.
  private func hasNested(_ session: String) -> Bool { sessions.values.contains { $0.parent?.id == session } }

  func caller(_ peer: ControlPeer, _ socket: borrowing UnixSocket) throws(SyscallError) -> ControlCaller {
    try ControlCaller(of: peer, socket: socket, in: context.host.cgroups) { peer in
      sessions.values.first { session in
        // The number first, which costs nothing; the pidfd decides.
        guard let supervisor = session.opened.supervisor else { return false }
        return supervisor.process.pid == peer.credentials.pid && supervisor.process.pidfd.isSameProcess(as: peer.pidfd)
      }?.id
    }
  }

  private static func result<Value>(_ body: () throws(ControlError) -> Value) -> Result<Value, ControlError> {
    do throws(ControlError) { return .success(try body()) } catch { return .failure(error) }
  }

  func answer(_ id: UInt64, _ result: Result<ControlResponse, ControlError>) {
    guard let connection = connections[id] else { return }
    connection.isBusy = false
    if connection.isHungUp {
      close(connection)
      return
    }
    if !connection.isOneway {
      switch result {
      case .success(let response): send(response.reply.frame, on: connection)
      case .failure(let error): send(error.reply.frame, on: connection)
      }
    }
    giveTurn(connection)
  }

  // MARK: Wrap

  private func wrap(_ request: WrapRequest, _ caller: ControlCaller, on connection: ControlConnection) {
    let (id, context, mailbox) = (connection.id, context, mailbox)
    let isStopping = stopping != nil
    let isOneway = connection.isOneway
    workers.submit(for: caller.peer.uid) {
      do throws(ControlError) {
        if isOneway { throw .invalidParameter(reason: "Wrap gives a reply that has to be read") }
        if isStopping { throw .notPermitted(reason: "the server is stopping; try again when it is back") }
        if let inside = caller.inside, caller.door == nil {
          throw .notPermitted(reason: "already inside session \(inside): no other can be opened from there. Run the command as it is: it is under that session's policy")
        }
        let opened = try SessionOpening(context: context, caller: caller, request: request).open()
        mailbox.post(.opened(connection: id, opened))
      } catch {
        context.noteRefusal(caller, request, error)
        mailbox.post(.answered(connection: id, .failure(error)))
      }
    }
  }

  // MARK: Events

  private static func openStream(_ request: EventsRequest, _ authority: Authority, _ context: ServerContext) throws(ControlError) -> RecordStream {
    try check("decision", request.decision, AuditDecision.allCases.map(\.rawValue))
    try check("op", request.operation, AuditOperation.allCases.filter(\.isOfSessions).map(\.rawValue))
    var audience: Authority?
    let sessions: [Session]
    if let text = request.session {
      sessions = [try context.find(text, for: authority)]
    } else {
      context.settleUnwatched()
      sessions = context.sessions.all.filter { authority.maySee($0) }
      if request.follow { audience = authority }
    }
    return RecordStream(request, sessions: sessions, in: context.records, audience: audience)
  }

  /// A word that no line has would look as if nothing had happened.
  private static func check(_ name: String, _ word: String?, _ known: [String]) throws(ControlError) {
    guard let word else { return }
    let fits = word.hasSuffix("*") ? known.contains { $0.utf8.starts(with: word.utf8.dropLast()) } : known.contains(word)
    if !fits { throw .invalidParameter(reason: "\(name) \(displayEscaped(word)): there are \(known.joined(separator: ", "))") }
  }

  func beginStream(_ id: UInt64, _ result: Result<RecordStream, ControlError>) {
    guard let connection = connections[id] else { return }
    switch result {
    case .failure(let error): answer(id, .failure(error))
    case .success(let stream):
      guard !connection.isHungUp else {
        close(connection)
        return
      }
      connection.isBusy = false
      connection.stream = stream
      do throws(SyscallError) {
        // Watched before it is read, so that nothing falls between.
        if stream.request.follow {
          for session in context.sessions.all where session.isActive && stream.concerns(session) { try follow(session, connection) }
        }
      } catch {
        endStream(connection, .hostCannotEnforce(reason: "the record can't be watched: \(error)", ofServer: true))
        return
      }
      updateInterest(connection)
      continueStream(id)
    }
  }

  /// A session that is there by now, which a stream without an end may not know yet.
  private func follow(_ session: Session, _ connection: ControlConnection) throws(SyscallError) {
    guard let stream = connection.stream else { return }
    do throws(SyscallError) { try watch.add(session.facts.record, connection: connection.id) } catch {
      // One that is just being opened: it comes again when it is.
      guard error.errno == .noSuchFileOrDirectory, stream.audience != nil else { throw error }
      return
    }
    if stream.audience != nil { stream.join(session) }
  }

  /// Has those who follow everything follow a session that has been opened.
  func offerToFollowers(_ session: Session) {
    for connection in Array(connections.values) {
      guard let stream = connection.stream, stream.audience?.maySee(session) == true else { continue }
      do throws(SyscallError) { try follow(session, connection) } catch {
        context.log.logger.error("session \(session.facts.id): its record can't be watched for uid \(connection.uid): \(error)")
        continue
      }
      continueStream(connection.id)
    }
  }

  /// Has the next part read, if the reader has taken all of the one before.
  func continueStream(_ id: UInt64) {
    guard let connection = connections[id], let stream = connection.stream else { return }
    // What happens while a part is read may have come too late for it.
    if connection.isReadingPart { connection.hasNews = true }
    guard !connection.isReadingPart, !connection.hasOutput else { return }
    connection.isReadingPart = true
    connection.hasNews = false
    let (context, mailbox) = (context, mailbox)
    workers.submit(for: connection.uid) {
      if stream.request.follow { context.settleUnwatched() }
      mailbox.post(.streamed(connection: id, stream, stream.readPart()))
    }
  }

  func sendPart(_ id: UInt64, _ stream: RecordStream, _ part: RecordPart) {
    guard let connection = connections[id], connection.stream === stream else { return }
    connection.isReadingPart = false
    if let failure = part.failure {
      endStream(connection, .unknownSession(reason: failure))
      return
    }
    if !part.frames.isEmpty {
      // Sending all of it asks for the next part by itself.
      send(part.frames, on: connection)
      return
    }
    if !part.isAtEnd || connection.hasNews {
      continueStream(id)
      return
    }
    let isOver = stream.audience == nil && stream.sessions.allSatisfy { context.sessions.session($0)?.isActive != true }
    if stream.request.follow, !isOver || !connection.hasSeenEnd {
      // A session may have ended after its last line was looked for: look once more.
      connection.hasSeenEnd = isOver
      if isOver { continueStream(id) }
      return
    }
    endStream(connection, nil)
  }

  private func endStream(_ connection: ControlConnection, _ error: ControlError?) {
    watch.remove(connection: connection.id)
    connection.stream = nil
    connection.hasSeenEnd = false
    send(error?.reply.frame ?? VarlinkReply().frame, on: connection)
    giveTurn(connection)
  }

  /// Wakes those who follow a session that has ended.
  func wakeFollowers(of session: Session) {
    watch.remove(session.facts.record)
    for connection in Array(connections.values) where connection.stream?.request.follow == true && connection.stream?.concerns(session) == true {
      continueStream(connection.id)
    }
  }
}

/// What is needed to find out what a caller may do; the user database is asked by a worker only.
struct PendingAuthority: Sendable {
  let caller: ControlCaller
  let context: ServerContext

  func resolve() throws(ControlError) -> Authority {
    let (peer, inside) = (caller.peer, caller.inside)
    if peer.uid == 0 || inside != nil { return Authority(uid: peer.uid, isAdmin: inside == nil, inside: inside) }
    do throws(SyscallError) {
      let isAdmin = try caller.identity().matches(context.rules.ruleset.configuration.admins)
      return Authority(uid: peer.uid, isAdmin: isAdmin, inside: nil)
    } catch {
      throw .notPermitted(reason: "the user database can't be asked: \(error)")
    }
  }
}

extension ControlRequest {
  /// Whether it tells of sessions, or does something to one.
  fileprivate var asksForSessions: Bool {
    switch self {
    case .listSessions, .getSession, .stopSession, .events: true
    case .wrap, .ping, .getInfo, .getInterfaceDescription: false
    }
  }
}

extension ServerContext {
  /// What the record of a refused Wrap tells of its command at most: nothing has run, and whoever is refused could fill the disk with what they asked for.
  static let refusedCommandBytes = 256

  /// Puts a refused Wrap on record.
  func noteRefusal(_ caller: ControlCaller, _ request: WrapRequest, _ error: ControlError) {
    let (peer, inside) = (caller.peer, caller.inside)
    let kind = error.name.split(separator: ".").last.map { String($0) } ?? error.name
    let key = RejectionCounter.Key(session: inside, socket: "control", reason: kind, uid: peer.uid)
    guard refusals.admits(key) else { return }
    // The client sends the user to the administrator, who looks there.
    if case .hostCannotEnforce = error { log.logger.error("no session for uid \(peer.uid): \(error.reason)") }
    var fields = [AuditField("reason", .text(kind))]
    let words = request.command.count + (request.omission?.arguments ?? 0)
    if words > 1 { fields.append(AuditField("words", .integer(Int64(clamping: words)))) }
    if let policy = request.policy { fields.append(AuditField("policy", .text(policy))) }
    if let named = request.callerUID, named != peer.uid { fields.append(AuditField("caller_uid", .integer(Int64(named)))) }
    log.note(
      AuditRecord(
        operation: .sessionRefused, session: inside, uid: peer.uid, pid: peer.credentials.pid, subject: .command(request.command.prefix(1).map { Array($0.prefix(Self.refusedCommandBytes)) }),
        fields: fields, decision: .deny, message: error.reason))
  }
}
