internal import AgentshProtocol
internal import AgentshSystem
import Glibc
import SystemPackage

/// `agentsh wrap` from its options to its end.
struct WrapSession {
  let options: WrapOptions
  let context: Context

  /// Opens the session, runs the command and ends this process as the command ended; comes back only when it never began.
  func run() throws(CommandFailure) -> ExitStatus {
    guard let command = context.command, let program = command.first else {
      throw CommandFailure(.failed, "there is no command: write it after `--`", "for example: agentsh wrap -- make test")
    }
    guard !program.isEmpty else { throw CommandFailure(.notFound, "\"\": a program has no empty name") }
    try checkKeptDescriptors()
    let door = try NestedSession.door(in: context, options)
    let summaryFile = try options.summaryJSON.map { path throws(CommandFailure) in try SummaryFile(path) }
    let policyFile = policyFile()
    let directory = try enterDirectory()
    let session = try openSession(command: command, cwd: directory, policyFile: policyFile, door)
    defer { session.embedded?.close() }
    do throws(CommandFailure) { return try run(command, program, in: session, summaryFile) } catch {
      summaryFile?.write(SessionReport.json(error, session: session.reply.session))
      throw error
    }
  }

  private func run(_ command: [[UInt8]], _ program: [UInt8], in session: OpenedSession, _ summaryFile: SummaryFile?) throws(CommandFailure) -> ExitStatus {
    let reply = session.reply
    let environment = try CommandEnvironment(
      inherited: context.start.environment, requests: options.env.compactMap { CommandEnvironment.Request($0.bytes) }, policy: reply.environment,
      session: reply.session)
    Messages.say(environment.notes)
    if !options.quiet { Messages.say(reply.warnings.map { "warning: " + Messages.printable($0) }) }
    let candidates = ProgramSearch.existing(program, ProgramSearch.candidates(program, path: environment["PATH"]))
    guard !candidates.isEmpty else { throw CommandFailure(.notFound, "\(displayEscaped(program)): not found") }

    let floor = try LaunchFloor(reply.floor)
    var request = LaunchRequest(
      filter: reply.filter, candidates: candidates, arguments: command, environment: environment.entries, keptDescriptors: options.keepFd,
      closedStandardDescriptors: context.start.closedStandardDescriptors, hasListener: !reply.isNested, tracer: session.embedded?.supervisorPID, landlockRuleset: floor.descriptor)
    request.leavesNoCoreFile = CorePattern.writesFiles()
    let outcome = try withExtendedLifetime(floor) { () throws(CommandFailure) in
      try SessionLaunch.run(request, reply: reply, embedded: session.embedded, link: session.link, dropped: environment.dropped)
    }
    if case .notExecuted(let errno, let candidate) = outcome.ending {
      if candidates.indices.contains(candidate) {
        let failure = LaunchProblems.explainExec(
          program, path: candidates[candidate], errno: errno, wasRefused: (outcome.summary?.refused ?? 0) > 0, session: reply.session, isNested: reply.isNested)
        Messages.say(failure.lines)
        report(outcome, session: reply.session, to: summaryFile, isSilent: true, dropped: environment.dropped, failure)
        return failure.status
      }
      report(outcome, session: reply.session, to: summaryFile, isSilent: true, dropped: environment.dropped)
      return .failed
    }
    report(outcome, session: reply.session, to: summaryFile, isSilent: options.quiet, dropped: environment.dropped)
    session.embedded?.close()
    // Killed before it was let go: the reason has been told.
    if outcome.summary?.hasRun == false { return .failed }
    endLike(outcome.ending)
  }

  // MARK: Steps

  /// Before this process opens anything: a number that is free now would be one of its own later.
  private func checkKeptDescriptors() throws(CommandFailure) {
    for number in options.keepFd where fcntl(number, F_GETFD) < 0 {
      throw CommandFailure(.failed, "--keep-fd \(number): there is no open descriptor of this number", "for example: agentsh wrap --keep-fd 3 -- make test 3<file")
    }
  }

  /// `--policy-file`, from where the caller stands, like every other file that is named on the command line.
  private func policyFile() -> [UInt8]? {
    guard let file = options.policyFile?.bytes, options.cwd != nil, file.first != UInt8(ascii: "/"), let here = try? workingDirectory() else {
      return options.policyFile?.bytes
    }
    return Paths.joined(here, file)
  }

