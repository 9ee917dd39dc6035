internal import AgentshProtocol
internal import ArgumentParser

struct ShowCommand: AgentshCommand {
  static let configuration = CommandConfiguration(commandName: "show", abstract: "Show one session.")

  @Argument(help: ArgumentHelp("The session's id, the beginning of it, or its name.", valueName: "id"))
  var session: String

  @OptionGroup var output: OutputOptions
  @OptionGroup var server: ServerOptions

  func run(in context: Context) throws(CommandFailure) -> ExitStatus {
    let client = try context.connect(server)
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
      ("started", EventText.seconds(Messages.printable(found.started))),
    ]
    if let ending = found.ending { lines += Self.lines(ending) }
    lines += [("refused", String(found.refused)), ("record", Messages.printable(found.record))]
    for (title, value) in lines {
      try Output.line(title + ":" + String(repeating: " ", count: max(1, 11 - title.count)) + value)
    }
    return .success
  }

  /// How it ended.
  static func lines(_ ending: SessionEnding) -> [(String, String)] {
    var lines = [("ended", EventText.seconds(Messages.printable(ending.time)))]
    if let milliseconds = ending.durationMilliseconds {
      let part = String(milliseconds % 1000)
      lines.append(("duration", "\(milliseconds / 1000).\(String(repeating: "0", count: 3 - part.count))\(part) s"))
    }
    if let status = ending.status { lines.append(("status", String(status))) }
    if let reason = ending.reason { lines.append(("reason", Messages.printable(reason))) }
    let counts = ending.decisions.members.map { member in if case .integer(let count) = member.value { "\(count) \(displayEscaped(member.name))" } else { "" } }
    if !counts.isEmpty { lines.append(("decisions", counts.joined(separator: ", "))) }
    return lines
  }
}

/// What a user may write for a session.
enum SessionName {
  /// A whole id as it is; for anything else the one session whose id begins so or whose name it is, as far as the server lists it. One that runs is meant
  /// before any that has ended.
  static func resolve(_ text: String, _ client: borrowing ControlClient) throws(CommandFailure) -> String {
    if let id = id(text) { return id }
    // The server may find it on record, or says that there is none.
    return try choose(text, among: try client.ask(.listSessions(all: true), ControlReplies.sessions)) ?? beginning(text) ?? text
  }

  /// The same, for what only sessions that run can be asked for: of several that have ended the server tells of any.
  static func resolveRunning(_ text: String, _ client: borrowing ControlClient) throws(CommandFailure) -> String {
    if let id = id(text) { return id }
    return try choose(text, among: try client.ask(.listSessions(all: false), ControlReplies.sessions)) ?? beginning(text) ?? text
  }

  /// A whole id, its letters as agentsh writes them; nil for anything else.
  static func id(_ text: String) -> String? { text.utf8.count == 36 ? beginning(text) ?? text : nil }

  /// What may be an id or the beginning of one, its letters as agentsh writes them: a mail program, say, may have made them capitals.
  private static func beginning(_ text: String) -> String? {
    let isOfID: (UInt8) -> Bool = { byte in
      switch byte {
      case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"), UInt8(ascii: "A")...UInt8(ascii: "F"), UInt8(ascii: "-"): true
      default: false
      }
    }
    return text.utf8.allSatisfy(isOfID) ? text.lowercased() : nil
  }

  /// The session of a list that `text` means; nil where none is.
  static func choose(_ text: String, among sessions: [SessionInfo]) throws(CommandFailure) -> String? {
    let start = beginning(text) ?? text
    let meant = sessions.filter { $0.name == text || (text.utf8.count >= 4 && $0.session.utf8.starts(with: start.utf8)) }
    let running = meant.filter { $0.state != .ended }
    let found = running.isEmpty ? meant : running
    guard found.count > 1 else { return found.first?.session }
    throw CommandFailure(
      .no,
      lines: ["\(displayEscaped(text)) may be any of \(found.count) sessions:"]
        + found.map { "  \($0.session)  \($0.state.rawValue)  started \(EventText.seconds(Messages.printable($0.started)))" })
  }
}
