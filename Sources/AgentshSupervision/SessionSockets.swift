import AgentshProtocol
import AgentshSystem
import Glibc
import SystemPackage

/// The accept loops of notify.sock, signal.sock and ptrace.sock.
///
/// Who connects is asked of the kernel before a byte is read. Peers of another uid or another process are closed on the spot and keep nothing, so
/// that no number of them, fast or idle, is in the way of the launcher. What is left can only be the launcher itself; it gets a few connections
/// at a time on each socket, each with its own deadline, and the oldest goes when there are more.
///
/// Belongs to the thread of the event loop.
final class SessionSockets {
  struct Rules: Sendable {
    /// The only uid that may speak.
    var callerUID: UInt32
    var token: SessionToken
    /// From accepting a peer to its whole message.
    var peerMilliseconds: Int64 = 2000
    /// Unfinished peers on each socket.
    var mostPeers = 8
  }

  /// A connection of the launcher whose message is not complete.
  private final class Peer {
    let id: UInt64
    let role: SessionSocket
    let socket: UnixSocket
    let credentials: PeerCredentials
    let deadline: Deadline
    var framer = MessageFramer(limit: MessageFramer.sessionLimit)
    var descriptors = DescriptorList()
    /// Something came along that is no descriptor or one too many.
    var hasExcess = false

    init(id: UInt64, role: SessionSocket, socket: consuming UnixSocket, credentials: PeerCredentials, deadline: Deadline) {
      self.id = id
      self.role = role
      self.socket = socket
      self.credentials = credentials
      self.deadline = deadline
    }
  }

  /// Tokens of peers in the epoll set start here.
  static let firstPeerToken: UInt64 = 1 << 32
  /// In which order the launcher comes: while it is expected at one socket, the others need not be hurried.
  private static let order: [SessionSocket] = [.ptrace, .signal, .notify]
  /// Connections taken in one go where the launcher is expected, before other events get their turn.
  private static let batch = 64
  /// Elsewhere so many are taken in one go, and then the socket rests: else a flood would take the processor time that the handshake, and later the
  /// session, needs. Where the launcher has been already, everybody is turned away, and nobody waits for it.
  private static let slowBatch = 16
  private static let restMilliseconds: Int64 = 5
  private static let longRestMilliseconds: Int64 = 20

  private let listeners: [SessionSocket: CInt]
  private let rules: Rules
  private let handshake: SessionHandshake
  private let launcher: Pidfd
  private let epoll: Epoll
  private var spare: OwnedDescriptor?
  private var peers: [UInt64: Peer] = [:]
  private var nextID = SessionSockets.firstPeerToken
  /// What was turned away and has to be told.
  var tally = RejectionTally()
  /// After the handshake everybody is turned away.
  private(set) var isClosed = false
  /// Listening sockets that are not looked at until then.
  private var resting: [SessionSocket: Deadline] = [:]

  // Owners of the three descriptors.
  private let notify: UnixSocket
  private let signal: UnixSocket
  private let ptrace: UnixSocket

  /// - Parameters:
  ///   - notify, signal, ptrace: listening sockets.
  ///   - launcher: pidfd of the process that asked for the session.
  ///   - epoll: set that the loop waits on; must outlive this object, which adds the listening sockets with `token(of:)` and peers as they come.
  init(
    notify: consuming UnixSocket, signal: consuming UnixSocket, ptrace: consuming UnixSocket, launcher: consuming Pidfd, rules: Rules,
    handshake: SessionHandshake, epoll: consuming Epoll
  ) throws(SyscallError) {
    listeners = [.notify: notify.rawValue, .signal: signal.rawValue, .ptrace: ptrace.rawValue]
    self.rules = rules
    self.handshake = handshake
    self.launcher = launcher
    self.epoll = epoll
    self.notify = notify
    self.signal = signal
    self.ptrace = ptrace
    spare = try? openAt(AT_FDCWD, Array("/dev/null".utf8), flags: O_RDONLY)
    for (role, raw) in listeners {
      try setNonBlocking(raw)
      try self.epoll.add(raw, .readable, token: Self.token(of: role))
    }
  }

  /// The loop's own set, for what else it waits for.
  func wait(deadline: Deadline) throws(SyscallError) -> [EpollEvent] { try epoll.wait(deadline: deadline) }
  func watch(_ descriptor: CInt, _ events: EpollEvents, token: UInt64) throws(SyscallError) {
    try epoll.add(descriptor, events, token: token)
  }
  func unwatch(_ descriptor: CInt) { epoll.remove(descriptor) }

