internal import AgentshAudit
internal import AgentshProtocol
internal import AgentshSystem
import Glibc
import Logging
import SystemPackage

/// The thread that accepts, reads, answers and watches: it never waits for anything but events, so nobody can make it wait for them.
final class ControlLoop {
  let context: ServerContext
  let configurationFile: [UInt8]
  let epoll: Epoll
  let mailbox: Mailbox
  let workers: WorkerPool
  let signals: SignalDescriptor
  let notifier: ServiceManager
  var watch: FileWatch
  var listener: UnixSocket?
  /// Where it is found.
  var place: ControlSocket.Place

  var connections: [UInt64: ControlConnection] = [:]
  var usage: [UInt32: UserUsage] = [:]
  var nextNumber: UInt64 = 1
  let mostConnections: Int

  var sessions: [UInt64: WatchedSession] = [:]
  var sessionNumbers: [String: UInt64] = [:]
  /// Sessions of a server before this one.
  var adopted: [UInt64: AdoptedSession] = [:]
  var listings: [UInt64: Listing] = [:]
  /// Connections with calls that can be served without waiting for any event, the one whose turn is next first.
  var turns: [UInt64] = []

  /// The next moment at which some deadline may have passed.
  var sweepAt = Deadline.never
  /// When what was counted and not written is written.
  var heldWrittenAt: Deadline?
  /// When accepting goes on after the process ran out of descriptors.
  var acceptAgainAt: Deadline?
  /// When control groups that could not be removed are looked at again.
  var lingeringAt: Deadline?
  var stopping: Deadline?
  var isReloading = false
  var mayReloadAgain = false

  /// What one user holds of the server's connections.
  struct UserUsage {
    var connections: Set<UInt64> = []
    var bytes = 0
  }

  enum Source: UInt64 {
    case listener, mailbox, signals, watch, connection, channel, supervisor, cgroup, adopted, launcher, adoptedLauncher
  }

  init(
    context: ServerContext, configurationFile: [UInt8], place: ControlSocket.Place, listener: consuming UnixSocket, signals: consuming SignalDescriptor,
    notifier: ServiceManager, descriptorLimit: Int
  ) throws(SyscallError) {
    self.context = context
    self.configurationFile = configurationFile
    self.notifier = notifier
    self.place = place
    epoll = try Epoll()
    mailbox = try Mailbox()
    workers = try WorkerPool(threads: 6)
    watch = try FileWatch()
    try epoll.add(listener.rawValue, .readable, token: Source.listener.rawValue)
    try epoll.add(mailbox.rawValue, .readable, token: Source.mailbox.rawValue)
    try epoll.add(signals.descriptor.rawValue, .readable, token: Source.signals.rawValue)
    try epoll.add(watch.descriptor.rawValue, .readable, token: Source.watch.rawValue)
    self.listener = consume listener
    self.signals = signals
    // A connection has two descriptors, a session at most nine.
    let forSessions = min(descriptorLimit / 2, context.rules.ruleset.configuration.limits.active * 9)
    mostConnections = max(32, min(8192, (descriptorLimit - forSessions - 64) / 2))
  }

  static func token(_ source: Source, _ number: UInt64) -> UInt64 { number << 4 | source.rawValue }

  /// Runs until it has been told to stop and everything has ended, or the time for that is over.
  func run() throws(SyscallError) {
    while true {
      let events = try epoll.wait(deadline: turns.isEmpty ? min(sweepAt, stopping ?? .never) : .after(milliseconds: 0))
      // New connections last: a flood of them is not to stand before what is under way.
      for event in events where event.token & 15 != Source.listener.rawValue { handle(event) }
      serveTurns()
      if events.contains(where: { $0.token & 15 == Source.listener.rawValue }) { acceptConnections() }
      if sweepAt.hasPassed { sweep() }
      if let stopping, sessions.isEmpty && adopted.isEmpty || stopping.hasPassed {
        abandonSessions()
        return
      }
    }
  }

  private func handle(_ event: EpollEvent) {
    let number = event.token >> 4
    switch Source(rawValue: event.token & 15) {
    case .listener: acceptConnections()
    case .mailbox: for message in mailbox.takeAll() { receive(message) }
    case .signals: while let signal = signals.next() { receive(signal: signal) }
    case .watch: for connection in watch.readChanged() { continueStream(connection) }
    case .connection: if let connection = connections[number] { handle(connection, event.events) }
    case .channel: if let session = sessions[number] { readChannel(session) }
    case .supervisor: if let session = sessions[number] { supervisorEnded(session) }
    case .cgroup: if let session = sessions[number] { finishIfEmpty(session) }
    case .adopted: adoptedEnded(number)
    case .launcher: if let session = sessions[number] { launcherEnded(session) }
    case .adoptedLauncher: adoptedLauncherEnded(number)
    case nil: break
    }
  }

