import AgentshPolicy
import AgentshSystem
import Glibc
import Synchronization
import SystemPackage

/// Passes bytes on between TCP connections of targets and the Unix sockets that `connect_redirects` names.
///
/// One thread for all connections of a session; it holds at most one buffer for each direction and reads no more while that is full, so that a slow
/// reader slows its own sender down and nobody else. Only the very socket that was redirected is served: others that connect to its port are
/// closed unread.
final class RedirectRelay: Sendable {
  /// A Unix socket that is connected, and a port of the loopback on which its target is expected.
  final class Offer: Sendable {
    let port: UInt16
    fileprivate let listener: OwnedDescriptor
    fileprivate let unix: OwnedDescriptor
    private let count: Count

    fileprivate init(port: UInt16, listener: consuming OwnedDescriptor, unix: consuming OwnedDescriptor, count: Count) {
      self.port = port
      self.listener = listener
      self.unix = unix
      self.count = count
    }

    deinit { count.value.subtract(1, ordering: .relaxed) }
  }

  /// How many offers there are, taken or not.
  fileprivate final class Count: Sendable { let value = Atomic<Int>(0) }

  /// Most connections at the same time; one more is refused.
  static let most = 256
  /// How long an accepted connection may be on its way here.
  private static let patience: Int64 = 10_000
  private static let bufferSize = 64 << 10

  private struct Order {
    let offer: Offer
    let address: IPAddress
    let port: UInt16
  }

  private struct Orders {
    var expected: [Order] = []
    var isDraining = false
  }

  private let orders = Mutex(Orders())
  private let count = Count()
  private let wake: EventDescriptor
  private let drained: EventDescriptor
  private let epoll: Epoll

  init() throws(SyscallError) {
    wake = try EventDescriptor()
    drained = try EventDescriptor()
    epoll = try Epoll()
    try epoll.add(wake.descriptor.rawValue, .readable, token: 0)
    try startThread("relay") { self.run() }
  }

  // MARK: For workers

  /// Connects to a Unix socket with the caller's rights, and opens a port for the target.
  func offer(to address: UnixAddress, isV6: Bool) throws(SyscallError) -> Offer {
    guard count.value.add(1, ordering: .relaxed).newValue <= Self.most else {
      count.value.subtract(1, ordering: .relaxed)
      throw SyscallError("socket", .tooManyOpenFiles, "redirected connections")
    }
    do throws(SyscallError) {
      let unix = try connectedUnixSocket(address)
      let listener = try loopbackListener(isV6: isV6)
      guard case .inet(_, let port) = SocketAddress(listener.name).meaning else { throw SyscallError("getsockname", .addressFamilyNotSupported) }
      return Offer(port: port, listener: listener.descriptor, unix: unix, count: count)
    } catch {
      count.value.subtract(1, ordering: .relaxed)
      throw error
    }
  }

  /// The target's socket, which has this address and port, connects or has connected.
  func accept(_ offer: Offer, from address: IPAddress, _ port: UInt16) {
    orders.withLock { $0.expected.append(Order(offer: offer, address: address, port: port)) }
    wake.signal()
  }

  /// Waits until all that targets have sent is passed on.
  func drain(deadline: Deadline) {
    orders.withLock { $0.isDraining = true }
    wake.signal()
    _ = try? waitUntilReady(drained.descriptor, deadline: deadline)
  }

  // MARK: The thread

  private func run() {
    var links: [UInt64: Link] = [:]
    var next: UInt64 = 1
    var isDraining = false
    while true {
      let deadline = links.values.map(\.deadline).min() ?? .never
      guard let events = try? epoll.wait(deadline: deadline) else { return drained.signal() }
      for event in events {
        if event.token == 0 {
          wake.clear()
          let taken = orders.withLock { orders in
            defer { orders.expected = [] }
            isDraining = orders.isDraining
            return orders.expected
          }
          for order in taken {
            let link = Link(order.offer, token: next, address: order.address, port: order.port, deadline: .after(milliseconds: Self.patience))
            guard (try? epoll.add(order.offer.listener.rawValue, .readable, token: next * 2)) != nil else { continue }
            links[next] = link
            next += 1
          }
        } else if let link = links[event.token / 2] {
          if !link.handle(epoll, bufferSize: Self.bufferSize) { links[event.token / 2] = nil }
        }
      }
      // The usual case has an accepted connection waiting already.
      for (token, link) in links where link.deadline.hasPassed { links[token] = nil }
      if isDraining, links.values.allSatisfy(\.hasPassedAllOn) { drained.signal() }
    }
  }
}

