import AgentshFilter
import AgentshPolicy
import Glibc
import TestSupport
import Testing

@testable import AgentshSupervision

@Suite struct SupervisorPlanTests {
  @Test func nothingIsTrappedThatNoRuleAsksFor() {
    #expect(FilterSpecification(needs: SupervisionNeeds(), allowedCalls: []).traps == .nonce)
  }

  @Test func eachNeedTrapsItsCalls() {
    func traps(_ needs: SupervisionNeeds) -> TrapClasses { FilterSpecification(needs: needs, allowedCalls: []).traps.subtracting(.nonce) }
    #expect(traps(SupervisionNeeds(readOpens: "r")) == .readOpens)
    #expect(traps(SupervisionNeeds(writeOpens: "r")) == .writeOpens)
    #expect(traps(SupervisionNeeds(changes: "r")) == [.fileChanges, .metadata])
    #expect(traps(SupervisionNeeds(commands: "r")) == .exec)
    #expect(traps(SupervisionNeeds(network: "r")) == [.network, .listening])
    #expect(traps(SupervisionNeeds(unixSockets: "r")) == [.unixSockets, .listening])
    #expect(traps(SupervisionNeeds(signals: "r")) == .signals)
  }

  @Test func everyTrappedClassNamesTheRuleThatAsksForIt() {
    let needs = SupervisionNeeds(readOpens: "a", network: "b")
    let reasons = TrapClasses.reasons(of: needs)
    #expect(reasons.map(\.name) == ["read-only opens", "network addresses", "listening"])
    #expect(reasons.map(\.rule) == ["a", "b", "b"])
  }

  @Test func theRepositoryIsTheNearestDirectoryThatHasOne() throws {
    let top = try temporaryDirectory()
    defer {
      removeDirectory("\(top)/a/.git")
      removeDirectory("\(top)/a/b")
      removeDirectory("\(top)/a")
      removeDirectory(top)
    }
    makeDirectory("\(top)/a")
    makeDirectory("\(top)/a/b")
    #expect(SupervisorStart.gitRoot(above: Array("\(top)/a/b".utf8)) == nil)
    makeDirectory("\(top)/a/.git")
    #expect(SupervisorStart.gitRoot(above: Array("\(top)/a/b".utf8)) == Array("\(top)/a".utf8))
    #expect(SupervisorStart.gitRoot(above: Array("\(top)/a/".utf8)) == Array("\(top)/a".utf8))
    #expect(SupervisorStart.gitRoot(above: Array(top.utf8)) == nil)
    // Another user's makes nobody's directory a part of a repository.
    if geteuid() == 0 {
      changeOwner("\(top)/a/.git", 60001)
      #expect(SupervisorStart.gitRoot(above: Array("\(top)/a/b".utf8)) == nil)
    }
    #expect(SupervisorStart.gitRoot(above: [UInt8(ascii: "/")]) == nil)
  }
}
