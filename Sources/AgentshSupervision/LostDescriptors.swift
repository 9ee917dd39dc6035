import AgentshPolicy
import AgentshSystem
import Glibc

extension Worker {
  /// How long a thread that was killed may take to end, in milliseconds, before it is taken for one that goes on.
  private static let dyingMilliseconds: CInt = 100

  /// Ends a process whose open has returned 0 instead of a descriptor of the file: it takes its own standard input for that file, and nothing puts that right any more.
  ///
  /// Whether it is so can be uncertain: the thread may have been killed instead, by whoever or by another thread's exec (`goesOn`).
  func endMisled(_ call: TrappedCall, isCertain: Bool) {
    guard isCertain || goesOn(call) else { return }
    guard let process = try? processID(call), supervision.layer.relations.isInSession(process), let pidfd = try? Pidfd.open(process) else { return }
    let verdict = Verdict(
      decision: .deny, rule: "builtin:lost_descriptor",
      message: "agentsh was stopped while it handed an open file over, and the process would have taken its standard input for that file: it was killed")
    if let kind = supervision.kinds.kind(of: call) { try? settle(call, kind, .syscall, .nothing, verdict, isAnswered: true) }
    try? pidfd.sendSignal(SIGKILL)
  }

  /// Whether the thread that made a call goes on behind it. One that was killed ends at once, unless a core file is being written. A thread that executes a program ends the
  /// process's first one and takes its number, so that a first thread goes on only where the instruction that made the call is still there. Kernels that pin no threads (before
  /// 6.9) don't tell.
  private func goesOn(_ call: TrappedCall) -> Bool {
    guard let thread = try? Pidfd.open(call.thread, thread: true), !thread.waitForExit(milliseconds: Self.dyingMilliseconds),
      let status = try? readSmallFile(at: AT_FDCWD, procPath(call.thread, "status"), limit: 8192), statusField("CoreDumping:", in: status) != "1"
    else { return false }
    // SYSCALL, and SVC #0.
    let instruction: [UInt8] = call.architecture == 0xC000_00B7 ? [0x01, 0x00, 0x00, 0xD4] : [0x0F, 0x05]
    let (address, isBelow) = call.instruction.subtractingReportingOverflow(UInt64(instruction.count))
    guard !isBelow, let there = try? TargetMemory(thread: call.thread).bytes(at: address, count: instruction.count) else { return false }
    return there == instruction
  }
}
