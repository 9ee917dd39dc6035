import Testing

@testable import AgentshProtocol

@Suite struct MessageFramerTests {
  @Test(arguments: 1...16)
  func messagesAreTheSameHoweverTheStreamIsCut(chunk: Int) throws {
    let stream = Array("{\"a\":1}\0{}\0\0tail\0rest".utf8)
    var framer = MessageFramer(limit: 64)
    var messages: [[UInt8]] = []
    var start = 0
    while start < stream.count {
      let end = min(start + chunk, stream.count)
      messages += try framer.append(stream[start..<end])
      start = end
    }
    #expect(messages == ["{\"a\":1}", "{}", "", "tail"].map { Array($0.utf8) })
    #expect(framer.pendingCount == 4)
    #expect(framer.isInsideMessage)
  }

  @Test func aMessageOfTheLimitPassesAndOneByteMoreDoesNot() throws {
    var framer = MessageFramer(limit: 8)
    #expect(try framer.append(Array("12345678\0".utf8)).count == 1)
    #expect(throws: FramingError.overflow(limit: 8)) { try framer.append(Array("123456789".utf8)) }
  }

  @Test func nothingIsTakenAfterAnOverflow() {
    var framer = MessageFramer(limit: 4)
    #expect(throws: FramingError.self) { try framer.append(Array("12345".utf8)) }
    #expect(throws: FramingError.self) { try framer.append(Array("{}\0".utf8)) }
    #expect(framer.pendingCount == 0)
  }

  @Test func aStreamWithoutNULNeverHoldsMoreThanTheLimit() {
    var framer = MessageFramer(limit: MessageFramer.controlLimit)
    let chunk = [UInt8](repeating: UInt8(ascii: "x"), count: 64 << 10)
    var taken = 0
    var overflowed = false
    for _ in 0..<64 where !overflowed {
      do {
        _ = try framer.append(chunk)
        taken += chunk.count
      } catch {
        overflowed = true
      }
      #expect(framer.pendingCount <= MessageFramer.controlLimit)
    }
    #expect(overflowed)
    #expect(taken == MessageFramer.controlLimit)
  }

  @Test func aMegabyteInSingleBytesTakesLinearTime() throws {
    var framer = MessageFramer(limit: MessageFramer.controlLimit)
    for _ in 0..<MessageFramer.controlLimit { #expect(try framer.append([1]).isEmpty) }
    #expect(try framer.append([0]).first?.count == MessageFramer.controlLimit)
  }
}
