import AgentshPolicy
import AgentshSystem
import Glibc

extension Worker {
  /// How long a thread that was killed may take to end, in milliseconds, before it is taken for one that goes on.
  private static let dyingMilliseconds: CInt = 100

  /// Ends a process whose open has returned 0 instead of a descriptor of the file: it takes its own standard input for that file, and nothing puts that right any more.
  ///
  /// Whether it is so can be uncertain. Then the thread may have been killed, by whoever or by another thread's exec, and will be gone at once: only one that goes on was
  /// misled. Kernels that pin no threads (before 6.9) don't tell these apart, and there it is left alone.
  func endMisled(_ call: TrappedCall, isCertain: Bool) {
    if !isCertain {
      guard let thread = try? Pidfd.open(call.thread, thread: true), !thread.waitForExit(milliseconds: Self.dyingMilliseconds) else { return }
    }
    guard let process = try? processID(call), supervision.layer.relations.isInSession(process), let pidfd = try? Pidfd.open(process) else { return }
    let verdict = Verdict(
      decision: .deny, rule: "builtin:lost_descriptor",
      message: "agentsh was stopped while it handed an open file over, and the process would have taken its standard input for that file: it was killed")
    if let kind = supervision.kinds.kind(of: call) { try? settle(call, kind, .syscall, .nothing, verdict, isAnswered: true) }
    try? pidfd.sendSignal(SIGKILL)
  }
}
