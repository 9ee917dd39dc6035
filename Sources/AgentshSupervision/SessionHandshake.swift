import AgentshProtocol
import AgentshSystem

/// What the launcher has handed over so far: the pidfd twice, by way of ptrace.sock and signal.sock, and the seccomp listener.
///
/// Each is checked as it comes; that the two pidfds are one process is checked when both are there.
final class SessionHandshake {
  private var ptraceTarget: Pidfd?
  private var signalTarget: Pidfd?
  private var signalSocket: UnixSocket?
  private var listener: SeccompListener?
  private var notifySocket: UnixSocket?
  /// Number of the root target in this process's pid namespace, once it is known.
  private(set) var pid: Int32?
  /// What the launcher says that the command isn't given of its environment.
  private(set) var dropped = DroppedVariables([])

  /// All that a completed handshake has given.
  struct Completed: ~Copyable {
    let pid: Int32
    let target: Pidfd
    let listener: SeccompListener
    /// Stays open for the life of the session.
    let signalSocket: UnixSocket
    /// Waits for the nonce.
    let notifySocket: UnixSocket
  }

  /// Whether the launcher has been there already by this socket.
  func has(_ socket: SessionSocket) -> Bool {
    switch socket {
    case .ptrace: ptraceTarget != nil
    case .signal: signalTarget != nil
    case .notify: listener != nil
    }
  }

  var isComplete: Bool { ptraceTarget != nil && signalTarget != nil && listener != nil }

  /// Takes a pidfd that came by ptrace.sock or signal.sock: nil, or why not.
  ///
  /// It must be a pidfd of a living process with the number that was said, and that process a child of the launcher, so that nobody's handshake
  /// makes the supervisor signal or trace somebody else.
  func take(_ descriptor: consuming OwnedDescriptor, stated: Int32, by socket: SessionSocket, launcher: borrowing Pidfd) -> String? {
    // Before any call that means something else on another kind of file.
    guard let kind = try? readLink(at: -1, descriptorPath(descriptor.rawValue)), kind == Array("anon_inode:[pidfd]".utf8) else {
      return "the descriptor is no pidfd"
    }
    let pidfd = Pidfd(descriptor)
    do throws(SyscallError) {
      let number = try ProcessIdentity.processID(of: pidfd)
      guard number == stated else { return "the pidfd is of process \(number), not \(stated)" }
      let parent = try ProcessIdentity.parentID(of: pidfd)
      let caller = try ProcessIdentity.processID(of: launcher)
      guard parent == caller else { return "process \(number) is no child of the launcher" }
    } catch {
      return "the process has ended"
    }
    if pidfd.hasExited() { return "the process has ended" }
    if let pid, pid != stated { return "the other socket named process \(pid)" }
    switch socket {
    case .ptrace:
      if let other = signalTarget?.isSameProcess(as: pidfd), !other { return "the two pidfds are of two processes" }
      ptraceTarget = consume pidfd
    case .signal:
      if let other = ptraceTarget?.isSameProcess(as: pidfd), !other { return "the two pidfds are of two processes" }
      signalTarget = consume pidfd
    case .notify:
      return "a pidfd is not expected here"
    }
    pid = stated
    return nil
  }

  /// Keeps what the launcher says for the record.
  func note(_ dropped: DroppedVariables) { self.dropped = dropped }

  /// Takes the listener: nil, or why not.
  func take(listener descriptor: consuming OwnedDescriptor) -> String? {
    guard SeccompListener.isListener(descriptor) else { return "the descriptor is no seccomp listener" }
    listener = SeccompListener(descriptor)
    return nil
  }

  /// Keeps the connection over which a hello came.
  func keep(_ connection: consuming UnixSocket, of socket: SessionSocket) {
    switch socket {
    case .signal: signalSocket = consume connection
    case .notify: notifySocket = consume connection
    case .ptrace: break
    }
  }

  /// Gives everything up to the caller, once; nil before it is complete.
  func complete() -> Completed? {
    guard isComplete, let pid, let target = signalTarget.take(), let listener = listener.take(), let signal = signalSocket.take(),
      let notify = notifySocket.take()
    else { return nil }
    ptraceTarget = nil
    return Completed(pid: pid, target: target, listener: listener, signalSocket: signal, notifySocket: notify)
  }

  /// Kills the process that was registered, where there is one.
  func killTarget() {
    try? signalTarget?.sendSignal(9)
    try? ptraceTarget?.sendSignal(9)
  }
}
