internal import AgentshProtocol
internal import AgentshSystem
internal import ArgumentParser

struct DetectCommand: AgentshCommand {
  static let configuration = CommandConfiguration(
    commandName: "detect", abstract: "Show what this host can enforce.", discussion: "Each feature is tried, not guessed from a version.")

  @OptionGroup var output: OutputOptions

  func run(in context: Context) throws(CommandFailure) -> ExitStatus {
    let host = HostFeatures.probe()
    if output.json {
      try Output.json([
        "features": .array(
          host.features.map { feature in
            .object([
              "name": .string(feature.name), "available": .bool(feature.available), "required": .bool(feature.required),
              "detail": .string(feature.detail), "needed_for": .string(feature.neededFor),
            ])
          }), "can_enforce": .bool(host.missingRequired.isEmpty),
      ])
    } else {
      let rows = host.features.map { feature in
        [feature.name, feature.available ? "yes" : feature.required ? "NO" : "no", feature.detail, feature.neededFor]
      }
      for line in Table.lines(["FEATURE", "THERE", "FOUND", "NEEDED FOR"], rows) { try Output.line(line) }
    }
    guard !host.missingRequired.isEmpty else { return .success }
    Messages.say("this host can't enforce a policy: \(host.missingRequired.map(\.name).joined(separator: ", ")) is missing")
    return .no
  }
}
