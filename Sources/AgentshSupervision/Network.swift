import AgentshAudit
import AgentshFilter
import AgentshPolicy
import AgentshSystem
import CAgentshSystem
import Glibc
import SystemPackage

extension Worker {
  // MARK: connect

  /// connect(2): decided on a copy of the address, performed with that copy on the target's own socket.
  func connect(_ call: TrappedCall) throws(CallFailure) -> Answer {
    let socket = try fetchSocket(call, descriptor(call.arguments.0))
    let address = try socketAddress(call, at: call.arguments.1, length: call.arguments.2)
    try checkStillWaiting(call)
    switch try destination(call, .connect, socket, address, isConnecting: true) {
    case .address(let bytes):
      let raw = socket.descriptor.rawValue
      let held = socket.isInternet && floor.holdsConnecting
      guard mayWait(socket, address) else { return try performing(call, held: held, on: raw) { Int(connectSocket(raw, bytes)) } }
      let attempt = supervision.destinations.begin(bytes)
      defer { supervision.destinations.end(attempt) }
      if !attempt.isQuick { expectDelay() }
      return try performing(call, held: held, on: raw) { Int(connectSocket(raw, bytes)) }
    case .resolver(let bytes):
      // Not by the floor, which knows ports alone: where the resolver is, is certain.
      let raw = socket.descriptor.rawValue
      return try performing(call, on: raw) { Int(connectSocket(raw, bytes)) }
    case .pinned(let object):
      let raw = socket.descriptor.rawValue
      let bytes = SocketAddress.ofPinned(descriptorPath(object))
      defer { _ = close(object) }
      return try performing(call, on: raw) { Int(connectSocket(raw, bytes)) }
    case .elsewhere(let detour):
      let raw = socket.descriptor.rawValue
      let isHeld = floor.holdsConnecting
      return try self.detour(call, .connect, socket, detour) { bytes, held throws(CallFailure) in
        try performing(call, held: held && isHeld, on: raw) { Int(connectSocket(raw, bytes)) }
      }
    }
  }

  /// Whether connecting takes at least the way to another machine and back: a thousand that nobody answers must not come in one after the other.
  private func mayWait(_ socket: borrowing TargetSocket, _ address: SocketAddress) -> Bool {
    guard socket.isInternet, socket.isStream, case .inet(let destination, _) = address.meaning, !destination.isLoopback else { return false }
    let flags = fcntl(socket.descriptor.rawValue, F_GETFL)
    return flags >= 0 && flags & O_NONBLOCK == 0
  }

  /// Where something may go, once it is decided.
  enum Destination {
    case address([UInt8])
    /// The session's own resolver.
    case resolver([UInt8])
    /// An O_PATH descriptor of a Unix socket's file, which the receiver closes.
    case pinned(CInt)
    /// Another place than the one that was asked for.
    case elsewhere(Detour)
  }

  /// Decides and records where a socket is to be connected to or sent to. Throws the refusal.
  func destination(
    _ call: TrappedCall, _ kind: CallKind, _ socket: borrowing TargetSocket, _ address: SocketAddress, isConnecting: Bool
  ) throws(CallFailure) -> Destination {
    switch socket.domain {
    case AF_INET, AF_INET6:
      let address = try meant(by: address, socket)
      switch address.meaning {
      case .inet(let destination, let port):
        try checkInterface(call, kind, socket, destination, isConnecting: isConnecting)
        if let place = try resolverPlace(call, kind, isConnecting ? .netConnect : .netSend, socket, address, destination, port) { return .resolver(place) }
        switch try settleNetwork(call, kind, isConnecting ? .connect : .send, socket, destination, port, address.bytes) {
        case .asAsked: break
        case .withoutPort: return .address(address.withoutPort)
        case .elsewhere(let detour): return .elsewhere(detour)
        }
      case .unspecified(let destination, let port):
        // connect(2) dissolves a connection; for udp(7) over IPv4 it is an address like any other, and over IPv6 none at all. A socket can turn from the
        // second kind into the first (IPV6_ADDRFORM of ipv6(7)): so none is what it is given.
        if !isConnecting, socket.domain == AF_INET6 { return .address([]) }
        if !isConnecting, let destination {
          try checkInterface(call, kind, socket, destination, isConnecting: isConnecting)
          if let place = try resolverPlace(call, kind, .netSend, socket, address, destination, port) { return .resolver(place) }
          _ = try settleNetwork(call, kind, .send, socket, destination, port, address.bytes)
        }
      case .malformed, .unix, .other:
        // udpv6_sendmsg() knows no other word for it.
        throw !isConnecting && socket.domain == AF_INET6 ? .errno(EINVAL) : foreignFamily(socket, address)
      }
      return .address(address.bytes)
    case AF_UNIX:
      return try unixDestination(call, kind, address, isConnecting: isConnecting)
    case AF_NETLINK:
      // Which protocols of it there are is the filter's affair; what they may do is the kernel's, for a supervisor without rights.
      return .address(address.bytes)
    default:
      throw .errno(EACCES)
    }
  }

