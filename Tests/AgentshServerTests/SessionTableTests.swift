import AgentshProtocol
@testable import AgentshServer
import Synchronization
import Glibc
import Testing

struct SessionTableTests {
  private func facts(_ id: String, uid: UInt32, name: String? = nil) -> (UInt64) -> Session.Facts {
    { order in
      Session.Facts(
        id: id, name: name, uid: uid, user: "u", policy: "p", command: ["true"], cwd: "/", started: "", record: [], order: order)
    }
  }

  @Test func parallelOpensNeverExceedALimit() async {
    let table = SessionTable()
    let limits = SessionLimits()
    let opened = await withTaskGroup(of: Bool.self) { group in
      for number in 0..<200 {
        group.addTask { (try? table.reserve(limits, uid: 7, facts("s\(number)", uid: 7))) != nil }
      }
      return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
    }
    #expect(opened == limits.activePerUser)
  }

  @Test func aLimitIsExplainedByTheSessionsThatHoldIt() throws {
    let table = SessionTable()
    var limits = SessionLimits()
    limits.activePerUser = 1
    _ = try table.reserve(limits, uid: 7, facts("abc", uid: 7))
    let error = #expect(throws: ControlError.self) { _ = try table.reserve(limits, uid: 7, facts("def", uid: 7)) }
    #expect(error?.name.hasSuffix("LimitReached") == true)
    #expect(error?.reason.contains("abc") == true)
    // Who lives in a session learns nothing of the others.
    let inside = #expect(throws: ControlError.self) { _ = try table.reserve(limits, uid: 7, isInside: true, facts("def", uid: 7)) }
    #expect(inside?.reason == "active_sessions_per_user allows you one session at a time, and you have that many")
  }

  @Test func theLimitOfTheHostDoesNotTellWhoseTheOthersAre() throws {
    let table = SessionTable()
    var limits = SessionLimits()
    limits.active = 1
    _ = try table.reserve(limits, uid: 7, facts("abc", uid: 7))
    let error = #expect(throws: ControlError.self) { _ = try table.reserve(limits, uid: 8, facts("def", uid: 8)) }
    #expect(error?.reason.contains("abc") == false)
  }

  @Test func endedSessionsMakeRoomForNewOnes() throws {
    let table = SessionTable()
    var limits = SessionLimits()
    limits.perUser = 3
    for number in 0..<10 {
      let session = try table.reserve(limits, uid: 7, facts("s\(number)", uid: 7))
      session.update { $0.phase = .ended }
    }
    #expect(table.all.map(\.facts.id) == ["s7", "s8", "s9"])
  }

  @Test func aSessionIsFoundByIdBeginningOrNameAndOnlyByThoseWhoMaySeeIt() throws {
    let table = SessionTable()
    _ = try table.reserve(SessionLimits(), uid: 7, facts("aaa1", uid: 7, name: "build"))
    _ = try table.reserve(SessionLimits(), uid: 8, facts("aaa2", uid: 8))
    let owner = Authority(uid: 7, isAdmin: false, inside: nil)
    for text in ["aaa1", "aaa", "build"] { #expect(try table.find(text, for: owner).facts.id == "aaa1") }
    #expect(throws: ControlError.self) { try table.find("aaa2", for: owner) }
    #expect(throws: ControlError.self) { try table.find("aaa", for: Authority(uid: 0, isAdmin: true, inside: nil)) }
    // From inside, root sees nothing but its own session either.
    let inside = Authority(uid: 0, isAdmin: false, inside: "aaa2")
    #expect(throws: ControlError.self) { try table.find("aaa1", for: inside) }
    #expect(try table.find("aaa2", for: inside).facts.uid == 8)
  }
}

struct RejectionCounterTests {
  @Test func aFloodIsCountedAndNotWritten() {
    let counter = RejectionCounter()
    let key = RejectionCounter.Key(session: "s", socket: "notify", reason: "wrong_uid", uid: 7)
    let written = (0..<10_000).filter { _ in counter.admits(key) }.count
    // The test may run into the next second.
    #expect(written >= RejectionCounter.perSecond && written <= 3 * RejectionCounter.perSecond)
    #expect(counter.takeHeld().map(\.count) == [10_000 - written])
    #expect(!counter.holdsSome)
  }
}

struct WorkerPoolTests {
  @Test func aUserWhoAsksForEverythingDelaysNobodyElse() throws {
    let pool = try WorkerPool(threads: 4)
    // Holds as many threads as one user may have until the other user's job has been done.
    let isDone = Mutex(false)
    for _ in 0..<100 {
      pool.submit(for: 1) { while !isDone.withLock({ $0 }) { usleep(200) } }
    }
    pool.submit(for: 2) { isDone.withLock { $0 = true } }
    try waitFor("the other user's job is done") { isDone.withLock { $0 } }
  }
}
