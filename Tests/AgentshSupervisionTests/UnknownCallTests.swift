@testable import AgentshSupervision
import AgentshSystem
import Testing

@Suite struct UnknownCallTests {
  private func call(_ number: Int32, _ architecture: UInt32) -> TrappedCall {
    TrappedCall(id: 1, thread: 1, number: number, architecture: architecture, arguments: (0, 0, 0, 0, 0, 0))
  }

  @Test(arguments: [
    (470, 0xC000_003E, "470"), (-1, 0xC000_003E, "-1"), (0x4000_0000 | 59, 0xC000_003E, "x32:59"), (11, 0x4000_0003, "i386:11"),
    (480, 0xC000_00B7, "480"), (5, 0x4000_0028, "arm:5"), (5, 0x8000_0016, "80000016:5"),
  ] as [(Int32, UInt32, String)])
  func aCallIsNamedByConventionAndNumber(number: Int32, architecture: UInt32, name: String) {
    #expect(UnknownCalls.name(call(number, architecture)) == name)
  }

  @Test func eachNumberIsCountedOnceAndOnlySoMany() {
    let calls = UnknownCalls()
    #expect(!calls.isSettled(call(500, 0xC000_003E)))
    #expect(calls.add(call(500, 0xC000_003E)) == 1)
    #expect(calls.add(call(500, 0xC000_003E)) == nil && calls.isSettled(call(500, 0xC000_003E)))
    // The same number by another convention is another call.
    #expect(calls.add(call(500, 0x4000_0003)) == 2)
    for number in Int32(3)...64 { #expect(calls.add(call(1000 + number, 0xC000_003E)) == Int(number)) }
    #expect(calls.isSettled(call(9999, 0xC000_003E)) && calls.add(call(9999, 0xC000_003E)) == nil)
  }
}
