import AgentshSystem
import Testing

@testable import AgentshSupervision

@Suite struct BacklogTests {
  private func call(_ id: UInt64, _ process: Int32) -> TrappedCall {
    TrappedCall(id: id, thread: process, number: 0, architecture: 0, arguments: (0, 0, 0, 0, 0, 0))
  }

  private func all(_ backlog: inout Backlog) -> [UInt64] {
    var ids: [UInt64] = []
    while let call = backlog.take() { ids.append(call.id) }
    return ids
  }

  @Test func aProcessThatCallsNowAndThenNeverWaitsBehindAFlood() {
    var backlog = Backlog()
    for id in UInt64(0)..<1000 { backlog.add(call(id, 7), of: 7) }
    var waited = 0
    for id in UInt64(2000)..<2100 {
      _ = backlog.take()
      backlog.add(call(id, 8), of: 8)
      while let next = backlog.take(), next.id != id { waited += 1 }
    }
    #expect(waited <= 100)
    #expect(backlog.count == 1000 - 100 - waited)
  }

  @Test func aFloodGetsItsTurnsBesideManyWhoCallAllTheTime() {
    var backlog = Backlog()
    for id in UInt64(0)..<20 { backlog.add(call(id, 7), of: 7) }
    _ = backlog.take()
    var flooded = 0
    for id in UInt64(100)..<200 {
      backlog.add(call(id, Int32(id)), of: Int32(id))
      if let next = backlog.take(), next.id < 100 { flooded += 1 }
    }
    #expect(flooded >= 18)
  }

  @Test func theCallsOfAProcessKeepTheirOrderAndNoneIsLost() {
    var backlog = Backlog()
    for id in UInt64(0)..<300 { backlog.add(call(id, Int32(id % 3)), of: Int32(id % 3)) }
    let ids = all(&backlog)
    #expect(Set(ids) == Set(0..<300))
    for process in UInt64(0)..<3 {
      let own = ids.filter { $0 % 3 == process }
      #expect(own == own.sorted())
    }
    #expect(backlog.isEmpty)
    #expect(backlog.take() == nil)
  }

  @Test func whoeverComesBackGetsWhatWaits() throws {
    let reception = Reception(mostThreads: 8)
    #expect(reception.fill() == .startThread)
    let admission = reception.beginAnswering([1, 2, 3].map { Reception.Received(call: call($0, 7), process: 7) })
    #expect(admission.call?.id == 1)
    #expect(admission.needsHelp)
    #expect(reception.hasBacklog)
    #expect(reception.finishAnswering(admission.place) == .receive)
    let second = reception.beginAnswering()
    #expect(second.call?.id == 2)
    #expect(reception.finishAnswering(second.place) == .receive)
    let third = reception.beginAnswering()
    #expect(third.call?.id == 3)
    // Nobody is left to be helped.
    #expect(!third.needsHelp)
    #expect(!reception.hasBacklog)
  }

  @Test func noMoreThreadsAnswerAtATimeThanThereAreProcessors() {
    let reception = Reception(mostThreads: 8, mostBusy: 2, usualMicroseconds: 3_600_000_000)
    #expect(reception.fill() == .startThread)
    let one = reception.beginAnswering((UInt64(1)...5).map { Reception.Received(call: call($0, 7), process: 7) })
    #expect(one.needsHelp)
    #expect(reception.fill() == .startThread)
    let two = reception.beginAnswering()
    #expect(two.call?.id == 2)
    #expect(two.isCrowded)
    #expect(!two.needsHelp)
  }
}
