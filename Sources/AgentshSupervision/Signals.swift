import AgentshAudit
import AgentshPolicy
import AgentshSystem
import CAgentshSystem
import Glibc
import SystemPackage

extension Worker {
  /// kill(2), tkill(2), tgkill(2), rt_sigqueueinfo(2), rt_tgsigqueueinfo(2), pidfd_send_signal(2).
  ///
  /// All but the last are decided on their registers and then left to the kernel, with its own permission checks. A number may change hands between the
  /// two; the kernel then still asks whether the caller may signal the newcomer.
  func sendSignal(_ call: TrappedCall, _ kind: CallKind) throws(CallFailure) -> Answer {
    let a = call.arguments
    func number(_ argument: UInt64) -> Int32 { Int32(truncatingIfNeeded: argument) }
    // Whom the target means, by the number that it has here. The kernel goes by the target's own again.
    func task(_ argument: UInt64) throws(CallFailure) -> Int32 { try ownNumber(call, number(argument)) }
    switch kind {
    case .kill: return try signal(call, kind, number(a.1), to: try task(a.0))
    case .rt_sigqueueinfo: return try signal(call, kind, number(a.1), toProcess: try task(a.0))
    case .tkill: return try signal(call, kind, number(a.1), toThread: try task(a.0), of: nil)
    case .tgkill: return try signal(call, kind, number(a.2), toThread: try task(a.1), of: try task(a.0))
    case .rt_tgsigqueueinfo: return try signal(call, kind, number(a.2), toThread: try task(a.1), of: try task(a.0))
    case .pidfd_send_signal: return try signalByDescriptor(call, kind)
    case .fcntl:
      // F_SETOWN: whoever is named gets SIGIO whenever the descriptor is ready, so it is a signal to that process or group; 0 names nobody.
      if number(a.2) == .min { return .proceed }
      let owner = try task(a.2)
      return owner == 0 ? .proceed : try signal(call, kind, SIGIO, to: owner)
    default: return .failure(ENOSYS)
    }
  }

  /// The decision about one signal to one process. Signal 0 sends nothing and tells no more than /proc does.
  func verdict(_ layer: SessionLayer, _ signal: Int32, sender: Int32, _ receiver: ProcessFacts) -> Verdict {
    if layer.relations.isUntouchable(receiver.process) {
      return Verdict(decision: .deny, rule: "builtin:agentsh", message: "the processes that supervise a session take no signals from it")
    }
    if signal == 0 { return Verdict(decision: .allow, rule: "builtin:existence") }
    return layer.policy.signal(signal, layer.relations.relation(of: receiver, to: sender))
  }

  private func settle(
    _ call: TrappedCall, _ kind: CallKind, _ signal: Int32, _ process: Int32, _ judgement: Judgement
  ) throws(CallFailure) -> Answer {
    do throws(CallFailure) {
      try settle(
        call, kind, .signalSend, .signal(number: signal, process: process), judgement, refusal: EPERM, isPlainRead: signal == 0)
    } catch {
      // The sender is told that it was sent, and nothing is.
      if judgement.isAbsorbed, error == .errno(EPERM) { return .value(0) }
      throw error
    }
    return signal == 0 ? existence(of: process) : .proceed
  }

  /// What signal 0 answers. The supervisor asks for itself: a target whose signals Landlock keeps inside the session couldn't ask about others.
  private func existence(of target: Int32) -> Answer {
    // The sender's own group, and all that it may signal: there is someone, or it wouldn't have come so far.
    if target == 0 || target == -1 { return .value(0) }
    return Glibc.kill(target, 0) == 0 ? .value(0) : .failure(errno)
  }

  /// What is no signal is left to the kernel, which sends none: it knows best whether EINVAL or ESRCH comes first.
  private func isSignal(_ number: Int32) -> Bool { number >= 0 && number <= 64 }

  /// kill(2): one process, a group, or all.
  private func signal(_ call: TrappedCall, _ kind: CallKind, _ signal: Int32, to target: Int32) throws(CallFailure) -> Answer {
    guard isSignal(signal) else { return .proceed }
    if target > 0 { return try self.signal(call, kind, signal, toProcess: target) }
    let sender = try processID(call)
    try checkStillWaiting(call)
    let all = SessionRelations.allProcesses()
    let receivers: [ProcessFacts]
    switch target {
    case -1:
      // kill(2): everything but init and the sender itself. What the kernel would refuse anyway is no reason to refuse the rest.
      let everybody = all.filter { $0.process != 1 && $0.process != sender && !$0.isKernelThread && maySignal($0) }
      receivers = try livesApart(call) ? visible(everybody, to: call) : everybody
    case Int32.min:
      throw .errno(ESRCH)
    default:
      let group = target == 0 ? all.first { $0.process == sender }?.group : -target
      receivers = all.filter { $0.group == group }
    }
    let answer = try self.signal(call, kind, signal, target, toAll: receivers, areGroup: target != -1, isLeftToKernel: true, from: sender)
    // 0 is the group that the caller is in when the kernel comes to it, and a sibling thread may have changed that by then.
    guard target == 0, case .proceed = answer, !supervision.floor.keepsSignalsInside else { return answer }
    return send(signal, to: receivers)
  }

