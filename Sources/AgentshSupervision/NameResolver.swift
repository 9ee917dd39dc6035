import AgentshAudit
import AgentshPolicy
import AgentshResolver
import AgentshSystem
import Glibc
import SystemPackage

/// A session's own resolver, on a thread of its own: it answers names that some rule could permit, by asking the host's servers, and refuses all others.
///
/// Everything is bounded: questions on their way, those that wait, connections, what is kept of answers. Nobody else waits for this thread, and it waits
/// for nobody: whatever a server does, it costs the session's own look-ups and nothing more.
final class NameResolver {
  /// What it needs of the session.
  struct Session: Sendable {
    let names: SessionNames
    let policy: BoundPolicy
    let record: SessionRecord
    let counters: DecisionCounters
  }

  /// Where an answer goes.
  enum Origin {
    case datagram([UInt8])
    case stream(UInt64)
    /// The supervisor itself.
    case inside(LookUp)
  }

  /// Questions that servers are being asked at the same moment.
  static let mostAsked = 256
  /// Questions that wait for one of those to end.
  static let mostWaiting = 1024
  /// Datagrams that are taken in a row before answers are looked at again.
  private static let mostInARow = 64
  private static let restMicroseconds: UInt32 = 5000

  private enum Token {
    static let datagrams: UInt64 = 1
    static let stream: UInt64 = 2
    static let lookUps: UInt64 = 3
    static let first: UInt64 = 16
  }

  let session: Session
  private let datagrams: InternetSocket
  private let stream: InternetSocket
  let epoll: Epoll
  private var nextToken = Token.first
  private var cache = AnswerCache()
  private var exchanges: [UInt64: Exchange] = [:]
  private var waiting: [PendingQuestion] = []
  /// Questions that are on their way already, by who asked what: one that is sent again is not asked again.
  private var asked: Set<[UInt8]> = []
  var streams: [UInt64: ClientStream] = [:]
  /// Those of them that go on, since one of their questions was answered.
  var resumed: Set<UInt64> = []
  private var turn = 0
  let notes: ResolverNotes

  /// Starts the thread, which runs as long as the process.
  static func start(_ session: Session, datagrams: consuming OwnedDescriptor, stream: consuming OwnedDescriptor) throws(SyscallError) {
    // Handed over by number, since a closure can't take ownership of what it captures.
    let (datagrams, stream) = (datagrams.release(), stream.release())
    do throws(SyscallError) {
      try startThread("resolver", stackBytes: 512 << 10) {
        do throws(SyscallError) {
          try NameResolver(
            session, datagrams: InternetSocket(owning: OwnedDescriptor(owning: datagrams)), stream: InternetSocket(owning: OwnedDescriptor(owning: stream))
          ).run()
        } catch {
          // Names are not looked up any more then; whatever else the session does goes on.
          SupervisorMain.complain("session \(session.record.session): the session's resolver has ended: \(error)")
        }
      }
    } catch {
      _ = (Glibc.close(datagrams), Glibc.close(stream))
      throw error
    }
  }

  private init(_ session: Session, datagrams: consuming InternetSocket, stream: consuming InternetSocket) throws(SyscallError) {
    self.session = session
    notes = ResolverNotes(session)
    epoll = try Epoll()
    try setNonBlocking(datagrams.rawValue)
    try setNonBlocking(stream.rawValue)
    try epoll.add(datagrams.rawValue, .readable, token: Token.datagrams)
    try epoll.add(stream.rawValue, .readable, token: Token.stream)
    try epoll.add(session.names.lookUps.bell.descriptor.rawValue, .readable, token: Token.lookUps)
    self.datagrams = datagrams
    self.stream = stream
  }

  private func run() throws(SyscallError) {
    while true {
      for event in try epoll.wait(deadline: nextDeadline) {
        switch event.token {
        case Token.datagrams: receiveDatagrams()
        case Token.stream: acceptStreams()
        case Token.lookUps:
          for lookUp in session.names.lookUps.take() {
            guard case .query(let query) = Query.read(Query.bytes(asking: lookUp.name, lookUp.type)) else { continue }
            ask(query, lookUp.name.text, .inside(lookUp))
          }
        default:
          if let exchange = exchanges[event.token] { advance(exchange) } else { serve(stream: event.token, event.events) }
        }
      }
      let now = monotonicNanoseconds()
      for exchange in exchanges.values where exchange.deadline.nanoseconds <= now { askNext(exchange) }
      resumeStreams()
      closeIdleStreams(now)
      startWaiting()
    }
  }

