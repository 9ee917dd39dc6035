internal import AgentshProtocol
internal import ArgumentParser

struct ShowCommand: AgentshCommand {
  static let configuration = CommandConfiguration(commandName: "show", abstract: "Show one session.")

  @Argument(help: ArgumentHelp("The session's id, the beginning of it, or its name.", valueName: "id"))
  var session: String

  @OptionGroup var output: OutputOptions
  @OptionGroup var server: ServerOptions

  func run(in context: Context) throws(CommandFailure) -> ExitStatus {
    let client = try ControlClient.connect(to: context.serverSocket(server), isInside: context.isInside)
    let found = try client.ask(.getSession(session: try SessionName.resolve(session, client)), ControlReplies.session)
    if output.json {
      try Output.json(found.object)
      return .success
    }
    var lines: [(String, String)] = [
      ("session", found.session), ("state", found.state.rawValue), ("user", "\(Messages.printable(found.user)) (uid \(found.uid))"),
      ("policy", Messages.printable(found.policy)),
    ]
    if let name = found.name { lines.append(("name", Messages.printable(name))) }
    if let parent = found.parent { lines.append(("inside", Messages.printable(parent))) }
    if let pid = found.pid { lines.append(("pid", String(pid))) }
    lines += [
      ("command", Messages.printable(found.command.joined(separator: " "))), ("directory", Messages.printable(found.cwd)),
      ("started", Messages.printable(found.started)), ("refused", String(found.refused)), ("record", Messages.printable(found.record)),
    ]
    for (title, value) in lines {
      try Output.line(title + ":" + String(repeating: " ", count: max(1, 11 - title.count)) + value)
    }
    return .success
  }
}

/// What a user may write for a session.
enum SessionName {
  /// A whole id as it is; for anything else the one session whose id begins so or whose name it is, as far as the server lists it.
  static func resolve(_ text: String, _ client: borrowing ControlClient) throws(CommandFailure) -> String {
    if text.utf8.count == 36 { return text }
    let sessions = try client.ask(.listSessions(all: true), ControlReplies.sessions)
    let found = sessions.filter { $0.name == text || (text.utf8.count >= 4 && $0.session.utf8.starts(with: text.utf8)) }
    if found.count == 1, let only = found.first { return only.session }
    if found.count > 1 {
      throw CommandFailure(
        .no, lines: ["\(displayEscaped(text)) may be any of \(found.count) sessions:"] + found.map { "  \($0.session)" })
    }
    // The server may find it on record, or says that there is none.
    return text
  }
}