  /// Whether the launcher has ended.
  var launcherHasExited: Bool { launcher.hasExited() }
  var launcherDescriptor: CInt { launcher.descriptor.rawValue }

  static func token(of role: SessionSocket) -> UInt64 {
    switch role {
    case .notify: 1
    case .signal: 2
    case .ptrace: 3
    }
  }

  static func role(of token: UInt64) -> SessionSocket? {
    SessionSocket.allCases.first { self.token(of: $0) == token }
  }

  /// When the next silent peer is to be turned away, or a socket has rested.
  var nextDeadline: Deadline { min(peers.values.lazy.map(\.deadline).min() ?? .never, resting.values.min() ?? .never) }

  /// How many peers are being listened to.
  var peerCount: Int { peers.count }

  // MARK: Accepting

  /// Takes what waits on one of the listening sockets.
  func accept(on role: SessionSocket) {
    guard let raw = listeners[role] else { return }
    for _ in 0..<(isExpected(role) ? Self.batch : Self.slowBatch) {
      let connection: UnixSocket
      do throws(SyscallError) {
        guard let accepted = try acceptConnection(raw) else { break }
        connection = accepted
      } catch {
        guard error.errno == .tooManyOpenFiles || error.errno == .tooManyOpenFilesInSystem else { break }
        // Without a number nothing can be accepted, and what can't be accepted would keep the loop awake for ever.
        guard spare != nil else { break }
        spare = nil
        if let refused = try? acceptConnection(raw), let peer = try? peerCredentials(of: refused.descriptor) { tally.add(role, .timeout, peer) }
        spare = try? openAt(AT_FDCWD, Array("/dev/null".utf8), flags: O_RDONLY)
        continue
      }
      admit(connection, role)
    }
    rest(role, raw)
  }

  /// Whether the launcher's next connection should come on this socket.
  private func isExpected(_ role: SessionSocket) -> Bool {
    !isClosed && Self.order.first { !handshake.has($0) } == role
  }

  private func rest(_ role: SessionSocket, _ raw: CInt) {
    guard !isExpected(role) else { return }
    epoll.remove(raw)
    let hasServed = isClosed || handshake.has(role)
    resting[role] = .after(milliseconds: hasServed ? Self.longRestMilliseconds : Self.restMilliseconds)
  }

  /// Looks again at sockets that have rested, or where the launcher is expected now.
  private func wakeRested() {
    for (role, deadline) in resting where deadline.hasPassed || isExpected(role) {
      guard let raw = listeners[role], (try? epoll.add(raw, .readable, token: Self.token(of: role))) != nil else { continue }
      resting[role] = nil
    }
  }

  private func acceptConnection(_ listener: CInt) throws(SyscallError) -> UnixSocket? {
    switch listener {
    case notify.rawValue: try notify.accept(nonBlocking: true)
    case signal.rawValue: try signal.accept(nonBlocking: true)
    default: try ptrace.accept(nonBlocking: true)
    }
  }

  private func admit(_ connection: consuming UnixSocket, _ role: SessionSocket) {
    // Nothing to tell about a peer that the kernel doesn't know: the connection is gone.
    guard let credentials = try? peerCredentials(of: connection.descriptor) else { return }
    guard credentials.uid == rules.callerUID else { return tally.add(role, .wrongUID, credentials) }
    guard isLauncher(connection, credentials) else { return tally.add(role, .wrongProcess, credentials) }
    // The handshake is over, or this socket has served: the launcher has nothing more to say here.
    guard !isClosed, !handshake.has(role) else { return tally.add(role, .malformed, credentials) }
    let sameRole = peers.values.filter { $0.role == role }
    if sameRole.count >= rules.mostPeers, let oldest = sameRole.min(by: { $0.id < $1.id }) { reject(oldest, .timeout) }
    let id = nextID
    nextID += 1
    let raw = connection.rawValue
    guard (try? epoll.add(raw, .readable, token: id)) != nil else { return tally.add(role, .timeout, credentials) }
    peers[id] = Peer(
      id: id, role: role, socket: connection, credentials: credentials, deadline: .after(milliseconds: rules.peerMilliseconds))
    // Most send at once: this saves a turn of the loop.
    read(peer: id)
  }

