internal import AgentshProtocol
internal import AgentshSystem
internal import ArgumentParser

struct DetectCommand: AgentshCommand {
  static let configuration = CommandConfiguration(
    commandName: "detect", abstract: "Show what this host can enforce.", discussion: "Each feature is tried, not guessed from a version.")

  @OptionGroup var output: OutputOptions

  func run(in context: Context) throws(CommandFailure) -> ExitStatus {
    let host = HostFeatures.probe()
    let refused = Self.refusedByServer(host, context)
    if output.json {
      try Output.json([
        "features": .array(
          host.features.map { feature in
            .object([
              "name": .string(feature.name), "available": .bool(feature.available), "required": .bool(feature.required),
              "detail": .string(feature.detail), "needed_for": .string(feature.neededFor),
            ])
          }), "can_enforce": .bool(host.missingRequired.isEmpty), "refused_by_server": .array(refused.map { .string($0.name) }),
      ])
    } else {
      let rows = host.features.map { feature in
        [feature.name, feature.available ? "yes" : feature.required || refused.contains(feature) ? "NO" : "no", feature.detail, feature.neededFor]
      }
      for line in Table.lines(["FEATURE", "THERE", "FOUND", "NEEDED FOR"], rows) { try Output.line(line) }
    }
    if !host.missingRequired.isEmpty {
      Messages.say("this host can't enforce a policy: \(host.missingRequired.map(\.name).joined(separator: ", ")) is missing")
    } else if !refused.isEmpty {
      Messages.say("a server refuses sessions here: \(refused.map(\.name).joined(separator: ", ")) is missing, and on_missing_feature in its configuration does not accept that")
    }
    return host.missingRequired.isEmpty && refused.isEmpty ? .success : .no
  }

  /// For want of which a server of this installation opens no session; nothing where only embedded mode is to be had.
  private static func refusedByServer(_ host: HostFeatures, _ context: Context) -> [Feature] {
    let isRoot = context.identity.uid == 0
    guard isRoot || context.installation.hasServer else { return [] }
    let accepted = context.installation.acceptedFeatures
    // Whether filters can be read back only root can find out.
    return host.features.filter { $0.isServers && !$0.available && !accepted.contains($0.name) && (isRoot || $0.name != "attestation") }
  }
}
