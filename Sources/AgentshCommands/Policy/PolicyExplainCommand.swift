internal import AgentshFilter
internal import AgentshPolicy
internal import AgentshProtocol
internal import AgentshSupervision
internal import AgentshSystem
internal import ArgumentParser

struct PolicyExplainCommand: AgentshCommand {
  static let configuration = CommandConfiguration(
    commandName: "explain", abstract: "Show what a policy costs, what Landlock holds of it, and what is not enforced.",
    discussion: "Which calls the supervisor is asked about and which rule wants it; what nothing is paid for; what the filter refuses.")

  @Argument(help: ArgumentHelp("Policy file.", valueName: "file"))
  var file: ArgumentBytes

  @OptionGroup var variables: PolicyVariablesOptions
  @OptionGroup var output: OutputOptions

  func run(in context: Context) throws(CommandFailure) -> ExitStatus {
    let (policy, bound) = try variables.load(file, context)
    let session = SessionFloor(bound, policy)
    let abi = LandlockABI.running
    let words = FloorWords(
      floor: session.floor, version: abi.rawValue, missing: session.missing(in: abi), filesLeftOut: session.filesLeftOut)
    let explanation: PolicyExplanation
    do throws(FilterError) {
      explanation = try PolicyExplanation(policy: policy, bound: bound, floor: words, exactRights: policy.allowsNestedSessions ? [] : session.exactRights(in: abi))
    } catch {
      throw CommandFailure(.no, "\(file.displayed): the filter can't be made: \(error)")
    }
    if output.json { try Output.json(explanation.json) } else { for line in explanation.lines { try Output.line(line) } }
    return .success
  }
}