  /// Whether the peer is the very process that asked for the session, compared by pidfd. Before SO_PEERPIDFD (6.5) the number is compared, and
  /// counts only while the launcher lives, for then it is nobody else's.
  private func isLauncher(_ connection: borrowing UnixSocket, _ credentials: PeerCredentials) -> Bool {
    let pidfd: OwnedDescriptor
    do throws(SyscallError) {
      pidfd = try peerPidfd(of: connection.descriptor)
    } catch {
      guard error.errno.rawValue == ENOPROTOOPT else { return false }
      guard let number = try? ProcessIdentity.processID(of: launcher) else { return false }
      return number == credentials.pid && !launcher.hasExited()
    }
    return launcher.isSameProcess(as: Pidfd(pidfd))
  }

  // MARK: Listening to the launcher

  /// Reads from a peer that has sent something.
  func read(peer id: UInt64) {
    guard let peer = peers[id] else { return }
    let messages: [[UInt8]]
    do {
      guard var part = try peer.socket.receive(atMost: MessageFramer.sessionLimit + 1) else { return }
      if part.isEnd { return reject(peer, .malformed) }
      if part.isTruncated { peer.hasExcess = true }
      while let descriptor = part.descriptors.takeFirst() {
        // One is expected: a second is known to be too many, and is closed here.
        if peer.descriptors.count > 0 { peer.hasExcess = true } else { _ = peer.descriptors.append(descriptor) }
      }
      messages = try peer.framer.append(part.bytes)
    } catch {
      return reject(peer, .malformed)
    }
    guard let message = messages.first else { return }
    guard messages.count == 1, !peer.framer.isInsideMessage else { return reject(peer, .malformed) }
    finish(peer, message)
  }

  private func finish(_ peer: Peer, _ message: [UInt8]) {
    let stated: Int32?
    let token: SessionToken
    var dropped: DroppedVariables?
    do throws(ProtocolError) {
      if peer.role == .notify {
        token = try ListenerHello.decode(message).token
        stated = nil
      } else {
        let hello = try ProcessHello.decode(message)
        token = hello.token
        stated = hello.pid
        if peer.role == .signal { dropped = hello.dropped }
      }
    } catch {
      return reject(peer, .malformed, telling: error.description)
    }
    guard token == rules.token else { return reject(peer, .wrongToken) }
    guard !peer.hasExcess, let descriptor = peer.descriptors.takeFirst() else {
      return reject(peer, .malformed, telling: "exactly one descriptor is expected")
    }
    let problem: String?
    if let stated {
      problem = handshake.take(descriptor, stated: stated, by: peer.role, launcher: launcher)
    } else {
      problem = handshake.take(listener: descriptor)
    }
    if let problem { return reject(peer, .malformed, telling: problem) }
    if let dropped { handshake.note(dropped) }
    epoll.remove(peer.socket.rawValue)
    peers[peer.id] = nil
    // The answer to the listener is the nonce, which comes once the process is attested.
    if peer.role != .notify { _ = try? peer.socket.send(HandshakeReply.accepted.frame[...]) }
    if let kept = try? peer.socket.descriptor.duplicate() { handshake.keep(UnixSocket(owning: kept), of: peer.role) }
    // Others on the same socket have come too late.
    for other in peers.values where other.role == peer.role { reject(other, .malformed) }
  }

  private func reject(_ peer: Peer, _ reason: PeerRejectionReason, telling problem: String? = nil) {
    if let problem { _ = try? peer.socket.send(HandshakeReply.refused(reason: problem).frame[...]) }
    epoll.remove(peer.socket.rawValue)
    peers[peer.id] = nil
    tally.add(peer.role, reason, peer.credentials)
  }

  /// Turns away those whose time is over, and goes on accepting where that was put off.
  func checkDeadlines() {
    wakeRested()
    for peer in peers.values where peer.deadline.hasPassed { reject(peer, .timeout) }
  }

  /// The handshake is over: whoever is being listened to is turned away, and so is everybody who comes.
  func close() {
    isClosed = true
    for peer in peers.values { reject(peer, .malformed) }
  }
}

/// Sets O_NONBLOCK on the open file: fcntl(2).
func setNonBlocking(_ descriptor: CInt) throws(SyscallError) {
  let flags = try syscall("fcntl", subject: "F_GETFL") { fcntl(descriptor, F_GETFL) }
  try syscall("fcntl", subject: "F_SETFL") { fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) }
}
