import AgentshFilter
@testable import AgentshSupervision
import Testing

/// Refusals of the filter that are sent to the supervisor for their record.
struct ToldRefusalTests {
  /// An answer that lets the call go on in the kernel isn't sent for these, whatever made it.
  @Test func nothingThatTheFilterRefusesCanGoOn() throws {
    let told = SyscallTable.all.filter(\.isTold)
    #expect(told.map(\.name).contains("ptrace") && told.map(\.name).contains("mount"))
    for call in told where call.number(on: .native) != nil {
      let kind = try #require(CallKind(rawValue: call.name), "\(call.name) is sent to a supervisor that doesn't know it")
      #expect(kind.isRefused && !kind.mayProceed, "\(call.name)")
      // Of none of them anything else is sent, so that there is nothing to be mistaken for.
      #expect(call.trapClasses.isEmpty, "\(call.name)")
    }
    for kind in CallKind.allCases where kind.isRefused { #expect(told.contains { $0.name == kind.rawValue }, "\(kind)") }
  }

  /// What the policy doesn't permit is sent to be refused, or refused; what it permits is neither.
  @Test func onlyRefusalsAreSent() throws {
    let every = FilterSpecification(traps: [], tellsRefusals: true)
    let plain = FilterSpecification(traps: [])
    for (told, refused) in zip(try every.explain(), try plain.explain()) where refused.effect != .trapped {
      #expect(!told.reachesSupervisor || told.isTold || told.name == "prctl", "\(told.name)")
      if told.isTold { #expect(refused.isRefused, "\(told.name)") }
    }
    let permitting = FilterSpecification(traps: [], permitted: Set(RestrictedGroup.allCases.map(\.rawValue)), tellsRefusals: true)
    for call in try permitting.explain() where call.name != "prctl" { #expect(!call.reachesSupervisor, "\(call.name)") }
  }
}
