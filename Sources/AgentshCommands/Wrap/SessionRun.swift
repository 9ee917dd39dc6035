internal import AgentshProtocol
internal import AgentshSupervision
internal import AgentshSystem
import Glibc
import SystemPackage

/// How a session went.
struct SessionOutcome {
  var ending: CommandEnding
  var summary: SessionSummary?
  /// The connection to the supervisor broke before the session was over.
  var lostSupervisor = false
}

/// The launcher's loop while the command runs: signals in, signals out, stops, the end.
struct SessionRun: ~Copyable {
  private var child: LauncherChild
  private let signals: OwnedDescriptor
  private let supervisor: UnixSocket
  private let embedded: EmbeddedServer?
  private let remains: Remains
  private var framer = MessageFramer(limit: MessageFramer.sessionLimit)

  private var ending: CommandEnding?
  private var failedExec: (errno: Int32, candidate: Int)?
  private var summary: SessionSummary?
  private var isReporting = true
  private var isSupervisorGone = false
  private var lostSupervisor = false
  private var isStopped = false
  private var isEndTold = false
  /// When a stopped command that nobody has continued is continued for the user.
  private var continuation = Deadline.never
  /// When the summary is no longer waited for.
  private var patience = Deadline.never

  /// Closing a session means killing what is left of it and closing its record.
  private static let summaryPatience: Int64 = 10_000
  /// So long it is tried to kill what a lost supervisor has left.
  private static let killPatience: Int64 = 5_000
  /// `fg` continues the whole process group; the command's own news of it arrives well within this.
  private static let continuationPatience: Int64 = 50

  /// Where the processes of the session are found that have left the command's tree.
  enum Remains {
    /// `EmbeddedServer.close` sees to them.
    case embedded
    /// In the control group of the session with this id.
    case group(String)
    /// Orphans come to this process, which had other children before.
    case children(except: Set<Int32>)
  }

  /// - Parameters:
  ///   - signals: a signalfd that takes every signal; all are blocked.
  ///   - remains: where what the command leaves behind is found once nobody supervises it.
  init(
    child: consuming LauncherChild, signals: consuming OwnedDescriptor, supervisor: consuming UnixSocket, embedded: EmbeddedServer?, remains: Remains
  ) {
    self.child = child
    self.signals = signals
    self.supervisor = supervisor
    self.embedded = embedded
    self.remains = remains
  }

  /// Runs until the command has ended and the supervisor has closed the session.
  mutating func finish() throws(SyscallError) -> SessionOutcome {
    try reapChildren()
    while true {
      if let ending, isSupervisorGone || summary != nil || patience.hasPassed {
        return SessionOutcome(ending: ending, summary: summary, lostSupervisor: lostSupervisor)
      }
      let ready = try waitForAny(
        [
          signals.rawValue, isReporting ? child.reportDescriptor : -1, isSupervisorGone ? -1 : supervisor.rawValue,
          embedded?.channelDescriptor ?? -1, ending == nil ? child.pidfd.descriptor.rawValue : -1,
        ], deadline: min(continuation, patience))
      if ready[1] { takeReport() }
      if ready[0] { try takeSignals() }
      // SIGCHLD tells of stops too, and need not come where something else in the process takes signals.
      if ready[4] { try reapChildren() }
      if ready[2] { takeMessages() }
      if ready[3] { embedded?.serve() }
      if continuation.hasPassed { continueCommand() }
    }
  }

  // MARK: The child

  private mutating func takeReport() {
    let report: LaunchReport?
    do throws(SyscallError) { report = try child.nextReport() } catch { report = nil }
    guard let report else {
      isReporting = false
      child.closePipes()
      return
    }
    if report.error != 0 { failedExec = (report.error, report.stage == .exec ? Int(report.value) : -1) }
    if report.error != 0, report.stage != .exec { Messages.say(LaunchProblems.explain(report).lines) }
  }

  private mutating func reapChildren() throws(SyscallError) {
    while let (pid, change) = try nextChildChange() {
      embedded?.noteEnd(of: pid, change)
      guard pid == child.pid else { continue }
      switch change {
      case .stopped(let signal): stopAlong(signal)
      case .continued:
        isStopped = false
        continuation = .never
      case .exited, .killed: end(change)
      }
    }
  }

  private mutating func end(_ change: ChildChange) {
    // The reports lie in the pipe by now, whatever order poll(2) told of them.
    while isReporting, case .some = try? waitForAny([child.reportDescriptor], deadline: Deadline(nanoseconds: 0)).first(where: { $0 }) { takeReport() }
    if let failedExec {
      ending = .notExecuted(errno: failedExec.errno, candidate: failedExec.candidate)
    } else {
      ending = CommandEnding(change)
    }
    tellEnd()
    patience = .after(milliseconds: Self.summaryPatience)
  }

