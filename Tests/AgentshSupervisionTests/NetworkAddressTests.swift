import AgentshPolicy
import Glibc
import Testing

@testable import AgentshSupervision

@Suite struct NetworkAddressTests {
  private func inet(_ port: UInt16, _ address: [UInt8]) -> [UInt8] {
    [UInt8(AF_INET), 0, UInt8(port >> 8), UInt8(port & 255)] + address + Array(repeating: 0, count: 8)
  }
  private func inet6(_ port: UInt16, _ address: [UInt8], scope: UInt8 = 0) -> [UInt8] {
    [UInt8(AF_INET6), 0, UInt8(port >> 8), UInt8(port & 255), 0, 0, 0, 0] + address + [scope, 0, 0, 0]
  }

  @Test func addressesAreReadAsTheKernelReadsThem() {
    #expect(SocketAddress(inet(443, [192, 0, 2, 1])).meaning == .inet(.v4(0xc000_0201), port: 443))
    let loopback = Array(repeating: UInt8(0), count: 15) + [1]
    #expect(SocketAddress(inet6(80, loopback)).meaning == .inet(.v6(high: 0, low: 1, scope: 0), port: 80))
    // The kernel looks at the scope of link-local addresses alone.
    #expect(SocketAddress(inet6(80, loopback, scope: 3)).meaning == .inet(.v6(high: 0, low: 1, scope: 0), port: 80))
    let near = [0xfe, 0x80] + Array(repeating: UInt8(0), count: 13) + [1]
    #expect(SocketAddress(inet6(80, near, scope: 3)).meaning == .inet(.v6(high: 0xfe80 << 48, low: 1, scope: 3), port: 80))
    let mapped = Array(repeating: UInt8(0), count: 10) + [255, 255, 10, 0, 0, 1]
    #expect(SocketAddress(inet6(80, mapped)).meaning == .inet(.v4(0x0a00_0001), port: 80))
    #expect(SocketAddress(Array(inet6(80, mapped).prefix(24))).meaning == .inet(.v4(0x0a00_0001), port: 80))
    #expect(SocketAddress([1, 0]).meaning == .unix(.unnamed))
    #expect(SocketAddress([1, 0, 0, 65, 0]).meaning == .unix(.abstract([65, 0])))
    #expect(SocketAddress([1, 0, 65, 66, 0, 67]).meaning == .unix(.path([65, 66])))
    #expect(SocketAddress([1, 0] + Array(repeating: 65, count: 108)).meaning == .unix(.path(Array(repeating: 65, count: 108))))
    #expect(SocketAddress([1, 0] + Array(repeating: 65, count: 109)).meaning == .malformed)
    #expect(SocketAddress([16, 0, 0, 0]).meaning == .other(family: 16))
  }

  @Test func theUnspecifiedAddressIsTheOneThatItLeadsTo() {
    let none = [UInt8](repeating: 0, count: 16)
    let mappedNone = Array(repeating: UInt8(0), count: 10) + [255, 255, 0, 0, 0, 0]
    func meant(_ bytes: [UInt8], _ own: IPAddress?) -> SocketAddress.Meaning { SocketAddress(bytes).replacingUnspecified(boundTo: own).meaning }
    let (own, own6) = (IPAddress.v4(0x7f09_0909), IPAddress.v6(high: 1, low: 1, scope: 0))
    #expect(meant(inet(5, [0, 0, 0, 0]), nil) == .inet(.v4(0x7f00_0001), port: 5))
    #expect(meant(inet(5, [0, 0, 0, 0]), own) == .inet(own, port: 5))
    #expect(meant(inet6(5, mappedNone), own) == .inet(own, port: 5))
    #expect(meant(inet6(5, mappedNone), nil) == .inet(.v4(0x7f00_0001), port: 5))
    #expect(meant(inet6(5, none), nil) == .inet(.v6(high: 0, low: 1, scope: 0), port: 5))
    #expect(meant(inet6(5, none), own6) == .inet(.v6(high: 0, low: 1, scope: 0), port: 5))
    #expect(meant(inet6(5, none), own) == .inet(.v4(0x7f00_0001), port: 5))
  }

  @Test(arguments: [AF_INET, AF_INET6, AF_UNSPEC, AF_UNIX, 77])
  func addressesCutOffAnywhereAreNeverAnotherAddress(_ family: CInt) {
    let bytes = [UInt8(family), 0] + Array(repeating: UInt8(7), count: 126)
    for length in 0...128 {
      let meaning = SocketAddress(Array(bytes.prefix(length))).meaning
      let needed = family == AF_INET ? 16 : family == AF_INET6 ? 24 : 0
      if length < max(2, needed) { #expect(meaning == .malformed || (family == AF_UNSPEC && length >= 2)) }
    }
  }

  @Test func controlMessagesSurviveTheirCopyAndBrokenOnesAreRefused() {
    let messages = [
      ControlMessage(level: SOL_SOCKET, type: 1, data: [3, 0, 0, 0, 255, 255, 255, 255]), ControlMessage(level: 0, type: 8, data: [1, 2, 3]),
    ]
    let bytes = ControlMessage.bytes(messages)
    #expect(ControlMessage.all(in: bytes) == messages)
    #expect(messages[0].descriptors == [3, -1])
    #expect(ControlMessage.all(in: []) == [])
    for length in [0, 15, 1 << 40, -1] as [Int64] {
      let header = (0..<8).map { UInt8(truncatingIfNeeded: length >> Int64(8 * $0)) } + Array(repeating: UInt8(0), count: 24)
      #expect(ControlMessage.all(in: header) == nil)
    }
    // No cut of it traps, and none becomes something else.
    for count in 0..<bytes.count {
      if let some = ControlMessage.all(in: Array(bytes.prefix(count))) { #expect(messages.starts(with: some)) }
    }
    #expect(ControlMessage(level: SOL_SOCKET, type: 1, data: Array(repeating: 0, count: 254 * 4)).descriptors == nil)
  }

  @Test func memoryRangesAreBoundedAsTheKernelBoundsThem() {
    func range(_ address: UInt64, _ count: UInt64) -> [UInt8] {
      [address, count].flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64(8 * $0)) } }
    }
    #expect(MemoryRange.ranges(range(1, UInt64.max)) == nil)
    let big = MemoryRange.ranges(range(1, UInt64(Int.max)) + range(2, 5))
    #expect(big?.count == 1 && big?.first?.count == 0x7fff_f000)
    #expect(MemoryRange.ranges(range(1, 0) + range(2, 5))?.map(\.count) == [5])
  }

  @Test func whatProcSaysOfAProcessIsReadPastItsName() {
    let text = Array("12 (a) R 1 (x) S 7 8 9 0 -1 2097152 1 2 3 4 5 6 7 8 20 0 1 0 4242 0".utf8)
    let facts = ProcessFacts(12, text)
    #expect(facts?.parent == 7)
    #expect(facts?.name == Array("a) R 1 (x".utf8))
    #expect(facts?.isKernelThread == true)
    #expect(facts?.started == 4242)
    #expect(ProcessFacts(12, Array("12 (a".utf8)) == nil)
    #expect(ProcessFacts(of: getpid())?.parent == getppid())
  }
}
