import AgentshAudit
import AgentshPolicy
import AgentshSystem
import CAgentshSystem
import Glibc
import SystemPackage

/// A connection that is to go elsewhere, by `connect_redirects`: decided, recorded, not yet made.
struct Detour {
  let redirection: ConnectRedirection
  /// What the target asked for.
  let subject: NetworkSubject
  /// The target's own address.
  let original: [UInt8]
}

extension Worker {
  /// Makes a connection that was redirected, on the target's own socket.
  ///
  /// To a Unix socket it goes by way of this machine's loopback, where the supervisor passes the bytes on: the target keeps the TCP socket that it made,
  /// with its options, in its sets of descriptors and under all its numbers. Putting another socket under the number would change one of these
  /// numbers alone, whatever it stands for by then.
  ///
  /// - Parameter attempt: the call with another address; the flag says whether the floor holds it.
  func detour(
    _ call: TrappedCall, _ kind: CallKind, _ socket: borrowing TargetSocket, _ detour: Detour,
    attempt: (_ address: [UInt8], _ held: Bool) throws(CallFailure) -> Answer
  ) throws(CallFailure) -> Answer {
    let answer: Answer
    let hasAlternative = detour.redirection.onFailure != .failClosed
    let flags = fcntl(socket.descriptor.rawValue, F_GETFL)
    let deadline: Deadline? = flags >= 0 && flags & O_NONBLOCK != 0 ? .after(milliseconds: Self.patience) : nil
    switch detour.redirection.destination {
    case .address(let address, let port):
      answer = try self.attempt(call, socket, [(address, port)], hasAlternative, deadline, attempt)
    case .host(let name, let port):
      answer = try self.attempt(call, socket, addresses(ofRedirectionTo: name, port, deadline).map { ($0, port) }, hasAlternative, deadline, attempt)
    case .unix(let address):
      answer = try relay(call, socket, address, attempt)
    }
    guard hasAlternative, case .failure(let number) = answer, Self.meansUnreachable(number) else { return answer }
    // As if there were no redirection.
    let verdict = supervision.policy.networkWithoutRedirection(detour.subject)
    let operation: AuditOperation = .netConnect
    let address = detour.subject.address.map { SocketAddress.text($0, port: detour.subject.port) } ?? "?"
    try checkStillWaiting(call)
    try settle(call, kind, operation, .address(address, host: verdict.host), verdict)
    return try attempt(detour.original, true)
  }

  /// Where a host is that `connect_redirects` names: this machine, what /etc/hosts says, or what the host's name servers answer. Such an answer leads to
  /// an address of special purpose (this machine, a private network) only where a rule about addresses permits it, as everybody's answers do.
  /// - Parameter deadline: for a program that doesn't wait; nil: as long as it takes.
  private func addresses(ofRedirectionTo name: [UInt8], _ port: UInt16, _ deadline: Deadline?) -> [IPAddress] {
    if name.elementsEqual("localhost".utf8) { return HostName.thisMachine }
    guard let names = supervision.names else { return [] }
    if let listed = names.listed(name) { return Array(listed.prefix(Self.mostPlaces)) }
    expectDelay()
    return names.lookUp(name, deadline).filter { address in
      !address.isSpecialPurpose
        || supervision.policy.networkWithoutRedirection(NetworkSubject(operation: .connect, address: address, port: port, proto: .tcp, hosts: [])).isPermitted
    }
  }

  /// Addresses of a host that are tried.
  private static let mostPlaces = 16

  /// Errors that say of a place that it can't be reached, not of a socket that it can't connect (connect(2)). ECONNRESET is none of them: so a connect
  /// ends that another thread has ended (shutdown(2)).
  private static func meansUnreachable(_ number: CInt) -> Bool {
    [ECONNREFUSED, ETIMEDOUT, EHOSTUNREACH, ENETUNREACH, EHOSTDOWN, ENETDOWN, EADDRNOTAVAIL, EACCES, EPERM, ENOENT, ENOBUFS, EMFILE].contains(number)
  }

  /// How long a connection for which its program doesn't wait may keep it waiting all the same, where a name has to be looked up or there is something
  /// else to try: what has not failed by then is what the program gets.
  private static let patience: Int64 = 1000

  /// One address after the other, until one can be reached.
  /// - Parameters:
  ///   - hasAlternative: there is something to try when the last one can't.
  ///   - deadline: for a program that doesn't wait.
  private func attempt(
    _ call: TrappedCall, _ socket: borrowing TargetSocket, _ places: [(address: IPAddress, port: UInt16)], _ hasAlternative: Bool, _ deadline: Deadline?,
    _ attempt: ([UInt8], Bool) throws(CallFailure) -> Answer
  ) throws(CallFailure) -> Answer {
    // What the socket has no address for is nothing else to try, and says nothing of what it has tried.
    let isV6Only = isV6Only(socket)
    let usable = places.compactMap { place in
      SocketAddress.bytes(place.address, port: place.port, domain: socket.domain, isV6Only: isV6Only).map { (place.address, $0) }
    }
    var failure = Answer.failure(places.isEmpty ? EHOSTUNREACH : ENETUNREACH)
    var deadline = deadline
    for (index, (place, bytes)) in usable.enumerated() {
      // The place is the administrator's, not the target's: the floor is about what targets ask for.
      var answer = try attempt(bytes, false)
      if case .failure(EINPROGRESS) = answer, hasAlternative || index + 1 < usable.count {
        let until = deadline ?? .after(milliseconds: Self.patience)
        deadline = until
        if let number = failureOfConnection(call, socket, until: until) { answer = .failure(number) }
      }
      guard case .failure(let number) = answer, Self.meansUnreachable(number) else { return answer }
      failure = answer
      if socket.domain == AF_INET6, case .v4 = place { forgetMappedAddress(socket) }
    }
    return failure
  }