/// Bytes on their way in one direction.
private struct Flow {
  var bytes: [UInt8] = []
  var sent = 0
  /// The sender has said all.
  var hasEnded = false
  /// The receiver knows.
  var isShut = false

  var isEmpty: Bool { sent == bytes.count }
}

/// One redirected connection; belongs to the relay's thread.
private final class Link {
  private let offer: RedirectRelay.Offer
  private let token: UInt64
  private let address: IPAddress
  private let port: UInt16
  /// Until when the target has to have come.
  private(set) var deadline: Deadline
  private var target: CInt = -1
  private var toUnix = Flow()
  private var toTarget = Flow()
  private var watched: (target: EpollEvents, unix: EpollEvents) = ([], [])

  init(_ offer: RedirectRelay.Offer, token: UInt64, address: IPAddress, port: UInt16, deadline: Deadline) {
    self.offer = offer
    self.token = token
    self.address = address
    self.port = port
    self.deadline = deadline
  }

  deinit { if target >= 0 { _ = close(target) } }

  private var unix: CInt { offer.unix.rawValue }

  /// Whether nothing that the target has sent is here any more, and nothing more can come.
  var hasPassedAllOn: Bool { target >= 0 && toUnix.hasEnded && toUnix.isEmpty }

  /// Does what can be done; false when the connection is over.
  func handle(_ epoll: borrowing Epoll, bufferSize: Int) -> Bool {
    if target < 0, !takeTarget(epoll) { return true }
    guard move(&toUnix, from: target, to: unix, bufferSize), move(&toTarget, from: unix, to: target, bufferSize) else { return false }
    if toUnix.isShut, toTarget.isShut { return false }
    return watch(epoll)
  }

  /// Accepts until the socket comes that is waited for.
  private func takeTarget(_ epoll: borrowing Epoll) -> Bool {
    while let connection = acceptFrom(offer.listener.rawValue) {
      if case .inet(let peer, let peerPort) = SocketAddress(connection.name).meaning, peer == address, peerPort == port {
        target = connection.socket
        deadline = .never
        epoll.remove(offer.listener.rawValue)
        return true
      }
      _ = close(connection.socket)
    }
    // The kernel goes on telling that one waits; for want of descriptors there is nothing to be done about it for a moment.
    if [EMFILE, ENFILE, ENOMEM, ENOBUFS].contains(errno) { _ = usleep(5000) }
    return false
  }

  private func move(_ flow: inout Flow, from source: CInt, to sink: CInt, _ bufferSize: Int) -> Bool {
    // Not for ever: others have their turn, and epoll tells again what is left.
    for _ in 0..<16 {
      if flow.isEmpty, !flow.hasEnded {
        switch receive(source, atMost: bufferSize) {
        case .bytes(let bytes): (flow.bytes, flow.sent) = (bytes, 0)
        case .end: flow.hasEnded = true
        case .nothing: return true
        case .failed: return false
        }
      }
      while !flow.isEmpty {
        switch sendBytes(sink, flow.bytes, from: flow.sent) {
        case .some(let count): flow.sent += count
        case .none: return true
        }
        if flow.sent < 0 { return false }
      }
      if flow.hasEnded {
        if !flow.isShut {
          flow.isShut = true
          _ = shutdown(sink, CInt(SHUT_WR))
        }
        return true
      }
    }
    return true
  }

  /// Waits for what would change something, and not for a socket of which nothing is expected: its hang-up would be told again and again.
  private func watch(_ epoll: borrowing Epoll) -> Bool {
    func events(_ incoming: Flow, _ outgoing: Flow) -> EpollEvents {
      var events: EpollEvents = []
      if incoming.isEmpty, !incoming.hasEnded { events.insert(.readable) }
      if !outgoing.isEmpty { events.insert(.writable) }
      return events
    }
    return set(epoll, target, events(toUnix, toTarget), &watched.target, token * 2)
      && set(epoll, unix, events(toTarget, toUnix), &watched.unix, token * 2 + 1)
  }

  private func set(_ epoll: borrowing Epoll, _ socket: CInt, _ wanted: EpollEvents, _ current: inout EpollEvents, _ token: UInt64) -> Bool {
    if wanted == current { return true }
    let had = current
    current = wanted
    if wanted.isEmpty {
      epoll.remove(socket)
      return true
    }
    do throws(SyscallError) {
      if had.isEmpty { try epoll.add(socket, wanted, token: token) } else { try epoll.change(socket, wanted, token: token) }
    } catch {
      return false
    }
    return true
  }
}
