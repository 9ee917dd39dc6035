internal import ArgumentParser
internal import AgentshProtocol
internal import AgentshSystem

/// What every command may ask about this process: made once, before a command runs, and never changed.
struct Context: Sendable {
  let start: ProcessStart
  let identity: CallerIdentity
  let installation: Installation
  /// What follows the first `--`, as bytes; nil without one.
  let command: [[UInt8]]?

  /// What SUDO_UID says when sudo made the caller root: a claim, for the record only.
  var sudoUID: UInt32? {
    guard identity.uid == 0, !identity.wasPrivileged, let text = start.variable("SUDO_UID") else { return nil }
    return try? UserID.parse(String(decoding: text, as: UTF8.self))
  }

  /// The socket that the caller names by option or variable. A setuid installation listens to neither: whoever may choose the server
  /// would choose the policy.
  func requestedServer(_ option: ArgumentBytes?) -> [UInt8]? {
    guard mayChooseServer else { return nil }
    if let option { return option.bytes }
    return start.variable("AGENTSH_SERVER").flatMap { $0.isEmpty ? nil : $0 }
  }

  var mayChooseServer: Bool { !identity.wasPrivileged }

  /// Whether this process seems to run in a session, which is a hint and nothing else.
  var isInside: Bool { start.variable("AGENTSH_SESSION_ID") != nil }

  /// The socket to connect to.
  func serverSocket(_ options: ServerOptions) -> [UInt8] { requestedServer(options.server) ?? installation.controlSocket }

  /// A connection to it, or to the one that the supervisor of the session around gives.
  func connect(_ options: ServerOptions) throws(CommandFailure) -> ControlClient {
    try ControlClient.connect(to: serverSocket(options), isInside: isInside, mayChoose: mayChooseServer)
  }
}

/// A command of agentsh: parsed by the parser, run with what main knows of the process.
protocol AgentshCommand: ParsableCommand {
  /// - Returns: the exit status of a command that has done what it was asked.
  func run(in context: Context) throws(CommandFailure) -> ExitStatus
}
