import AgentshProtocol
import AgentshSystem
import CTestSupport
import Glibc
import SystemPackage
import Testing

@testable import AgentshSupervision

/// The three sockets in a directory of their own, with this process as the launcher unless told otherwise.
private final class Bench {
  let directory: String
  let token = SessionToken(bytes: Array(repeating: 7, count: SessionToken.byteCount))
  let handshake = SessionHandshake()
  let sockets: SessionSockets
  let child: Int32

  /// - Parameter launcherIsAnother: the process that asked for the session is not this one.
  init(launcherIsAnother: Bool = false, peerMilliseconds: Int64 = 60_000, mostPeers: Int = 8) throws {
    directory = try temporaryDirectory()
    child = try startSleeper()
    let place = directory
    func listening(_ role: SessionSocket) throws -> UnixSocket { try UnixSocket.listen(at: Array("\(place)/\(role.rawValue).sock".utf8)) }
    let token = try #require(token)
    var rules = SessionSockets.Rules(callerUID: geteuid(), token: token)
    rules.peerMilliseconds = peerMilliseconds
    rules.mostPeers = mostPeers
    sockets = try SessionSockets(
      notify: try listening(.notify), signal: try listening(.signal), ptrace: try listening(.ptrace),
      launcher: try Pidfd.open(launcherIsAnother ? child : getpid()), rules: rules, handshake: handshake, epoll: try Epoll())
    // Others than root may connect too, as where the server can't give the sockets to the caller.
    for role in SessionSocket.allCases { changeMode("\(directory)/\(role.rawValue).sock", 0o666) }
    changeMode(directory, 0o711)
  }

  deinit {
    endSleeper(child)
    for role in SessionSocket.allCases { removeFile("\(directory)/\(role.rawValue).sock") }
    removeDirectory(directory)
  }

  func connect(_ role: SessionSocket) throws -> UnixSocket { try UnixSocket.connect(to: Array("\(directory)/\(role.rawValue).sock".utf8)) }

  func connect(_ role: SessionSocket, as uid: UInt32) throws -> OwnedDescriptor {
    let raw = AgentshSupervisionTests.connect(to: "\(directory)/\(role.rawValue).sock", as: uid)
    try #require(raw >= 0)
    return OwnedDescriptor(owning: raw)
  }

  /// Handles everything that has happened so far, and then what happens until `condition` holds.
  func pump(until condition: () -> Bool = { true }) throws {
    let limit = Deadline.after(milliseconds: 5000)
    repeat {
      let events = try sockets.wait(deadline: min(.after(milliseconds: condition() ? 0 : 20), sockets.nextDeadline))
      for event in events { if let role = SessionSockets.role(of: event.token) { sockets.accept(on: role) } }
      for event in events where event.token >= SessionSockets.firstPeerToken { sockets.read(peer: event.token) }
      sockets.checkDeadlines()
      if events.isEmpty, condition() { return }
    } while !limit.hasPassed
    Issue.record("what was waited for did not happen in 5 s")
  }

  /// What was turned away, by reason.
  func rejections() -> [PeerRejectionReason: Int] {
    var counts: [PeerRejectionReason: Int] = [:]
    while let rejection = sockets.tally.next() { counts[rejection.reason, default: 0] += rejection.count }
    return counts
  }

  /// The launcher's part of the handshake on one socket.
  func speak(_ role: SessionSocket, over socket: borrowing UnixSocket) throws {
    let token = try #require(token)
    if role == .notify {
      let raw = ct_listener()
      try #require(raw >= 0)
      let listener = OwnedDescriptor(owning: raw)
      try socket.sendAll(ListenerHello(token: token).frame, descriptors: [listener.rawValue])
    } else {
      let pidfd = try Pidfd.open(child)
      try socket.sendAll(ProcessHello(token: token, pid: child).frame, descriptors: [pidfd.descriptor.rawValue])
    }
  }

