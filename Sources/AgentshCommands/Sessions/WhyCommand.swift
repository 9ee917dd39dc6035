internal import AgentshFilter
internal import AgentshProtocol
internal import AgentshSystem
internal import ArgumentParser
import Glibc
import SystemPackage

struct WhyCommand: AgentshCommand {
  static let configuration = CommandConfiguration(
    commandName: "why", abstract: "Explain why something was refused, and what to do instead.",
    discussion: """
      Without an argument, or with --last, the last refusal: inside a session of that session, outside of the last session in which something was \
      refused. EVENT is the number of a line of the record (seq), alone for the same session, or behind a session's id: ID:17; an id \
      alone means the last refusal of that session.
      """)

  @Argument(help: ArgumentHelp("Number of the line, ID:NUMBER, or ID.", valueName: "event"))
  var event: String?

  @Flag(help: "The last refusal; that is what is explained without EVENT, too.")
  var last = false

  @OptionGroup var output: OutputOptions
  @OptionGroup var server: ServerOptions

  func validate() throws {
    if last, event != nil { throw ValidationError("--last and EVENT exclude each other") }
  }

  func run(in context: Context) throws(CommandFailure) -> ExitStatus {
    let wanted = WantedRefusal(event)
    let line: [UInt8]?
    if let lines = try linesFromInside() {
      if wanted.session != nil { throw CommandFailure(.no, "from inside a session nothing is told of others: name the line's number alone") }
      line = lines.last { wanted.matches($0) }
    } else {
      line = try lineFromOutside(wanted, context)
    }
    guard let line, let object = try? JSONObject.parse(line) else {
      if wanted.number != nil { throw CommandFailure(.no, "no refusal has this number", "`agentsh events` shows the record") }
      throw CommandFailure(.no, "nothing was refused that is on record; `agentsh events` shows the record", RefusalText.unrecorded)
    }
    if output.json {
      try Output.line(line)
    } else {
      for text in RefusalText.lines(object) { try Output.line(text) }
      if wanted.number == nil { try Output.line("or else:  " + RefusalText.unrecorded) }
    }
    return .success
  }

  /// What the session's own supervisor tells; nil outside of sessions.
  private func linesFromInside() throws(CommandFailure) -> [[UInt8]]? {
    let answer: [UInt8]?
    do throws(SyscallError) { answer = try askSupervisor(FilterSpecification.nonceOption, FilterSpecification.refusalsRequest) } catch {
      throw CommandFailure(.failed, "the session's supervisor can't be asked: \(error)")
    }
    return answer.map { $0.split(separator: UInt8(ascii: "\n")).map(Array.init) }
  }

  private func lineFromOutside(_ wanted: WantedRefusal, _ context: Context) throws(CommandFailure) -> [UInt8]? {
    var found: [UInt8]?
    if let session = wanted.session, server.server == nil, let record = EventsCommand.embeddedRecord(session, context) {
      try RecordFile.forEachLine(record) { line throws(CommandFailure) in if wanted.matches(line) { found = line } }
      return found
    }
    try EventsCommand.checkServer(server, wanted.session, context)
    let client = try context.connect(server)
    let session: String
    if let name = wanted.session {
      session = try SessionName.resolve(name, client)
    } else {
      let sessions = try client.ask(.listSessions(all: true), ControlReplies.sessions)
      guard let latest = sessions.last(where: { $0.uid == context.identity.uid && $0.refused > 0 }) else {
        throw CommandFailure(
          .no, "nothing was refused in the sessions that are listed; `agentsh ps --all` shows them",
          "of another, older one: agentsh why SESSION-ID", RefusalText.unrecorded)
      }
      session = latest.session
    }
    try client.events(EventsRequest(session: session)) { line throws(CommandFailure) in if wanted.matches(line) { found = line } }
    return found
  }
}

/// Which refusal is meant.
struct WantedRefusal: Equatable {
  var session: String?
  var number: Int64?

  init(_ text: String?) {
    guard let text else { return }
    if let number = Int64(text), text.utf8.count < 8 {
      self.number = number
    } else if let colon = text.lastIndex(of: ":"), let number = Int64(text[text.index(after: colon)...]) {
      session = String(text[..<colon])
      self.number = number
    } else {
      session = text
    }
  }

  /// Whether a line of the record is a refusal with that number; without a number, any.
  func matches(_ line: [UInt8]) -> Bool {
    guard let object = try? JSONObject.parse(line), RefusalText.isRefusal(object) else { return false }
    guard let number else { return true }
    return EventText.number(object, "seq") == number
  }
}

/// A refusal, for a person or an agent: what, by which rule, why, and what to do instead.
enum RefusalText {
  /// Not `redirect`: what was sent elsewhere happened, there.
  private static let refusals: Set<String> = ["deny", "approve", "soft_delete"]

