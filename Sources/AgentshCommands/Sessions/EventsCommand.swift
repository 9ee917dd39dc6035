internal import AgentshAudit
internal import AgentshProtocol
internal import AgentshSystem
internal import ArgumentParser
import Glibc
import SystemPackage

struct EventsCommand: AgentshCommand {
  static let configuration = CommandConfiguration(
    commandName: "events", abstract: "Print the record of a session, or of all that you may see.",
    discussion: "Lines of several sessions say which one they are of. Without --json one readable line each, in which nothing that a program chose acts on your terminal; with --json the record's own lines.")

  @Argument(help: ArgumentHelp("The session's id, the beginning of it, or its name.", valueName: "id"))
  var session: String?

  @Option(help: ArgumentHelp("Only this decision: allow, deny, audit, …", valueName: "decision"))
  var decision: String?

  @Option(help: ArgumentHelp("Only this operation: file.write, exec, net.connect, …", valueName: "operation"))
  var op: String?

  @Flag(help: "Go on with what is still to come; without an id with sessions that are opened later, too, until interrupted.")
  var follow = false

  @OptionGroup var output: OutputOptions
  @OptionGroup var server: ServerOptions

  func validate() throws {
    try Self.check("decision", decision, AuditDecision.allCases.map(\.rawValue))
    try Self.check("operation", op, AuditOperation.allCases.filter(\.isOfSessions).map(\.rawValue))
  }

  /// A word that no line has is a mistake, and would look as if nothing had happened.
  private static func check(_ what: String, _ word: String?, _ known: [String]) throws {
    guard let word else { return }
    let fits = word.hasSuffix("*") ? known.contains { $0.utf8.starts(with: word.utf8.dropLast()) } : known.contains(word)
    guard !fits else { return }
    let option = what == "decision" ? what : "op"
    throw ValidationError("--\(option) \(displayEscaped(word)): there is no such \(what); there are \(known.joined(separator: ", "))")
  }

  func run(in context: Context) throws(CommandFailure) -> ExitStatus {
    // A session of embedded mode is the user's own, whether or not a server is set up too.
    if let session, server.server == nil, let record = Self.embeddedRecord(session, context) {
      if follow { throw CommandFailure(.usage, "--follow needs a server; `tail -f \(displayEscaped(record))` does it for an embedded session") }
      try RecordFile.forEachLine(record) { line throws(CommandFailure) in
        if EventText.matches(line, decision: decision, operation: op) { try printLine(line) }
      }
      return .success
    }
    try Self.checkServer(server, session, context)
    let client = try context.connect(server)
    var id: String?
    if let session { id = try SessionName.resolve(session, client) }
    try client.events(
      EventsRequest(session: id, follow: follow, decision: decision, operation: op), patience: follow ? nil : ControlClient.patience
    ) { line throws(CommandFailure) in try printLine(line) }
    return .success
  }

  private func printLine(_ line: [UInt8]) throws(CommandFailure) {
    try Output.line(output.json ? line : Array(EventText.line(line, isOfMany: session == nil, today: today()).utf8))
  }

  /// Throws where there is no server to be asked: embedded sessions are listed nowhere.
  static func checkServer(_ server: ServerOptions, _ session: String?, _ context: Context) throws(CommandFailure) {
    guard context.requestedServer(server.server) == nil, !context.installation.hasServer else { return }
    throw CommandFailure(
      .no, "there is no record of \(session.map { "a session " + displayEscaped($0) } ?? "any session") here, and no server is set up",
      "the records of embedded sessions are found by their whole id; name the server with --server where there is one")
  }

  /// The record of an embedded session of this user, where there is one with that id.
  static func embeddedRecord(_ session: String, _ context: Context) -> [UInt8]? {
    guard let session = SessionName.id(session), !session.utf8.contains(UInt8(ascii: "/")), let caller = try? EmbeddedCaller(context) else { return nil }
    let path = Paths.joined(caller.recordPlace, "\(session).jsonl")
    return (try? linkStatus(at: AT_FDCWD, path)) == nil ? nil : path
  }
}
