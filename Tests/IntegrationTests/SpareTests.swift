import AgentshSystem
import Glibc
import Testing

/// Supervisors that are started before their session.
struct SpareTests {
  /// Waits for a supervisor of that server which has no session yet.
  private func spare(of server: TestServer) throws -> Int32 {
    var found: Int32?
    try eventually("a spare supervisor") {
      found = childProcesses(of: server.process.pid).first { isSpare($0) }
      return found != nil
    }
    return try #require(found)
  }

  private func isSpare(_ process: Int32) -> Bool { (try? content("/proc/\(process)/cmdline"))?.contains("--spare") == true }

  private func spares(of server: TestServer) -> [Int32] { childProcesses(of: server.process.pid).filter(isSpare) }

  @Test func aSpareHasItsCallersIdentityAndServesThatCallerAlone() throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer(spareSupervisors: 2)
    #expect(try server.shell("exit 3").status == 3)
    let spare = try spare(of: server)
    let uid = "\(server.firstUser)"
    #expect(statusField("Uid", of: spare) == "\(uid)\t\(uid)\t\(uid)\t\(uid)")
    #expect(statusField("NoNewPrivs", of: spare) == "1")
    #expect(statusField("CapEff", of: spare) == "0000000000000000" || statusField("CapPrm", of: spare) == "0000000000080000")
    // Another user's session is none of its business.
    #expect(try server.shell("exit 4", as: server.secondUser).status == 4)
    #expect(spares(of: server).contains(spare))
    // Its own caller's next session is.
    let session = try server.start(["sh", "-c", "echo ready; read line; exit 5"])
    try session.waitFor("ready")
    #expect(kill(spare, 0) == 0)
    #expect(statusField("Seccomp", of: spare) == "2")
    // The process list tells it from those that wait.
    #expect(!isSpare(spare) && (try? content("/proc/\(spare)/cmdline"))?.contains("agentsh-supervisor") == true)
    session.write("go\n")
    #expect(try session.finish().status == 5)
    try eventually("the supervisor's end") { kill(spare, 0) != 0 }
  }

  @Test(arguments: [SIGKILL, SIGSTOP]) func aSpareThatIsGoneOrStoppedDelaysNoSession(_ signal: CInt) throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer(spareSupervisors: 1)
    #expect(try server.shell("exit 3").status == 3)
    let spare = try spare(of: server)
    #expect(kill(spare, signal) == 0)
    if signal == SIGSTOP { try eventually("that it stops") { statusField("State", of: spare)?.hasPrefix("T") == true } }
    #expect(try server.shell("exit 6").status == 6)
    try eventually("that it is let go of") { !spares(of: server).contains(spare) }
  }

  @Test(arguments: [false, true]) func aReloadLeavesNoUserASpare(isBroken: Bool) throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer(spareSupervisors: 2)
    let session = try server.start(["sh", "-c", "echo ready; read line; exit 5"])
    try session.waitFor("ready")
    let spare = try spare(of: server)
    if isBroken { try write("assignments: x\n", to: "\(server.directory)/etc/agentshd.yaml") }
    #expect(kill(server.process.pid, SIGHUP) == 0)
    try eventually("it has ended") { kill(spare, 0) != 0 }
    // Sessions go on.
    session.write("go\n")
    #expect(try session.finish().status == 5)
  }

  @Test func noSpareIsKeptWhereNoneIsWantedAndNoneOutlivesTheServer() throws {
    guard isPrivileged("a server") else { return }
    let none = try TestServer()
    #expect(try none.shell("exit 0").status == 0)
    let spare: Int32
    do {
      let server = try TestServer(spareSupervisors: 1)
      #expect(try server.shell("exit 3").status == 3)
      spare = try self.spare(of: server)
      // Time enough for the other server to have started one.
      #expect(spares(of: none).isEmpty)
    }
    #expect(kill(spare, 0) != 0)
  }
}