  func reply(_ socket: borrowing UnixSocket) throws -> HandshakeReply? {
    guard let frame = try socket.receiveFrame(limit: 4096, deadline: .after(milliseconds: 2000)) else { return nil }
    return try HandshakeReply.decode(frame.bytes)
  }
}

@Suite(.serialized) struct SessionSocketsTests {
  @Test(arguments: SessionSocket.allCases)
  func aWrongUidPeerNeverUsesUpTheSlot(_ role: SessionSocket) throws {
    guard isPrivileged("peers of another uid") else { return }
    let bench = try Bench()
    var held: [HeldDescriptor] = []
    for _ in 0..<200 { held.append(HeldDescriptor(try bench.connect(role, as: 60002))) }
    let rightful = try bench.connect(role)
    try bench.speak(role, over: rightful)
    try bench.pump(until: { bench.handshake.has(role) })
    #expect(bench.rejections() == [.wrongUID: 200])
    #expect(bench.sockets.peerCount == 0)
    #expect(held.count == 200)
  }

  @Test(arguments: SessionSocket.allCases)
  func aWrongUidPeerIsTurnedAwayBeforeAByteIsRead(_ role: SessionSocket) throws {
    guard isPrivileged("peers of another uid") else { return }
    let bench = try Bench()
    let wrong = UnixSocket(owning: try bench.connect(role, as: 60002))
    // Even what would be right from the right one.
    try bench.speak(role, over: wrong)
    try bench.pump()
    #expect(!bench.handshake.has(role))
    #expect(bench.rejections() == [.wrongUID: 1])
    // Unread bytes make the close a reset.
    let end = Result { try wrong.receive(atMost: 100)?.isEnd ?? false }
    #expect((try? end.get()) ?? true)
  }

  @Test(arguments: SessionSocket.allCases)
  func anotherProcessOfTheSameUserIsTurnedAway(_ role: SessionSocket) throws {
    let bench = try Bench(launcherIsAnother: true)
    let peer = try bench.connect(role)
    try bench.speak(role, over: peer)
    try bench.pump()
    #expect(!bench.handshake.has(role))
    #expect(bench.rejections() == [.wrongProcess: 1])
  }

  @Test func theLauncherHandsEverythingOver() throws {
    let bench = try Bench()
    let ptrace = try bench.connect(.ptrace)
    try bench.speak(.ptrace, over: ptrace)
    let signal = try bench.connect(.signal)
    try bench.speak(.signal, over: signal)
    let notify = try bench.connect(.notify)
    try bench.speak(.notify, over: notify)
    try bench.pump(until: { bench.handshake.isComplete })
    #expect(try bench.reply(ptrace) == .accepted)
    #expect(try bench.reply(signal) == .accepted)
    guard let completed = bench.handshake.complete() else {
      Issue.record("the handshake is not complete")
      return
    }
    let number = completed.pid
    #expect(number == bench.child)
    #expect(bench.rejections().isEmpty)
  }

  @Test(arguments: SessionSocket.allCases)
  func theLoopGoesOnAfterAWrongToken(_ role: SessionSocket) throws {
    let bench = try Bench()
    let wrong = try #require(SessionToken(bytes: Array(repeating: 8, count: SessionToken.byteCount)))
    let peer = try bench.connect(role)
    let pidfd = try Pidfd.open(bench.child)
    let hello = role == .notify ? ListenerHello(token: wrong).frame : ProcessHello(token: wrong, pid: bench.child).frame
    try peer.sendAll(hello, descriptors: [pidfd.descriptor.rawValue])
    try bench.pump()
    #expect(bench.rejections() == [.wrongToken: 1])
    let rightful = try bench.connect(role)
    try bench.speak(role, over: rightful)
    try bench.pump(until: { bench.handshake.has(role) })
  }

