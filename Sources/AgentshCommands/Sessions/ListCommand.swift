internal import AgentshProtocol
internal import ArgumentParser

struct ListCommand: AgentshCommand {
  static let configuration = CommandConfiguration(
    commandName: "ps", abstract: "List sessions.", discussion: "Your own; an administrator's: everybody's.")

  @Flag(help: "Those that have ended too.")
  var all = false

  @OptionGroup var output: OutputOptions
  @OptionGroup var server: ServerOptions

  func run(in context: Context) throws(CommandFailure) -> ExitStatus {
    let client = try context.connect(server)
    let sessions = try client.ask(.listSessions(all: all), ControlReplies.sessions)
    if output.json {
      try Output.json(["sessions": .array(sessions.map { .object($0.object) })])
      return .success
    }
    let rows = sessions.map { session in
      [
        session.session, Messages.printable(session.user), session.pid.map { String($0) } ?? "-", session.state.rawValue,
        Messages.printable(session.policy), String(session.refused), EventText.seconds(Messages.printable(session.started)),
        session.name.map { Messages.printable($0) } ?? "-", Messages.printable(session.command.joined(separator: " ")),
      ]
    }
    for line in Table.lines(["SESSION", "USER", "PID", "STATE", "POLICY", "REFUSED", "STARTED", "NAME", "COMMAND"], rows) {
      try Output.line(line)
    }
    return .success
  }
}

/// Text in columns.
enum Table {
  /// Columns as wide as their widest cell; the last one ends where it ends.
  static func lines(_ titles: [String], _ rows: [[String]]) -> [String] {
    let all = [titles] + rows
    var widths = [Int](repeating: 0, count: titles.count)
    for row in all {
      for (index, cell) in row.prefix(widths.count).enumerated() { widths[index] = max(widths[index], cell.count) }
    }
    return all.map { row in
      var line = ""
      for (index, cell) in row.prefix(widths.count).enumerated() {
        line += cell
        if index < row.count - 1 { line += String(repeating: " ", count: widths[index] - cell.count + 2) }
      }
      return line
    }
  }
}
