internal import CAgentshSystem
import Glibc
import SystemPackage

/// An internet socket of our own: never blocks, close-on-exec. Addresses are the bytes of a `sockaddr_in` or `sockaddr_in6`.
@frozen public struct InternetSocket: ~Copyable, Sendable {
  public let descriptor: OwnedDescriptor

  public init(owning descriptor: consuming OwnedDescriptor) { self.descriptor = descriptor }

  public var rawValue: CInt { descriptor.rawValue }

  /// - Parameter family: AF_INET or AF_INET6.
  public static func make(_ family: CInt, isStream: Bool) throws(SyscallError) -> InternetSocket {
    let type = CInt(isStream ? SOCK_STREAM.rawValue : SOCK_DGRAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue) | CInt(SOCK_NONBLOCK.rawValue)
    return InternetSocket(owning: OwnedDescriptor(owning: try syscall("socket") { socket(family, type, 0) }))
  }

  public func bind(_ address: [UInt8]) throws(SyscallError) {
    let raw = rawValue
    try syscall("bind") { bindInternet(raw, address) }
  }

  /// Lets the same address be bound besides a server of root's that listens on all of them.
  public func reuseAddress() throws(SyscallError) {
    let raw = rawValue
    try syscall("setsockopt") { ash_reuse_address(raw) }
  }

  public func listen(backlog: CInt) throws(SyscallError) {
    let raw = rawValue
    try syscall("listen") { Glibc.listen(raw, backlog) }
  }

  /// Begins to connect: EINPROGRESS is no error.
  public func connect(_ address: [UInt8]) throws(SyscallError) {
    let raw = rawValue
    do throws(SyscallError) {
      try syscall("connect") { connectInternet(raw, address) }
    } catch {
      guard error.errno == .nowInProgress else { throw error }
    }
  }

  /// Where it is bound; port 0 where it isn't yet.
  public func localPort() throws(SyscallError) -> UInt16 { try internetPort(rawValue) }

  /// The next datagram, or what a stream has; nil where nothing waits. Empty for a stream that has ended.
  public func receive(atMost limit: Int) throws(SyscallError) -> (bytes: [UInt8], from: [UInt8])? {
    do throws(SyscallError) { return try receiveInternet(rawValue, limit) } catch {
      if error.errno == .wouldBlock { return nil }
      throw error
    }
  }

  /// Sends, to `address` or to the connected peer; how much went, nil where there is no room.
  @discardableResult public func send(_ bytes: ArraySlice<UInt8>, to address: [UInt8] = []) throws(SyscallError) -> Int? {
    do throws(SyscallError) { return try sendInternet(rawValue, bytes, address) } catch {
      if error.errno == .wouldBlock { return nil }
      throw error
    }
  }

  /// The next connection and its peer's address; nil where none waits.
  public func accept() throws(SyscallError) -> AcceptedConnection? {
    do throws(SyscallError) { return try acceptInternet(rawValue) } catch {
      switch error.errno {
      // accept(2): what was wrong with a connection that is gone by now.
      case .wouldBlock, .connectionAbort, .protocolError: return nil
      default: throw error
      }
    }
  }
}

/// A connection that came in.
@frozen public struct AcceptedConnection: ~Copyable, Sendable {
  public let socket: InternetSocket
  public let from: [UInt8]

  init(socket: consuming InternetSocket, from: [UInt8]) {
    self.socket = socket
    self.from = from
  }
}

/// A `sockaddr_in` as bytes.
public func socketAddress(_ address: (UInt8, UInt8, UInt8, UInt8), port: UInt16) -> [UInt8] {
  [UInt8(AF_INET), 0, UInt8(port >> 8), UInt8(truncatingIfNeeded: port), address.0, address.1, address.2, address.3] + [UInt8](repeating: 0, count: 8)
}

/// The port of a `sockaddr_in` or `sockaddr_in6`; nil for other bytes.
public func socketPort(_ address: [UInt8]) -> UInt16? {
  guard address.count >= 16, address[1] == 0, address[0] == UInt8(AF_INET) || address[0] == UInt8(AF_INET6) else { return nil }
  return UInt16(address[2]) << 8 | UInt16(address[3])
}

/// The two sockets of a session's own resolver, for datagrams and for streams, on a loopback address that no other session has.
@frozen public struct ResolverSockets: ~Copyable, Sendable {
  public let datagrams: InternetSocket
  public let stream: InternetSocket
  /// The four bytes of an address in 127.0.0.0/8.
  public let address: [UInt8]
  /// 53, where this process may bind it.
  public let port: UInt16

  /// The port that clients expect.
  public static let service: UInt16 = 53
  private static let attempts = 64

  /// Binds them: on port 53, or, where that takes a right that this process doesn't have, on any other.
  ///
  /// The address is chosen at random and not from 127.0.0.0/16, where resolvers of the host's have theirs. Whatever else listens on port 53 of every
  /// address keeps its other addresses.
  public static func open() throws(SyscallError) -> ResolverSockets {
    var failure = SyscallError("bind", .addressInUse)
    var port = service
    for _ in 0..<attempts {
      let random = try randomBytes(3)
      let address: (UInt8, UInt8, UInt8, UInt8) = (127, max(1, random[0]), random[1], min(max(1, random[2]), 254))
      do throws(SyscallError) {
        return try open(address, port)
      } catch {
        failure = error
        switch error.errno {
        case .addressInUse: continue
        case .permissionDenied where port != 0, .notPermitted where port != 0: port = 0
        default: throw error
        }
      }
    }
    throw SyscallError(failure.call, failure.errno, "port \(service) of a loopback address, which a server on all addresses may have taken")
  }

  /// The first port that takes no right: ip_unprivileged_port_start of ip-sysctl.
  private static var firstOfEverybody: UInt16 {
    let text = try? readSmallFile(at: AT_FDCWD, Array("/proc/sys/net/ipv4/ip_unprivileged_port_start".utf8), limit: 16)
    return text.flatMap { UInt16(String(decoding: $0.prefix { $0 > 0x20 }, as: UTF8.self)) } ?? 1024
  }

  private static func open(_ address: (UInt8, UInt8, UInt8, UInt8), _ wanted: UInt16) throws(SyscallError) -> ResolverSockets {
    let datagrams = try InternetSocket.make(AF_INET, isStream: false)
    // For root's ports alone: of any other, somebody else could take a share.
    let isRoots = wanted == service && firstOfEverybody > service
    if isRoots { try datagrams.reuseAddress() }
    try datagrams.bind(socketAddress(address, port: wanted))
    let port = try datagrams.localPort()
    let stream = try InternetSocket.make(AF_INET, isStream: true)
    if isRoots { try stream.reuseAddress() }
    try stream.bind(socketAddress(address, port: port))
    try stream.listen(backlog: 64)
    return ResolverSockets(datagrams: datagrams, stream: stream, address: [address.0, address.1, address.2, address.3], port: port)
  }

  private init(datagrams: consuming InternetSocket, stream: consuming InternetSocket, address: [UInt8], port: UInt16) {
    self.datagrams = datagrams
    self.stream = stream
    self.address = address
    self.port = port
  }
}