  @Test(arguments: SessionSocket.allCases, ["garbage\0", "{}\0", "{\"token\":7}\0", "\0", "{\"token\":\"aa\",\"pid\":0}\0"])
  func theLoopGoesOnAfterGarbage(_ role: SessionSocket, _ bytes: String) throws {
    let bench = try Bench()
    let peer = try bench.connect(role)
    try peer.sendAll(Array(bytes.utf8))
    try bench.pump()
    #expect(bench.rejections() == [.malformed: 1])
    let rightful = try bench.connect(role)
    try bench.speak(role, over: rightful)
    try bench.pump(until: { bench.handshake.has(role) })
  }

  @Test(arguments: SessionSocket.allCases)
  func aMessageWithoutEndIsCutOff(_ role: SessionSocket) throws {
    let bench = try Bench()
    let peer = try bench.connect(role)
    var sent = 0
    // As much as the other side takes; more than a message may have.
    while sent <= MessageFramer.sessionLimit + 1 {
      guard let count = try? peer.send(Array(repeating: UInt8(ascii: "x"), count: 16384)[...]), count > 0 else { break }
      sent += count
      try bench.pump()
    }
    try bench.pump(until: { bench.sockets.peerCount == 0 })
    #expect(bench.rejections() == [.malformed: 1])
  }

  @Test(arguments: SessionSocket.allCases)
  func aSilentPeerIsTurnedAwayAndDelaysNobody(_ role: SessionSocket) throws {
    let bench = try Bench(peerMilliseconds: 30)
    let silent = try bench.connect(role)
    let halfSaid = try bench.connect(role)
    try halfSaid.sendAll(Array("{\"tok".utf8))
    try bench.pump(until: { bench.sockets.tally.total == 2 })
    #expect(bench.rejections() == [.timeout: 2])
    let rightful = try bench.connect(role)
    try bench.speak(role, over: rightful)
    try bench.pump(until: { bench.handshake.has(role) })
    #expect(silent.rawValue >= 0)
  }

  @Test(arguments: SessionSocket.allCases)
  func silentPeersOfTheLauncherAreBoundedAndTheOldestGoes(_ role: SessionSocket) throws {
    let bench = try Bench(mostPeers: 4)
    var held: [HeldDescriptor] = []
    for _ in 0..<100 { held.append(HeldDescriptor(try bench.connect(role).release())) }
    try bench.pump(until: { bench.sockets.tally.total == 96 })
    #expect(bench.sockets.peerCount == 4)
    let rightful = try bench.connect(role)
    try bench.speak(role, over: rightful)
    try bench.pump(until: { bench.handshake.has(role) })
    #expect(held.count == 100)
  }

  @Test(arguments: SessionSocket.allCases, [0, 2])
  func anotherNumberOfDescriptorsIsRefused(_ role: SessionSocket, _ count: Int) throws {
    let bench = try Bench()
    let token = try #require(bench.token)
    let peer = try bench.connect(role)
    let pidfd = try Pidfd.open(bench.child)
    let hello = role == .notify ? ListenerHello(token: token).frame : ProcessHello(token: token, pid: bench.child).frame
    try peer.sendAll(hello, descriptors: Array(repeating: pidfd.descriptor.rawValue, count: count))
    try bench.pump()
    #expect(!bench.handshake.has(role))
    #expect(bench.rejections() == [.malformed: 1])
    guard case .refused? = try bench.reply(peer) else {
      Issue.record("the launcher was not told")
      return
    }
  }

  @Test(arguments: SessionSocket.allCases)
  func anotherKindOfDescriptorIsRefused(_ role: SessionSocket) throws {
    let bench = try Bench()
    let token = try #require(bench.token)
    let null = try openAt(AT_FDCWD, Array("/dev/null".utf8), flags: O_RDONLY)
    let pair = try UnixSocket.pair(.stream)
    let event = try EventDescriptor()
    for raw in [null.rawValue, pair.first.rawValue, event.descriptor.rawValue] {
      let peer = try bench.connect(role)
      let hello = role == .notify ? ListenerHello(token: token).frame : ProcessHello(token: token, pid: bench.child).frame
      try peer.sendAll(hello, descriptors: [raw])
      let before = bench.sockets.tally.total
      try bench.pump(until: { bench.sockets.tally.total > before })
      #expect(!bench.handshake.has(role))
    }
    #expect(bench.rejections() == [.malformed: 3])
  }

