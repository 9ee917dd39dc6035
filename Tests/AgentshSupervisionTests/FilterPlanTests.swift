import AgentshFilter
import AgentshPolicy
import FoundationEssentials
import Testing

@testable import AgentshSupervision

private let checkout = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
private let variables = PolicyVariables(projectRoot: Array("/home/ann/shop".utf8), home: Array("/home/ann".utf8), user: Array("ann".utf8))

private struct Plan {
  let policy: Policy
  let bound: BoundPolicy

  init(_ text: String) throws {
    policy = try #require(Policy.parse(Array(text.utf8), file: "test.yaml").policy)
    bound = try policy.bound(to: variables)
  }

  init(shipped name: String, _ change: (String) -> String = { $0 }) throws {
    try self.init(change(String(decoding: try Data(contentsOf: checkout.appendingPathComponent("policies/\(name).yaml")), as: UTF8.self)))
  }

  /// Where every directory is there, and Landlock with it or not.
  func specification(hasFloor: Bool) -> FilterSpecification {
    let floor = bound.floor.placed { String(decoding: $0, as: UTF8.self).hasPrefix("/lib") ? .link : .directory }
    return FilterSpecification(policy: policy, bound: bound, exactRights: hasFloor ? floor.exactRights : [])
  }

  func trapsReading(hasFloor: Bool) -> Bool { specification(hasFloor: hasFloor).traps.contains(.readOpens) }
}

@Suite struct FilterPlanTests {
  @Test func aPolicyThatPermitsEveryReadTrapsNone() throws {
    #expect(try !Plan(shipped: "agent-strict").trapsReading(hasFloor: false))
    let unrecorded = try Plan(shipped: "agent-observe") { text in
      text.replacing("decision: audit", with: "decision: allow", maxReplacements: 1).replacing("log_allowed: true", with: "log_allowed: false")
    }
    #expect(!unrecorded.trapsReading(hasFloor: false))
    #expect(unrecorded.specification(hasFloor: false).traps.isSuperset(of: [.writeOpens, .fileChanges, .exec, .network, .unixSockets, .signals]))
  }

  @Test func aPolicyWithoutANetworkHasTheFilterRefuseIt() throws {
    #expect(try Plan("version: 1\nname: n\nnetwork: none\n").specification(hasFloor: true).traps.isSuperset(of: [.internetSockets, .network]))
    #expect(try !Plan("version: 1\nname: n\nnetwork: restricted\n").specification(hasFloor: true).traps.contains(.internetSockets))
  }

  @Test func aPolicyThatRecordsOrCarvesOutReadsTrapsAll() throws {
    #expect(try Plan(shipped: "agent-observe").trapsReading(hasFloor: true))
    #expect(try Plan(shipped: "agent-default").trapsReading(hasFloor: true))
  }

  @Test func aPolicyOfTreesTrapsReadsOnlyWithoutAFloor() throws {
    let plan = try Plan(
      """
      version: 1
      name: trees
      defaults: {file_read: deny}
      file_rules:
        - {name: project, paths: ["${PROJECT_ROOT}/**"], decision: allow}
        - {name: system, paths: ["/usr/**", "/lib/**", "/lib64/**", "/etc/**", "/proc/**", "/dev/**"], operations: [read], decision: allow}
      """)
    #expect(plan.trapsReading(hasFloor: false))
    #expect(!plan.trapsReading(hasFloor: true))
    #expect(plan.specification(hasFloor: true).traps.isSuperset(of: [.writeOpens, .fileChanges, .exec]))
  }

  @Test func whatLandlockDecidesHasNoReason() throws {
    let needs = SupervisionNeeds(readOpens: "r", commands: "c")
    #expect(TrapClasses.reasons(of: needs).map(\.rule) == ["r", "c"])
    #expect(TrapClasses.reasons(of: needs, exactRights: [.readFile, .readDir]).map(\.rule) == ["c"])
    #expect(TrapClasses.reasons(of: needs, exactRights: [.readFile, .execute]).map(\.rule) == ["r", "c"])
  }

  /// What a session inside may need decided isn't known before it is opened.
  @Test func aPolicyThatPermitsSessionsInsideTrapsEverything() throws {
    let text = "version: 1\nname: trees\nfile_rules: [{name: all, paths: [\"/**\"], decision: allow}]\n"
    let plain = try Plan(text)
    #expect(!plan(plain).contains(.readOpens))
    let around = try Plan(text + "allow_nested_sessions: true\n")
    #expect(plan(around) == TrapClasses.all)
    #expect(around.specification(hasFloor: true).hasListener)
    #expect(SessionFloor.exactRights(around.bound, around.policy).isEmpty)
    #expect(TrapClasses.reasons(of: around.bound.needs, isForNested: true).first { $0.name == "read-only opens" }?.rule == "allow_nested_sessions")
  }

  /// The tracing of processes reaches into the session around, so no policy permits it inside.
  @Test func theFilterOfASessionInsideHasNoListenerAndPermitsNoTracing() throws {
    let plan = try Plan("version: 1\nname: inside\nsyscalls: {allow: [ptrace, pidfd_getfd, mount, clone]}\n")
    let specification = FilterSpecification(nested: plan.policy, bound: plan.bound)
    #expect(!specification.hasListener && !specification.tellsRefusals)
    #expect(specification.permitted == ["mount"])
  }

  private func plan(_ plan: Plan) -> TrapClasses { plan.specification(hasFloor: true).traps }
}
