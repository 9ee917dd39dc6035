internal import AgentshProtocol
import Glibc
import Logging

/// The command line of agentshd.
public enum ServerCommand {
  static let usage = """
    usage: agentshd --config FILE [--check]

      --config FILE  the configuration (default agentsh/agentshd.yaml in the installation's SYSCONFDIR: /etc, or what libexec/agentsh/sysconfdir says)
      --check        say everything that is wrong with it and the policies; exit 0 only if nothing is
      --version      print the version
      --help         print this

    Runs in the foreground and logs to stderr. SIGHUP reads configuration and policies again, SIGTERM ends all sessions and stops.

    """

  private struct Options {
    var file: [UInt8]?
    var isCheck = false
  }

  /// Does what the arguments say; the exit status.
  public static func run() -> Int32 {
    var options = Options()
    var arguments = commandLineArguments()[...]
    while let argument = arguments.popFirst() {
      switch String(decoding: argument, as: UTF8.self) {
      case "--config":
        guard let file = arguments.popFirst(), !file.isEmpty else { return wrong("--config wants a file") }
        options.file = file
      case "--check": options.isCheck = true
      case "--version":
        print("agentshd \(Server.version)")
        return 0
      case "--help", "-h":
        print(usage, terminator: "")
        return 0
      case let text where text.hasPrefix("--config="): options.file = Array(argument.dropFirst("--config=".utf8.count))
      default: return wrong("\(displayEscaped(argument)) is not known")
      }
    }
    // A relative path is meant from here; where it is read every directory on its way is looked at.
    var file = options.file ?? Server.installedConfiguration()
    if file.first != UInt8(ascii: "/") { file = workingDirectory() + [UInt8(ascii: "/")] + file }
    return options.isCheck ? check(file) : serve(file)
  }

  private static func wrong(_ message: String) -> Int32 {
    say("agentshd: \(message)\n\(usage)")
    return 2
  }

  private static func check(_ file: [UInt8]) -> Int32 {
    let (problems, warnings) = Server.check(file)
    for warning in warnings { print(warning) }
    for problem in problems { print(problem) }
    if problems.isEmpty { print("\(displayEscaped(file)): good") }
    return problems.isEmpty ? 0 : 1
  }

  private static func serve(_ file: [UInt8]) -> Int32 {
    LoggingSystem.bootstrap { label in StreamLogHandler.standardError(label: label) }
    let logger = Logger(label: "agentshd")
    do throws(ServerError) {
      try Server.run(file, logger: logger)
      return 0
    } catch {
      logger.critical("\(error)")
      return 1
    }
  }
}
