import AgentshProtocol
@testable import AgentshServer
import AgentshSystem
import FoundationEssentials
import Glibc
import SystemPackage
import Testing

/// Starting, reloading, stopping, and what systemd sees of it.
@Suite(.serialized) struct ServerLifeTests {
  private func check(_ scratch: Scratch) throws -> (status: CInt, output: String) {
    let process = try ServerRig.start(scratch, arguments: ["--check"])
    #expect(try waitUntilReady(process.pidfd.descriptor, deadline: .after(milliseconds: 20_000)))
    return (waitForEnd(process.pid) >> 8, scratch.read("server.err"))
  }

  @Test func checkIsContentWithWhatIsGood() throws {
    guard canRunPrivileged() else { return }
    let (status, output) = try check(ServerRig.prepare())
    #expect(status == 0, "\(output)")
  }

  @Test func checkWarnsOfAUserWhoDoesNotExist() throws {
    guard canRunPrivileged() else { return }
    let scratch = try ServerRig.prepare()
    try scratch.write("agentshd.yaml", scratch.read("agentshd.yaml").replacing("users: [\"60003\"] }", with: "users: [no-such-user] }"))
    let (status, output) = try check(scratch)
    #expect(status == 0 && output.contains(": warning: there is no user no-such-user at the moment"), "\(output)")
    try scratch.write("agentshd.yaml", "")
    #expect(try check(scratch).status == 1)
  }

