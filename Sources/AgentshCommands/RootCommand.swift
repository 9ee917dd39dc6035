internal import ArgumentParser

struct RootCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "agentsh", abstract: "Run commands under a policy: what it forbids does not happen, and everything is on record.",
    discussion: "--server PATH and --json, which belong to most commands, may stand before the command's name too.",
    version: agentshVersion,
    subcommands: [
      WrapCommand.self, ListCommand.self, ShowCommand.self, StopCommand.self, EventsCommand.self, WhyCommand.self, PolicyCommand.self, AuditCommand.self,
      DetectCommand.self,
    ])
}
