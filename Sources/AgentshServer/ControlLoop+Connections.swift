internal import AgentshProtocol
internal import AgentshSystem
import Glibc
import Logging
import SystemPackage

/// Connections: who may have how many, for how long, holding how much.
extension ControlLoop {
  /// Connections of one user other than root.
  static let mostPerUser = 64
  static let mostForRoot = 512
  /// Bytes of unfinished messages of all connections of one user.
  static let mostBytesPerUser = 8 << 20
  /// Of places and bytes the processes in sessions get one in so many.
  static let partInside = 4
  /// How long a connection may be idle between calls.
  static let idleMilliseconds: Int64 = 300_000
  /// Accepted at a time, before others have their turn.
  static let acceptsAtATime = 64
  /// Calls of one connection served before others have their turn.
  static let callsAtATime = 16

  var handshakeTimeout: Int64 { Int64(context.rules.ruleset.configuration.handshakeTimeoutMilliseconds) }

  func acceptConnections() {
    // Of a user who has no room now there is nothing to be closed that wasn't looked for a moment ago.
    var full: Set<UInt32> = []
    for _ in 0..<Self.acceptsAtATime {
      do throws(SyscallError) {
        guard let socket = try acceptNext() else { return }
        admit(socket, &full)
      } catch {
        // Out of descriptors or memory. The waiting connection would make the listener readable again at once: look away for a moment.
        context.log.logger.error("accepting a connection: \(error)")
        if evictIdle(of: heaviestUser()) { continue }
        pauseAccepting()
        return
      }
    }
  }

  private func acceptNext() throws(SyscallError) -> UnixSocket? {
    switch listener {
    case .some(let listener): try listener.accept(nonBlocking: true)
    case .none: nil
    }
  }

  private var listenerNumber: CInt? {
    switch listener {
    case .some(let listener): listener.rawValue
    case .none: nil
    }
  }

  private func pauseAccepting() {
    guard let number = listenerNumber else { return }
    epoll.remove(number)
    let again = Deadline.after(milliseconds: 100)
    acceptAgainAt = again
    watchFor(again)
  }

  func resumeAccepting() {
    acceptAgainAt = nil
    guard let number = listenerNumber else { return }
    try? epoll.add(number, .readable, token: Source.listener.rawValue)
  }

  func stopAccepting() {
    guard let number = listenerNumber else { return }
    epoll.remove(number)
    listener = nil
  }

  private func admit(_ socket: consuming UnixSocket, _ full: inout Set<UInt32>) {
    // Who it is decides whether there is room, before anything else is spent on it.
    guard let uid = try? peerCredentials(of: socket.descriptor).uid, !full.contains(uid) else { return }
    let peer: ControlPeer
    var isInside: Bool?
    do throws(SyscallError) {
      if hasToBeTold(uid) {
        peer = try ControlPeer(of: socket)
        isInside = self.isInside(peer, socket)
        guard makeRoom(for: uid, isInside: isInside == true) else {
          // Room for those outside there may be all the same.
          if isInside == false { full.insert(uid) }
          return
        }
      } else {
        guard makeRoom(for: uid, isInside: false) else {
          full.insert(uid)
          return
        }
        peer = try ControlPeer(of: socket)
      }
    } catch {
      // The peer is gone already, or can't be known for sure: nothing is done for it.
      return
    }
    admit(socket, peer)?.isInside = isInside
  }

  /// Connections of one session's processes that its supervisor has let in, at a time.
  static let mostAtDoor = 16