  @Test func checkSaysEverythingThatIsWrong() throws {
    guard canRunPrivileged() else { return }
    let scratch = try ServerRig.prepare()
    try scratch.write("policies/second.yaml", "version: 1\nname: second\nfile_rulez: []\n")
    try scratch.write("policies/third.yaml", ServerRig.policy, mode: 0o666)
    try scratch.write("agentshd.yaml", scratch.read("agentshd.yaml") + "bogus: 1\nlimits2: 1\n")
    let (status, output) = try check(scratch)
    #expect(status == 1)
    for expected in [
      "second.yaml:3:1: error", "third.yaml: is writable by group or others (mode 0666)", "has no key bogus", "has no key limits2",
      "there is no usable policy second",
    ] { #expect(output.contains(expected), "\(expected) in \(output)") }
  }

  /// Each of them keeps the server from starting.
  @Test(arguments: [
    ("log", "log_dir", "is writable by group or others (mode 0777)"), ("log/sessions", "log_dir", "is not a directory"),
    ("log", "log_dir", "is not a directory"), ("log/server.jsonl", "log_dir", "is not a regular file"),
    ("run", "runtime_dir", "is writable by group or others (mode 0777)"), ("run/control.sock", "control_socket", "exists and is no socket"),
  ])
  func checkLooksAtThePlaces(_ name: String, _ key: String, _ reason: String) throws {
    guard canRunPrivileged() else { return }
    let scratch = try ServerRig.prepare()
    let place = "\(scratch.path)/\(name)"
    #expect(try check(scratch).status == 0)
    #expect(!FileManager.default.fileExists(atPath: "\(scratch.path)/log") && !FileManager.default.fileExists(atPath: "\(scratch.path)/run"))
    if reason.contains("directory") {
      try scratch.write(name, "")
    } else {
      try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
      if reason.contains("0777") { #expect(setMode(place, 0o777) == 0) }
    }
    let (status, output) = try check(scratch)
    #expect(status == 1 && output.contains("agentshd.yaml:") && output.contains(": error: \(key) \(place): \(reason)"), "\(output)")
    let process = try ServerRig.start(scratch)
    #expect(waitForEnd(process.pid) >> 8 == 1)
  }

  @Test func checkWarnsOfPoliciesThatAreNotWhatTheySeem() throws {
    guard canRunPrivileged() else { return }
    let scratch = try ServerRig.prepare()
    try scratch.write("policies/fourth.yml", ServerRig.policy)
    try scratch.write("policies/third.yaml", ServerRig.policy)
    let (status, output) = try check(scratch)
    #expect(status == 0, "\(output)")
    #expect(output.contains("policies/fourth.yml: warning: is not read"), "\(output)")
    #expect(output.contains("policies/third.yaml: warning: name is NAME, and the policy is known as third, as its file is"), "\(output)")
    #expect(!output.contains("first.yaml: warning") && !output.contains("second.yaml: warning"), "\(output)")
  }

  @Test func aConfigurationThatIsAListIsToldAlone() throws {
    guard canRunPrivileged() else { return }
    let scratch = try ServerRig.prepare()
    try scratch.write("agentshd.yaml", "- a\n- b\n")
    let (status, output) = try check(scratch)
    #expect(status == 1 && output.split(separator: "\n").count == 1 && output.contains("must be a mapping"), "\(output)")
  }

  @Test func aConfigurationThatIsNoYAMLIsToldAloneAndNothingOfPlacesThatNobodyNamed() throws {
    guard canRunPrivileged() else { return }
    let scratch = try ServerRig.prepare()
    try scratch.write("agentshd.yaml", "policy_dir: /x\nassignments: [\n")
    let (status, output) = try check(scratch)
    #expect(status == 1)
    #expect(output.split(separator: "\n").count == 1 && output.contains("agentshd.yaml:3:1: error"), "\(output)")
  }

  @Test func aLinkInPlaceOfTheServersLogIsRefusedByItsPath() throws {
    guard canRunPrivileged() else { return }
    let scratch = try ServerRig.prepare()
    try FileManager.default.createDirectory(atPath: "\(scratch.path)/log", withIntermediateDirectories: true)
    try scratch.write("victim", "untouched")
    try FileManager.default.createSymbolicLink(atPath: "\(scratch.path)/log/server.jsonl", withDestinationPath: "\(scratch.path)/victim")
    let process = try ServerRig.start(scratch)
    #expect(waitForEnd(process.pid) >> 8 == 1)
    #expect(scratch.read("server.err").contains("\(scratch.path)/log/server.jsonl can't be used"))
    #expect(scratch.read("victim") == "untouched")
  }

  @Test func aConfigurationThatOthersCanWriteIsRefused() throws {
    guard canRunPrivileged() else { return }
    let scratch = try ServerRig.prepare()
    #expect(setMode("\(scratch.path)/agentshd.yaml", 0o646) == 0)
    let process = try ServerRig.start(scratch)
    #expect(waitForEnd(process.pid) >> 8 == 1)
    #expect(scratch.read("server.err").contains("agentshd.yaml: is writable by group or others (mode 0646)"))
  }

  @Test(arguments: ["run", "run/sessions", "log", "log/sessions"])
  func aDirectoryThatIsNotRootsAloneIsRefused(name: String) throws {
    guard canRunPrivileged() else { return }
    let scratch = try ServerRig.prepare()
    try FileManager.default.createDirectory(atPath: "\(scratch.path)/\(name)", withIntermediateDirectories: true)
    #expect(setOwner("\(scratch.path)/\(name)", 60001, 60001) == 0)
    let process = try ServerRig.start(scratch)
    #expect(waitForEnd(process.pid) >> 8 == 1)
    #expect(scratch.read("server.err").contains("\(scratch.path)/\(name): belongs to uid 60001"))
  }

  @Test func nobodyButRootRunsTheServer() throws {
    guard canRunPrivileged() else { return }
    let scratch = try ServerRig.prepare()
    let process = try ServerRig.start(scratch, identity: SpawnIdentity(uid: 60001, gid: 60001, groups: [], capabilities: 0))
    #expect(waitForEnd(process.pid) >> 8 == 1)
    #expect(scratch.read("server.err").contains("agentshd has to run as root"))
  }

  @Test func aBrokenPolicyKeepsItsLastGoodVersionAndTheOthersAreReloaded() throws {
    guard canRunPrivileged() else { return }
    let rig = try ServerRig()
    let client = try rig.client(uid: 60001)
    let before = try client.wrap(["policy": .string("second")])
    #expect(before.error == nil, "\(before.text("reason"))")
    try rig.scratch.write("policies/second.yaml", "version: 1\nnonsense: {}\n")
    try rig.scratch.write("policies/third.yaml", ServerRig.policy)
    try rig.process.pidfd.sendSignal(SIGHUP)
    try waitFor("it has reloaded") { rig.records("server.reload").count == 1 }
    #expect(rig.records("server.reload").first?.contains("second.yaml") == true)
    #expect(rig.scratch.read("server.err").contains("its last good version stays in use"))
    let after = try client.wrap(["policy": .string("second")])
    #expect(after.text("filter") == before.text("filter") && !after.text("filter").isEmpty)
    #expect(try client.wrap(["policy": .string("third")]).text("policy") == "third")
  }

  @Test(arguments: ["assignments: nonsense\n", "", "# saved by an editor that was killed\n"])
  func aBrokenConfigurationChangesNothing(_ text: String) throws {
    guard canRunPrivileged() else { return }
    let rig = try ServerRig()
    try rig.scratch.write("agentshd.yaml", text)
    try rig.process.pidfd.sendSignal(SIGHUP)
    try waitFor("it has noticed") { rig.records("server.reload").count == 1 }
    #expect(rig.records("server.reload").first?.contains("the last good one stays in force") == true)
    let answer = try rig.client(uid: 60001).wrap()
    #expect(answer.error == nil, "\(answer.text("reason"))")
  }

  @Test func whereNoPolicyIsLeftThatIsSaid() throws {
    guard canRunPrivileged() else { return }
    let rig = try ServerRig()
    for name in ["first", "second"] { try FileManager.default.removeItem(atPath: "\(rig.scratch.path)/policies/\(name).yaml") }
    try rig.process.pidfd.sendSignal(SIGHUP)
    try waitFor("it has reloaded") { rig.records("server.reload").count == 1 }
    for uid in [UInt32(60001), 60002] {
      for wanted in [[:], ["policy": .string("other")]] as [JSONObject] {
        let answer = try rig.client(uid: uid).wrap(wanted)
        #expect(answer.error == "NotPermitted" && answer.reason.hasPrefix("no policy is left that you may use"), "\(answer.reason)")
        #expect(answer.reason.contains("ask an administrator"))
      }
    }
  }

  @Test func aGoodReloadIsInForce() throws {
    guard canRunPrivileged() else { return }
    let rig = try ServerRig()
    #expect(try rig.client(uid: 60009).wrap().error == "NotPermitted")
    try rig.scratch.write("agentshd.yaml", rig.scratch.read("agentshd.yaml").replacing("60002", with: "60009"))
    try rig.process.pidfd.sendSignal(SIGHUP)
    try waitFor("it has reloaded") { rig.records("server.reload").count == 1 }
    #expect(try rig.client(uid: 60009).wrap().error == nil)
    #expect(try rig.client(uid: 60002).wrap().error == "NotPermitted")
  }

  @Test func toldToStopItEndsAllSessionsAndLeavesNothing() throws {
    guard canRunPrivileged() else { return }
    let scratch = try ServerRig.prepare()
    let process = try ServerRig.start(scratch)
    let path = "\(scratch.path)/run/control.sock"
    try waitFor("it listens") { (try? Client(path, uid: 0).call("Ping")) != nil }
    let clients = try [UInt32(60001), 60002, 60003].map { try Client(path, uid: $0) }
    for client in clients { #expect(try client.wrap().error == nil) }
    // One does not obey: it is killed in time.
    #expect(try clients[0].wrap(["name": .string("stubborn")]).error == nil)
    let started = monotonicNanoseconds()
    try process.pidfd.sendSignal(SIGTERM)
    #expect(waitForEnd(process.pid) == 0)
    #expect(monotonicNanoseconds() - started < 14_000_000_000)
    #expect(try FileManager.default.contentsOfDirectory(atPath: "\(scratch.path)/run") == ["sessions"])
    #expect(try FileManager.default.contentsOfDirectory(atPath: "\(scratch.path)/run/sessions") == [])
    #expect(scratch.read("log/server.jsonl").contains("\"op\":\"server.stop\""))
  }

  @Test func systemdIsToldWhatHappens() throws {
    guard canRunPrivileged() else { return }
    let scratch = try ServerRig.prepare()
    let place = "\(scratch.path)/notify"
    let notified = try openDatagramSocket(place)
    let process = try ServerRig.start(scratch, through: ["/usr/bin/env", "NOTIFY_SOCKET=\(place)"])
    func next() throws -> String {
      let isReady = try waitUntilReady(notified, deadline: .after(milliseconds: 20_000))
      try #require(isReady)
      return String(decoding: receiveDatagram(notified), as: UTF8.self)
    }
    #expect(try next().hasPrefix("READY=1\n"))
    try process.pidfd.sendSignal(SIGHUP)
    let reloading = try next()
    #expect(reloading.hasPrefix("RELOADING=1\nMONOTONIC_USEC="))
    #expect(try next().hasPrefix("READY=1\n"))
    try process.pidfd.sendSignal(SIGTERM)
    #expect(try next().hasPrefix("STOPPING=1\n"))
    #expect(waitForEnd(process.pid) == 0)
  }

  @Test func aSocketThatSystemdOpenedIsServedAndLeftInPlace() throws {
    guard canRunPrivileged() else { return }
    let scratch = try ServerRig.prepare()
    let path = "\(scratch.path)/run/control.sock"
    try FileManager.default.createDirectory(atPath: "\(scratch.path)/run", withIntermediateDirectories: true)
    let listener = try UnixSocket.listen(at: Array(path.utf8))
    #expect(setMode(path, 0o666) == 0)
    let process = try startActivated(scratch, [listener.rawValue])
    #expect(try Client(path, uid: 60001).wrap().error == nil)
    try process.pidfd.sendSignal(SIGTERM)
    #expect(waitForEnd(process.pid) == 0)
    #expect(try linkStatus(at: AT_FDCWD, Array(path.utf8)).type == S_IFSOCK)
    #expect(!scratch.read("server.err").contains("SocketMode"))
  }

  private func startActivated(_ scratch: Scratch, _ descriptors: [CInt]) throws -> SpawnedProcess {
    try ServerRig.start(
      scratch, through: ["/bin/sh", "-c", "LISTEN_PID=$$ LISTEN_FDS=\(descriptors.count) exec \"$@\"", "sh"], extra: descriptors)
  }

  @Test func whatIsNotTheControlSocketIsNotServed() throws {
    guard canRunPrivileged() else { return }
    func refusal(_ descriptors: [CInt]) throws -> String {
      let scratch = try ServerRig.prepare()
      let process = try startActivated(scratch, descriptors)
      #expect(waitForEnd(process.pid) >> 8 == 1)
      return scratch.read("server.err")
    }
    let scratch = try Scratch()
    let file = try openAt(AT_FDCWD, Array("/dev/null".utf8), flags: O_RDWR)
    let pair = try UnixSocket.pair(.stream)
    let packets = try UnixSocket.pair(.sequencedPackets)
    for descriptor in [file.rawValue, pair.first.rawValue, packets.first.rawValue] {
      #expect(try refusal([descriptor]).contains("descriptor 3, from LISTEN_FDS, is no listening Unix stream socket"))
    }
    let other = try UnixSocket.listen(at: Array("\(scratch.path)/other.sock".utf8))
    let elsewhere = try refusal([other.rawValue])
    #expect(elsewhere.contains("listens at \(scratch.path)/other.sock, and control_socket is ") && elsewhere.contains("/run/control.sock"))
    #expect(try refusal([other.rawValue, file.rawValue]).contains("LISTEN_FDS gives 2 descriptors"))
  }

  @Test func aSocketThatKeepsUsersOutIsWarnedOf() throws {
    guard canRunPrivileged() else { return }
    let scratch = try ServerRig.prepare()
    let path = "\(scratch.path)/run/control.sock"
    try FileManager.default.createDirectory(atPath: "\(scratch.path)/run", withIntermediateDirectories: true)
    let listener = try UnixSocket.listen(at: Array(path.utf8))
    #expect(setMode(path, 0o660) == 0)
    let process = try startActivated(scratch, [listener.rawValue])
    #expect(try Client(path, uid: 0).call("Ping").error == nil)
    try process.pidfd.sendSignal(SIGTERM)
    #expect(waitForEnd(process.pid) == 0)
    #expect(scratch.read("server.err").contains("run/control.sock has mode 0660: not everybody can connect"))
  }

  @Test func aTornServerLogIsKeptAndANewChainBegins() throws {
    guard canRunPrivileged() else { return }
    let scratch = try ServerRig.prepare()
    try scratch.write("log/server.jsonl", "{\"seq\":1,\"time\":\"torn", mode: 0o640)
    let rig = try ServerRig(scratch)
    #expect(rig.scratch.read("log/server.jsonl").hasPrefix("{\"seq\":1,"))
    let names = try FileManager.default.contentsOfDirectory(atPath: "\(scratch.path)/log")
    #expect(names.contains { $0.hasPrefix("server.jsonl.broken-") })
  }

  @Test func theServerLogGoesOnAfterARestart() throws {
    guard canRunPrivileged() else { return }
    let scratch = try ServerRig.prepare()
    do { _ = try ServerRig(scratch) }
    do { _ = try ServerRig(scratch) }
    let lines = scratch.read("log/server.jsonl").split(separator: "\n")
    #expect(lines.count == 4)
    for (index, line) in lines.enumerated() { #expect(line.hasPrefix("{\"seq\":\(index + 1),")) }
  }

  @Test func whatAKilledServerLeftBehindIsRemovedByTheNext() throws {
    guard canRunPrivileged() else { return }
    let scratch = try ServerRig.prepare()
    let killed = try ServerRig.start(scratch)
    let path = "\(scratch.path)/run/control.sock"
    try waitFor("it listens") { (try? Client(path, uid: 0).call("Ping")) != nil }
    // The stub ends when its server does.
    #expect(try Client(path, uid: 60001).wrap().error == nil)
    try killed.pidfd.sendSignal(SIGKILL)
    reapChild(killed.pid)
    #expect(try FileManager.default.contentsOfDirectory(atPath: "\(scratch.path)/run/sessions").count == 1)
    let rig = try ServerRig(scratch)
    try waitFor("nothing is left") { try leftovers(rig).isEmpty }
  }

  @Test func whatEndsWhileNoServerRunsIsClosedOnceByTheNext() throws {
    guard canRunPrivileged() else { return }
    let scratch = try ServerRig.prepare()
    let killed = try ServerRig.start(scratch)
    let path = "\(scratch.path)/run/control.sock"
    try waitFor("it listens") { (try? Client(path, uid: 0).call("Ping")) != nil }
    let closed = try Client(path, uid: 60001).wrap().text("session")
    #expect(try Client(path, uid: 60001).call("StopSession", ["session": .string(closed)]).error == nil)
    let sessions = try (0..<2).map { _ in try Client(path, uid: 60001).wrap(["command": .array([.string(#"x,"op":"session.closed""#)])]).text("session") }
    try killed.pidfd.sendSignal(SIGKILL)
    reapChild(killed.pid)
    // Any line of a chain has a hash.
    let line = try #require(scratch.read("log/server.jsonl").split(separator: "\n").first)
    let end = #"{"seq":2,"op":"session.end","status":7,"refused":3,"prev":"","hash":""}"#
    try scratch.write("log/sessions/\(sessions[0]).jsonl", "\(line)\n", mode: 0o640)
    try scratch.write("log/sessions/\(sessions[1]).jsonl", "\(line)\n\(end)\n", mode: 0o640)
    let hash = try #require(line.split(separator: "\"hash\":\"").last).prefix(64)
    for _ in 0..<3 {
      let rig = try ServerRig(scratch)
      try waitFor("all are closed") { rig.records("session.closed").count == 3 }
      let records = rig.records("session.closed")
      #expect(records.count { $0.contains(closed) } == 1)
      let first = try #require(records.first { $0.contains(sessions[0]) })
      for text in ["\"last_hash\":\"\(hash)\"", "\"uid\":60001", "the session ended while no server ran, and its supervisor died"] {
        #expect(first.contains(text), "\(first)")
      }
      let second = try #require(records.first { $0.contains(sessions[1]) })
      #expect(second.contains("\"status\":7,\"refused\":3") && second.contains("\"message\":\"the session ended while no server ran\""), "\(second)")
      // One that this server opens and closes itself.
      _ = try rig.client(uid: 60001).call("Ping")
    }
  }

  @Test func ofALongLogOnlyTheEndIsLookedThroughForSessionsThatWereNotClosed() throws {
    let scratch = try Scratch()
    func line(_ operation: String, _ number: Int, _ command: String = "") -> String {
      #"{"seq":1,"time":"2026-01-01T00:00:00.000000000Z","session":"00000000-0000-4000-8000-0000000000\#(10 + number)","uid":\#(number),"pid":7,"#
        + #""op":"\#(operation)","command":["\#(command)"],"prev":"","hash":""}"# + "\n"
    }
    let long = String(repeating: "a", count: 200_000)
    let text = (0..<20).map { line("session.opened", $0, long) }.joined() + line("session.refused", 3) + (2..<20).map { line("session.closed", $0) }.joined()
    try scratch.write("log", text + line("session.opened", 30))
    let file = try openAt(AT_FDCWD, Array("\(scratch.path)/log".utf8), flags: O_RDWR)
    let found = UnclosedSessions(in: file, upTo: Int64(text.utf8.count)).all
    #expect(found.map(\.uid) == [0, 1])
    #expect(found.first?.id == "00000000-0000-4000-8000-000000000010")
  }

  @Test(arguments: [false, true])
  func aRuntimeDirectoryThatWasRemovedIsOpenedAnew(isMadeAgain: Bool) throws {
    guard canRunPrivileged() else { return }
    let rig = try ServerRig()
    let place = "\(rig.scratch.path)/run/sessions"
    let before = try rig.client(uid: 60001).wrap()
    #expect(before.error == nil)
    try FileManager.default.removeItem(atPath: place)
    if isMadeAgain { #expect(makeDirectory(place, 0o711) == 0) }
    for _ in 0..<2 {
      let answer = try rig.client(uid: 60001).wrap()
      #expect(answer.error == nil, "\(answer.reason)")
      #expect(try linkStatus(at: AT_FDCWD, Array(answer.text("notify_socket").utf8)).type == S_IFSOCK)
    }
    #expect(rig.scratch.read("server.err").components(separatedBy: "was removed while the server ran").count == 2)
    #expect(try rig.client(uid: 60001).call("StopSession", ["session": .string(before.text("session"))]).error == nil)
    // It is looked at as at the start, and what is wrong stands in the server's own log too.
    try FileManager.default.removeItem(atPath: place)
    #expect(makeDirectory(place, 0o711) == 0 && setOwner(place, 60001, 60001) == 0)
    let refused = try rig.client(uid: 60001).wrap()
    #expect(refused.isOfServer && refused.reason.contains("\(place): belongs to uid 60001, not to root"), "\(refused.reason)")
    #expect(rig.scratch.read("server.err").contains("no session for uid 60001: \(refused.reason)"))
  }

  @Test func aControlSocketThatWasRemovedIsMadeAnewAtAReload() throws {
    guard canRunPrivileged() else { return }
    let rig = try ServerRig()
    let before = try rig.client(uid: 60001)
    for count in 1...2 {
      try FileManager.default.removeItem(atPath: rig.socketPath)
      #expect(throws: (any Error).self) { try rig.client() }
      try rig.process.pidfd.sendSignal(SIGHUP)
      try waitFor("it has reloaded") { rig.records("server.reload").count == count }
      #expect(try rig.client(uid: 60001).call("Ping").error == nil)
      #expect(rig.scratch.read("server.err").components(separatedBy: "control.sock was removed or replaced while the server ran; it is made anew").count == count + 1)
    }
    #expect(try before.call("Ping").error == nil)
    try rig.process.pidfd.sendSignal(SIGHUP)
    try waitFor("it has reloaded") { rig.records("server.reload").count == 3 }
    #expect(rig.scratch.read("server.err").components(separatedBy: "made anew").count == 3)
  }

  @Test func twoServersDoNotShareASocket() throws {
    guard canRunPrivileged() else { return }
    let rig = try ServerRig()
    let own = "control_socket: SCRATCH/run/control.sock"
    let second = try ServerRig.prepare(configuration: ServerRig.configuration.replacing(own, with: "control_socket: \(rig.socketPath)"))
    let process = try ServerRig.start(second)
    #expect(waitForEnd(process.pid) >> 8 == 1)
    #expect(second.read("server.err").contains("another agentshd (pid \(rig.process.pid)) serves"))
    #expect(try rig.client().call("Ping").error == nil)
  }

  @Test func whoTakesTheSocketsPlaceIsToldWithUserAndProcess() throws {
    guard canRunPrivileged() else { return }
    let scratch = try ServerRig.prepare()
    #expect(makeDirectory("\(scratch.path)/run", 0o755) == 0 && setMode("\(scratch.path)/run", 0o1777) == 0)
    let null = try openAt(AT_FDCWD, Array("/dev/null".utf8), flags: O_RDWR)
    let code = #"use Socket; socket(my $s, PF_UNIX, SOCK_STREAM, 0); bind($s, sockaddr_un($ARGV[0])) or die; listen($s, 5); sleep 1000"#
    let path = "\(scratch.path)/run/control.sock"
    let other = try spawnSupervisor(
      Array("/usr/bin/perl".utf8), arguments: ["perl", "-e", code, path].map { Array($0.utf8) }, descriptors: [null.rawValue, null.rawValue, null.rawValue],
      identity: SpawnIdentity(uid: 60001, gid: 60001, groups: [], capabilities: 0))
    defer {
      try? other.pidfd.sendSignal(SIGKILL)
      reapChild(other.pid)
    }
    try waitFor("somebody listens") { (try? UnixSocket.connect(to: Array(path.utf8))) != nil }
    let process = try ServerRig.start(scratch)
    #expect(waitForEnd(process.pid) >> 8 == 1)
    #expect(scratch.read("server.err").contains("process \(other.pid) of uid 60001, which is no agentshd, serves \(path)"), "\(scratch.read("server.err"))")
  }

  @Test func aProgramOfRootsThatIsNoServerIsToldByName() throws {
    guard canRunPrivileged() else { return }
    let scratch = try ServerRig.prepare()
    #expect(makeDirectory("\(scratch.path)/run", 0o755) == 0)
    let path = "\(scratch.path)/run/control.sock"
    // This test itself.
    let listener = try UnixSocket.listen(at: Array(path.utf8))
    let process = try ServerRig.start(scratch)
    #expect(waitForEnd(process.pid) >> 8 == 1)
    let said = scratch.read("server.err")
    #expect(said.contains("process \(getpid()) (") && said.contains("), which is no agentshd, serves \(path)"), "\(said)")
    _ = consume listener
  }

  @Test(arguments: ["log_dir", "runtime_dir"])
  func twoServersShareNoDirectory(_ key: String) throws {
    guard canRunPrivileged() else { return }
    let rig = try ServerRig()
    let session = try rig.client(uid: 60001).wrap().text("session")
    let second = try Scratch()
    let place = "\(rig.scratch.path)/\(key == "log_dir" ? "log" : "run")"
    let shared = ServerRig.configuration.replacing("\(key): SCRATCH/\(key == "log_dir" ? "log" : "run")", with: "\(key): \(place)")
      .replacing("SCRATCH/policies", with: "\(rig.scratch.path)/policies")
    try second.write("agentshd.yaml", shared.replacing("SCRATCH", with: second.path))
    // A rotated log leaves the directory taken.
    for isRotated in key == "log_dir" ? [false, true] : [false] {
      if isRotated { try FileManager.default.moveItem(atPath: "\(rig.scratch.path)/log/server.jsonl", toPath: "\(rig.scratch.path)/log/server.jsonl.1") }
      let said = try run("\(rig.scratch.path)/sbin/agentshd", "--config", "\(second.path)/agentshd.yaml", in: second)
      #expect(said.contains("another agentshd (pid \(rig.process.pid)) uses \(key) \(place)"), "\(said)")
    }
    #expect(try rig.client(uid: 60001).call("ListSessions").sessions == [session])
    #expect(try run("\(rig.scratch.path)/sbin/agentshd", "--config", "\(second.path)/agentshd.yaml", "--check", in: second).hasSuffix(": good\n"))
  }

  @Test func whoLocksAServersFileIsToldByName() throws {
    guard canRunPrivileged() else { return }
    let scratch = try ServerRig.prepare()
    let path = try scratch.write("log/server.jsonl", "", mode: 0o640)
    let null = try openAt(AT_FDCWD, Array("/dev/null".utf8), flags: O_RDWR)
    let output = try openAt(AT_FDCWD, Array("\(scratch.path)/locked".utf8), flags: O_WRONLY | O_CREAT, mode: 0o644)
    let code = #"open(my $f, '<', $ARGV[0]) or die; flock($f, 1) or die; syswrite STDOUT, "locked"; sleep 1000"#
    let holder = try spawnSupervisor(
      Array("/usr/bin/perl".utf8), arguments: ["perl", "-e", code, path].map { Array($0.utf8) }, descriptors: [null.rawValue, output.rawValue, null.rawValue],
      identity: nil)
    defer {
      try? holder.pidfd.sendSignal(SIGKILL)
      reapChild(holder.pid)
    }
    try waitFor("it is locked") { scratch.read("locked") == "locked" }
    let process = try ServerRig.start(scratch)
    #expect(waitForEnd(process.pid) >> 8 == 1)
    #expect(scratch.read("server.err").contains("process \(holder.pid) (perl), which is no agentshd, holds a lock (flock) in log_dir \(scratch.path)/log"))
  }

  @Test func aKilledServersPlacesAreFreeAtOnceWhoeverOutlivesIt() throws {
    guard canRunPrivileged() else { return }
    let scratch = try ServerRig.prepare()
    // One that stays when its server has gone.
    let end = "if !defined $sender || $packet eq '';"
    let staying = stubSupervisor.replacing("exit 0 \(end)", with: "sleep 10, exit 0 \(end)")
    #expect(staying != stubSupervisor)
    try scratch.write("libexec/agentsh/agentsh-supervisor", staying, mode: 0o755)
    for _ in 0..<3 {
      let killed = try ServerRig.start(scratch)
      let path = "\(scratch.path)/run/control.sock"
      try waitFor("it listens: \(scratch.read("server.err"))") { (try? Client(path, uid: 0).call("Ping")) != nil }
      #expect(try Client(path, uid: 60001).wrap().error == nil)
      try killed.pidfd.sendSignal(SIGKILL)
      reapChild(killed.pid)
    }
    #expect(!scratch.read("server.err").contains("another agentshd"))
  }

  @Test(arguments: ["fifo", "others", "user"])
  func aServersLogThatSomebodyElseCouldWriteIsRefused(_ kind: String) throws {
    guard canRunPrivileged() else { return }
    let scratch = try ServerRig.prepare()
    let path = try scratch.write("log/server.jsonl", "", mode: kind == "others" ? 0o662 : 0o640)
    if kind == "user" { #expect(setOwner(path, 60001, 60001) == 0) }
    if kind == "fifo" {
      try FileManager.default.removeItem(atPath: path)
      #expect(makeFifo(path, 0o640) == 0)
    }
    let process = try ServerRig.start(scratch)
    let ended = try waitUntilReady(process.pidfd.descriptor, deadline: .after(milliseconds: 20_000))
    #expect(ended)
    if !ended { try process.pidfd.sendSignal(SIGKILL) }
    #expect(waitForEnd(process.pid) >> 8 == 1)
    let reasons = [
      "fifo": "is not a regular file", "others": "is writable by group or others (mode 0662)", "user": "belongs to uid 60001, not to root (mode 0640)",
    ]
    #expect(scratch.read("server.err").contains("\(path): \(reasons[kind] ?? "")"))
  }
}
