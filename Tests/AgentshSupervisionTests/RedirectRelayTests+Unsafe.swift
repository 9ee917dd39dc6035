import AgentshPolicy
import AgentshSystem
import Glibc
import Synchronization
import Testing

@testable import AgentshSupervision

private let loopback = IPAddress.v4(0x7f00_0001)

/// A client of a relay: a TCP socket of the loopback that is connected to a port.
private final class Client {
  let socket: CInt
  let port: UInt16

  init(_ port: UInt16) throws {
    socket = Glibc.socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
    let address = try #require(SocketAddress.bytes(loopback, port: port, domain: AF_INET, isV6Only: false))
    let connected = connectSocket(socket, address)
    try #require(connected == 0)
    guard case .inet(_, let own) = SocketAddress(try socketName(socket)).meaning else { throw SyscallError("getsockname", .invalidArgument) }
    self.port = own
  }

  deinit { _ = close(socket) }
}

/// A listening Unix socket without a file.
private final class Server {
  let listener: CInt
  let address: UnixAddress

  init() throws {
    let name = Array("agentsh-relay-\(getpid())-\(UInt64.random(in: 0 ... .max))".utf8)
    listener = Glibc.socket(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0)
    address = .abstract(name)
    let bound = bindSocket(listener, [UInt8(AF_UNIX), 0, 0] + name)
    try #require(bound == 0)
    let listening = Glibc.listen(listener, 16)
    try #require(listening == 0)
  }

  func accept() throws -> CInt { try #require(acceptFrom(listener)?.socket) }

  deinit { _ = close(listener) }
}

private func readAll(_ socket: CInt) throws -> [UInt8] {
  var all: [UInt8] = []
  while true {
    var ready = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
    let count = unsafe poll(&ready, 1, 10_000)
    try #require(count == 1)
    switch receive(socket, atMost: 65536) {
    case .bytes(let bytes): all += bytes
    case .end: return all
    case .nothing: continue
    case .failed: return all + Array("!".utf8)
    }
  }
}

@Suite struct RedirectRelayTests {
  @Test func onlyTheSocketThatWasRedirectedIsServed() throws {
    let server = try Server()
    let relay = try RedirectRelay()
    let offer = try relay.offer(to: server.address, isV6: false)
    let behind = try server.accept()
    defer { _ = close(behind) }
    // Somebody else was faster.
    let stranger = try Client(offer.port)
    let own = try Client(offer.port)
    #expect(sendBytes(stranger.socket, Array("stranger".utf8), from: 0) == 8)
    #expect(sendBytes(own.socket, Array("own".utf8), from: 0) == 3)
    relay.accept(offer, from: loopback, own.port)
    #expect(shutdown(own.socket, CInt(SHUT_WR)) == 0)
    #expect(try readAll(behind) == Array("own".utf8))
    #expect(sendBytes(behind, Array("answer".utf8), from: 0) == 6)
    #expect(shutdown(behind, CInt(SHUT_WR)) == 0)
    #expect(try readAll(own.socket) == Array("answer".utf8))
    #expect(try readAll(stranger.socket) != Array("answer".utf8))
  }

  @Test func whatWasSentBeforeTheEndArrives() throws {
    let server = try Server()
    let relay = try RedirectRelay()
    let offer = try relay.offer(to: server.address, isV6: false)
    let behind = try server.accept()
    defer { _ = close(behind) }
    do {
      let own = try Client(offer.port)
      relay.accept(offer, from: loopback, own.port)
      #expect(sendBytes(own.socket, Array("last words".utf8), from: 0) == 10)
    }
    relay.drain(deadline: .after(milliseconds: 10_000))
    #expect(receive(behind, atMost: 100).text == "last words")
  }

  @Test func thereAreNoMoreThanAsManyAsThereMayBe() throws {
    let server = try Server()
    let relay = try RedirectRelay()
    var offers: [RedirectRelay.Offer] = []
    var accepted: [CInt] = []
    defer { for socket in accepted { _ = close(socket) } }
    for _ in 0..<RedirectRelay.most {
      offers.append(try relay.offer(to: server.address, isV6: false))
      accepted.append(try server.accept())
    }
    #expect(throws: SyscallError.self) { try relay.offer(to: server.address, isV6: false) }
    offers.removeLast()
    #expect(throws: Never.self) { _ = try relay.offer(to: server.address, isV6: false) }
  }

  @Test func whereNobodyListensThereIsNoOffer() throws {
    let relay = try RedirectRelay()
    #expect(throws: SyscallError.self) { try relay.offer(to: .abstract(Array("agentsh-nobody-\(getpid())".utf8)), isV6: false) }
    #expect(throws: SyscallError.self) { try relay.offer(to: .path(Array("/nonexistent/socket".utf8)), isV6: true) }
  }

  @Test func addressesAreWrittenAsTheSocketTakesThem() throws {
    let v6 = try #require(IPAddress("2001:db8::1"))
    #expect(SocketAddress.bytes(loopback, port: 0x1234, domain: AF_INET, isV6Only: false) == [2, 0, 0x12, 0x34, 127, 0, 0, 1] + Array(repeating: 0, count: 8))
    let mapped = try #require(SocketAddress.bytes(loopback, port: 80, domain: AF_INET6, isV6Only: false))
    #expect(mapped.count == 28 && SocketAddress(mapped).meaning == .inet(loopback, port: 80))
    #expect(SocketAddress.bytes(loopback, port: 80, domain: AF_INET6, isV6Only: true) == nil)
    #expect(SocketAddress.bytes(v6, port: 80, domain: AF_INET, isV6Only: false) == nil)
    #expect(SocketAddress(try #require(SocketAddress.bytes(v6, port: 80, domain: AF_INET6, isV6Only: true))).meaning == .inet(v6, port: 80))
    let scoped = try #require(IPAddress("fe80::1%3"))
    #expect(SocketAddress(try #require(SocketAddress.bytes(scoped, port: 1, domain: AF_INET6, isV6Only: false))).meaning == .inet(scoped, port: 1))
  }
}

extension ReceivedPart {
  fileprivate var text: String? { if case .bytes(let bytes) = self { String(decoding: bytes, as: UTF8.self) } else { nil } }
}
