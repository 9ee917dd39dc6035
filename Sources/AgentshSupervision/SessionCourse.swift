import AgentshFilter
import AgentshPolicy
import AgentshProtocol
import AgentshSystem
import Glibc
import SystemPackage

/// What a session goes through between its launcher's handshake and its end, on a thread that waits for events and never for anything else.
///
/// There are two kinds: the session of a supervisor (`SessionLoop`), and those that were opened inside it (`NestedLoop`).
class SessionCourse {
  /// How far the session is.
  enum Phase: Equatable {
    /// The launcher has until the deadline to hand everything over.
    case handshaking
    /// The server compares the filter.
    case attesting
    /// The first trapped call has to carry the nonce.
    case awaitingNonce
    case running
    /// SIGTERM was sent; what is left at that moment is killed.
    case terminating(until: Deadline)
    /// Everything is being killed, until nothing is left.
    case killing(giveUp: Deadline)
  }

  enum Token {
    static let channel: UInt64 = 10
    static let launcher: UInt64 = 11
    static let mailbox: UInt64 = 12
    static let signalSocket: UInt64 = 13
    static let target: UInt64 = 14
    static let listener: UInt64 = 15
  }

  /// Between SIGTERM and SIGKILL.
  private static let graceMilliseconds: Int64 = 5000
  /// How long killing is tried, and how often.
  private static let killMilliseconds: Int64 = 10_000
  private static let killAgainMilliseconds: Int64 = 50
  private static let killLateMilliseconds: Int64 = 1000
  /// How often a cgroup is looked at whose processes have all been killed and are ending.
  private static let lookMilliseconds: Int64 = 1
  /// How long the launcher may take to say how its child ended.
  private static let statusMilliseconds: Int64 = 2000

  let plan: SessionPlan
  let policy: Policy
  let bound: BoundPolicy
  let sessionFloor: SessionFloor
  let floor: ActingFloor
  let record: SessionRecord
  let counters = DecisionCounters()
  let mailbox: Mailbox
  let kinds: CallKinds
  private let processes: SessionProcesses

  var phase = Phase.handshaking
  private var handshakeDeadline: Deadline
  var timeout = Deadline.never
  let began = monotonicNanoseconds()

  // What the handshake gave.
  private(set) var target: Pidfd?
  private(set) var targetNumber: Int32?
  private(set) var signalSocket: UnixSocket?
  /// By the launcher's word.
  var dropped = DroppedVariables([])
  private var signalFramer = MessageFramer(limit: MessageFramer.sessionLimit)

  // How it ended.
  private(set) var ending = TargetEnding.unknown
  private(set) var reason: String?
  private(set) var hasStatus = false
  /// Nothing is left under the listener, or there is none that could say so.
  var isAbandoned = false
  var hasStarted = false
  private(set) var hasFailed = false
  /// The command was let go.
  var hasRun = false
  private var statusDeadline = Deadline.never
  private var nextKill = Deadline.never
  private var nextLook = Deadline.never
  /// What the launcher says that was used.
  private var claimed: (cpuMicroseconds: Int?, memoryKiB: Int?) = (nil, nil)
  /// CPU time and memory, from before the cgroup is gone; by the launcher's word where the cgroup doesn't tell.
  private(set) var used: (cpuMicroseconds: Int?, memoryKiB: Int?) = (nil, nil)

  /// - Parameters:
  ///   - record: open for appending, and empty.
  ///   - killFile: the cgroup's `cgroup.kill`, or anything where there is no cgroup.
  ///   - around: the floor of the session that this one lies inside of.
  init(
    plan: SessionPlan, _ prepared: PreparedPolicy, record: consuming OwnedDescriptor, killFile: consuming OwnedDescriptor, mailbox: Mailbox,
    around: ActingFloor? = nil
  ) throws(SyscallError) {
    self.plan = plan
    policy = prepared.policy
    bound = prepared.bound
    let left = FloorRights(rawValue: plan.exactRights)
    sessionFloor = SessionFloor(prepared.floor, policy, holding: left)
    // What the filter doesn't trap has to be held exactly, or nobody would decide it.
    guard sessionFloor.exactRights().isSuperset(of: left) else { throw SyscallError("landlock_create_ruleset", .notSupportedOnSocket, "exact rights") }
    floor = try ActingFloor(sessionFloor.rules, around: around)
    self.record = SessionRecord(
      descriptor: record, session: plan.sessionID, uid: plan.callerUID, recordsAllowedReads: policy.audit.logAllowed, most: plan.recordSize)
    processes = SessionProcesses(killFile: killFile, isCgroup: plan.canKillCgroup, launcher: plan.callerPID, session: plan.sessionID)
    self.mailbox = mailbox
    kinds = CallKinds()
    handshakeDeadline = .after(milliseconds: Int64(plan.handshakeTimeoutMilliseconds))
  }

