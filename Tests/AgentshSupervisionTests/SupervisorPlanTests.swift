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
}