  /// A socket that is bound to an interface (by SO_BINDTODEVICE outside the session, by binding or connecting to a link-local address inside) sends by that one alone,
  /// and what it sends to an address of this machine leaves it there.
  private func checkInterface(
    _ call: TrappedCall, _ kind: CallKind, _ socket: borrowing TargetSocket, _ destination: IPAddress, isConnecting: Bool
  ) throws(CallFailure) {
    guard destination.isLoopback || destination.isUnspecified else { return }
    // LOOPBACK_IFINDEX of include/net/flow.h: the first in every network namespace.
    guard let interface = try? socketOption(socket.descriptor.rawValue, 62 /* SO_BINDTOIFINDEX */), interface > 1 else { return }
    let verdict = Verdict(
      decision: .deny, rule: "builtin:source_route", message: "the socket is bound to an interface, by which the packet would leave this machine")
    try settle(call, kind, isConnecting ? .netConnect : .netSend, .address(SocketAddress.text(destination, port: 0)), verdict, refusal: EPERM)
  }

  /// The address that the kernel takes for the unspecified one, in its place: this machine, by the address that the socket is bound to if it is
  /// (ip_route_output_key of net/ipv4/route.c, tcp_v6_connect of net/ipv6/tcp_ipv6.c). Any other is given back as it is.
  private func meant(by address: SocketAddress, _ socket: borrowing TargetSocket) throws(CallFailure) -> SocketAddress {
    guard case .inet(let destination, _) = address.meaning, destination.isUnspecified else { return address }
    let bound: IPAddress? = if case .inet(let own, _) = SocketAddress(try socketName(socket.descriptor.rawValue)).meaning, !own.isUnspecified { own } else { nil }
    return address.replacingUnspecified(boundTo: bound)
  }

  /// What an internet socket says of an address that isn't its own: first whether it is long enough to be (SIN6_LEN_RFC2133 for IPv6).
  private func foreignFamily(_ socket: borrowing TargetSocket, _ address: SocketAddress) -> CallFailure {
    .errno(address.bytes.count < (socket.domain == AF_INET ? 16 : 24) ? EINVAL : EAFNOSUPPORT)
  }

  /// What becomes of something that is permitted.
  private enum Course {
    case asAsked
    /// The same address, where nobody can be reached.
    case withoutPort
    case elsewhere(Detour)
  }

  /// Ports by which libraries connect datagram sockets to learn whether there is a way to an address: Go (net/addrselect.go) and musl
  /// (src/network/lookup_name.c). glibc takes none.
  private static let probingPorts: Set<UInt16> = [9, 65_535]

  /// Decides and records. Throws the refusal.
  @discardableResult private func settleNetwork(
    _ call: TrappedCall, _ kind: CallKind, _ operation: NetworkOperation, _ socket: borrowing TargetSocket, _ address: IPAddress,
    _ port: UInt16, _ original: [UInt8] = []
  ) throws(CallFailure) -> Course {
    // Only these have ports: what stands in their place in another protocol's address is no one's, and must not match a rule about ports.
    let transport = socket.networkProtocol
    let hasPorts = transport == .tcp || transport == .udp
    var port = hasPorts ? port : 0
    let isReaching = operation == .connect || operation == .send
    let hosts = isReaching ? supervision.names?.hosts(of: address) { supervision.policy.leads($0, elsewhereThan: address) } ?? [] : []
    // Nobody can be reached at port 0 (udp(7)). Libraries connect to it to learn whether there is a way to an address, and in which order to try several.
    var isAnyPort = operation == .connect && transport == .udp && port == 0
    func subject(_ address: IPAddress) -> NetworkSubject {
      NetworkSubject(operation: operation, address: address, port: port, proto: transport, hosts: hosts, isAnyPort: isAnyPort)
    }
    let refusal = foreignResolver(operation, port)
    var judgement = layered { refusal ?? $0.policy.network(subject(address)) }
    var course = Course.asAsked
    // Those that ask by a port of their own get the same answer, and the port of the others, which no socket can have.
    if operation == .connect, transport == .udp, Self.probingPorts.contains(port), !judgement.isPermitted {
      let asked = port
      (port, isAnyPort) = (0, true)
      let other = layered { $0.policy.network(subject(address)) }
      if other.isPermitted { (judgement, course) = (other, .withoutPort) } else { (port, isAnyPort) = (asked, false) }
    }
    let recorded: AuditOperation =
      switch operation {
      case .connect: .netConnect
      case .send: .netSend
      case .bind: .netBind
      case .listen: .netListen
      }
    // A process of a session inside another is sent nowhere else by either policy: what one of them wants elsewhere the other has not been asked about.
    let redirection = inner == nil ? judgement.outer.redirection : nil
    // What was asked for is not permitted, but what happens instead.
    if redirection != nil {
      let chosen = judgement.outer
      judgement = Judgement(outer: Verdict(decision: chosen.decision, rule: chosen.rule, message: chosen.message, isPermitted: true, host: chosen.host))
    }
    let host = judgement.inner?.host ?? judgement.outer.host ?? hosts.first
    try settle(call, kind, recorded, .address(SocketAddress.text(address, port: port), host: host), judgement)
    if !hosts.isEmpty { supervision.names?.renew(address) }
    return redirection.map { .elsewhere(Detour(redirection: $0, subject: subject(address), original: original)) } ?? course
  }

