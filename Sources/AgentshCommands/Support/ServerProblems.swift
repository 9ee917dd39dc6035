internal import AgentshProtocol
internal import AgentshSystem
import SystemPackage

/// Why a call to the server gave nothing.
enum ServerFailure: Error {
  /// The server said no.
  case refused(ControlError)
  case failure(CommandFailure)

  /// In words, with the next step.
  /// - Parameter isInside: the call was made from inside a session.
  func explained(isInside: Bool) -> CommandFailure {
    switch self {
    case .refused(let error): ServerProblems.explain(error, isInside: isInside)
    case .failure(let failure): failure
    }
  }
}

/// What goes wrong between client and server, in words: the thing, the reason, the next step.
enum ServerProblems {
  /// - Parameter mayChoose: the user may name another socket: a setuid installation listens to nobody about that.
  static func noServer(at path: [UInt8], _ error: SyscallError, mayChoose: Bool = true) -> CommandFailure {
    let place = displayEscaped(path)
    let start = "an administrator starts it with `systemctl start agentshd`" + (mayChoose ? "; --server or AGENTSH_SERVER name another socket" : "")
    return switch error.errno {
    case .noSuchFileOrDirectory, .notDirectory:
      CommandFailure(.failed, "no server answers at \(place): there is no such socket; agentshd is not running, or listens elsewhere", start)
    case .connectionRefused:
      CommandFailure(.failed, "no server answers at \(place): nobody listens there; agentshd has ended, or this is no socket of it", start)
    case .permissionDenied:
      CommandFailure(
        .failed, "the server at \(place) can't be reached: you may not pass the directories on the way to its socket, or not write to it",
        "the socket is meant for everybody (mode 0666, directories 0755): tell an administrator" + (mayChoose ? ", or check --server and AGENTSH_SERVER" : ""))
    default: CommandFailure(.failed, "the server at \(place) can't be reached: \(error.errno)", check(mayChoose))
    }
  }

  private static func check(_ mayChoose: Bool) -> String { mayChoose ? "check --server and AGENTSH_SERVER" : "tell an administrator" }

  /// A policy has no reason to open the server's socket to a session: what a session may know of itself its supervisor tells.
  static let closedFromInside = CommandFailure(
    .failed, "inside a session only `agentsh why` answers: the server's socket is closed to it", "do this from a shell outside of the session")

  static func notRoot(at path: [UInt8], uid: UInt32, mayChoose: Bool = true) -> CommandFailure {
    CommandFailure(
      .failed, "the server at \(displayEscaped(path)) runs as uid \(uid), not as root: it is not to be trusted", check(mayChoose))
  }

  static func lost(at path: [UInt8], _ reason: String) -> CommandFailure {
    CommandFailure(.failed, "the server at \(displayEscaped(path)) gave no answer: \(reason)", "its log says more: journalctl -u agentshd")
  }

  static func explain(_ error: ControlError, isInside: Bool = false) -> CommandFailure {
    let reason = Messages.printable(error.reason)
    return switch error {
    // The reason says what to do instead: it depends on what was refused.
    case .notPermitted: CommandFailure(.failed, "not permitted: \(reason)")
    case .limitReached where isInside:
      CommandFailure(
        .failed, "limit reached: \(reason)",
        "from inside a session no other can be listed or ended: do it from a shell outside; the limits are in agentshd.yaml")
    case .limitReached:
      CommandFailure(.failed, "limit reached: \(reason)", "`agentsh ps` shows your sessions, `agentsh stop ID` ends one; the limits are in agentshd.yaml")
    case .unknownSession: CommandFailure(.no, reason, "see the sessions with `agentsh ps --all`")
    case .invalidParameter: CommandFailure(.failed, "the server refuses the request: \(reason)")
    case .hostCannotEnforce(_, true):
      CommandFailure(.failed, reason, "that is the server's affair and not your command's: tell an administrator; its log says more (journalctl -u agentshd)")
    case .hostCannotEnforce(_, false):
      CommandFailure(.failed, "this host can't enforce the policy: \(reason)", "`agentsh detect` shows what is there and what is missing")
    case .interfaceNotFound, .methodNotFound, .methodNotImplemented, .serviceInvalidParameter, .other:
      CommandFailure(.failed, "the server answers \(displayEscaped(error.name)): \(reason)", "client and server may be of different versions")
    }
  }
}