  @Test(arguments: [SessionSocket.signal, .ptrace])
  func aPidfdOfAnotherProcessThanStatedIsRefused(_ role: SessionSocket) throws {
    let bench = try Bench()
    let token = try #require(bench.token)
    // Itself, the process with number 1, and a child that is not the one that is named.
    for (pidfd, stated) in [(getpid(), getpid()), (1, 1), (getpid(), bench.child), (bench.child, getpid())] {
      let peer = try bench.connect(role)
      let descriptor = try Pidfd.open(pidfd)
      try peer.sendAll(ProcessHello(token: token, pid: stated).frame, descriptors: [descriptor.descriptor.rawValue])
      let before = bench.sockets.tally.total
      try bench.pump(until: { bench.sockets.tally.total > before })
      #expect(!bench.handshake.has(role))
    }
    #expect(bench.rejections() == [.malformed: 4])
  }

  @Test func twoSocketsMustNameTheSameProcess() throws {
    let bench = try Bench()
    let token = try #require(bench.token)
    let other = try startSleeper()
    defer { endSleeper(other) }
    let ptrace = try bench.connect(.ptrace)
    try bench.speak(.ptrace, over: ptrace)
    try bench.pump(until: { bench.handshake.has(.ptrace) })
    let signal = try bench.connect(.signal)
    let pidfd = try Pidfd.open(other)
    try signal.sendAll(ProcessHello(token: token, pid: other).frame, descriptors: [pidfd.descriptor.rawValue])
    try bench.pump(until: { bench.sockets.tally.total == 1 })
    #expect(!bench.handshake.has(.signal))
    #expect(bench.rejections() == [.malformed: 1])
  }

  @Test func afterTheHandshakeEverybodyIsTurnedAway() throws {
    let bench = try Bench()
    let early = try bench.connect(.notify)
    try bench.pump()
    bench.sockets.close()
    for (index, role) in SessionSocket.allCases.enumerated() {
      let late = try bench.connect(role)
      try bench.speak(role, over: late)
      try bench.pump(until: { bench.sockets.tally.total > index + 1 })
      #expect(!bench.handshake.has(role))
    }
    #expect(bench.sockets.tally.total == 4)
    #expect(bench.sockets.peerCount == 0)
    #expect(early.rawValue >= 0)
  }

  @Test func afterTheHandshakeAFloodIsTurnedAwayAtAnEasyPace() throws {
    let bench = try Bench()
    bench.sockets.close()
    var held: [HeldDescriptor] = []
    for _ in 0..<100 { held.append(HeldDescriptor(try bench.connect(.signal).release())) }
    try bench.pump()
    #expect(bench.sockets.tally.total < 100)
    try bench.pump(until: { bench.sockets.tally.total == 100 })
    #expect(held.count == 100)
  }
}

@Suite struct RejectionTallyTests {
  @Test func aFloodIsAddedUpAndNothingIsLost() {
    var tally = RejectionTally()
    for index in 0..<5000 {
      tally.add(.notify, .wrongUID, PeerCredentials(pid: Int32(index + 1), uid: UInt32(60000 + index % 400), gid: 0))
    }
    var told = 0
    var messages = 0
    while let rejection = tally.next() {
      told += rejection.count
      messages += 1
    }
    #expect(messages <= 21)
    #expect(tally.total == 5000)
    #expect(told < 5000)
    #expect(tally.deadline != .never)
  }

  @Test func whatCouldNotBeSentIsSentLater() throws {
    var tally = RejectionTally()
    tally.add(.signal, .timeout, PeerCredentials(pid: 4, uid: 5, gid: 6))
    let next = tally.next()
    let first = try #require(next)
    tally.putBack(first)
    #expect(tally.next() == nil)
    #expect(tally.deadline != .never)
  }
}
