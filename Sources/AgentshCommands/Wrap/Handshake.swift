internal import AgentshProtocol
internal import AgentshSystem
import Glibc
import SystemPackage

/// Hands the child's listener and pidfd to the supervisor, over the three sockets of the session.
struct Handshake {
  let reply: WrapReply
  let embedded: EmbeddedServer?
  /// Of a session inside another: it takes the place of the sockets.
  private let link: NestedLink?
  private let deadline: Deadline
  /// For the record.
  private let dropped: DroppedVariables

  /// As long as the server gives, and a little more, so that its reason arrives.
  static func patience(_ reply: WrapReply) -> Int64 { Int64(min(reply.handshakeMilliseconds ?? 30_000, 86_400_000)) + 5000 }

  /// - Parameter dropped: names of the variables that the policy drops.
  init(reply: WrapReply, embedded: EmbeddedServer?, link: NestedLink? = nil, dropped: [[UInt8]] = []) {
    self.reply = reply
    self.dropped = DroppedVariables(dropped)
    self.link = link
    self.embedded = embedded
    deadline = .after(milliseconds: Self.patience(reply))
  }

  /// What a completed handshake leaves: the connection to signal.sock, and what the child's trapped call has to carry.
  struct Completed: ~Copyable {
    let supervisor: UnixSocket
    let nonce: UInt64
  }

  /// Waits for the child's filter and hands everything over; the child still waits afterwards.
  func perform(_ child: inout LauncherChild) throws(CommandFailure) -> Completed {
    if let link { return try perform(&child, over: link) }
    let listener = try listener(of: &child)
    let hello = ProcessHello(token: reply.token, pid: child.pid).frame
    let pidfd = child.pidfd.descriptor.rawValue

    let ptrace = try connect(reply.ptraceSocket)
    _ = try exchange(ptrace, "ptrace.sock", hello, pidfd)
    let supervisor = try connect(reply.signalSocket)
    _ = try exchange(supervisor, "signal.sock", ProcessHello(token: reply.token, pid: child.pid, dropped: dropped).frame, pidfd)
    let notify = try connect(reply.notifySocket)
    let answer = try exchange(notify, "notify.sock", ListenerHello(token: reply.token).frame, listener.rawValue)
    guard case .acceptedWithNonce(let nonce) = answer else {
      throw CommandFailure(.failed, "the supervisor took the listener and gave no nonce; the command was not started")
    }
    return Completed(supervisor: supervisor, nonce: nonce)
  }

  /// The filter on top has no listener, and the supervisor looks for itself who the child is.
  private func perform(_ child: inout LauncherChild, over link: NestedLink) throws(CommandFailure) -> Completed {
    guard try filterReport(of: &child) < 0, let supervisor = link.take() else { throw LaunchProblems.explain(nil) }
    let answer = try exchange(supervisor, "connection", ProcessHello(token: reply.token, pid: child.pid, dropped: dropped).frame, nil)
    guard case .acceptedWithNonce(let nonce) = answer else {
      throw CommandFailure(.failed, "the supervisor gave no nonce; the command was not started")
    }
    return Completed(supervisor: supervisor, nonce: nonce)
  }

  private func listener(of child: inout LauncherChild) throws(CommandFailure) -> OwnedDescriptor {
    let number = try filterReport(of: &child)
    guard number >= 0 else { throw LaunchProblems.explain(nil) }
    // The table is shared with the child until it execs: closing the listener here closes it for both.
    return OwnedDescriptor(owning: number)
  }

  /// Waits until the child's filter is in place: the number of its listener, or -1 where it has none.
  private func filterReport(of child: inout LauncherChild) throws(CommandFailure) -> CInt {
    let report: LaunchReport?
    do throws(SyscallError) { report = try child.nextReport(deadline: deadline) } catch {
      throw CommandFailure(.failed, "the command was not started: its process ended before its filter was in place (\(error.errno))")
    }
    guard let report, report.stage == .listening, report.error == 0 else { throw LaunchProblems.explain(report) }
    return report.value
  }

  private func connect(_ path: [UInt8]) throws(CommandFailure) -> UnixSocket {
    do throws(SyscallError) { return try UnixSocket.connect(to: path) } catch {
      throw CommandFailure(
        .failed, "can't reach the session's supervisor at \(displayEscaped(path)): \(error.errno); the command was not started")
    }
  }

