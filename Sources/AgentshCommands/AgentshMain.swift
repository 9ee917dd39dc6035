internal import AgentshProtocol
internal import AgentshSystem
internal import ArgumentParser
import Glibc

/// The program `agentsh`.
public enum AgentshMain {
  /// Gives up what a setuid installation gave, parses the command line, runs the command and ends the process.
  public static func run(_ start: ProcessStart) -> Never {
    let identity: CallerIdentity
    do throws(IdentityError) {
      // Before anything is opened.
      identity = try CallerIdentity.dropPrivileges(isPrivilegedExecution: start.isPrivileged)
    } catch {
      Messages.say("\(error)")
      exit(ExitStatus.failed.rawValue)
    }
    let line = CommandLineParts(start.arguments)
    let context = Context(start: start, identity: identity, installation: Installation.current(), command: line.command)
    exit(run(line, context))
  }

  static func run(_ line: CommandLineParts, _ context: Context) -> Int32 {
    do {
      if let options = WrapOptions(plain: line.options) { return try WrapSession(options: options, context: context).run().rawValue }
      let parsed = try RootCommand.parseAsRoot(line.options)
      guard let command = parsed as? any AgentshCommand else {
        var other = parsed
        try other.run()
        return ExitStatus.success.rawValue
      }
      if line.command != nil, !(command is WrapCommand) {
        throw CommandFailure(.usage, "only `agentsh wrap` takes a command after `--`")
      }
      return try command.run(in: context).rawValue
    } catch let failure as CommandFailure {
      Messages.say(failure.lines)
      return failure.status.rawValue
    } catch {
      return explain(error, line)
    }
  }

  /// What the parser has to say: help and the like to standard output, errors to standard error.
  private static func explain(_ error: any Error, _ line: CommandLineParts) -> Int32 {
    let text = RootCommand.fullMessage(for: error)
    if RootCommand.exitCode(for: error) == .success {
      guard !text.isEmpty else { return ExitStatus.success.rawValue }
      let isScript = line.options.contains { $0.utf8.starts(with: "--generate-completion-script".utf8) }
      do throws(CommandFailure) { try Output.line(isScript ? CompletionScript.completingCommands(text) : text) } catch { return ExitStatus.failed.rawValue }
      return ExitStatus.success.rawValue
    }
    // The parser's own word for what every line of ours is about.
    let lines = text.split(separator: "\n").map { line in
      Messages.printable(String(line.utf8.starts(with: "Error: ".utf8) ? line.dropFirst("Error: ".utf8.count) : line))
    }
    if let command = line.strayCommand {
      // The one mistake that everybody makes once.
      Messages.say(["the command comes after `--`", "for example: agentsh wrap -- \(displayEscaped(Array(command.joined(separator: " ").utf8)))"])
      return ExitStatus.failed.rawValue
    }
    if let word = line.unknownCommand {
      let meant = line.command ?? line.options.map(ArgumentText.decode)
      Messages.say([
        "\(displayEscaped(ArgumentText.decode(word))): there is no such command; to run it: agentsh wrap -- \(displayEscaped(command: meant))",
        "agentsh's own commands: agentsh --help",
      ])
      return ExitStatus.usage.rawValue
    }
    Messages.say(lines.isEmpty ? ["the command line can't be understood; see agentsh --help"] : lines)
    // Whoever looks at the status of a wrapped command must be able to tell that nothing ran.
    return (line.isWrap ? ExitStatus.failed : ExitStatus.usage).rawValue
  }
}

/// The command line: agentsh's own part as text, and what follows the first `--` as bytes.
struct CommandLineParts: Equatable {
  let options: [String]
  let command: [[UInt8]]?

  init(_ arguments: [[UInt8]]) {
    let own = arguments.dropFirst()
    let end = own.firstIndex { $0 == [UInt8(ascii: "-"), UInt8(ascii: "-")] }
    options = Self.withGlobalsBehindCommand(own[..<(end ?? own.endIndex)].map(ArgumentText.encode))
    command = end.map { Array(own[($0 + 1)...]) }
  }

  var isWrap: Bool { options.first { !$0.utf8.starts(with: "-".utf8) } == "wrap" }

  /// What `wrap` was given as a command without `--` before it: from the first word on that is neither an option nor the value of one.
  var strayCommand: [String]? {
    guard command == nil, isWrap else { return nil }
    let start = options.indices.dropFirst().first { index in
      !options[index].utf8.starts(with: "-".utf8) && WrapOptions(plain: Array(options[..<index])) != nil
    }
    return start.map { Array(options[$0...]) }
  }

  /// A first word that is no command of agentsh: most likely one that is to be run.
  var unknownCommand: String? {
    guard let word = options.first, !word.isEmpty, !word.utf8.starts(with: "-".utf8), word != "help" else { return nil }
    return RootCommand.configuration.subcommands.contains { $0._commandName == word } ? nil : word
  }

  private static func withoutServer(_ globals: [String]) -> [String] {
    var kept: [String] = []
    var rest = globals[...]
    while let option = rest.popFirst() {
      if option == "--json" { kept.append(option) } else if option == "--server" { rest = rest.dropFirst() }
    }
    return kept
  }

  /// The global options may stand before the command too; the parser knows them as each command's own.
  private static func withGlobalsBehindCommand(_ options: [String]) -> [String] {
    var rest = options[...]
    var globals: [String] = []
    while let option = rest.first {
      if option == "--json" || option.utf8.starts(with: "--server=".utf8) {
        globals.append(option)
        rest = rest.dropFirst()
      } else if option == "--server", rest.count > 1 {
        globals += rest.prefix(2)
        rest = rest.dropFirst(2)
      } else {
        break
      }
    }
    guard !globals.isEmpty else { return options }
    let isGroup = rest.first == "policy" || rest.first == "audit"
    let words = rest.prefix(isGroup ? 2 : 1)
    // These ask no server, so it does not matter which one is named.
    if rest.first == "help" { return Array(rest) }
    if isGroup || rest.first == "detect" { globals = withoutServer(globals) }
    return words + globals + rest.dropFirst(words.count)
  }
}
