internal import AgentshPolicy
internal import AgentshProtocol
internal import AgentshSystem
internal import ArgumentParser
import Glibc

struct PolicyTestCommand: AgentshCommand {
  static let configuration = CommandConfiguration(
    commandName: "test", abstract: "Ask a policy for its verdict.",
    usage: """
      agentsh policy test FILE --op OPERATION --path PATH [--user NAME]
      agentsh policy test FILE --host NAME|ADDRESS --port NUMBER [--address ADDRESS] [--op net.connect]
      agentsh policy test FILE [--user NAME] --command PROGRAM [ARGUMENT ...]
      """,
    discussion: "The verdict is the one that the supervisor would give, with the rule that gave it. --command comes last: all that follows belongs to it.")

  @Argument(help: ArgumentHelp("Policy file.", valueName: "file"))
  var file: ArgumentBytes

  @Option(help: ArgumentHelp("What is to be done: with --path read, write, create, delete, … or unix.connect, …; with --host net.connect, …; --command asks for exec.", valueName: "operation"))
  var op: String?

  @Option(help: ArgumentHelp("To which file, or socket (`@name`: abstract).", valueName: "path"))
  var path: ArgumentBytes?

  @Option(parsing: .remaining, help: ArgumentHelp("Which program with which arguments.", valueName: "program"))
  var command: [ArgumentBytes] = []

  @Option(help: ArgumentHelp("To which host: a name that the session has looked up, or an address.", valueName: "name|address"))
  var host: String?

  @Option(help: ArgumentHelp("To which address the name leads; default: one that no rule is about.", valueName: "address"))
  var address: String?

  @Option(help: ArgumentHelp("To which port.", valueName: "number"))
  var port: UInt16?

  @OptionGroup var variables: PolicyVariablesOptions
  @OptionGroup var output: OutputOptions

  func run(in context: Context) throws(CommandFailure) -> ExitStatus {
    let (_, bound) = try variables.load(file, context)
    let question = try question(context)
    let verdict = question.ask(bound)
    let lookup = question.name.utf8.starts(with: "net.".utf8) ? host.flatMap { Self.lookup($0, bound) } : nil
    let taken = host.flatMap { IPAddress(asProgramsRead: $0) }
    if output.json {
      var object: JSONObject = [
        "op": .string(question.name), "subject": .string(question.subject), "decision": .string(verdict.decision.rawValue),
        "permitted": .bool(verdict.isPermitted), "rule": .string(verdict.rule),
      ]
      object["message"] = verdict.message.map { .string($0) }
      object["address"] = taken.map { .string("\($0)") }
      object["lookup"] = lookup.map { .object($0.json) }
      try Output.json(object)
      return .success
    }
    try Output.line("\(question.name) \(question.subject)")
    let isRefused = verdict.isPermitted != verdict.decision.permits && verdict.redirection == nil
    try Output.line("\(verdict.decision.rawValue)\(isRefused ? " (refused)" : ""), by \(verdict.rule)")
    if !verdict.isPermitted, verdict.decision != .deny, verdict.redirection == nil { try Output.line("refused: this version does not carry out \(verdict.decision.rawValue)") }
    if let message = verdict.message { try Output.line(message) }
    if let taken { try Output.line("programs take \(displayEscaped(host ?? "")) for the address \(taken), and look nothing up") }
    if let lookup { try Output.line(lookup.line) }
    return .success
  }

  /// What the session's resolver would say of a name; nil for an address, and under a policy that leaves names alone.
  private static func lookup(_ host: String, _ bound: BoundPolicy) -> (line: String, json: JSONObject)? {
    guard IPAddress(host) == nil, IPAddress(asProgramsRead: host) == nil, bound.knowsNames else { return nil }
    let said = bound.name(Array(host.utf8))
    if HostName.isThisMachine(Array(host.utf8)) {
      if case .redirected = said {} else {
        return ("the name is this machine's, whatever the rules say", ["decision": .string("allow"), "rule": .string("builtin:resolver")])
      }
    }
    switch said {
    case .allowed(let verdict):
      return ("the name is looked up, because of \(verdict.rule)", ["decision": .string("allow"), "rule": .string(verdict.rule)])
    case .refused(let verdict):
      return ("the name is not looked up, because of \(verdict.rule)", ["decision": .string("deny"), "rule": .string(verdict.rule)])
    case .redirected(let redirection):
      return (
        "the name is given the address \(redirection.address), by \(redirection.rule)",
        ["decision": .string("redirect"), "rule": .string(redirection.rule), "address": .string("\(redirection.address)")]
      )
    }
  }