  private func exchange(_ socket: borrowing UnixSocket, _ name: String, _ hello: [UInt8], _ descriptor: CInt?)
    throws(CommandFailure) -> HandshakeReply
  {
    let answer: HandshakeReply
    do {
      try socket.sendAll(hello, descriptors: descriptor.map { [$0] } ?? [], deadline: deadline)
      // In embedded mode the supervisor asks its server, which is this process, before it answers.
      try embedded?.serve(whileWaitingFor: socket.rawValue, deadline: deadline)
      guard let frame = try socket.receiveFrame(limit: MessageFramer.sessionLimit, deadline: deadline) else {
        let lines = ["the supervisor closed \(name) during the handshake; the command was not started"]
        throw CommandFailure(.failed, lines: lines + (embedded == nil ? ["the server's log says why: journalctl -u agentshd, or server.jsonl"] : []))
      }
      answer = try HandshakeReply.decode(frame.bytes)
    } catch let error as CommandFailure {
      throw error
    } catch {
      throw CommandFailure(.failed, "the handshake on \(name) failed: \(error); the command was not started")
    }
    if case .refused(let reason) = answer {
      throw CommandFailure(.failed, "the supervisor refused \(name): \(Messages.printable(reason)); the command was not started")
    }
    return answer
  }
}

/// What kept the child from becoming the command, in words.
enum LaunchProblems {
  static func explain(_ report: LaunchReport?) -> CommandFailure {
    guard let report else { return CommandFailure(.failed, "the command was not started: its process ended early") }
    let error = Errno(rawValue: report.error)
    switch (report.stage, error) {
    case (.filter, .resourceBusy):
      return CommandFailure(
        .failed, "can't install the filter: this process already runs under a supervisor, and the kernel allows one listener",
        "start the session outside the one that you are in")
    case (.filter, .invalidArgument), (.filter, .noFunction):
      return CommandFailure(
        .failed, "this host can't enforce the policy: the kernel takes no seccomp filter with a listener (\(error))",
        "`agentsh detect` shows what is there and what is missing")
    default:
      return CommandFailure(.failed, "the command was not started: can't \(report.stage.intention): \(error)")
    }
  }

  /// For a command whose execve(2) failed: status and words.
  /// - Parameter wasRefused: the supervisor refused something, which can only have been this: nothing else has run.
  static func explainExec(
    _ name: [UInt8], path: [UInt8], errno: Int32, wasRefused: Bool, session: String, isNested: Bool = false
  ) -> CommandFailure {
    let exists = ProgramSearch.exists(path)
    let status = CommandEnding.status(ofFailedExec: errno, exists: exists)
    let shown = displayEscaped(exists ? path : name)
    if status == .notFound { return CommandFailure(.notFound, "\(shown): not found") }
    let answer = "\(Errno(rawValue: errno))"
    guard errno == EACCES || errno == EPERM else {
      return CommandFailure(.notExecutable, "\(shown): can't be executed: \(errno == ENOENT || errno == ENOTDIR ? "its interpreter is not there" : answer)")
    }
    if wasRefused {
      // From inside a session nothing is told of another.
      let place = isNested ? "outside of the session: " : ""
      return CommandFailure(.notExecutable, "\(shown): refused by the policy", "see \(place)agentsh why \(session)")
    }
    let reason = errno == EACCES ? ownReason(path) : nil
    // That one's refusals are not counted in this session.
    if isNested, reason == nil, ProgramSearch.isExecutable(path) {
      return CommandFailure(.notExecutable, "\(shown): refused by the policy of the session around", "see agentsh why")
    }
    return CommandFailure(.notExecutable, "\(shown): can't be executed: \(reason ?? answer)")
  }

  /// Why the kernel refuses it by itself, where that is to be seen from the file.
  private static func ownReason(_ path: [UInt8]) -> String? {
    guard let status = try? fileStatus(at: AT_FDCWD, path) else { return nil }
    if status.isDirectory { return "it is a directory" }
    if !status.isRegular { return "it is no regular file" }
    guard ProgramSearch.isExecutable(path), let interpreter = ProgramSearch.interpreter(ofScript: path) else { return nil }
    let shown = displayEscaped(interpreter)
    if let status = try? fileStatus(at: AT_FDCWD, interpreter), status.isDirectory { return "its interpreter \(shown) is a directory" }
    return ProgramSearch.isExecutable(interpreter) ? nil : "its interpreter \(shown): \(Errno.permissionDenied)"
  }
}
