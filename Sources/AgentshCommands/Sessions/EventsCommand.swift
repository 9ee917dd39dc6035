internal import AgentshProtocol
internal import AgentshSystem
internal import ArgumentParser
import Glibc
import SystemPackage

struct EventsCommand: AgentshCommand {
  static let configuration = CommandConfiguration(
    commandName: "events", abstract: "Print the record of a session, or of all that you may see.",
    discussion: "Without --json one readable line each, in which nothing that a program chose acts on your terminal; with --json the record's own lines.")

  @Argument(help: ArgumentHelp("The session's id, the beginning of it, or its name.", valueName: "id"))
  var session: String?

  @Option(help: ArgumentHelp("Only this decision: allow, deny, audit, …", valueName: "decision"))
  var decision: String?

  @Option(help: ArgumentHelp("Only this operation: file.write, exec, net.connect, …", valueName: "operation"))
  var op: String?

  @Flag(help: "Go on with what is still to come.")
  var follow = false

  @OptionGroup var output: OutputOptions
  @OptionGroup var server: ServerOptions

  func run(in context: Context) throws(CommandFailure) -> ExitStatus {
    // A session of embedded mode is the user's own, whether or not a server is set up too.
    if let session, server.server == nil, let record = Self.embeddedRecord(session, context) {
      if follow { throw CommandFailure(.usage, "--follow needs a server; `tail -f \(displayEscaped(record))` does it for an embedded session") }
      try RecordFile.forEachLine(record) { line throws(CommandFailure) in
        if EventText.matches(line, decision: decision, operation: op) { try printLine(line) }
      }
      return .success
    }
    if context.requestedServer(server.server) == nil, !context.installation.hasServer {
      throw CommandFailure(
        .no, "there is no record of \(session.map { "a session " + displayEscaped($0) } ?? "any session") here, and no server is set up",
        "the records of embedded sessions are found by their whole id; name the server with --server where there is one")
    }
    let client = try ControlClient.connect(to: context.serverSocket(server), isInside: context.isInside)
    var id: String?
    if let session { id = try SessionName.resolve(session, client) }
    try client.send(.events(EventsRequest(session: id, follow: follow, decision: decision, operation: op)))
    while true {
      let reply: VarlinkReply
      let line: String?
      do throws(ServerFailure) { reply = try client.receive(deadline: follow ? .never : .after(milliseconds: 60_000)) } catch {
        throw error.explained
      }
      do throws(ProtocolError) { line = try ControlReplies.eventLine(reply) } catch {
        throw ServerProblems.lost(at: client.path, "its answer can't be understood: \(error)")
      }
      if let line { try printLine(Array(line.utf8)) }
      if !reply.continues { return .success }
    }
  }

  private func printLine(_ line: [UInt8]) throws(CommandFailure) {
    try Output.line(output.json ? line : Array(EventText.line(line).utf8))
  }

  /// The record of an embedded session of this user, where there is one with that id.
  static func embeddedRecord(_ session: String, _ context: Context) -> [UInt8]? {
    guard session.utf8.count == 36, !session.utf8.contains(UInt8(ascii: "/")), let caller = try? EmbeddedCaller(context) else { return nil }
    let path = Paths.joined(caller.recordPlace, "\(session).jsonl")
    return (try? linkStatus(at: AT_FDCWD, path)) == nil ? nil : path
  }
}

/// Reading a record line by line.
enum RecordFile {
  /// Longer lines are not written by agentsh.
  private static let lineLimit = 4 << 20

  static func forEachLine(_ path: [UInt8], _ body: ([UInt8]) throws(CommandFailure) -> Void) throws(CommandFailure) {
    var pending: [UInt8] = []
    try forEachChunk(path) { chunk throws(CommandFailure) in
      var rest = chunk[...]
      while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
        try body(pending + rest[..<end])
        pending = []
        rest = rest[(end + 1)...]
      }
      pending += rest
      guard pending.count <= lineLimit else { throw CommandFailure(.no, "\(displayEscaped(path)): a line has no end: this is no record") }
    }
    if !pending.isEmpty { try body(pending) }
  }

  /// The file's bytes, some at a time.
  static func forEachChunk(_ path: [UInt8], _ body: ([UInt8]) throws(CommandFailure) -> Void) throws(CommandFailure) {
    let file: OwnedDescriptor
    do throws(SyscallError) { file = try openAt(AT_FDCWD, path, flags: O_RDONLY | O_NOCTTY) } catch {
      throw CommandFailure(.no, "\(displayEscaped(path)): \(error.errno)")
    }
    while true {
      let chunk: [UInt8]
      do throws(SyscallError) { chunk = try readAll(file, limit: 256 << 10) } catch {
        throw CommandFailure(.no, "\(displayEscaped(path)): \(error.errno)")
      }
      if chunk.isEmpty { return }
      try body(chunk)
    }
  }
}