  private var nextDeadline: Deadline {
    var next = streams.values.reduce(Deadline.never) { min($0, $1.deadline) }
    for exchange in exchanges.values { next = min(next, exchange.deadline) }
    return next
  }

  func newToken() -> UInt64 {
    nextToken += 1
    return nextToken
  }

  // MARK: Clients

  private func receiveDatagrams() {
    for _ in 0..<Self.mostInARow {
      // An error is about an answer that could not be delivered.
      guard let received = try? datagrams.receive(atMost: Message.longest) else { return }
      guard let source = Self.source(received.from, isStream: false), let client = session.names.client(source) else {
        notes.stranger(received.from, isStream: false)
        continue
      }
      take(received.bytes, from: .datagram(received.from), client)
    }
  }

  private static func source(_ address: [UInt8], isStream: Bool) -> SessionNames.Source? {
    guard case .inet(let from, let port) = SocketAddress(address).meaning else { return nil }
    return SessionNames.Source(address: from, port: port, isStream: isStream)
  }

  private func acceptStreams() {
    for _ in 0..<Self.mostInARow {
      let accepted: AcceptedConnection?
      do throws(SyscallError) { accepted = try stream.accept() } catch {
        // The kernel goes on telling that one waits; for want of descriptors there is nothing to be done about it for a moment.
        _ = usleep(Self.restMicroseconds)
        return
      }
      guard let accepted else { return }
      guard let source = Self.source(accepted.from, isStream: true), let client = session.names.client(source) else {
        notes.stranger(accepted.from, isStream: true)
        continue
      }
      add(accepted.socket, client)
    }
  }

  /// Answers one message of a client, now or later. False where nothing will be answered.
  @discardableResult func take(_ bytes: [UInt8], from origin: Origin, _ client: SessionNames.Client) -> Bool {
    switch Query.read(bytes) {
    case .nothing: return false
    case .answer(let answer): deliver(answer, to: origin)
    case .query(let query):
      switch decide(query, client) {
      case .answer(let answer): deliver(answer, to: origin)
      case .ask(let name): ask(query, name, origin)
      }
    }
    return true
  }

  private func deliver(_ answer: [UInt8], to origin: Origin) {
    switch origin {
    // No room, or nobody there: as lost on the way.
    case .datagram(let address): _ = try? datagrams.send(answer[...], to: address)
    case .stream(let token): send(answer, to: token)
    case .inside(let lookUp): lookUp.give(answer)
    }
  }

  // MARK: Servers

  private struct PendingQuestion {
    let query: Query
    let name: [UInt8]
    let origin: Origin
    let since: UInt64
  }

  /// A question on its way to the host's servers, one after the other.
  private final class Exchange {
    let query: Query
    let name: [UInt8]
    let origin: Origin
    let key: [UInt8]
    let servers: [ResolverSettings.Server]
    /// For each server, in seconds; and how often all of them are asked while none says anything.
    let seconds: Int
    private var rounds: Int
    private var index = 0
    /// When whoever asks has given up.
    let end: Deadline
    var token: UInt64 = 0
    var id: UInt16 = 0
    var link: ServerLink?
    var deadline = Deadline.never
    /// Messages that were no answer, from the present server.
    var garbage = 0
    /// An answer that says that a server failed: given where none has a better one.
    var failure: [UInt8]?

    init(_ question: PendingQuestion, key: [UInt8], servers: [ResolverSettings.Server], settings: ResolverSettings) {
      query = question.query
      name = question.name
      origin = question.origin
      self.key = key
      self.servers = servers
      seconds = settings.timeout
      rounds = settings.attempts
      end = .after(milliseconds: Int64(settings.patience * settings.attempts) * 1000)
    }

    /// The server to ask next. Where one has said that it failed, all are asked once: whoever asks tries again by itself then, as libc does.
    func next() -> ResolverSettings.Server? {
      if index == servers.count, failure == nil, rounds > 1, end.nanoseconds > monotonicNanoseconds() { (rounds, index) = (rounds - 1, 0) }
      guard index < servers.count else { return nil }
      defer { index += 1 }
      return servers[index]
    }

    var isStream: Bool { if case .stream = origin { true } else { false } }
  }

  /// More that is no answer is not read: somebody floods.
  private static let mostGarbage = 64