  /// Sends to exactly those that were decided about; like kill(2) it succeeds if one of them could be sent to.
  private func send(_ signal: Int32, to receivers: [ProcessFacts]) -> Answer {
    var failure = ESRCH
    var wasSent = false
    for receiver in receivers {
      guard let pidfd = try? Pidfd.open(receiver.process), ProcessFacts(of: receiver.process)?.started == receiver.started else { continue }
      do throws(SyscallError) {
        try pidfd.sendSignal(signal)
        wasSent = true
      } catch {
        failure = error.errno.rawValue
      }
    }
    return wasSent ? .value(0) : .failure(failure)
  }

  private func signal(_ call: TrappedCall, _ kind: CallKind, _ signal: Int32, toGroup group: Int32, from sender: Int32) throws(CallFailure) -> Answer {
    guard group > 0 else { throw .errno(ESRCH) }
    let receivers = SessionRelations.allProcesses().filter { $0.group == group }
    return try self.signal(call, kind, signal, -group, toAll: receivers, areGroup: true, isLeftToKernel: false, from: sender)
  }

  /// All of them, or none; but of a group those that the kernel keeps signals of the session from anyway (Landlock's scope) are left out, as it leaves out whom
  /// the sender may not signal. What the supervisor sends itself the kernel keeps from nobody.
  private func signal(
    _ call: TrappedCall, _ kind: CallKind, _ signal: Int32, _ target: Int32, toAll receivers: [ProcessFacts], areGroup: Bool, isLeftToKernel: Bool,
    from sender: Int32
  ) throws(CallFailure) -> Answer {
    if receivers.isEmpty { throw .errno(ESRCH) }
    let launchers = layered { $0.relations.launcher }
    let judgement = layered { layer in
      var permitted: Verdict?
      var refused: Verdict?
      for receiver in receivers {
        // The launcher stands in its command's process group: a group's signal that the session may send to itself is one that the user's Ctrl-C
        // would have sent to both. So may that of the session around.
        if areGroup, receiver.process == layer.relations.launcher || receiver.process == launchers.outer { continue }
        let verdict = verdict(layer, signal, sender: sender, receiver)
        if !verdict.isPermitted {
          guard areGroup, isLeftToKernel, supervision.floor.keepsSignalsInside, !layer.relations.isInSession(receiver.process) else { return verdict }
          refused = refused ?? verdict
          continue
        }
        if permitted == nil || verdict.isRecorded { permitted = verdict }
      }
      return permitted ?? refused ?? Verdict(decision: .deny, rule: "builtin:agentsh")
    }
    return try settle(call, kind, signal, target, judgement)
  }

  /// Those that the caller's pid namespace shows: the kernel sends to no others.
  private func visible(_ processes: [ProcessFacts], to call: TrappedCall) throws(CallFailure) -> [ProcessFacts] {
    guard let caller = TaskNumbers(of: call.thread) else { throw .gone }
    var seen: [ProcessFacts] = []
    for facts in processes where try isVisible(facts.process, from: call.thread, caller.tasks.count - 1) { seen.append(facts) }
    return seen
  }

  /// Whether the kernel would let the session's user signal a process: by uid, as far as /proc shows it.
  private func maySignal(_ facts: ProcessFacts) -> Bool {
    geteuid() == 0 || (try? linkStatus(at: AT_FDCWD, procPath(facts.process, "")).owner) == geteuid()
  }

  private func signal(_ call: TrappedCall, _ kind: CallKind, _ signal: Int32, toProcess target: Int32) throws(CallFailure) -> Answer {
    guard isSignal(signal) else { return .proceed }
    // A thread's id names its process here; /proc has a directory for it, too, that no listing shows.
    guard target > 0, let process = processOf(target), let receiver = ProcessFacts(of: process) else { throw .errno(ESRCH) }
    let sender = try processID(call)
    try checkStillWaiting(call)
    return try settle(call, kind, signal, process, layered { verdict($0, signal, sender: sender, receiver) })
  }

  private func signal(
    _ call: TrappedCall, _ kind: CallKind, _ signal: Int32, toThread thread: Int32, of process: Int32?
  ) throws(CallFailure) -> Answer {
    guard thread > 0, (process ?? 1) > 0 else { throw .errno(EINVAL) }
    guard isSignal(signal) else { return .proceed }
    let sender = try processID(call)
    let owner = thread == call.thread ? sender : processOf(thread)
    try checkStillWaiting(call)
    guard let owner, process == nil || process == owner, let receiver = ProcessFacts(of: owner) else { throw .errno(ESRCH) }
    return try settle(call, kind, signal, owner, layered { verdict($0, signal, sender: sender, receiver) })
  }