  // MARK: What the kinds differ in

  func watch(_ descriptor: CInt, _ events: EpollEvents, token: UInt64) throws(SyscallError) {}
  func unwatch(_ descriptor: CInt) {}
  /// To a launcher that still waits for the nonce: it doesn't come.
  func turnAway(_ reason: String) {}
  /// SIGTERM is about to be sent to everything.
  func willTerminate(_ reason: String) {}
  /// SIGKILL is about to be sent to everything, for the first time or once more.
  func willKill() {}
  /// A message of the launcher.
  func take(_ message: [UInt8]) { handleLauncher(message) }
  func tellLauncher(_ message: SupervisorMessage) { sendLauncher(message.frame) }

  // MARK: Deadlines

  var nextDeadline: Deadline {
    switch phase {
    case .handshaking, .attesting, .awaitingNonce: return handshakeDeadline
    case .running: return timeout
    case .terminating(let until): return until
    case .killing(let giveUp):
      let waited = isAbandoned ? (nextLook == .never ? statusDeadline : nextLook) : .never
      return min(giveUp.hasPassed ? .never : giveUp, min(nextKill, waited))
    }
  }

  func checkDeadlines() {
    switch phase {
    case .handshaking, .attesting, .awaitingNonce:
      if handshakeDeadline.hasPassed { killAll(because: "the handshake took longer than \(plan.handshakeTimeoutMilliseconds) ms") }
    case .running:
      if timeout.hasPassed { terminate(because: "timeout") }
    case .terminating(let until):
      if until.hasPassed { killAll(because: nil) }
    case .killing:
      if nextKill.hasPassed { kill() }
    }
  }

  // MARK: The handshake

  /// Takes the process that the launcher made.
  func take(target pidfd: consuming Pidfd, number: Int32) {
    targetNumber = number
    do throws(SyscallError) { try watch(pidfd.descriptor.rawValue, .readable, token: Token.target) } catch { fail("waiting for events: \(error)") }
    target = consume pidfd
  }

  /// Takes the connection to the launcher that stays open for the life of the session.
  func take(launcher socket: consuming UnixSocket) {
    do throws(SyscallError) {
      try setNonBlocking(socket.rawValue)
      try watch(socket.rawValue, .readable, token: Token.signalSocket)
    } catch {
      fail("waiting for events: \(error)")
    }
    signalSocket = consume socket
  }

  var targetDescriptor: CInt? {
    switch target {
    case .some(let pidfd): pidfd.descriptor.rawValue
    case .none: nil
    }
  }

  /// Whether a call is the one that proves which filter and listener a process has: made by the process that was attested, with the session's nonce.
  func isNonce(_ call: TrappedCall) -> Bool {
    call.architecture == kinds.architecture && kinds[call.number] == .prctl && call.thread == targetNumber
      && call.arguments.0 == UInt64(FilterSpecification.nonceOption) && call.arguments.1 == plan.nonce & 0xFFFF_FFFF
      && call.arguments.2 == plan.nonce >> 32 && call.arguments.3 == 0
  }

  /// The session runs from here on.
  func beginRunning() {
    phase = .running
    if let milliseconds = plan.timeoutMilliseconds { timeout = .after(milliseconds: Int64(milliseconds)) }
    hasRun = true
  }

  // MARK: The launcher

  func readSignalSocket() {
    do throws(SyscallError) {
      // Nothing: a false alarm.
      guard let part = try signalSocket?.receive(atMost: MessageFramer.sessionLimit) else { return }
      if part.isEnd { return launcherHungUp() }
      guard let messages = try? signalFramer.append(part.bytes) else { return launcherHungUp() }
      for message in messages { take(message) }
    } catch {
      launcherHungUp()
    }
  }

  private func handleLauncher(_ message: [UInt8]) {
    guard let message = try? LauncherMessage.decode(message) else { return launcherHungUp() }
    switch message {
    case .signal(let number):
      // A signal that can't be delivered has nobody left to take it.
      try? target?.sendSignal(number)
    case .ended(let status):
      ending = TargetEnding(waitStatus: status)
      hasStatus = true
      killAll(because: nil)
    case .used(let cpu, let memory):
      claimed = (cpu, memory)
    }
  }

