internal import AgentshProtocol
internal import AgentshSupervision
internal import AgentshSystem
import SystemPackage

/// The Landlock ruleset that the command goes under, made by the launcher with the caller's own rights. Kept until the command has been started.
final class LaunchFloor {
  private let ruleset: LandlockRuleset?

  /// As much of the floor as this kernel can hold; the session's record says what it can't. A kernel without Landlock starts nothing where the
  /// administrator wants it so.
  init(_ plan: FloorPlan) throws(CommandFailure) {
    let abi = LandlockABI.running
    if plan.isRequired, abi == .none {
      throw CommandFailure(
        .failed, "this process can't use Landlock, which holds what the supervisor lets through; the command was not started",
        "an administrator can accept that in on_missing_feature; `agentsh detect` shows what this host has")
    }
    do throws(SyscallError) { ruleset = try LandlockRuleset.bestEffort(LandlockRules(plan), abi: abi) } catch {
      throw CommandFailure(.failed, "the floor under the command can't be made: \(error); the command was not started")
    }
  }

  /// nil where there is nothing to hold.
  var descriptor: CInt? {
    switch ruleset {
    case .some(let ruleset): ruleset.descriptor.rawValue
    case .none: nil
    }
  }
}