  private static func key(_ query: Query, _ origin: Origin) -> [UInt8] {
    switch origin {
    case .datagram(let address): address + query.message.bytes
    case .stream(let token): (0..<8).map { UInt8(truncatingIfNeeded: token >> UInt64(8 * $0)) } + query.message.bytes
    case .inside(let lookUp): Array("\(ObjectIdentifier(lookUp))".utf8) + query.message.bytes
    }
  }

  private func ask(_ query: Query, _ name: [UInt8], _ origin: Origin) {
    let limit = if case .stream = origin { Message.longest } else { query.datagramLimit }
    if let known = cache.answer(to: query.message.bytes, now: monotonicNanoseconds()), known.bytes.count <= limit {
      remember(name, known.addresses, for: origin)
      return deliver(known.bytes, to: origin)
    }
    guard asked.insert(Self.key(query, origin)).inserted else { return }
    let question = PendingQuestion(query: query, name: name, origin: origin, since: monotonicNanoseconds())
    if exchanges.count < Self.mostAsked { return start(question) }
    guard waiting.count < Self.mostWaiting else {
      asked.remove(Self.key(query, origin))
      notes.crowded()
      return deliver(query.answer(.serverFailure, reason: "too many names are being looked up"), to: origin)
    }
    waiting.append(question)
  }

  private func startWaiting() {
    while exchanges.count < Self.mostAsked, !waiting.isEmpty {
      let count = min(waiting.count, Self.mostAsked - exchanges.count)
      let next = waiting.prefix(count)
      waiting.removeFirst(count)
      for question in next { start(question) }
    }
  }

  private func start(_ question: PendingQuestion) {
    let settings = session.names.settings
    var servers = settings.servers
    turn &+= 1
    if settings.rotates, !servers.isEmpty { servers = (0..<servers.count).map { servers[(turn + $0) % servers.count] } }
    askNext(Exchange(question, key: Self.key(question.query, question.origin), servers: servers, settings: settings))
  }

  /// Asks the next server; without one, the answer is what the best of them said.
  private func askNext(_ exchange: Exchange) {
    close(exchange)
    while let server = exchange.next() {
      guard let address = Self.socketAddress(server), let id = Self.randomID() else { continue }
      let bytes = Message.bytes(exchange.query.message.bytes, withID: id)
      let token = newToken()
      guard let link = try? ServerLink(address, bytes, isStream: exchange.isStream),
        (try? epoll.add(link.rawValue, exchange.isStream ? [.readable, .writable] : .readable, token: token)) != nil
      else { continue }
      (exchange.id, exchange.token, exchange.link, exchange.garbage) = (id, token, link, 0)
      exchange.deadline = .after(milliseconds: Int64(exchange.seconds) * 1000)
      exchanges[token] = exchange
      return
    }
    asked.remove(exchange.key)
    if exchange.failure == nil { notes.unanswered(exchange.name, exchange.servers) }
    deliver(exchange.failure ?? exchange.query.answer(.serverFailure, reason: "none of this host's name servers has answered"), to: exchange.origin)
  }

  private func close(_ exchange: Exchange) {
    guard let link = exchange.link else { return }
    epoll.remove(link.rawValue)
    exchanges[exchange.token] = nil
    exchange.link = nil
  }

  /// Something happened on the way to a server.
  private func advance(_ exchange: Exchange) {
    guard let link = exchange.link else { return }
    while true {
      switch link.next() {
      case .nothing:
        if link.isSent, exchange.isStream { try? epoll.change(link.rawValue, .readable, token: exchange.token) }
        return
      case .failed: return askNext(exchange)
      case .message(let bytes):
        // Whoever sent it: what doesn't answer this very question with this very number is none of it.
        guard let message = try? Message(bytes), Query.isAnswer(message, to: exchange.query.question, id: exchange.id) else {
          exchange.garbage += 1
          // A stream that says something else has nothing more to say.
          if exchange.isStream || exchange.garbage > Self.mostGarbage { return askNext(exchange) }
          continue
        }
        return finish(exchange, message)
      }
    }
  }

  private func finish(_ exchange: Exchange, _ message: Message) {
    let asked = exchange.query.message
    let answer = Message.bytes(message.bytes, withID: asked.id)
    // As libc does: the next server may know better (SERVFAIL, NOTIMP, REFUSED).
    if [2, 4, 5].contains(message.code) {
      exchange.failure = answer
      return askNext(exchange)
    }
    remember(exchange.name, message.addresses(of: exchange.query.question.name), for: exchange.origin)
    close(exchange)
    self.asked.remove(exchange.key)
    cache.keep(message, to: asked.bytes, now: monotonicNanoseconds())
    deliver(answer, to: exchange.origin)
  }