  /// Lets an IPv6 socket that couldn't connect to an IPv4 address connect to another of either kind: the kernel sends what it says in IPv4 until such a
  /// connection fails before anything was sent (tcp_v6_connect of net/ipv6/tcp_ipv6.c), and to the broadcast address it always does.
  private func forgetMappedAddress(_ socket: borrowing TargetSocket) {
    guard let broadcast = SocketAddress.bytes(.v4(0xffff_ffff), port: 9, domain: AF_INET6, isV6Only: false) else { return }
    _ = connectSocket(socket.descriptor.rawValue, broadcast)
  }

  /// What has come of a connection that is under way: the errno, if it has failed by then, and the socket can connect again; nil if it was made, or is under
  /// way still. The answer to a call that doesn't wait is the same in both cases: the program learns from its socket.
  private func failureOfConnection(_ call: TrappedCall, _ socket: borrowing TargetSocket, until deadline: Deadline) -> CInt? {
    let raw = socket.descriptor.rawValue
    // The time that a program gave it (SO_SNDTIMEO of socket(7)) has passed already.
    let flags = fcntl(raw, F_GETFL)
    if flags >= 0, flags & O_NONBLOCK == 0, hasSendTimeout(raw) { return nil }
    expectDelay()
    // A signal ends the waiting, and not the connection.
    guard supervision.waits.waiting(call, { waitForConnection(raw, deadline: deadline) }) == true, let number = try? socketOption(raw, SO_ERROR), number != 0
    else { return nil }
    // Dissolved, as connect(2) says: the error was taken from it just now.
    _ = connectSocket(raw, [UInt8](repeating: 0, count: 16))
    return number
  }

  private func isV6Only(_ socket: borrowing TargetSocket) -> Bool { socket.domain == AF_INET6 && socketOption(socket.descriptor.rawValue, 41, 26) != 0 }

  /// Connects to the relay, which holds a connection to the Unix socket.
  private func relay(
    _ call: TrappedCall, _ socket: borrowing TargetSocket, _ address: UnixAddress, _ attempt: ([UInt8], Bool) throws(CallFailure) -> Answer
  ) throws(CallFailure) -> Answer {
    let raw = socket.descriptor.rawValue
    let isV6Only = isV6Only(socket)
    let loopback = isV6Only ? IPAddress.v6(high: 0, low: 1, scope: 0) : .v4(0x7f00_0001)
    func place(_ port: UInt16) -> [UInt8] { SocketAddress.bytes(loopback, port: port, domain: socket.domain, isV6Only: isV6Only) ?? [] }
    // A socket that is connected or about to be looks at no address, and the kernel knows what to say; no one listens on port 0.
    guard isUnconnected(raw) else { return try attempt(place(0), false) }
    let relay: RedirectRelay
    let offer: RedirectRelay.Offer
    do throws(SyscallError) {
      relay = try supervision.relay()
      offer = try relay.offer(to: address, isV6: isV6Only)
    } catch {
      return .failure(error.errno.rawValue)
    }
    let answer = try attempt(place(offer.port), false)
    switch answer {
    case .value, .failure(EINPROGRESS), .failure(WaitTable.restart), .failure(EINTR):
      guard case .inet(let own, let port) = SocketAddress(try socketName(raw)).meaning else { return .failure(ECONNREFUSED) }
      relay.accept(offer, from: own, port)
    default: break
    }
    return answer
  }
}

extension SocketAddress {
  /// The address as a socket of this domain takes it; nil where it can't reach it.
  static func bytes(_ address: IPAddress, port: UInt16, domain: CInt, isV6Only: Bool) -> [UInt8]? {
    let head = [UInt8(truncatingIfNeeded: domain), 0, UInt8(port >> 8), UInt8(truncatingIfNeeded: port)]
    func big<Value: FixedWidthInteger>(_ value: Value) -> [UInt8] {
      stride(from: Value.bitWidth - 8, through: 0, by: -8).map { UInt8(truncatingIfNeeded: value >> Value($0)) }
    }
    switch (domain, address) {
    case (AF_INET, .v4(let value)):
      return head + big(value) + [UInt8](repeating: 0, count: 8)
    case (AF_INET6, .v4(let value)) where !isV6Only:
      return head + [0, 0, 0, 0] + [UInt8](repeating: 0, count: 10) + [0xff, 0xff] + big(value) + [0, 0, 0, 0]
    case (AF_INET6, .v6(let high, let low, let scope)):
      return head + [0, 0, 0, 0] + big(high) + big(low) + big(scope).reversed()
    default: return nil
    }
  }
}

extension Supervision {
  /// Started when it is first needed.
  func relay() throws(SyscallError) -> RedirectRelay {
    var failure: SyscallError?
    let relay: RedirectRelay? = redirectRelay.withLock { known in
      if let known { return known }
      do throws(SyscallError) { known = try RedirectRelay() } catch { failure = error }
      return known
    }
    if let relay { return relay }
    throw failure ?? SyscallError("epoll_create1", .tooManyOpenFiles)
  }

  /// Gives what targets have sent before they ended the time to arrive.
  func drainRelay() {
    guard let relay = redirectRelay.withLock({ $0 }) else { return }
    relay.drain(deadline: .after(milliseconds: 1000))
  }
}