  /// Makes a connection for a process that a session's supervisor vouches for; the process's end of it, or an errno.
  func letIn(_ descriptor: consuming OwnedDescriptor, by session: WatchedSession) throws(SyscallError) -> UnixSocket {
    guard session.session.facts.permitsNested, let hierarchy = context.host.cgroups, stopping == nil else { throw SyscallError("door", .notPermitted) }
    guard connections.values.count(where: { $0.caller?.door == session.id }) < Self.mostAtDoor else { throw SyscallError("door", .resourceTemporarilyUnavailable) }
    let uid = session.session.facts.uid
    let peer = try ControlPeer(letIn: Pidfd(descriptor))
    let caller = try ControlCaller(letIn: peer, by: session.id, uid: uid, in: hierarchy)
    guard makeRoom(for: uid, isInside: true) else { throw SyscallError("door", .resourceTemporarilyUnavailable) }
    let pair = try UnixSocket.pair(.stream, nonBlocking: true)
    guard let connection = admit(pair.first, peer) else { throw SyscallError("epoll_ctl", .noMemory) }
    connection.caller = caller
    connection.isInside = true
    return pair.second
  }

  @discardableResult private func admit(_ socket: consuming UnixSocket, _ peer: ControlPeer) -> ControlConnection? {
    let id = nextNumber
    nextNumber += 1
    let connection = ControlConnection(id: id, socket: socket, peer: peer, deadline: .after(milliseconds: handshakeTimeout))
    guard (try? epoll.add(connection.socket.rawValue, [.readable, .peerClosed], token: Self.token(.connection, id))) != nil else { return nil }
    connection.interest = [.readable, .peerClosed]
    connections[id] = connection
    usage[peer.uid, default: UserUsage()].connections.insert(id)
    watchFor(connection.deadline)
    return connection
  }

  /// Room for one more connection of a user: an idle one of the same user goes if it has too many; if all places are taken, those who have most of
  /// them give way.
  ///
  /// Processes in sessions get a part of their user's places only: the others are there for who wants to stop them.
  private func makeRoom(for uid: UInt32, isInside: Bool) -> Bool {
    let own = usage[uid]?.connections ?? []
    if isInside, own.count >= Self.most(uid) / Self.partInside {
      let inside = insiders(of: uid)
      if inside.count >= Self.most(uid) / Self.partInside, !evictIdle(among: inside) { return false }
    }
    if own.count >= Self.most(uid), !evictIdle(of: uid) { return false }
    if connections.count < mostConnections { return true }
    let heaviest = heaviestUser()
    return heaviest != uid && evictIdle(of: heaviest)
  }

  private func heaviestUser() -> UInt32 {
    usage.max { $0.value.connections.count < $1.value.connections.count }?.key ?? 0
  }

  private static func most(_ uid: UInt32) -> Int { uid == 0 ? mostForRoot : mostPerUser }

  /// Whether it matters if the next connection of a user comes from inside a session. As long as there are few, nobody is worth a look into /proc.
  private func hasToBeTold(_ uid: UInt32) -> Bool {
    (usage[uid]?.connections.count ?? 0) >= Self.most(uid) / Self.partInside && context.sessions.hasActive(uid: uid)
  }

  /// A process that has ended can't be told from one inside, and counts as such.
  private func isInside(_ peer: ControlPeer, _ socket: borrowing UnixSocket) -> Bool {
    guard let caller = try? caller(peer, socket) else { return true }
    return caller.inside != nil
  }

  /// The connections of a user's processes in sessions.
  private func insiders(of uid: UInt32) -> Set<UInt64> {
    guard context.sessions.hasActive(uid: uid) else { return [] }
    return (usage[uid]?.connections ?? []).filter { id in
      guard let connection = connections[id] else { return false }
      let isInside = connection.isInside ?? isInside(connection.peer, connection.socket)
      connection.isInside = isInside
      return isInside
    }
  }

  /// Closes the connection of a user that has been still for longest.
  private func evictIdle(of uid: UInt32) -> Bool { evictIdle(among: usage[uid]?.connections ?? []) }

  private func evictIdle(among candidates: Set<UInt64>) -> Bool {
    let idle = candidates.compactMap { connections[$0] }.filter(\.isIdle)
    guard let oldest = idle.min(by: { $0.lastActivity < $1.lastActivity }) else { return false }
    close(oldest)
    return true
  }

