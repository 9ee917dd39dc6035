internal import AgentshFilter
internal import AgentshPolicy
internal import AgentshProtocol
internal import AgentshSupervision
internal import ArgumentParser

struct PolicyExplainCommand: AgentshCommand {
  static let configuration = CommandConfiguration(
    commandName: "explain", abstract: "Show which calls a policy makes the supervisor decide, and which rules ask for it.")

  @Argument(help: ArgumentHelp("Policy file.", valueName: "file"))
  var file: ArgumentBytes

  @OptionGroup var variables: PolicyVariablesOptions
  @OptionGroup var output: OutputOptions

  func run(in context: Context) throws(CommandFailure) -> ExitStatus {
    let (policy, bound) = try variables.load(file, context)
    let specification = FilterSpecification(policy: policy, bound: bound)
    let calls: [CallExplanation]
    do throws(FilterError) { calls = try specification.explain() } catch {
      throw CommandFailure(.no, "\(file.displayed): the filter can't be made: \(error)")
    }
    let reasons = TrapClasses.reasons(of: bound.needs)
    let trapped = calls.filter(\.reachesSupervisor)
    let partly = calls.filter { $0.effect == .mixed && !$0.reachesSupervisor }
    let refused = calls.filter { $0.effect == .refused }
    if output.json {
      try Output.json([
        "policy": .string(policy.name),
        "decided": .array(reasons.map { .object(["class": .string($0.name), "rule": .string($0.rule)]) }),
        "trapped": .array(trapped.map { .string($0.name) }), "refused": .array(refused.map { .string($0.name) }),
        "refused_with_some_arguments": .array(partly.map { .string($0.name) }),
        "not_enforced": .array(policy.notEnforced.map { .string($0) }),
      ])
      return .success
    }
    try Output.line("policy \(displayEscaped(policy.name))")
    try Output.line("")
    try Output.line("decided by the supervisor, and the rule that asks for it first:")
    for (name, rule) in reasons { try Output.line("  \(name): \(displayEscaped(rule))") }
    if reasons.isEmpty { try Output.line("  nothing") }
    try Output.line("")
    try printCalls("calls that reach the supervisor (some only with certain arguments)", trapped)
    try printCalls("calls that are refused at once with some arguments, and let pass with others", partly)
    try printCalls("calls that are refused at once, whatever their arguments", refused)
    try Output.line("numbers that no known call has, and calls by another convention (i386, x32): no such call (ENOSYS), each recorded once")
    try Output.line("")
    try Output.line("held by Landlock below all that: nothing in this version")
    guard !policy.notEnforced.isEmpty else { return .success }
    try Output.line("")
    try Output.line("not enforced by this version:")
    for item in policy.notEnforced { try Output.line("  \(displayEscaped(item))") }
    return .success
  }

  private func printCalls(_ title: String, _ calls: [CallExplanation]) throws(CommandFailure) {
    try Output.line("\(title), \(calls.count):")
    var line = " "
    for call in calls {
      if line.utf8.count + call.name.utf8.count > 118 {
        try Output.line(line)
        line = " "
      }
      line += " " + call.name
    }
    try Output.line(line)
    try Output.line("")
  }
}