  /// The process that a thread belongs to.
  func processOf(_ thread: Int32) -> Int32? {
    // pidfd_open(2) without PIDFD_THREAD opens processes only, which is what most numbers are.
    if (try? Pidfd.open(thread)) != nil { return thread }
    guard let status = try? readSmallFile(at: AT_FDCWD, procPath(thread, "status"), limit: 4096) else { return nil }
    return statusField("Tgid:", in: status).flatMap { Int32($0) }
  }

  /// pidfd_send_signal(2): the number is one of the target's descriptors, which a sibling thread could exchange. So the supervisor takes its own copy,
  /// decides about that and sends through that. What the sender wanted to tell along with the signal (siginfo) is the supervisor's own then.
  private func signalByDescriptor(_ call: TrappedCall, _ kind: CallKind) throws(CallFailure) -> Answer {
    let a = call.arguments
    let signal = Int32(truncatingIfNeeded: a.1)
    let flags = UInt32(truncatingIfNeeded: a.3)
    // PIDFD_SIGNAL_THREAD, PIDFD_SIGNAL_THREAD_GROUP, PIDFD_SIGNAL_PROCESS_GROUP of 6.9: one of them at most.
    guard flags <= 4, flags & (flags &- 1) == 0 else { throw .errno(EINVAL) }
    try checkInformation(call, at: a.2, signal)
    // PIDFD_SELF_THREAD, PIDFD_SELF_THREAD_GROUP of 6.15: the caller itself, by a constant. The kernel knows no group by these.
    if descriptor(a.0) == -10_000 || descriptor(a.0) == -10_001 {
      if flags & 4 != 0 { throw .errno(ESRCH) }
      return try self.signal(call, kind, signal, toThread: call.thread, of: nil)
    }
    let handle = try processHandle(try fetchDescriptor(call, descriptor(a.0)))
    try checkStillWaiting(call)
    let sender = try processID(call)
    guard let task = try pidOf(handle) else { throw .errno(ESRCH) }
    guard let process = processOf(task), let receiver = ProcessFacts(of: process) else { throw .errno(ESRCH) }
    guard isSignal(signal) else { throw .errno(EINVAL) }
    let answer: Answer
    if flags & 4 != 0 {
      // To the group that has the process's own number, whichever it is in itself (kernel/signal.c).
      answer = try self.signal(call, kind, signal, toGroup: task, from: sender)
    } else {
      answer = try settle(call, kind, signal, process, layered { verdict($0, signal, sender: sender, receiver) })
    }
    guard case .proceed = answer else { return answer }
    let raw = handle.descriptor.rawValue
    return ash_pidfd_send_signal_flags(raw, signal, flags) == 0 ? .value(0) : .failure(errno)
  }

  /// The process that a descriptor stands for: a pidfd, or a directory of /proc (pidfd_send_signal(2)), in whose place a pidfd of ours is used.
  private func processHandle(_ descriptor: consuming OwnedDescriptor) throws(CallFailure) -> Pidfd {
    guard (try? filesystemType(descriptor)) == procMagic else { return Pidfd(descriptor) }
    // By its inode, whatever it is mounted on.
    guard let path = try? kernelPath(of: descriptor), let number = procNumber(path), path + [UInt8(ascii: "/")] == procPath(number, ""),
      let status = try? fileStatus(descriptor), let own = try? Pidfd.open(number), let there = try? linkStatus(at: AT_FDCWD, path),
      there.inode == status.inode, there.device == status.device
    else { throw .errno(EBADF) }
    return own
  }

  /// What a sender tells along with a signal has to be about that signal: copy_siginfo_from_user() and pidfd_send_signal(2) of kernel/signal.c.
  private func checkInformation(_ call: TrappedCall, at address: UInt64, _ signal: Int32) throws(CallFailure) {
    guard address != 0 else { return }
    // sizeof(siginfo_t) is 128 on every architecture; the number is its first word.
    let bytes = try memory(call) { memory throws(TargetMemoryError) in try memory.bytes(at: address, count: 128) }
    let number = (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[$1]) << UInt32(8 * $1) }
    if Int32(bitPattern: number) != signal { throw .errno(EINVAL) }
  }

  /// The process number behind a pidfd, or nil when that process is gone. EBADF for what is no pidfd.
  private func pidOf(_ handle: borrowing Pidfd) throws(CallFailure) -> Int32? {
    do throws(SyscallError) { return try handle.information().thread } catch {
      if error.errno == .noSuchProcess { return nil }
    }
    // Before 6.13: the descriptor's own entry says it.
    var path = Array("/proc/self/fdinfo/".utf8)
    appendDecimal(Int64(handle.descriptor.rawValue), to: &path)
    guard let text = try? readSmallFile(at: AT_FDCWD, path, limit: 4096), let field = statusField("Pid:", in: text) else { throw .errno(EBADF) }
    guard let number = Int32(field), number > 0 else { return nil }
    return number
  }
}
