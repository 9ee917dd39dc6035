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
    try client.ask(.stopSession(session: id)) { (_: VarlinkReply) throws(ProtocolError) -> Void in }
    if output.json { try Output.json(["session": .string(id), "stopped": .bool(true)]) }
    return .success
  }
}