  static func isRefusal(_ object: JSONObject) -> Bool {
    guard let operation = EventText.text(object, "op"), !operation.utf8.starts(with: "session.".utf8), let decision = EventText.text(object, "decision")
    else { return false }
    return refusals.contains(decision)
  }

  /// What no line tells of: a program that was refused something by the filter alone is explained by none.
  static let unrecorded = """
    "Operation not permitted" without a line of its own comes from the filter, which refuses by itself: \(groups(told: false)), and more that changes the \
    whole machine. Of \(groups(told: true)) the first refusal of each call in a session is on record. A policy permits both with `syscalls: {allow: […]}`; \
    `agentsh policy explain` lists the calls
    """

  private static func groups(told: Bool) -> String {
    RestrictedGroup.allCases.filter { $0.isTold == told }.map(\.rawValue).joined(separator: ", ")
  }

  static func lines(_ object: JSONObject) -> [String] {
    let operation = EventText.text(object, "op") ?? "?"
    var what = operation
    if let subject = EventText.subject(object) { what += " " + subject }
    if let name = EventText.host(object) { what += " (\(name))" }
    var lines = ["refused:  " + what]
    var who: [String] = []
    if let program = EventText.text(object, "exe") { who.append(program) }
    if let pid = EventText.number(object, "pid") { who.append("process \(pid)") }
    if let time = EventText.text(object, "time") { who.append("at " + EventText.clock(time)) }
    if !who.isEmpty { lines.append("by:       " + who.joined(separator: ", ")) }
    let rule = EventText.text(object, "rule") ?? "?"
    lines.append("rule:     " + rule)
    if let errno = EventText.number(object, "errno").flatMap({ Int32(exactly: $0) }), errno != 0 { lines.append("answered: \(Errno(rawValue: errno))") }
    if let message = EventText.message(object) { lines.append("reason:   " + message) }
    lines.append("instead:  " + instead(operation, rule))
    return lines
  }

  /// What to do instead. The rule's own message, which stands above it, knows better where there is one.
  private static func instead(_ operation: String, _ rule: String) -> String {
    if rule.utf8.starts(with: "builtin:".utf8) { return builtin(String(rule.dropFirst("builtin:".count))) }
    let asking = "if the task needs it, ask the user to have the administrator permit it"
    let kind = rule.utf8.starts(with: "default:".utf8) ? "no rule of the policy permits it" : "rule \(rule) of the policy says so"
    return switch operation {
    case "file.read", "file.stat": "go on without this file, and don't look for another way to it; \(asking) (\(kind))"
    case "exec": "use a program that is permitted, or leave this step to the user; \(asking) (\(kind))"
    case "net.connect", "net.send", "net.dns", "net.bind", "net.listen": "use an address or a name that is permitted; \(asking) (\(kind))"
    case "unix.connect", "unix.bind", "unix.send": "go on without that service; \(asking) (\(kind))"
    case "signal.send": "leave processes outside of the session alone; \(asking) (\(kind))"
    case "syscall": "do without this system call: programs are expected to cope with that; \(asking) (\(kind))"
    default: "change what the policy permits, and describe this change to the user; \(asking) (\(kind))"
    }
  }

  /// Rules that stand in no policy: docs/policy.md says more.
  private static func builtin(_ name: String) -> String {
    switch name {
    case "exec_verification": "run the program again without anything that changes files or arguments meanwhile; what would have run was not what was permitted"
    case "unknown-call": "do without this system call: no session has it, whatever its policy says"
    case "identity": "stay with one identity: nothing is done for a process of the session that has become another user"
    case "agentsh": "leave agentsh's own processes and sockets alone: no policy opens them to a session"
    case "namespaces", "mount": "do without a sandbox or container of your own; a policy permits them with `syscalls: {allow: [\(name)]}`"
    case "ptrace": "do without a debugger or a tracer (and without LeakSanitizer, which traces its own program: ASAN_OPTIONS=detect_leaks=0); a policy permits them, for processes of the session, with `syscalls: {allow: [ptrace]}`"
    case "bpf", "perf", "keyring": "do without this system call; a policy permits it with `syscalls: {allow: [\(name)]}`"
    case "raw_sockets", "packet_sockets": "do without raw sockets (ping, tcpdump): a connection tells whether a host answers; a policy permits them with `syscalls: {allow: [\(name)]}`"
    case "terminal": "use the session's own terminal, /dev/tty; the user's other terminals are closed to it"
    case "process_memory", "process_descriptor": "leave other processes' memory and descriptors alone; a policy opens those of its session with `syscalls: {allow: [ptrace]}`"
    default: "nothing that a program of the session could do: this is refused whatever the policy says"
    }
  }
}
