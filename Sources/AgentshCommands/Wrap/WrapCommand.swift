internal import ArgumentParser

/// The values of `wrap --network`.
enum NetworkChoice: String, CaseIterable, ExpressibleByArgument { case none, restricted, full }

struct WrapCommand: AgentshCommand {
  static let configuration = CommandConfiguration(
    commandName: "wrap", abstract: "Run a command, and all that it starts, under a policy.",
    usage: "agentsh wrap [OPTIONS] -- COMMAND [ARGUMENT ...]",
    discussion: """
      The command gets standard input and output, terminal, process group, working directory and environment as they are. agentsh exits \
      like the command: with its status, or by its signal. 125: agentsh itself failed and nothing ran; 126: the command is refused or \
      can't be executed; 127: there is no such command.
      """)

  @OptionGroup var server: ServerOptions

  @Option(help: ArgumentHelp("Policy to run under; default: what the administrator assigned.", valueName: "name"))
  var policy: String?

  @Option(help: ArgumentHelp("Working directory of the command.", valueName: "directory"))
  var cwd: ArgumentBytes?

  @Option(help: ArgumentHelp("Set a variable for the command, or name one to be passed on. What the policy drops is dropped all the same.", valueName: "name[=value]"))
  var env: [ArgumentBytes] = []

  @Option(help: ArgumentHelp("End the session after this time: 90s, 10m, 1h30m.", valueName: "time"), transform: TimeSpan.parse)
  var timeout: TimeSpan?

  @Option(help: ArgumentHelp("A name to find the session by.", valueName: "name"))
  var name: String?

  @Option(help: "Reach less far than the policy says: nobody, or only what a rule permits. full: as the policy says.")
  var network: NetworkChoice?

  @Flag(help: "Embedded mode: without a server, under a policy of your own choice. Same enforcement, no root.")
  var standalone = false

  @Option(help: ArgumentHelp("Policy file; embedded mode only.", valueName: "file"))
  var policyFile: ArgumentBytes?

  @Option(help: ArgumentHelp("Write the session's totals to this file.", valueName: "file"))
  var summaryJSON: ArgumentBytes?

  @Option(help: ArgumentHelp("Descriptor above 2 that the command inherits; all others are closed.", valueName: "number"))
  var keepFd: [Int32] = []

  @Flag(name: .shortAndLong, help: "Say nothing about refused operations at the end.")
  var quiet = false

  func validate() throws {
    if standalone, server.server != nil { throw ValidationError("--standalone runs without a server; --server names one") }
    if standalone, policyFile != nil, policy != nil { throw ValidationError("--policy and --policy-file exclude each other") }
    if keepFd.contains(where: { $0 < 0 }) { throw ValidationError("--keep-fd takes the number of a descriptor") }
    if let number = keepFd.first(where: { $0 <= 2 }) {
      throw ValidationError("--keep-fd \(number): standard input, output and error are always kept; the option is for numbers above 2")
    }
    if env.contains(where: { CommandEnvironment.Request($0.bytes) == nil }) { throw ValidationError("--env takes NAME or NAME=VALUE") }
  }

  func run(in context: Context) throws(CommandFailure) -> ExitStatus { try WrapSession(options: options, context: context).run() }

  /// What the parser found.
  var options: WrapOptions {
    var options = WrapOptions()
    options.server = server.server
    options.policy = policy
    options.cwd = cwd
    options.env = env
    options.timeout = timeout
    options.name = name
    options.network = network
    options.standalone = standalone
    options.policyFile = policyFile
    options.summaryJSON = summaryJSON
    options.keepFd = keepFd
    options.quiet = quiet
    return options
  }
}