  private mutating func tellEnd() {
    guard let ending, !isEndTold else { return }
    isEndTold = true
    let use = ResourceUse.ofReapedChildren()
    send(.used(cpuMicroseconds: use.cpuMicroseconds, memoryKiB: use.memoryKiB))
    send(.ended(waitStatus: ending.waitStatus))
  }

  /// The command was stopped, so the shell that waits for agentsh must see agentsh stopped in the same way.
  private mutating func stopAlong(_ signal: Int32) {
    isStopped = true
    LauncherSignals.actByDefault(signal)
    continuation = .after(milliseconds: Self.continuationPatience)
  }

  /// agentsh alone was continued, so the command has to be.
  private mutating func continueCommand() {
    continuation = .never
    guard isStopped else { return }
    isStopped = false
    send(.signal(SIGCONT))
  }

  // MARK: Signals

  private mutating func takeSignals() throws(SyscallError) {
    var changed = false
    while let signal = try LauncherSignals.next(signals) {
      if signal.number == SIGCHLD {
        changed = true
      } else if signal.number == SIGCONT {
        if isStopped { continuation = min(continuation, .after(milliseconds: Self.continuationPatience)) }
      } else if SignalForwarding.shouldForward(signal, own: getpid()) {
        send(.signal(signal.number))
      }
    }
    if changed { try reapChildren() }
  }

  // MARK: The supervisor

  private mutating func send(_ message: LauncherMessage) {
    guard !isSupervisorGone else { return }
    do throws(SyscallError) {
      try supervisor.sendAll(message.frame, deadline: .after(milliseconds: 1000))
    } catch {
      // A broken connection is seen, and dealt with, where it is read.
    }
  }

  private mutating func takeMessages() {
    let messages: [[UInt8]]
    do {
      guard let received = try supervisor.receive(atMost: 16384) else { return }
      guard !received.isEnd else {
        loseSupervisor()
        return
      }
      messages = try framer.append(received.bytes)
    } catch {
      loseSupervisor()
      return
    }
    for message in messages {
      switch try? SupervisorMessage.decode(message) {
      case .stopped(let reason)?: Messages.say("the session was ended: \(Messages.printable(reason))")
      case .summary(let summary)?: self.summary = summary
      case nil: Messages.say("the supervisor sent a message that can't be understood")
      }
    }
  }

  /// Nothing runs on unsupervised. The server sees to that, too, but it may be gone.
  private mutating func loseSupervisor() {
    isSupervisorGone = true
    guard summary == nil else { return }
    lostSupervisor = true
    let wasRunning = ending == nil
    if wasRunning {
      ProcessTree.kill(from: child.pid)
      child.kill()
    }
    let isAllKilled = killRemains()
    guard wasRunning || !isAllKilled else { return }
    if isAllKilled {
      Messages.say("the session's supervisor is gone; the command and what it had started were killed, so that nothing runs unsupervised")
    } else {
      Messages.say([
        "the session's supervisor is gone; the command was killed, and something that it had started may still run: not every process of the session could be killed",
        "it fails at the first call that has to be decided; the server kills it, or the next one does when it starts",
      ])
    }
    // Without a server there is no log of one.
    if embedded == nil { Messages.say("the server's log says more: journalctl -u agentshd, or server.jsonl") }
  }

  /// Kills what has left the command's tree; false where something may be left.
  private mutating func killRemains() -> Bool {
    switch remains {
    case .embedded: return true
    case .group(let session): return ProcessTree.kill(group: session, milliseconds: Self.killPatience)
    case .children(let others):
      let deadline = Deadline.after(milliseconds: Self.killPatience)
      // As in `EmbeddedServer.close`: whatever loses its parent becomes a child of this process.
      while !deadline.hasPassed {
        let left = Children.current().subtracting(others)
        if left.isEmpty { return true }
        for process in left { ProcessTree.kill(from: process) }
        try? reapChildren()
      }
      return false
    }
  }
}

/// Which of the launcher's signals the command has not received by itself, as far as can be told.
///
/// What a process sends to the whole group (`kill -TERM %1` of a shell, killpg(3)) reaches the command twice: the kernel delivers it to both, and no field of
/// siginfo tells it from one that was meant for the launcher alone. A witness in the group would take a signal that was sent to each of several processes
/// (by name, or by a service manager to a control group in which the command is not) for one to the group: the command would never get it, which is worse
/// than twice. Nor does it help who sent it: a script without job control is in the group itself and means the launcher alone.
enum SignalForwarding {
  /// Sent by the kernel to a terminal's whole foreground process group, which the command is in.
  private static let ofTerminals: Set<Int32> = [SIGINT, SIGQUIT, SIGTSTP, SIGHUP, SIGWINCH, SIGTTIN, SIGTTOU, SIGPIPE]

  static func shouldForward(_ signal: ReceivedSignal, own: Int32) -> Bool {
    // SIGPIPE of a write of ours, say: sent by this process to itself.
    if signal.sender == own { return false }
    return !(signal.isFromKernel && ofTerminals.contains(signal.number))
  }
}