  func launcherHungUp() {
    if let raw = signalSocket?.rawValue { unwatch(raw) }
    signalSocket = nil
    statusDeadline = .after(milliseconds: 0)
    killAll(because: hasStatus ? nil : "the launcher hung up")
  }

  func launcherEnded() {
    statusDeadline = .after(milliseconds: 0)
    killAll(because: hasStatus ? nil : "the launcher ended")
  }

  func sendLauncher(_ frame: [UInt8]) {
    try? signalSocket?.sendAll(frame, deadline: .after(milliseconds: 1000))
  }

  // MARK: The end

  func targetEnded() {
    if let raw = targetDescriptor { unwatch(raw) }
    // The server kills a target that isn't what it has to be, and says why then.
    if phase == .attesting { return }
    waitForStatus()
    killAll(because: nil)
  }

  /// Whether the target has ended.
  var targetHasEnded: Bool {
    switch target {
    case .some(let pidfd): pidfd.hasExited()
    case .none: true
    }
  }

  /// The launcher has a while to say how its child ended.
  func waitForStatus() {
    if statusDeadline == .never { statusDeadline = .after(milliseconds: Self.statusMilliseconds) }
  }

  /// Something went wrong in here: the session ends, closed.
  func fail(_ why: String) {
    hasFailed = true
    SupervisorMain.complain("session \(plan.sessionID): \(why)")
    killAll(because: "the supervisor can't go on: \(why)")
  }

  /// Asks everything to end, and kills what is left after a while.
  func terminate(because why: String) {
    guard phase == .running else { return killAll(because: why) }
    reason = why
    tellLauncher(.stopped(reason: why))
    willTerminate(why)
    processes.signal(SIGTERM, rootTarget: targetNumber)
    // A stopped process takes no signal but these.
    processes.signal(SIGCONT, rootTarget: targetNumber)
    phase = .terminating(until: .after(milliseconds: Self.graceMilliseconds))
  }

  func killAll(because why: String?) {
    if case .killing = phase { return }
    if let why, reason == nil {
      reason = why
      tellLauncher(.stopped(reason: why))
    }
    phase = .killing(giveUp: .after(milliseconds: Self.killMilliseconds))
    turnAway(reason ?? "the session has ended")
    waitForStatus()
    kill()
  }

  private func kill() {
    let isLate = if case .killing(let giveUp) = phase { giveUp.hasPassed } else { false }
    nextKill = .after(milliseconds: isLate ? Self.killLateMilliseconds : Self.killAgainMilliseconds)
    willKill()
    try? target?.sendSignal(SIGKILL)
    processes.kill(rootTarget: targetNumber)
  }

  /// Whether all of it has ended, or what is left can't be killed.
  var isOver: Bool {
    guard case .killing(let giveUp) = phase else { return false }
    // Without a control group a process may not be found: it runs under this supervisor then, which kills it at its next call, and never without.
    if giveUp.hasPassed, plan.canKillCgroup || supervisesNothing { return true }
    guard isAbandoned else { return false }
    if processes.isPopulated() {
      nextLook = .after(milliseconds: Self.lookMilliseconds)
      return false
    }
    nextLook = .never
    return hasStatus || signalSocket == nil || statusDeadline.hasPassed
  }

  /// Nobody's calls are received any more.
  var supervisesNothing: Bool { true }

  /// Whether something still lives in its control group.
  var isPopulated: Bool { processes.isPopulated() }

  /// A launcher that was stopped doesn't say how its child ended; the kernel does, as long as nobody has waited for that.
  private func learnStatus() {
    guard !hasStatus, let number = targetNumber, let status = ProcessFacts.unreapedStatus(of: number) else { return }
    switch target {
    case .some(let pidfd):
      // Still its number, so that it was during the look, too.
      guard (try? ProcessIdentity.processID(of: pidfd)) == number else { return }
      ending = TargetEnding(waitStatus: status)
    case .none: return
    }
  }

  /// Closes the record; the totals.
  func closeRecord() -> SessionSummary {
    learnStatus()
    used = (processes.cpuMicroseconds() ?? claimed.cpuMicroseconds, processes.memoryKiB() ?? claimed.memoryKiB)
    if !hasStarted { _ = record.write(startRecord()) }
    let summary = summary()
    if !record.close(with: endRecord(summary)) { SupervisorMain.complain("session \(plan.sessionID): the end could not be recorded") }
    return summary
  }
}