/// One line of a record, for a person.
enum EventText {
  /// `12:34:56.789 deny file.write /etc/passwd (rule protect-system): message`
  static func line(_ line: [UInt8]) -> String {
    guard let object = try? JSONObject.parse(line) else { return "? " + displayEscaped(line) }
    var parts: [String] = []
    if let time = text(object, "time") { parts.append(clock(time)) }
    if let decision = text(object, "decision") { parts.append(pad(decision, 5)) }
    if let operation = text(object, "op") { parts.append(pad(operation, 11)) }
    if let pid = number(object, "pid") { parts.append("[\(pid)]") }
    if let subject = subject(object) { parts.append(subject) }
    if case .object(let decisions)? = object["decisions"] { parts.append(totals(object, decisions)) }
    if let rule = text(object, "rule") { parts.append("(\(rule))") }
    if let errno = number(object, "errno"), let value = Int32(exactly: errno), value != 0 { parts.append("\(Errno(rawValue: value)):") }
    if let message = text(object, "message") { parts.append(message) }
    return parts.joined(separator: " ")
  }

  /// What the last line of a record says of the whole session.
  private static func totals(_ object: JSONObject, _ decisions: JSONObject) -> String {
    var words: [String] = []
    if let signal = text(object, "ended_by") { words.append("ended by \(signal)") } else if let status = number(object, "status") { words.append("status \(status)") }
    if let reason = text(object, "reason") { words.append(reason) }
    for member in decisions.members {
      if case .integer(let count) = member.value { words.append("\(count) \(displayEscaped(member.name))") }
    }
    return words.joined(separator: ", ")
  }

  /// Whether a line is about this decision and this operation, where they are asked for.
  static func matches(_ line: [UInt8], decision: String?, operation: String?) -> Bool {
    guard decision != nil || operation != nil else { return true }
    guard let object = try? JSONObject.parse(line) else { return false }
    return matches(object["decision"], decision) && matches(object["op"], operation)
  }

  /// A word, or with `*` at its end all that begin so, as the server takes it.
  private static func matches(_ value: JSONValue?, _ wanted: String?) -> Bool {
    guard let wanted else { return true }
    guard case .string(let found)? = value else { return false }
    return wanted.hasSuffix("*") ? found.utf8.starts(with: wanted.utf8.dropLast()) : found.utf8.elementsEqual(wanted.utf8)
  }

  static func subject(_ object: JSONObject) -> String? {
    for name in ["path", "address", "signal"] {
      guard let value = shown(object, name) else { continue }
      // What was done to two names.
      for other in ["new_path", "target"] {
        if let second = shown(object, other) { return "\(value) -> \(second)" }
      }
      return value
    }
    guard let command = object["command"] else { return nil }
    if case .array(let elements) = command {
      return elements.map { element in
        if case .string(let text) = element { return displayEscaped(text) }
        return "?"
      }.joined(separator: " ")
    }
    return shown(object, "command")
  }

  private static func shown(_ object: JSONObject, _ name: String) -> String? {
    // The whole bytes, where the text could not hold them.
    if case .string(let encoded)? = object["\(name)_b64"], let bytes = Base64.decode(encoded) { return displayEscaped(bytes) }
    switch object[name] {
    case .string(let text)?: return displayEscaped(text)
    case .integer(let value)?: return String(value)
    default: return nil
    }
  }

  static func text(_ object: JSONObject, _ name: String) -> String? {
    guard case .string(let text)? = object[name] else { return nil }
    return displayEscaped(text)
  }

  static func number(_ object: JSONObject, _ name: String) -> Int64? {
    guard case .integer(let value)? = object[name] else { return nil }
    return value
  }

  /// The time of day with milliseconds, of an RFC 3339 text; anything else as it is.
  static func clock(_ time: String) -> String {
    let bytes = Array(time.utf8)
    guard bytes.count >= 23, bytes[10] == UInt8(ascii: "T") else { return time }
    return String(decoding: bytes[11..<23], as: UTF8.self)
  }

  private static func pad(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.utf8.count))
  }
}