  /// Sees to it that `sweep` runs when `deadline` has passed.
  func watchFor(_ deadline: Deadline) {
    if deadline < sweepAt { sweepAt = deadline }
  }

  /// Looks at every deadline and finds the next one.
  private func sweep() {
    sweepAt = .never
    if let again = acceptAgainAt {
      if again.hasPassed { resumeAccepting() } else { watchFor(again) }
    }
    for connection in connections.values {
      if connection.deadline.hasPassed { timeOut(connection) } else { watchFor(connection.deadline) }
    }
    for (number, listing) in listings {
      if listing.deadline.hasPassed { finishListing(number) } else { watchFor(listing.deadline) }
    }
    for session in sessions.values {
      if let term = session.term, term.at.hasPassed { termPassed(session, term.cause) }
      if let term = session.term { watchFor(term.at) }
      if let deadline = session.deadline, deadline.hasPassed { deadlinePassed(session) }
      if let deadline = session.deadline { watchFor(deadline) }
    }
    for (number, session) in adopted { checkTerms(of: session, number) }
    if let at = heldWrittenAt {
      if at.hasPassed { writeHeldRejections() } else { watchFor(at) }
    }
    if let at = lingeringAt {
      if at.hasPassed { lookAtLingering() } else { watchFor(at) }
    }
  }

  private func receive(signal: Int32) {
    switch signal {
    case SIGHUP: reload()
    case SIGTERM, SIGINT: beginToStop()
    default: break
    }
  }

  // MARK: Reload

  private func reload() {
    guard stopping == nil else { return }
    renewListener()
    // At once, and whatever the files say: whoever changes an account needs it to have no process.
    context.spares.clear()
    guard !isReloading else {
      // Once more afterwards: the files may have changed since they were read.
      mayReloadAgain = true
      return
    }
    isReloading = true
    notifier.reloading()
    let (context, file, mailbox) = (context, configurationFile, mailbox)
    workers.submit(for: 0) {
      let (ruleset, problems) = Ruleset.load(file, keeping: context.rules.ruleset)
      mailbox.post(.reloaded(ruleset, problems: problems))
    }
  }

  private func finishReload(_ ruleset: Ruleset?, _ problems: [String]) {
    let logger = context.log.logger
    for problem in problems { logger.error("\(problem)") }
    let message: String
    if let ruleset {
      let before = context.rules.ruleset.configuration
      let after = ruleset.configuration
      context.rules.replace(with: ruleset)
      context.spares.clear()
      if before.controlSocket != after.controlSocket || before.runtimeDirectory != after.runtimeDirectory
        || before.logDirectory != after.logDirectory
      {
        logger.warning("control_socket, runtime_dir and log_dir are read at start only: restart agentshd for the new ones")
      }
      for warning in ruleset.warnings { logger.warning("\(warning)") }
      message =
        problems.isEmpty
        ? "reloaded: \(ruleset.policies.policies.count) policies" : "reloaded; what is broken keeps its last good version, where it has one"
    } else {
      message = "not reloaded: the configuration is broken; the last good one stays in force"
    }
    if problems.isEmpty { logger.notice("\(message)") } else { logger.error("\(message)") }
    let fields = problems.isEmpty ? [] : [AuditField("problems", .list(problems.prefix(100).map { .text($0) }))]
    context.log.note(AuditRecord(operation: .serverReload, fields: fields, message: message))
    notifier.ready()
    isReloading = false
    if mayReloadAgain {
      mayReloadAgain = false
      reload()
    }
  }

  // MARK: The end

  private func beginToStop() {
    guard stopping == nil else { return }
    notifier.stopping()
    context.log.logger.notice("stopping: \(sessions.count + adopted.count) sessions are being ended")
    stopAccepting()
    for connection in Array(connections.values) where connection.isIdle { close(connection) }
    for session in sessions.values { stop(session, "the server is stopping") }
    stopAdopted()
    stopping = .after(milliseconds: 10_000)
  }

  private func receive(_ message: LoopMessage) {
    // A worker may have counted a refusal that is to be written later.
    if context.refusals.holdsSome { writeHeldLater() }
    switch message {
    case .answered(let connection, let result): answer(connection, result)
    case .opened(let connection, let opened): watch(opened, for: connection)
    case .countsWanted(let connection, let sessions, let isList): beginListing(sessions, isList: isList, for: connection)
    case .stopWanted(let connection, let session, let reason): stop(session: session, reason, for: connection)
    case .streamOpened(let connection, let result): beginStream(connection, result)
    case .streamed(let connection, let stream, let part): sendPart(connection, stream, part)
    case .attested(let session, let result): finishAttestation(session, result)
    case .adoptedEnded(let number):
      if let id = adopted.removeValue(forKey: number)?.id, let session = context.sessions.session(id) { wakeFollowers(of: session) }
    case .reloaded(let ruleset, let problems): finishReload(ruleset, problems)
    }
  }
}
