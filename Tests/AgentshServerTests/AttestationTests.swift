import AgentshProtocol
@testable import AgentshServer
import AgentshSystem
import Glibc
import Testing

/// What the server does to a process that a supervisor shows it. That a true target passes is shown with the real launcher, in the integration tests.
@Suite(.serialized) struct AttestationTests {
  /// A session whose launcher is this test.
  private func session(uid: UInt32) throws -> OpenedSession {
    let scratch = try ServerRig.prepare()
    let set = PolicySet.load(Array("\(scratch.path)/policies".utf8), keeping: nil)
    let policy = try #require(set.policies["first"])
    let root = [UInt8(ascii: "/")]
    let program = try policy.filter(projectRoot: root, home: root, user: Array("u".utf8)).program
    let facts = Session.Facts(
      id: "s", name: nil, uid: uid, user: "u", policy: "first", command: ["x"], cwd: "/", started: "", record: [], order: 0)
    let pair = try UnixSocket.pair(.sequencedPackets)
    let ours = try UnixSocket.pair(.stream)
    let token = try #require(SessionToken(bytes: [UInt8](repeating: 1, count: 32)))
    return OpenedSession(
      session: Session(facts), supervisor: SupervisorHandle(try sleeper(uid: nil), pair.first),
      identity: SpawnIdentity(uid: uid, gid: uid, groups: [], capabilities: 0), cgroup: nil, caller: try ControlPeer(of: ours.first),
      program: program,
      reply: WrapReply(
        session: "s", policy: "first", notifySocket: root, signalSocket: root, ptraceSocket: root, token: token, filter: [0, 0, 0, 0, 0, 0, 0, 0],
        environment: EnvironmentPlan(), record: root), readyDeadline: .never)
  }

  private func sleeper(uid: UInt32?) throws -> SpawnedProcess {
    let null = try openAt(AT_FDCWD, Array("/dev/null".utf8), flags: O_RDWR)
    return try spawnSupervisor(
      Array("/bin/sleep".utf8), arguments: [Array("sleep".utf8), Array("1000".utf8)], descriptors: [null.rawValue, null.rawValue, null.rawValue],
      identity: uid.map { SpawnIdentity(uid: $0, gid: $0, groups: [], capabilities: 0) })
  }

  private func reason(_ result: ServerOrderResult) -> String {
    if case .notAttested(let reason) = result { reason } else { "attested" }
  }

  private func end(_ process: borrowing SpawnedProcess) throws {
    try process.pidfd.sendSignal(SIGKILL)
    reapChild(process.pid)
  }

  @Test func aTargetWithoutTheFilterIsRefusedAndKilled() throws {
    guard canRunPrivileged() else { return }
    let opened = try session(uid: 60001)
    let target = try sleeper(uid: 60001)
    let told = reason(Attestation(opened: opened, readsFilter: true).run(target.pidfd))
    #expect(told.contains("reading the filter"))
    #expect(try waitUntilReady(target.pidfd.descriptor, deadline: .after(milliseconds: 5000)))
    try end(#require(opened.supervisor).process)
  }

  @Test func aChildWithAnotherUidIsRefusedAndLeftAlone() throws {
    guard canRunPrivileged() else { return }
    let opened = try session(uid: 60001)
    let target = try sleeper(uid: 60002)
    let told = reason(Attestation(opened: opened, readsFilter: true).run(target.pidfd))
    #expect(told == "the target does not run as uid 60001")
    let hasEnded = target.pidfd.hasExited()
    #expect(!hasEnded)
    try end(target)
    try end(#require(opened.supervisor).process)
  }

  @Test func aProcessOfSomebodyElseIsRefusedAndNeitherKilledNorStopped() throws {
    guard canRunPrivileged() else { return }
    let opened = try session(uid: 60001)
    let scratch = try Scratch()
    // A child of a shell: a grandchild of this test.
    let null = try openAt(AT_FDCWD, Array("/dev/null".utf8), flags: O_RDWR)
    let shell = try spawnSupervisor(
      Array("/bin/sh".utf8), arguments: ["sh", "-c", "sleep 1000 & echo $! > \(scratch.path)/pid.new; mv \(scratch.path)/pid.new \(scratch.path)/pid; wait"].map { Array($0.utf8) },
      descriptors: [null.rawValue, null.rawValue, null.rawValue], identity: nil)
    try waitFor("it has started") { !scratch.read("pid").isEmpty }
    let stranger = try Pidfd.open(try #require(Int32(scratch.read("pid").filter { $0.isNumber })))
    let told = reason(Attestation(opened: opened, readsFilter: true).run(stranger))
    #expect(told == "the target is not a child of the process that opened the session")
    let hasEnded = stranger.hasExited()
    #expect(!hasEnded)
    let status = String(decoding: try ProcessIdentity.read("status", of: stranger), as: UTF8.self)
    #expect(status.contains("TracerPid:\t0"))
    try stranger.sendSignal(SIGKILL)
    try end(shell)
    try end(#require(opened.supervisor).process)
  }

  @Test func aTargetThatHasEndedIsRefused() throws {
    guard canRunPrivileged() else { return }
    let opened = try session(uid: 60001)
    let target = try sleeper(uid: 60001)
    try target.pidfd.sendSignal(SIGKILL)
    _ = try waitUntilReady(target.pidfd.descriptor, deadline: .after(milliseconds: 5000))
    let told = reason(Attestation(opened: opened, readsFilter: true).run(target.pidfd))
    #expect(told != "attested")
    reapChild(target.pid)
    let again = reason(Attestation(opened: opened, readsFilter: true).run(target.pidfd))
    #expect(again != "attested")
    try end(#require(opened.supervisor).process)
  }
}
