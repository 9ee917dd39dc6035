import AgentshPolicy
import AgentshResolver
import AgentshSystem
import Glibc
import Testing

@testable import AgentshSupervision

@Suite struct SessionNamesTests {
  private let own = IPAddress.v4(0x7f01_0203)

  private func source(_ port: UInt16, _ address: IPAddress = .v4(0x7f00_0001), isStream: Bool) -> SessionNames.Source {
    SessionNames.Source(address: address, port: port, isStream: isStream)
  }

  @Test func theResolverIsOneAddressAndPort() throws {
    let names = try SessionNames(address: own, port: 53)
    #expect(names.isResolver(own, 53))
    #expect(!names.isResolver(own, 54))
    #expect(!names.isResolver(.v4(0x7f00_0001), 53))
    #expect(SessionNames.isForeign(53) && SessionNames.isForeign(853) && !SessionNames.isForeign(443))
    let address = socketAddress((127, 1, 2, 3), port: 53)
    #expect(names.place(address) == address)
    #expect(socketPort(try SessionNames(address: own, port: 40_000).place(address)) == 40_000)
  }

  @Test func servicesThatLookNamesUpAreKnownByTheirSockets() {
    for path in ["/run/systemd/resolve/io.systemd.Resolve", "/run/nscd/socket", "/var/run/nscd/socket", "/run/avahi-daemon/socket"] {
      #expect(SessionNames.isForeign(socket: Array(path.utf8)))
    }
    for path in ["/run/systemd/resolved", "/run/nscd/socket2", "/run/postgresql/.s.PGSQL.5432"] {
      #expect(!SessionNames.isForeign(socket: Array(path.utf8)))
    }
  }

  @Test func aSocketIsKnownByItsPortBeforeItSends() throws {
    let names = try SessionNames(address: own, port: 53)
    let client = SessionNames.Client(process: 7, executable: nil)
    for family in [AF_INET, AF_INET6] {
      let socket = try InternetSocket.make(family, isStream: false)
      #expect(try socket.localPort() == 0)
      try names.admit(socket.rawValue, family: family, isStream: false, client)
      let port = try socket.localPort()
      #expect(port != 0)
      // Datagrams may come for as long as the socket lives.
      #expect(names.client(source(port, isStream: false))?.process == 7)
      #expect(names.client(source(port, isStream: false))?.process == 7)
      #expect(names.client(source(port, isStream: true)) == nil)
      // Another address with that port is somebody else's.
      #expect(names.client(source(port, .v4(0x7f00_0002), isStream: false)) == nil)
      // A second time changes nothing.
      try names.admit(socket.rawValue, family: family, isStream: false, client)
      #expect(try socket.localPort() == port)
    }
    let stream = try InternetSocket.make(AF_INET, isStream: true)
    try names.admit(stream.rawValue, family: AF_INET, isStream: true, client)
    let port = try stream.localPort()
    // A connection comes once.
    #expect(names.client(source(port, isStream: true))?.process == 7)
    #expect(names.client(source(port, isStream: true)) == nil)
  }

  /// What a session knows whose /etc/hosts is `text`.
  private func listing(_ text: String, _ body: (SessionNames) throws -> Void) throws {
    let file = try Memfd.sealed(Array(text.utf8), name: "hosts")
    try body(try SessionNames(address: own, port: 53, listing: Array("/proc/self/fd/\(file.rawValue)".utf8)))
    #expect(fcntl(file.rawValue, F_GETFD) >= 0)
  }

  @Test func aFileThatIsTooLongIsKnownToBe() throws {
    for (count, isCut) in [(HostsFile.longest, false), (HostsFile.longest + 1, true)] {
      let file = try Memfd.sealed([UInt8](repeating: UInt8(ascii: "\n"), count: count), name: "hosts")
      #expect(SessionNames.isCut(listing: Array("/proc/self/fd/\(file.rawValue)".utf8)) == isCut)
      #expect(fcntl(file.rawValue, F_GETFD) >= 0)
    }
  }

  @Test func aScopeHidesNoAddressFromItsNames() throws {
    try listing("2001:db8::20 secret.example\nfe80::1%eth0 near.example\n") { names in
      for (text, name) in [("2001:db8::20", "secret.example"), ("2001:db8::20%7", "secret.example"), ("fe80::1", "near.example"), ("fe80::1%3", "near.example")] {
        let address = try #require(IPAddress(text))
        #expect(names.hosts(of: address, but: { _ in false }) == [Array(name.utf8)], "\(text)")
      }
    }
  }