  private static func checkName(_ host: String) throws(CommandFailure) {
    let shown = "--host \"\(displayEscaped(host))\""
    guard host.utf8.allSatisfy({ $0 < 0x80 }) else {
      throw CommandFailure(.usage, "\(shown): names are asked for as they stand on the wire: \(displayEscaped(HostName.ascii(host)))")
    }
    guard HostName.isPlausible(host), !host.utf8.contains(UInt8(ascii: "[")) else {
      throw CommandFailure(.usage, "\(shown) is neither a name nor an address (an address has no brackets, and both have no port)")
    }
  }

  /// One question to a policy.
  private struct Question {
    let name: String
    let subject: String
    let ask: (BoundPolicy) -> Verdict
  }

  private func question(_ context: Context) throws(CommandFailure) -> Question {
    let given = [path != nil, !command.isEmpty, host != nil].filter(\.self).count
    guard given == 1 else { throw CommandFailure(.usage, "ask about one thing: --path, --command or --host") }
    if !command.isEmpty {
      if let op, op != "exec" { throw CommandFailure(.usage, "--op \(displayEscaped(op)): --command asks for exec, which needs no --op") }
      return try commandQuestion(context)
    }
    if let host { return try networkQuestion(host) }
    guard let path else { throw CommandFailure(.usage, "ask about one thing: --path, --command or --host") }
    guard !path.bytes.isEmpty else { throw CommandFailure(.usage, "--path is empty: no file has that name") }
    // Quoted, or behind a `=`, the shell leaves it as it is.
    if path.bytes.first == UInt8(ascii: "~"), path.bytes.count == 1 || path.bytes[1] == UInt8(ascii: "/") {
      Messages.say("warning: --path \(path.displayed): ~ is a file's name here, and not the home directory; write $HOME, or leave out the quotes")
    }
    guard let op else { throw CommandFailure(.usage, "say what is to be done to \(path.displayed): --op read, write, create, …") }
    if op.utf8.starts(with: "unix.".utf8) { return try unixQuestion(op, path) }
    return try fileQuestion(op, path)
  }

  private func fileQuestion(_ op: String, _ path: ArgumentBytes) throws(CommandFailure) -> Question {
    let word = op.utf8.starts(with: "file.".utf8) ? String(op.dropFirst(5)) : op
    guard word != "exec" else { throw CommandFailure(.usage, "--op exec: ask about a program with --command, which comes last") }
    guard let operation = FileOperation(rawValue: word) else {
      throw CommandFailure(
        .usage, "--op \(displayEscaped(op)) is no operation on files", "these are: \(FileOperation.allCases.map(\.rawValue).joined(separator: " "))")
    }
    // These act on a link itself, not on what it names.
    let following = ![.delete, .rename, .readlink, .symlink, .link, .rmdir, .mkdir, .mknod].contains(operation)
    let canonical: [UInt8]
    do throws(SyscallError) { canonical = try CanonicalPath.resolve(path.bytes, following: following) } catch {
      throw CommandFailure(.no, "\(path.displayed): \(error.errno)")
    }
    let isDirectory = (try? linkStatus(at: AT_FDCWD, canonical).isDirectory) ?? false
    return Question(name: "file.\(operation.rawValue)", subject: displayEscaped(canonical)) { policy in
      let verdict = policy.file(operation, canonical)
      guard verdict.isPermitted else { return verdict }
      // What lies below the name counts, too, as for the supervisor.
      switch operation {
      case .symlink: return policy.refusalOfLink(at: canonical) ?? verdict
      case .rename where isDirectory: return policy.refusalBelow(canonical, FileOperation.moved) ?? verdict
      default: return verdict
      }
    }
  }