  /// Known before it is told: the connection may follow at once. What the session has not asked for it doesn't know.
  private func remember(_ name: [UInt8], _ addresses: [(address: IPAddress, ttl: UInt32)], for origin: Origin) {
    if case .inside = origin { return }
    for (address, ttl) in addresses { session.names.remember(name, address, ttl: ttl) }
  }

  private static func randomID() -> UInt16? {
    guard let bytes = try? randomBytes(2) else { return nil }
    return UInt16(bytes[0]) << 8 | UInt16(bytes[1])
  }

  /// The bytes of a server's address, port 53; nil for one on an interface that isn't there.
  private static func socketAddress(_ server: ResolverSettings.Server) -> [UInt8]? {
    let port = ResolverSockets.service
    switch server.address {
    case .v4(let value):
      let bytes = (0..<4).map { UInt8(truncatingIfNeeded: value >> UInt32(24 - 8 * $0)) }
      return AgentshSystem.socketAddress((bytes[0], bytes[1], bytes[2], bytes[3]), port: port)
    case .v6(let high, let low, var scope):
      if let interface = server.interface {
        if let number = UInt32(String(decoding: interface, as: UTF8.self)) {
          scope = number
        } else {
          guard let number = interfaceNumber(interface) else { return nil }
          scope = number
        }
      }
      let address = (0..<16).map { UInt8(truncatingIfNeeded: ($0 < 8 ? high : low) >> UInt64(56 - 8 * ($0 % 8))) }
      return [UInt8(AF_INET6), 0, UInt8(port >> 8), UInt8(truncatingIfNeeded: port), 0, 0, 0, 0] + address
        + (0..<4).map { UInt8(truncatingIfNeeded: scope >> UInt32(8 * $0)) }
    }
  }
}

/// A socket of our own to one server, for one question: its port is the kernel's choice, and what comes from elsewhere doesn't arrive.
final class ServerLink {
  enum Event {
    case nothing
    case failed
    case message([UInt8])
  }

  private let socket: InternetSocket
  private let isStream: Bool
  private var outgoing: ArraySlice<UInt8>
  private var incoming: [UInt8] = []

  init(_ address: [UInt8], _ query: [UInt8], isStream: Bool) throws(SyscallError) {
    self.isStream = isStream
    socket = try InternetSocket.make(CInt(address[0]), isStream: isStream)
    outgoing = (isStream ? framed(query) : query)[...]
    try socket.connect(address)
    if !isStream {
      guard try socket.send(outgoing) == outgoing.count else { throw SyscallError("send", .wouldBlock) }
      outgoing = []
    }
  }

  var rawValue: CInt { socket.rawValue }
  var isSent: Bool { outgoing.isEmpty }

  /// What there is to know now.
  func next() -> Event {
    do throws(SyscallError) {
      if !outgoing.isEmpty {
        guard let sent = try socket.send(outgoing) else { return .nothing }
        outgoing = outgoing.dropFirst(sent)
        if !outgoing.isEmpty { return .nothing }
      }
      guard let received = try socket.receive(atMost: isStream ? 16_384 : Message.longest) else { return .nothing }
      if !isStream { return .message(received.bytes) }
      if received.bytes.isEmpty { return .failed }
      incoming += received.bytes
      guard let message = unframed(&incoming) else { return incoming.count > Message.longest + 2 ? .failed : next() }
      return .message(message)
    } catch {
      // ENOTCONN: it isn't connected yet.
      return error.errno == .socketNotConnected ? .nothing : .failed
    }
  }
}

/// A message as streams carry it (RFC 1035, 4.2.2).
func framed(_ message: [UInt8]) -> [UInt8] { [UInt8(truncatingIfNeeded: message.count >> 8), UInt8(truncatingIfNeeded: message.count)] + message }

/// Takes the first whole message from the start of a stream's bytes.
func unframed(_ bytes: inout [UInt8]) -> [UInt8]? {
  guard bytes.count >= 2 else { return nil }
  let length = Int(bytes[0]) << 8 | Int(bytes[1])
  guard bytes.count >= 2 + length else { return nil }
  let message = Array(bytes[2..<(2 + length)])
  bytes.removeFirst(2 + length)
  return message
}