  @Test func aListedNameThatIsElsewhereIsNotKnown() throws {
    try listing("192.0.2.1 moved.example other.example\n") { names in
      let (address, moved) = (IPAddress.v4(0xc000_0201), Array("moved.example".utf8))
      #expect(names.hosts(of: address, but: { $0 == moved }) == [Array("other.example".utf8)])
      // What the resolver itself said counts.
      names.remember(moved, address, ttl: 60)
      #expect(names.hosts(of: address, but: { $0 == moved }) == [moved, Array("other.example".utf8)])
    }
  }

  @Test func theSessionsFileBeginsAnewForEachOpener() throws {
    let names = try SessionNames(address: own, port: 53)
    let first = try names.settingsFile(flags: O_RDONLY)
    let second = try names.settingsFile(flags: O_RDONLY)
    let text = String(decoding: try readAll(first, limit: 65_536), as: UTF8.self)
    #expect(text.contains("\nnameserver 127.1.2.3\n") && !text.contains("use-vc"))
    #expect(String(decoding: try readAll(second, limit: 65_536), as: UTF8.self) == text)
    #expect(writeAll(first.rawValue, [0]).written == 0)
    // It belongs to all who opened it: one of them can't keep it from the others.
    #expect(fchmod(first.rawValue, 0) == 0)
    #expect(String(decoding: try readAll(try names.settingsFile(flags: O_RDONLY), limit: 65_536), as: UTF8.self) == text)
    let other = try SessionNames(address: own, port: 4053)
    #expect(String(decoding: try readAll(try other.settingsFile(flags: O_RDONLY), limit: 65_536), as: UTF8.self).contains("use-vc"))
    #expect(names.isSettingsFile(Array("/etc/resolv.conf".utf8), named: []))
    #expect(!names.isSettingsFile(Array("/tmp/resolv.conf".utf8), named: Array("resolv.conf".utf8)))
    // By the last component alone, so that nothing that leads there is missed.
    for path in ["/etc/resolv.conf", "resolv.conf", "/etc/../etc/./resolv.conf", "/tmp/resolv.conf"] { #expect(names.mayBeSettings(Array(path.utf8))) }
    for path in ["/etc/hosts", "/etc/resolv.conf.bak", "/etc/xresolv.conf", "/", ""] { #expect(!names.mayBeSettings(Array(path.utf8))) }
  }

  @Test func aConnectIsExpectedToBeQuickWhereTheLastOneWas() {
    let destinations = Destinations()
    let (one, other) = (socketAddress((192, 0, 2, 1), port: 1), socketAddress((192, 0, 2, 1), port: 2))
    let first = destinations.begin(one)
    #expect(!first.isQuick)
    // Answered at once, as far as the times tell.
    destinations.end(Destinations.Attempt(address: one, began: monotonicNanoseconds(), isQuick: false))
    let second = destinations.begin(one)
    #expect(second.isQuick && !destinations.begin(other).isQuick)
    // While one is under way the next is not to rely on it.
    #expect(!destinations.begin(one).isQuick)
    destinations.end(Destinations.Attempt(address: one, began: 0, isQuick: true))
    destinations.end(Destinations.Attempt(address: one, began: 0, isQuick: false))
    #expect(!destinations.begin(one).isQuick)
  }

  @Test func resolversHaveAddressesOfTheirOwn() throws {
    let first = try ResolverSockets.open()
    let second = try ResolverSockets.open()
    #expect(first.address != second.address)
    for address in [first.address, second.address] { #expect(address.count == 4 && address[0] == 127 && address[1] != 0) }
    #expect(geteuid() != 0 || first.port == 53)
  }

  @Test func interfacesAreNumberedAsInThisNamespace() throws {
    #expect(interfaceNumber(Array("lo".utf8)) == 1)
    for name in ["", "no-such", "../lo", "lo\u{0}", String(repeating: "l", count: 16)] { #expect(interfaceNumber(Array(name.utf8)) == nil) }
  }

  @Test func messagesOfAStreamAreTakenWhole() {
    var bytes = framed([1, 2, 3]) + framed([]) + framed([4])
    let last = bytes.removeLast()
    #expect(unframed(&bytes) == [1, 2, 3])
    #expect(unframed(&bytes) == [])
    #expect(unframed(&bytes) == nil)
    bytes.append(last)
    #expect(unframed(&bytes) == [4])
    #expect(bytes.isEmpty && unframed(&bytes) == nil)
  }
}
