internal import AgentshProtocol
internal import AgentshSystem
import SystemPackage

/// `agentsh wrap` inside a session: where that one's policy permits it, its supervisor gives a connection to the server, and the new session is held to
/// both policies. Elsewhere it is refused, before anything is made.
enum NestedSession {
  /// A connection to the server of the session that this process runs in; nil where it runs in none.
  static func door(in context: Context, _ options: WrapOptions) throws(CommandFailure) -> ControlClient? {
    guard ListenerProbe.isTaken() else { return nil }
    // In embedded mode the kernel would take no second listener.
    if options.standalone {
      guard (try? LauncherChild.door()) != nil else { throw refusal(context) }
      throw CommandFailure(
        .failed, "already inside session \(name(context)): embedded mode can't open another there",
        "this session's policy permits others inside: `agentsh wrap` without --standalone opens one")
    }
    if options.policyFile != nil {
      throw CommandFailure(.failed, "--policy-file works in embedded mode only, and inside a session there is none", "choose one of the server's policies with --policy")
    }
    let connection: OwnedDescriptor
    do throws(SyscallError) { connection = try LauncherChild.door() } catch { throw failure(error, context) }
    return try ControlClient.take(UnixSocket(owning: connection))
  }

  private static func name(_ context: Context) -> String { context.start.variable("AGENTSH_SESSION_ID").map { displayEscaped($0) } ?? "" }

  private static func failure(_ error: SyscallError, _ context: Context) -> CommandFailure {
    let session = name(context)
    let asItIs = "run the command as it is: it is held by that session's policy, like everything that it starts"
    return switch error.errno {
    case .socketNotConnected, .timedOut:
      CommandFailure(.failed, "already inside session \(session), whose server isn't there: no session can be opened inside until it is back", asItIs)
    case .resourceTemporarilyUnavailable:
      CommandFailure(.failed, "already inside session \(session), and its server takes no more connections from there at the moment", "try again")
    case .improperLink:
      CommandFailure(
        .failed, "already inside session \(session), in a sandbox with a root directory, mounts or process numbers of its own: no session can be opened from there",
        "start it outside of the sandbox, and the sandbox inside it")
    default: refusal(context)
    }
  }

  private static func refusal(_ context: Context) -> CommandFailure {
    guard let session = context.start.variable("AGENTSH_SESSION_ID") else {
      return CommandFailure(
        .failed,
        "this process runs under another program's seccomp listener (of a sandbox or a container), and the kernel allows one: a session can't be opened here",
        "start agentsh outside of it, and the other program inside the session; `agentsh detect` shows what is there")
    }
    return CommandFailure(
      .failed, "already inside session \(displayEscaped(session)): a session can't be opened inside another",
      "run the command as it is: it is held by that session's policy, like everything that it starts")
  }
}

/// The connection between the launcher of a session inside another and the supervisor.
final class NestedLink {
  private var socket: UnixSocket?

  init(_ socket: consuming UnixSocket) { self.socket = consume socket }

  /// Gives it up to the caller, once.
  func take() -> UnixSocket? { socket.take() }
}
