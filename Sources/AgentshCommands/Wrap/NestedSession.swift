internal import AgentshProtocol
internal import AgentshSystem

/// `agentsh wrap` inside a session: refused, before anything is made or asked for.
///
/// What is found out here only makes for a better sentence. The server knows by itself from where it is asked, and in embedded mode the kernel takes
/// no second listener.
enum NestedSession {
  static func refuse(in context: Context) throws(CommandFailure) {
    guard ListenerProbe.isTaken() else { return }
    guard let session = context.start.variable("AGENTSH_SESSION_ID") else {
      throw CommandFailure(
        .failed,
        "this process runs under another program's seccomp listener (of a sandbox or a container), and the kernel allows one: a session can't be opened here",
        "start agentsh outside of it, and the other program inside the session; `agentsh detect` shows what is there")
    }
    throw CommandFailure(
      .failed, "already inside session \(displayEscaped(session)): a session can't be opened inside another",
      "run the command as it is: it is held by that session's policy, like everything that it starts")
  }
}