  // MARK: bind, listen

  /// bind(2).
  func bind(_ call: TrappedCall) throws(CallFailure) -> Answer {
    let socket = try fetchSocket(call, descriptor(call.arguments.0))
    let address = try socketAddress(call, at: call.arguments.1, length: call.arguments.2)
    try checkStillWaiting(call)
    switch socket.domain {
    case AF_INET, AF_INET6:
      switch address.meaning {
      case .inet(let local, let port): try settleNetwork(call, .bind, .bind, socket, local, port)
      case .unspecified(let local, let port):
        // An old habit that ip(7) tolerates for the unspecified address alone.
        guard let local else { throw .errno(EINVAL) }
        try settleNetwork(call, .bind, .bind, socket, local, port)
      case .malformed, .unix, .other: throw foreignFamily(socket, address)
      }
    case AF_UNIX:
      return try bindUnix(call, socket, address)
    case AF_NETLINK:
      break
    default:
      throw .errno(EACCES)
    }
    let raw = socket.descriptor.rawValue
    let result = actingCall(held: socket.isInternet && floor.holdsBinding) { bindSocket(raw, address.bytes) }
    return result == 0 ? .value(0) : .failure(errno)
  }

  /// listen(2): where a socket that was never bound would get a port of its own on every address.
  func listen(_ call: TrappedCall) throws(CallFailure) -> Answer {
    let socket = try fetchSocket(call, descriptor(call.arguments.0))
    try checkStillWaiting(call)
    let local = SocketAddress(try socketName(socket.descriptor.rawValue))
    switch (socket.domain, local.meaning) {
    case (AF_INET, .inet(let address, let port)), (AF_INET6, .inet(let address, let port)):
      try settleNetwork(call, .listen, .listen, socket, address, port)
    case (AF_UNIX, .unix(let name)):
      try settleUnixListen(call, socket, name)
    case (AF_NETLINK, _):
      break
    default:
      throw .errno(EACCES)
    }
    return Glibc.listen(socket.descriptor.rawValue, descriptor(call.arguments.1)) == 0 ? .value(0) : .failure(errno)
  }
  /// setsockopt(2) with an option that joins a multicast group, of which the machine tells the network: decided like sending there, from the port that the socket
  /// is bound to, and performed with a copy.
  func joinGroup(_ call: TrappedCall) throws(CallFailure) -> Answer {
    let a = call.arguments
    let (level, number) = (UInt32(truncatingIfNeeded: a.1), UInt32(truncatingIfNeeded: a.2))
    guard let option = MulticastOption(level: level, option: number) else { throw .errno(ENOPROTOOPT) }
    let socket = try fetchSocket(call, descriptor(a.0))
    let length = Int(CInt(truncatingIfNeeded: a.4))
    // Of filters with many sources the kernel's own bound is net.core.optmem_max.
    guard length >= 0, length <= MessageHeader.mostControl else { throw .errno(length < 0 ? EINVAL : ENOBUFS) }
    let value = length == 0 ? [] : try memory(call) { memory throws(TargetMemoryError) in try memory.bytes(at: a.3, count: length) }
    try checkStillWaiting(call)
    // Anything shorter, and any other family, the kernel refuses.
    if socket.isInternet, let group = option.group(in: value) {
      let own = SocketAddress(try socketName(socket.descriptor.rawValue)).meaning
      let port: UInt16 = if case .inet(_, let port) = own { port } else { 0 }
      try settleNetwork(call, .setsockopt, .send, socket, group, port)
    }
    return setSocketOption(socket.descriptor.rawValue, CInt(bitPattern: level), CInt(bitPattern: number), value) == 0 ? .value(0) : .failure(errno)
  }
}

extension MulticastOption {
  /// The group that the option's value names; nil where it is too short for one.
  func group(in value: [UInt8]) -> IPAddress? {
    func address(_ range: Range<Int>) -> IPAddress? { value.count >= range.upperBound ? IPAddress(bytes: Array(value[range])) : nil }
    switch self {
    // struct ip_mreq, ip_mreqn, ip_mreq_source, ip_msfilter.
    case .addMembership, .addSourceMembership, .sourceFilter: return address(0..<4)
    // struct ipv6_mreq.
    case .addMembership6, .joinAnycast6: return address(0..<16)
    // struct group_req, group_source_req, group_filter: a sockaddr_storage behind the interface.
    case .joinGroup, .joinSourceGroup, .groupFilter, .joinGroup6, .joinSourceGroup6, .groupFilter6:
      guard value.count >= 36, case .inet(let group, _) = SocketAddress(Array(value[8..<36])).meaning else { return nil }
      return group
    }
  }
}
