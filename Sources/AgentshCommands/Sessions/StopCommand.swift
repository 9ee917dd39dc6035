internal import AgentshProtocol
internal import ArgumentParser

struct StopCommand: AgentshCommand {
  static let configuration = CommandConfiguration(commandName: "stop", abstract: "End a session: everything that runs in it is killed.")

  @Argument(help: ArgumentHelp("The session's id, the beginning of it, or its name.", valueName: "id"))
  var session: String

  @OptionGroup var output: OutputOptions
  @OptionGroup var server: ServerOptions

  func run(in context: Context) throws(CommandFailure) -> ExitStatus {
    let client = try context.connect(server)
    let id = try SessionName.resolveRunning(session, client)
    do throws(ServerFailure) { _ = try client.call(.stopSession(session: id)) } catch {
      // One that has ended, too.
      if output.json, case .refused(.unknownSession) = error { try Output.json(["session": .string(id), "stopped": .bool(false)]) }
      throw error.explained(isInside: client.isInside)
    }
    if output.json { try Output.json(["session": .string(id), "stopped": .bool(true)]) }
    return .success
  }
}