  func close(_ connection: ControlConnection) {
    guard connections.removeValue(forKey: connection.id) != nil else { return }
    if !connection.interest.isEmpty { epoll.remove(connection.socket.rawValue) }
    // Others may hold the same socket: they are to see its end, too.
    connection.socket.shutDown(reading: true, writing: true)
    if connection.stream != nil { watch.remove(connection: connection.id) }
    usage[connection.uid]?.connections.remove(connection.id)
    usage[connection.uid]?.bytes -= connection.countedBytes
    if usage[connection.uid]?.connections.isEmpty == true { usage[connection.uid] = nil }
  }

  func timeOut(_ connection: ControlConnection) {
    if connection.framer.isInsideMessage, !connection.hasOutput, !connection.closesWhenSent {
      refuse(connection, .invalidParameter(reason: "the message was not complete within \(handshakeTimeout) ms"))
      return
    }
    close(connection)
  }

  // MARK: Reading and writing

  func handle(_ connection: ControlConnection, _ events: EpollEvents) {
    if events.contains(.writable), !writeOutput(connection) { return }
    if events.contains(.error) || events.contains(.hangUp) {
      hangUp(connection)
      return
    }
    if events.contains(.readable) || events.contains(.peerClosed) { readInput(connection) }
  }

  /// The peer has closed both ways: nobody is there to answer.
  private func hangUp(_ connection: ControlConnection) {
    // What it said before it closed still counts if nothing is under way (a call without reply, say).
    if connection.isIdle { readInput(connection) }
    guard connections[connection.id] != nil else { return }
    // What has come is served first; that the peer is gone is told again.
    if connection.hasQueued, connection.isFree { return }
    if connection.isBusy {
      // A session may be on its way: it finds out itself that its launcher is gone.
      connection.isHungUp = true
      epoll.remove(connection.socket.rawValue)
      connection.interest = []
      return
    }
    close(connection)
  }

  private func readInput(_ connection: ControlConnection) {
    guard connection.wantsInput else {
      // A follower who closes its writing half still reads. Nothing more is expected of it.
      updateInterest(connection)
      return
    }
    do throws(SyscallError) {
      guard let received = try connection.socket.receive(atMost: 64 << 10) else { return }
      if received.isEnd {
        if connection.isIdle { close(connection) } else { connection.closesWhenSent = true }
        return
      }
      connection.lastActivity = monotonicNanoseconds()
      let wasInside = connection.framer.isInsideMessage
      // Descriptors have no meaning here; they are closed with `received`.
      connection.enqueue(try received.bytes.framed(by: &connection.framer))
      if connection.framer.isInsideMessage, !wasInside {
        // From its first byte on: one byte a second is silence, too.
        connection.deadline = .after(milliseconds: handshakeTimeout)
        watchFor(connection.deadline)
      }
    } catch {
      if error.errno == .messageTooLong {
        refuse(connection, .invalidParameter(reason: "a message may have \(MessageFramer.controlLimit) bytes, and this one has more"))
      } else {
        close(connection)
      }
      return
    }
    countBytes(connection)
    guard connections[connection.id] != nil else { return }
    giveTurn(connection)
    updateInterest(connection)
  }

  /// Keeps account of what a user's unfinished messages take. Where it is too much, who holds most gives way, and not who came last.
  private func countBytes(_ connection: ControlConnection) {
    recount(connection)
    let uid = connection.uid
    let mostInside = Self.mostBytesPerUser / Self.partInside
    guard let total = usage[uid]?.bytes, total > mostInside else { return }
    let inside = insiders(of: uid)
    while inside.reduce(0, { $0 + (connections[$1]?.countedBytes ?? 0) }) > mostInside {
      guard refuseLargest(among: inside, "the unfinished messages from inside your sessions take more than \(mostInside) bytes") else { break }
    }
    while let user = usage[uid], user.bytes > Self.mostBytesPerUser {
      guard refuseLargest(among: user.connections, "your unfinished messages take more than \(Self.mostBytesPerUser) bytes") else { break }
    }
  }

  private func recount(_ connection: ControlConnection) {
    let held = connection.heldBytes
    usage[connection.uid]?.bytes += held - connection.countedBytes
    connection.countedBytes = held
  }