  private func enterDirectory() throws(CommandFailure) -> [UInt8] {
    if let cwd = options.cwd {
      do throws(SyscallError) { try changeDirectory(cwd.bytes) } catch {
        throw CommandFailure(.failed, "--cwd \(cwd.displayed): \(error.errno)")
      }
    }
    do throws(SyscallError) { return try workingDirectory() } catch {
      throw CommandFailure(.failed, "the working directory can't be told: \(error.errno)", "change to one that exists, or name one with --cwd")
    }
  }

  private struct OpenedSession {
    let reply: WrapReply
    let embedded: EmbeddedServer?
    /// Of a session inside another.
    let link: NestedLink?
  }

  private func openSession(command: [[UInt8]], cwd: [UInt8], policyFile: [UInt8]?, _ door: consuming ControlClient?) throws(CommandFailure) -> OpenedSession {
    let listed = ListedCommand.of(command)
    let request = WrapRequest(
      callerUID: context.identity.uid, command: listed.told, omission: listed.omission, cwd: cwd, policy: options.policy, name: options.name,
      timeoutMilliseconds: options.timeout?.milliseconds, sudoUID: context.sudoUID, network: options.network?.rawValue)
    // Which server that is, is the session's affair.
    if let door { return try openSession(request, door) }
    let requested = context.requestedServer(options.server)
    // Where a server is set up its policies hold: only the user's own word, never a failure, leads past it.
    if options.standalone || (requested == nil && !context.installation.hasServer) {
      // A setuid execution is not dumpable, so that its entries in /proc are closed to the supervisor, which has no more rights than the caller. Nothing that
      // the caller may not see was read before privileges were given up, which is proved; the handshake closes this process again.
      if context.identity.wasPrivileged {
        do throws(SyscallError) { try permitTracing() } catch { throw CommandFailure(.failed, "embedded mode can't start: \(error)") }
      }
      let embedded = try EmbeddedServer.start(request, policyFile: policyFile, context: context)
      return OpenedSession(reply: embedded.reply, embedded: embedded, link: nil)
    }
    if policyFile != nil {
      throw CommandFailure(.failed, "--policy-file works in embedded mode only: here the server's policies hold", "choose one of them with --policy")
    }
    return try openSession(request, try ControlClient.connect(to: requested ?? context.installation.controlSocket, mayChoose: context.mayChooseServer))
  }

  private func openSession(_ request: WrapRequest, _ client: borrowing ControlClient) throws(CommandFailure) -> OpenedSession {
    var link: NestedLink?
    let answer: VarlinkReply
    try client.send(.wrap(request))
    WrapRehearsal.run(context.start.environment)
    do throws(ServerFailure) { answer = try client.receive(deadline: .after(milliseconds: ControlClient.patience), link: &link) } catch {
      throw error.explained(isInside: client.isInside)
    }
    let reply: WrapReply
    do throws(ProtocolError) { reply = try ControlReplies.wrap(answer) } catch {
      throw ServerProblems.lost(at: client.path, "its answer can't be understood: \(error)")
    }
    if reply.isNested, link == nil { throw ServerProblems.lost(at: client.path, "no connection to the session's supervisor came with its answer") }
    return OpenedSession(reply: reply, embedded: nil, link: reply.isNested ? link : nil)
  }

  private func report(
    _ outcome: SessionOutcome, session: String, to file: SummaryFile?, isSilent: Bool, dropped: [[UInt8]], _ failure: CommandFailure? = nil
  ) {
    if let summary = outcome.summary, !isSilent { Messages.say(SessionReport.lines(summary, session: session)) }
    if outcome.summary == nil, !outcome.lostSupervisor { Messages.say("the supervisor did not close the session's record in time") }
    file?.write(SessionReport.json(outcome, session: session, dropped: dropped, failure))
  }

  /// Ends this process as the command ended.
  private func endLike(_ ending: CommandEnding) -> Never {
    switch ending {
    case .exited(let status): Glibc.exit(status)
    case .killed(let signal, _):
      LauncherSignals.die(of: signal)
      Glibc.exit(128 + signal)
    case .notExecuted: Glibc.exit(ExitStatus.failed.rawValue)
    }
  }
}