  private func unixQuestion(_ op: String, _ path: ArgumentBytes) throws(CommandFailure) -> Question {
    let word = String(op.dropFirst(5))
    guard let operation = UnixOperation(rawValue: word == "send" ? "sendto" : word) else {
      throw CommandFailure(.usage, "--op \(displayEscaped(op)): Unix sockets have unix.connect, unix.bind, unix.listen, unix.sendto")
    }
    let address: UnixAddress
    if path.bytes.first == UInt8(ascii: "@") {
      address = .abstract(Array(path.bytes.dropFirst()))
    } else {
      do throws(SyscallError) { address = .path(try CanonicalPath.resolve(path.bytes, following: true)) } catch {
        throw CommandFailure(.no, "\(path.displayed): \(error.errno)")
      }
    }
    return Question(name: "unix.\(operation.rawValue)", subject: path.displayed) { $0.unixSocket(operation, address) }
  }

  private func networkQuestion(_ host: String) throws(CommandFailure) -> Question {
    guard let port else { throw CommandFailure(.usage, "--host wants --port") }
    let word = (op ?? "net.connect").split(separator: ".").last.map { String($0) } ?? ""
    guard let operation = NetworkOperation(rawValue: word) else {
      throw CommandFailure(.usage, "--op \(displayEscaped(op ?? "")): addresses have net.connect, net.send, net.bind, net.listen")
    }
    let own = IPAddress(host) ?? IPAddress(asProgramsRead: host)
    if own == nil { try Self.checkName(host) }
    var given: IPAddress?
    if let address {
      guard own == nil else { throw CommandFailure(.usage, "--address is for a --host that is a name") }
      given = IPAddress(address)
      if given == nil { throw CommandFailure(.usage, "--address \(displayEscaped(address)) is no address") }
    }
    return Question(name: "net.\(operation.rawValue)", subject: "\(displayEscaped(host)) port \(port)") { bound in
      func verdict(_ address: IPAddress?) -> Verdict {
        bound.network(NetworkSubject(operation: operation, address: address, port: port, hosts: own == nil ? [Array(host.utf8)] : []))
      }
      var address = own ?? given
      if address == nil, case .redirected(let redirection) = bound.name(Array(host.utf8)) { address = redirection.address }
      if address == nil, HostName.isThisMachine(Array(host.utf8)) {
        return HostName.thisMachine.lazy.map { verdict($0) }.first { $0.isPermitted } ?? verdict(HostName.thisMachine.first)
      }
      return verdict(address)
    }
  }

  private func commandQuestion(_ context: Context) throws(CommandFailure) -> Question {
    var words = command.map(\.bytes)
    // A whole command line in one argument.
    if words.count == 1, let line = words.first, line.contains(UInt8(ascii: " ")), !ProgramSearch.exists(line) {
      words = line.split(separator: UInt8(ascii: " ")).map { Array($0) }
    }
    guard let program = words.first, !program.isEmpty else { throw CommandFailure(.usage, "--command names no program") }
    let candidates = ProgramSearch.candidates(program, path: context.start.variable("PATH"))
    // A path is answered for whatever lies there; of a name without one nobody can say which program it would be.
    guard let found = ProgramSearch.existing(program, candidates).first ?? (program.contains(UInt8(ascii: "/")) ? program : nil) else {
      let shown = displayEscaped(program)
      throw CommandFailure(.failed, "there is no program \(shown) in PATH", "ask about the path that it would have: --command /usr/bin/\(shown)")
    }
    let canonical: [UInt8]
    do throws(SyscallError) { canonical = try CanonicalPath.resolve(found, following: true) } catch {
      throw CommandFailure(.no, "\(displayEscaped(found)): \(error.errno)")
    }
    let names = found.first == UInt8(ascii: "/") && found != canonical ? [found] : []
    let subject = CommandSubject(
      canonicalPath: canonical, trustedNames: names, untrustedNames: [program], arguments: Array(words.dropFirst()), depth: 0)
    return Question(name: "exec", subject: displayEscaped(command: [canonical] + words.dropFirst())) { $0.command(subject) }
  }
}
