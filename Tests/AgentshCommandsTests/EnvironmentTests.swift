import AgentshProtocol
import Testing

@testable import AgentshCommands

struct EnvironmentTests {
  private func environment(_ inherited: [String], _ requests: [String] = [], _ policy: EnvironmentPlan = EnvironmentPlan(allow: ["*"]))
    throws -> CommandEnvironment
  {
    try CommandEnvironment(
      inherited: inherited.map { bytes($0) }, requests: requests.compactMap { CommandEnvironment.Request(bytes($0)) }, policy: policy, session: "id")
  }

  @Test func withoutRulesTheEnvironmentStaysAndTheSessionIsNamed() throws {
    let result = try environment(["A=1", "EMPTY=", "SWIFT_X=y", "B=a=b"])
    #expect(result.entries == ["A=1", "EMPTY=", "SWIFT_X=y", "B=a=b", "AGENTSH_SESSION_ID=id"].map { bytes($0) })
    #expect(result.notes.isEmpty)
  }

  @Test func bytesThatAreNoTextStay() throws {
    let entry = bytes("N=") + [0xFF, 0x80]
    let result = try CommandEnvironment(inherited: [entry], requests: [], policy: EnvironmentPlan(allow: ["*"]), session: "id")
    #expect(result.entries.first == entry)
  }

  @Test func aSessionInsideASessionHasItsOwnName() throws {
    #expect(try environment(["AGENTSH_SESSION_ID=outer"]).entries == [bytes("AGENTSH_SESSION_ID=id")])
  }

  @Test func whatIsSetReplacesWhatWasThere() throws {
    #expect(try environment(["A=1", "B=2"], ["A=3", "C="])["A"] == bytes("3"))
    #expect(try environment(["A=1"], ["A=2", "A=3"])["A"] == bytes("3"))
    #expect(try environment([], ["C="])["C"] == [])
  }

  @Test func thePolicysDenyWinsOverTheUsersEnvAndSaysSo() throws {
    let result = try environment(["SECRET=1", "OTHER=2"], ["SECRET", "SECRET_TWO=3"], EnvironmentPlan(allow: ["*"], deny: ["SECRET*"]))
    #expect(result["SECRET"] == nil)
    #expect(result["SECRET_TWO"] == nil)
    #expect(result["OTHER"] == bytes("2"))
    #expect(result.notes.count == 2)
    #expect(result.dropped == [bytes("SECRET"), bytes("SECRET_TWO")])
    #expect(result.notes.allSatisfy { $0.contains("env_policy") })
  }

  @Test func whatThePolicySetsIsSetWhateverTheUserSays() throws {
    #expect(try environment(["A=1"], ["A=2"], EnvironmentPlan(allow: ["*"], inject: [("A", "policy")]))["A"] == bytes("policy"))
  }

  @Test func noPolicySetsTheSessionsName() throws {
    let result = try environment(["AGENTSH_SESSION_ID=outer"], [], EnvironmentPlan(allow: ["*"], inject: [("AGENTSH_SESSION_ID", "policy")]))
    #expect(result.entries == [bytes("AGENTSH_SESSION_ID=id")])
  }

  @Test func aVariableToPassOnThatIsNotThereIsSaid() throws {
    #expect(try environment([], ["NOPE"]).notes.count == 1)
  }

  @Test func anEnvironmentBeyondTheLimitsIsRefused() {
    #expect(throws: CommandFailure.self) { try environment(["A=1", "B=2", "C=3"], [], EnvironmentPlan(allow: ["*"], maxKeys: 2)) }
    #expect(throws: CommandFailure.self) { try environment(["A=123456789"], [], EnvironmentPlan(allow: ["*"], maxBytes: 5)) }
  }

  @Test(arguments: ["", "=x", "="])
  func whatHasNoNameIsNoVariable(_ text: String) {
    #expect(CommandEnvironment.Request(bytes(text)) == nil)
  }
}

struct ProgramSearchTests {
  @Test(arguments: [
    ("sh", "/a:/b", ["/a/sh", "/b/sh"]), ("sh", "", ["sh"]), ("sh", "/a::/b", ["/a/sh", "sh", "/b/sh"]), ("sh", "/a/", ["/a/sh"]),
    ("./sh", "/a", ["./sh"]), ("/x/sh", "/a", ["/x/sh"]), ("a/b", "/a", ["a/b"]), ("", "/a", []), ("sh", nil, ["/bin/sh", "/usr/bin/sh"]),
  ])
  func candidatesAreThoseOfExecvp(_ name: String, _ path: String?, _ expected: [String]) {
    #expect(ProgramSearch.candidates(bytes(name), path: path.map { bytes($0) }) == expected.map { bytes($0) })
  }

  @Test func onlyWhatIsThereIsTried() {
    let candidates = ProgramSearch.candidates(bytes("sh"), path: bytes("/nonexistent:/bin:/etc/passwd"))
    #expect(ProgramSearch.existing(bytes("sh"), candidates) == [bytes("/bin/sh")])
  }
}