  private func refuseLargest(among candidates: Set<UInt64>, _ reason: String) -> Bool {
    let holders = candidates.compactMap { connections[$0] }.filter { $0.countedBytes > 0 }
    guard let largest = holders.max(by: { $0.countedBytes < $1.countedBytes }) else { return false }
    refuse(largest, .limitReached(reason: reason))
    return true
  }

  /// Has what has come on a connection served when those before it have had their turns.
  func giveTurn(_ connection: ControlConnection) {
    guard !connection.hasTurn else { return }
    connection.hasTurn = true
    turns.append(connection.id)
  }

  func serveTurns() {
    let now = turns
    turns = []
    for id in now {
      guard let connection = connections[id] else { continue }
      connection.hasTurn = false
      serveNext(connection)
    }
  }

  /// Starts the next calls, if some have come and none is under way.
  private func serveNext(_ connection: ControlConnection) {
    for _ in 0..<Self.callsAtATime where connection.isFree {
      guard let message = connection.takeQueued() else { break }
      countBytes(connection)
      serve(message, on: connection)
      guard connections[connection.id] != nil else { return }
    }
    if connection.isFree {
      if connection.hasQueued {
        giveTurn(connection)
      } else if !connection.framer.isInsideMessage {
        connection.deadline = .after(milliseconds: Self.idleMilliseconds)
      } else if connection.deadline == .never {
        // Begun behind a call that has taken its time.
        connection.deadline = .after(milliseconds: handshakeTimeout)
      }
      watchFor(connection.deadline)
    }
    updateInterest(connection)
  }

  func updateInterest(_ connection: ControlConnection) {
    guard connections[connection.id] != nil, !connection.isHungUp else { return }
    var wanted: EpollEvents = []
    if connection.hasOutput { wanted.insert(.writable) }
    if connection.wantsInput { wanted.formUnion([.readable, .peerClosed]) }
    // Nothing: a hang-up is told all the same.
    if wanted.isEmpty { wanted = .error }
    guard wanted != connection.interest else { return }
    do throws(SyscallError) {
      try epoll.change(connection.socket.rawValue, wanted, token: Self.token(.connection, connection.id))
      connection.interest = wanted
    } catch {
      close(connection)
    }
  }

  func send(_ bytes: [UInt8], on connection: ControlConnection) {
    guard connections[connection.id] != nil, !connection.isHungUp else { return }
    if !connection.hasOutput {
      // From now on the peer has to take it; a connection that is being ended has its deadline already.
      if !connection.closesWhenSent { connection.deadline = .never }
    }
    connection.queueOutput(bytes)
    _ = writeOutput(connection)
  }

  /// False when the connection is closed now.
  private func writeOutput(_ connection: ControlConnection) -> Bool {
    let before = connection.sent
    guard connection.flush() else {
      close(connection)
      return false
    }
    if connection.hasOutput {
      // As long as it takes something it is not stuck.
      if connection.sent > before || connection.deadline == .never {
        connection.deadline = .after(milliseconds: handshakeTimeout)
        watchFor(connection.deadline)
      }
    } else if connection.closesWhenSent {
      close(connection)
      return false
    } else if connection.stream != nil {
      connection.deadline = .never
      continueStream(connection.id)
    } else {
      giveTurn(connection)
    }
    updateInterest(connection)
    return connections[connection.id] != nil
  }

  /// Tells what was wrong and ends the connection: what follows can't be understood any more.
  func refuse(_ connection: ControlConnection, _ error: ControlError) {
    connection.forgetInput()
    recount(connection)
    connection.closesWhenSent = true
    connection.deadline = .after(milliseconds: 1000)
    watchFor(connection.deadline)
    send(error.reply.frame, on: connection)
  }
}

extension [UInt8] {
  /// The messages that are complete with these bytes. EMSGSIZE where one is too long.
  func framed(by framer: inout MessageFramer) throws(SyscallError) -> [[UInt8]] {
    do throws(FramingError) { return try framer.append(self) } catch { throw SyscallError("recv", .messageTooLong) }
  }
}
