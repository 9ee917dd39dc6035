import AgentshSystem
import Testing

@testable import AgentshSupervision

@Suite struct SupervisorReceptionTests {
  @Test func oneThreadComesBackToReceiveWithoutAnother() {
    let reception = Reception(mostThreads: 4)
    #expect(reception.fill() == .startThread)
    for _ in 0..<100 {
      #expect(reception.beginAnswering().isAdmitted)
      #expect(reception.finishAnswering() == .receive)
    }
    #expect(reception.counts == Reception.Counts(threads: 1, answering: 0, parked: 0, isTaken: true))
  }

  @Test func anAnswerThatTakesLongGetsSomebodyElseToReceive() {
    let reception = Reception(mostThreads: 4, mostParked: 0)
    #expect(reception.fill() == .startThread)
    #expect(reception.beginAnswering().isAdmitted)
    #expect(reception.fill() == .startThread)
    // Filled once, not twice.
    #expect(reception.fill() == .done)
    // The slow one comes back to a place that is taken.
    #expect(reception.finishAnswering() == .end)
    #expect(reception.counts.threads == 1)
  }

  @Test func atTheLimitTheLastThreadRefusesAndGoesOnReceiving() {
    let reception = Reception(mostThreads: 3, stuckMilliseconds: 0)
    #expect(reception.fill() == .startThread)
    for _ in 0..<2 {
      #expect(reception.beginAnswering().isAdmitted)
      #expect(reception.fill() == .startThread)
    }
    for _ in 0..<5 { #expect(!reception.beginAnswering().isAdmitted) }
    #expect(reception.counts.isTaken)
    #expect(reception.counts.threads == 3)
  }

  @Test func atTheLimitACallWaitsWhileOthersAreBeingAnswered() async throws {
    let reception = Reception(mostThreads: 3, mostParked: 0, stuckMilliseconds: 3_600_000)
    #expect(reception.fill() == .startThread)
    var places: [Int?] = []
    for _ in 0..<2 {
      places.append(reception.beginAnswering().place)
      #expect(reception.fill() == .startThread)
    }
    let admitted = Gate([Bool]())
    try startThread("third") {
      let isAdmitted = reception.beginAnswering().isAdmitted
      admitted.withLock { $0.append(isAdmitted) }
      admitted.wakeAll()
    }
    while !reception.awaitsRoom { await Task.yield() }
    #expect(reception.finishAnswering(places[0]) == .end)
    #expect(admitted.wait(until: Deadline.after(milliseconds: 60_000).nanoseconds) { $0.first } == true)
  }

  @Test func aPlaceThatStaysEmptyIsSeenByTheWatch() {
    let reception = Reception(mostThreads: 4)
    _ = reception.fill()
    #expect(!reception.look(emptyFor: 0).mustFill)
    _ = reception.beginAnswering()
    #expect(reception.look(emptyFor: 0).mustFill)
    #expect(!reception.look(emptyFor: 60_000_000_000).mustFill)
  }

  @Test func theWatchSleepsOnlyWhileNothingHappens() {
    let reception = Reception(mostThreads: 4)
    _ = reception.fill()
    #expect(reception.letWatchSleep(answersWait: false))
    #expect(reception.beginAnswering().mustWakeWatch)
    // Being answered: no time to sleep.
    #expect(!reception.letWatchSleep(answersWait: false))
    // Another thread receives by now, and still it isn't answered: it may come to wait for something.
    _ = reception.fill()
    #expect(reception.look(emptyFor: 0).isBusy)
    #expect(!reception.letWatchSleep(answersWait: false) && reception.letWatchSleep(answersWait: true))
    _ = reception.finishAnswering()
    #expect(!reception.look(emptyFor: 0).isBusy)
    #expect(reception.letWatchSleep(answersWait: false))
  }

  @Test func aParkedThreadTakesTheTurnThatItIsGiven() async throws {
    // An hour: beside busy tests this one may be away for longer than a thread stays parked.
    let reception = Reception(mostThreads: 4, idleMilliseconds: 3_600_000)
    #expect(reception.fill() == .startThread)
    _ = reception.beginAnswering()
    #expect(reception.fill() == .startThread)
    let turns = Gate([Reception.Turn]())
    try startThread("parked") {
      let turn = reception.finishAnswering()
      turns.withLock { $0.append(turn) }
      turns.wakeAll()
    }
    while reception.counts.parked == 0 { await Task.yield() }
    _ = reception.beginAnswering()
    #expect(reception.fill() == .done)
    let turn = turns.wait(until: Deadline.after(milliseconds: 5000).nanoseconds) { $0.first }
    #expect(turn == .receive)
    #expect(reception.counts.threads == 2)
  }

  @Test func aClosedReceptionEndsEverybody() {
    let reception = Reception(mostThreads: 4)
    _ = reception.fill()
    _ = reception.beginAnswering()
    reception.close()
    #expect(reception.fill() == .done)
    #expect(reception.finishAnswering() == .end)
    #expect(reception.counts.threads == 0)
  }

  @Test func aFailedStartLeavesThePlaceToBeFilledAgain() {
    let reception = Reception(mostThreads: 4)
    #expect(reception.fill() == .startThread)
    reception.startFailed()
    #expect(reception.counts == Reception.Counts(threads: 0, answering: 0, parked: 0, isTaken: false))
    #expect(reception.fill() == .startThread)
  }

  /// A reception whose first thread answers and whose second one receives.
  private func withTwoThreads(concurrentMilliseconds: UInt64 = 3_600_000) -> (Reception, place: Int?) {
    let reception = Reception(
      mostThreads: 8, mostBusy: 2, mostParked: 0, usualMicroseconds: 3_600_000_000, concurrentMilliseconds: concurrentMilliseconds)
    #expect(reception.fill() == .startThread)
    reception.noteConcurrency()
    let place = reception.beginAnswering().place
    #expect(reception.fill() == .startThread)
    return (reception, place)
  }

  @Test func twoThreadsReceiveWhileTargetsRunAtOnceAndNoThirdOne() {
    let (reception, place) = withTwoThreads()
    #expect(reception.finishAnswering(place) == .receive)
    #expect(!reception.keepAlone())
    // Both answer, and nobody receives: the place is filled again when it has to be, and not for the sake of those who run at once.
    #expect(reception.beginAnswering().needsHelp)
    #expect(reception.counts.isTaken)
    #expect(!reception.beginAnswering().needsHelp)
    #expect(!reception.counts.isTaken)
    #expect(reception.fill() == .startThread)
    #expect(reception.finishAnswering() == .receive)
    #expect(reception.finishAnswering() == .end)
    #expect(reception.counts == Reception.Counts(threads: 2, answering: 0, parked: 0, isTaken: true))
  }

  @Test func afterAWhileOneThreadReceivesAgain() {
    let (reception, place) = withTwoThreads(concurrentMilliseconds: 0)
    #expect(reception.finishAnswering(place) == .end)
  }

  @Test func nobodyJoinsAThreadThatLooksForAllThatWaits() {
    let (reception, place) = withTwoThreads()
    #expect(reception.keepAlone())
    #expect(reception.finishAnswering(place) == .end)
    // It has begun to answer, and whoever is done receives.
    #expect(reception.beginAnswering().isAdmitted)
    #expect(reception.fill() == .startThread)
    #expect(reception.finishAnswering() == .receive)
  }

  @Test func nobodyWaitsInTheKernelWhileCallsWaitForAThread() throws {
    let (reception, place) = withTwoThreads()
    let calls = (UInt64(1)...3).map { TrappedCall(id: $0, thread: 7, number: 0, architecture: 0, arguments: (0, 0, 0, 0, 0, 0)) }
    #expect(reception.keepAlone())
    #expect(reception.beginAnswering(calls.map { Reception.Received(call: $0, process: 7) }).call?.id == 1)
    // Whoever has the place takes the next of them. Another one would wait for a call and leave that to the first.
    #expect(reception.finishAnswering(place) == .receive)
    #expect(reception.finishAnswering() == .end)
  }
}
