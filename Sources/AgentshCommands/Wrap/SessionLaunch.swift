internal import AgentshProtocol
internal import AgentshSupervision
internal import AgentshSystem
import Glibc

/// From a session that is open to a command that has ended.
enum SessionLaunch {
  /// Starts the command behind its filter, hands it to the supervisor, and stays with it to its end.
  ///
  /// A failure up to the hand-over kills the child: nothing runs unsupervised because something went wrong.
  /// - Parameter dropped: names of the variables that the policy drops, for the record.
  static func run(
    _ request: LaunchRequest, reply: WrapReply, embedded: EmbeddedServer?, link: NestedLink? = nil, dropped: [[UInt8]] = []
  ) throws(CommandFailure) -> SessionOutcome {
    do {
      // Blocked around the clone only, so that Ctrl-C ends a handshake that hangs; the child unblocks them for the command.
      let mask = try LauncherSignals.block()
      var child = try LauncherChild.start(request, restoring: mask)
      try LauncherSignals.restore(mask)
      let handshake: Handshake.Completed
      do throws(CommandFailure) { handshake = try Handshake(reply: reply, embedded: embedded, link: link, dropped: dropped).perform(&child) } catch {
        child.kill()
        throw error
      }
      embedded?.removeSockets()
      // From now on other processes of the same user are kept out: what runs in a session is one of them.
      try refuseTracing()
      _ = try LauncherSignals.block()
      let signals = try LauncherSignals.open()
      // The server had put it there before it attested the filter. Without a control group orphans are found by their descent alone: they have to come to
      // this process instead of to init.
      let hasGroup = ProcessTree.isMember(child.pid, ofGroup: reply.session)
      let formerChildren = Children.current().subtracting([child.pid])
      if embedded == nil, !hasGroup { try becomeSubreaper() }
      let nonce = handshake.nonce
      try child.go(nonce: nonce)
      let remains: SessionRun.Remains = embedded != nil ? .embedded : hasGroup ? .group(reply.session) : .children(except: formerChildren)
      var run = SessionRun(child: child, signals: signals, supervisor: handshake.supervisor, embedded: embedded, remains: remains)
      return try run.finish()
    } catch let error as CommandFailure {
      throw error
    } catch {
      throw CommandFailure(.failed, "the command was not started: \(error)")
    }
  }
}
