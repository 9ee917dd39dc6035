import AgentshFilter
import AgentshPolicy
import AgentshSystem
import CAgentshSystem
import Glibc
import Synchronization
import SystemPackage

/// One thread that receives trapped calls, decides them and answers. Belongs to its thread; nothing in it is shared.
final class Worker {
  let supervision: Supervision
  private let isRoot = geteuid() == 0
  /// The thread's own umask (it has left the process's shared one), so that files are created with the target's.
  private(set) var currentUmask: mode_t = 0o077
  /// Acts for this thread where the floor holds what is to be done.
  private var ownCompanion: Companion?
  /// The same for calls of a session inside, which has a floor of its own: of the one that called last.
  private var innerCompanion: (floor: ActingFloor, companion: Companion)?
  /// The same for a caller that is in a Landlock domain of its own.
  private var domainCompanion: (domain: OwnDomain, inner: ActingFloor?, companion: Companion)?
  /// The domain of its own that the caller is in.
  var ownDomain: OwnDomain?
  /// The last caller whose domain was looked for.
  var lastDomain: (task: PinnedTask, version: Int, domain: OwnDomain?)?
  /// The session inside this supervisor's own that the caller lives in.
  private(set) var inner: NestedSession?
  /// The last caller a descriptor was fetched from.
  var lastTask: PinnedTask?
  /// Where links were met on the way.
  var straight = StraightPaths()
  /// The loader that programs name and that was found to be the system's own.
  var systemLoader: [UInt8]?
  /// What was opened before.
  var known = KnownFiles()
  /// Names that may be read, and of which nothing is recorded.
  var readable = NameCache()
  /// Which names things had then (`SessionMounts.version`).
  var readableVersion = 0
  /// The last caller that was described for a record.
  private var lastCaller: (description: CallerDescription, task: PinnedTask, executions: Int)?
  /// When the call that is being answered was received, CLOCK_MONOTONIC in nanoseconds.
  private(set) var received: UInt64 = 0
  /// The call that is being answered.
  private(set) var current: (call: TrappedCall, kind: CallKind)?

  /// Whether the caller is best woken on this thread's processor.
  var wakesInPlace = true
  /// Whether the last look found another call waiting.
  var sawOthers = false
  private var unlooked = 0

  /// Whether to look for calls that wait behind the one just received: at every call while there are such, else at each fourth. The look costs a
  /// system call, and a short answer delays nobody for long.
  func looksForOthers() -> Bool {
    unlooked += 1
    guard sawOthers || unlooked >= 4 else { return false }
    unlooked = 0
    sawOthers = false
    return true
  }

  /// Has another thread receive meanwhile; called before something that takes long. Set by the pool.
  var expectDelay: () -> Void = {}

  init(supervision: Supervision) {
    self.supervision = supervision
    // From here on umask and working directory are this thread's alone.
    if ash_unshare_fs() == 0 { _ = umask(currentUmask) }
    // Whatever mask the thread inherited: without this signal a call that waits could not be ended.
    WaitTable.letInterrupt()
  }

  /// Decides, performs and answers one call. Never throws: an error on the way to an answer is a refusal.
  func handle(_ call: TrappedCall) {
    received = monotonicNanoseconds()
    // A session that ends keeps nothing open in a thread that waits for the next call.
    defer {
      inner = nil
      ownDomain = nil
    }
    let answer: Answer
    do throws(CallFailure) {
      answer = try dispatch(call)
    } catch {
      switch error {
      case .errno(let number): answer = .failure(number)
      case .gone:
        // Or not to be looked at for want of descriptors or memory: nobody else answers it.
        guard supervision.listener.isWaiting(call.id) else { return }
        answer = .failure(ENOMEM)
      case .lost(let isCertain): return endMisled(call, isCertain: isCertain)
      }
    }
    send(answer, to: call)
  }

  /// Answers a call; from any thread.
  func send(_ answer: Answer, to call: TrappedCall) {
    if case .sent = answer { return }
    supervision.wakeUp.use(inPlace: wakesInPlace, supervision.listener)
    switch answer {
    case .value(let value): supervision.listener.answer(call.id, value: value)
    case .failure(let number): supervision.listener.answer(call.id, errno: number)
    case .proceed:
      guard supervision.kinds.kind(of: call)?.mayProceed == true else { return _ = supervision.listener.answer(call.id, errno: EPERM) }
      supervision.listener.answerContinue(call.id)
    case .sent: break
    }
  }

  private func dispatch(_ call: TrappedCall) throws(CallFailure) -> Answer {
    guard let kind = supervision.kinds.kind(of: call) else {
      if let nested = supervision.nested, call.thread > 0, let answer = try enter(nested, call) { return answer }
      return refuseUnknown(call)
    }
    // A thread id of 0 is a process in a pid namespace that can't be seen from here: nothing about it can be looked up.
    guard call.thread > 0 else { return .failure(kind.isRefused ? EPERM : ENOSYS) }
    if supervision.isEnding.load(ordering: .relaxed) { return endCaller(call) }
    current = (call, kind)
    if let nested = supervision.nested, let answer = try enter(nested, call) { return answer }
    if isRoot { try checkStillRoot(call, kind) }
    try findOwnDomain(call)
    let a = call.arguments
    switch kind {
    case .open:
      return try open(call, kind, at: AT_FDCWD, path: a.0, flags: a.1, mode: a.2)
    case .openat:
      return try open(call, kind, at: descriptor(a.0), path: a.1, flags: a.2, mode: a.3)
    case .openat2:
      return try openExtended(call, at: descriptor(a.0), path: a.1, how: a.2, size: a.3)
    case .creat:
      return try open(call, kind, at: AT_FDCWD, path: a.0, flags: UInt64(O_CREAT | O_WRONLY | O_TRUNC), mode: a.1)
    case .mkdir: return try makeDirectory(call, kind, at: AT_FDCWD, path: a.0, mode: a.1)
    case .mkdirat: return try makeDirectory(call, kind, at: descriptor(a.0), path: a.1, mode: a.2)
    case .rmdir: return try remove(call, kind, at: AT_FDCWD, path: a.0, flags: UInt64(AT_REMOVEDIR))
    case .unlink: return try remove(call, kind, at: AT_FDCWD, path: a.0, flags: 0)
    case .unlinkat: return try remove(call, kind, at: descriptor(a.0), path: a.1, flags: a.2)
    case .mknod: return try makeNode(call, kind, at: AT_FDCWD, path: a.0, mode: a.1, device: a.2)
    case .mknodat: return try makeNode(call, kind, at: descriptor(a.0), path: a.1, mode: a.2, device: a.3)
    case .rename: return try rename(call, kind, from: AT_FDCWD, a.0, to: AT_FDCWD, a.1, flags: 0)
    case .renameat: return try rename(call, kind, from: descriptor(a.0), a.1, to: descriptor(a.2), a.3, flags: 0)
    case .renameat2: return try rename(call, kind, from: descriptor(a.0), a.1, to: descriptor(a.2), a.3, flags: a.4)
    case .link: return try link(call, kind, from: AT_FDCWD, a.0, to: AT_FDCWD, a.1, flags: 0)
    case .linkat: return try link(call, kind, from: descriptor(a.0), a.1, to: descriptor(a.2), a.3, flags: a.4)
    case .symlink: return try symbolicLink(call, kind, text: a.0, at: AT_FDCWD, path: a.1)
    case .symlinkat: return try symbolicLink(call, kind, text: a.0, at: descriptor(a.1), path: a.2)
    case .truncate: return try truncate(call, kind, path: a.0, length: a.1)
    case .chmod: return try changeMode(call, kind, at: AT_FDCWD, path: a.0, mode: a.1, flags: 0)
    case .fchmodat: return try changeMode(call, kind, at: descriptor(a.0), path: a.1, mode: a.2, flags: 0)
    case .fchmodat2: return try changeMode(call, kind, at: descriptor(a.0), path: a.1, mode: a.2, flags: a.3)
    case .fchmod: return try changeMode(call, kind, ofDescriptor: descriptor(a.0), mode: a.1)
    case .chown: return try changeOwner(call, kind, at: AT_FDCWD, path: a.0, owner: a.1, group: a.2, flags: 0)
    case .lchown: return try changeOwner(call, kind, at: AT_FDCWD, path: a.0, owner: a.1, group: a.2, flags: UInt64(AT_SYMLINK_NOFOLLOW))
    case .fchownat: return try changeOwner(call, kind, at: descriptor(a.0), path: a.1, owner: a.2, group: a.3, flags: a.4)
    case .fchown: return try changeOwner(call, kind, ofDescriptor: descriptor(a.0), owner: a.1, group: a.2)
    case .utime: return try changeTimes(call, kind, path: a.0, seconds: a.1)
    case .utimes: return try changeTimes(call, kind, at: AT_FDCWD, path: a.0, microseconds: a.1)
    case .futimesat: return try changeTimes(call, kind, at: descriptor(a.0), path: a.1, microseconds: a.2)
    case .utimensat: return try changeTimes(call, kind, at: descriptor(a.0), path: a.1, nanoseconds: a.2, flags: a.3)
    case .setxattr, .lsetxattr:
      return try setAttribute(call, kind, path: a.0, name: a.1, value: a.2, size: a.3, flags: a.4, follows: kind == .setxattr)
    case .fsetxattr: return try setAttribute(call, kind, ofDescriptor: descriptor(a.0), name: a.1, value: a.2, size: a.3, flags: a.4)
    case .setxattrat:
      return try setAttribute(call, kind, at: descriptor(a.0), path: a.1, flags: a.2, name: a.3, arguments: a.4, size: a.5)
    case .removexattr, .lremovexattr: return try removeAttribute(call, kind, path: a.0, name: a.1, follows: kind == .removexattr)
    case .fremovexattr: return try removeAttribute(call, kind, ofDescriptor: descriptor(a.0), name: a.1)
    case .removexattrat: return try removeAttribute(call, kind, at: descriptor(a.0), path: a.1, flags: a.2, name: a.3)
    case .file_setattr: return try setFlags(call, kind, at: descriptor(a.0), path: a.1, attributes: a.2, size: a.3, flags: a.4)
    case .ioctl: return try control(call, kind, descriptor(a.0), request: a.1, argument: a.2)
    case .execve: return try execute(call, kind, at: AT_FDCWD, path: a.0, arguments: a.1, flags: 0)
    case .execveat: return try execute(call, kind, at: descriptor(a.0), path: a.1, arguments: a.2, flags: a.4)
    case .connect: return try connect(call)
    case .bind: return try bind(call)
    case .listen: return try listen(call)
    case .setsockopt: return try joinGroup(call)
    case .sendto: return try sendTo(call)
    case .sendmsg: return try sendMessage(call)
    case .sendmmsg: return try sendMessages(call)
    case .kill, .tgkill, .tkill, .rt_sigqueueinfo, .rt_tgsigqueueinfo, .pidfd_send_signal, .fcntl: return try sendSignal(call, kind)
    case .setpgid: return try changeGroup(call, to: Int32(truncatingIfNeeded: a.1))
    case .prctl:
      // The nonce call is over once the session runs; later ones are questions, or a wish for a session inside.
      return a.3 == FilterSpecification.door ? try knock(call) : try answerQuestion(call)
    case .landlock_restrict_self: return try restrictItself(call)
    case .mount, .umount2, .fsopen, .fsconfig, .fsmount, .fspick, .move_mount, .open_tree, .open_tree_attr, .mount_setattr, .pivot_root, .chroot,
      .setns, .unshare, .clone, .ptrace, .process_vm_readv, .process_vm_writev, .kcmp, .pidfd_getfd, .process_madvise, .perf_event_open, .bpf,
      .add_key, .request_key, .keyctl, .socket:
      throw refuseRestricted(call, kind)
    }
  }

  /// Kills a process that calls although everything in the session is being killed, one that was not found, and those that it comes from: they may never call
  /// themselves.
  private func endCaller(_ call: TrappedCall) -> Answer {
    guard let process = try? processID(call) else { return .failure(EPERM) }
    let branch = supervision.layer.relations.branch(of: process)
    for number in branch {
      // By its number, which is one of the branch's as long as the call waits and the branch is the same.
      guard let pidfd = try? Pidfd.open(number), supervision.listener.isWaiting(call.id), supervision.layer.relations.branch(of: process).contains(number) else { continue }
      if number != process { try? pidfd.sendSignal(SIGKILL) }
    }
    // Last, since the branch is found by it.
    if let pidfd = try? Pidfd.open(process), supervision.listener.isWaiting(call.id) { try? pidfd.sendSignal(SIGKILL) }
    return .failure(EPERM)
  }

  /// Where the caller is root, a process of the session may have become somebody else, and must not have things done for it as root.
  /// (No other caller's processes can change their identity: no_new_privs.)
  private func checkStillRoot(_ call: TrappedCall, _ kind: CallKind) throws(CallFailure) {
    guard let status = try? readSmallFile(at: AT_FDCWD, procPath(call.thread, "status"), limit: 4096) else { throw .gone }
    try checkStillWaiting(call)
    // Real, effective, saved and file system uid: proc_pid_status(5).
    let uids = statusField("Uid:", in: status)?.split(separator: "\t") ?? []
    if uids.count == 4, uids.allSatisfy({ $0 == "0" }) { return }
    let verdict = Verdict(
      decision: .deny, rule: "builtin:identity", message: "this process has another identity than the session, and nothing is done for it")
    try settle(call, kind, .syscall, .nothing, verdict)
  }

  /// Finds out in which session the caller lives, before anything about its call is decided. An answer where nothing is to be decided.
  private func enter(_ nested: NestedSessions, _ call: TrappedCall) throws(CallFailure) -> Answer? {
    guard nested.isActive else {
      innerCompanion = nil
      return nil
    }
    switch nested.place(of: call.thread) {
    case .outer: break
    case .inner(let session):
      // Nothing is decided before its first call has carried its nonce, nor once it is being killed.
      if !session.isRunning {
        session.hold(call)
        return .sent
      }
      inner = session
    case .unknown:
      // By that number: if it was the caller's, then nobody knows by which rules it is held.
      try checkStillWaiting(call)
      return .failure(EPERM)
    }
    return nil
  }

  /// Started when it is first needed: most workers of most sessions never do.
  func companion() throws(SyscallError) -> Companion {
    if let ownDomain {
      if let domainCompanion, domainCompanion.domain === ownDomain, domainCompanion.inner === inner?.floor { return domainCompanion.companion }
      let made = try ownDomain.companion(under: inner?.floor)
      domainCompanion = (ownDomain, inner?.floor, made)
      return made
    }
    if let inner {
      if let innerCompanion, innerCompanion.floor === inner.floor { return innerCompanion.companion }
      let made = try Companion(inner.floor)
      innerCompanion = (inner.floor, made)
      return made
    }
    if let ownCompanion { return ownCompanion }
    let made = try Companion(supervision.floor)
    ownCompanion = made
    return made
  }

  /// A descriptor argument: the kernel looks at the low 32 bits only.
  func descriptor(_ argument: UInt64) -> CInt { CInt(truncatingIfNeeded: argument) }

  // MARK: What handlers need

  /// Throws when the target has stopped waiting: what was read by its number may have been someone else's.
  func checkStillWaiting(_ call: TrappedCall) throws(CallFailure) {
    if !supervision.listener.isWaiting(call.id) { throw .gone }
  }

  /// Reads memory of the target, with CAP_SYS_PTRACE only where the target isn't dumpable, and turns failures into what it would have got.
  func memory<Value>(
    _ call: TrappedCall, _ body: (TargetMemory) throws(TargetMemoryError) -> Value
  ) throws(CallFailure) -> Value {
    let memory = TargetMemory(thread: call.thread)
    do throws(TargetMemoryError) {
      return try body(memory)
    } catch {
      guard case .notPermitted = error else { throw Self.failure(error) }
    }
    // Another process may have the number by now, and the capability is for the session's alone.
    try checkStillWaiting(call)
    var result: Result<Value, TargetMemoryError> = .failure(.notPermitted)
    withPtraceCapability {
      do throws(TargetMemoryError) { result = .success(try body(memory)) } catch { result = .failure(error) }
    }
    do throws(TargetMemoryError) { return try result.get() } catch { throw Self.failure(error) }
  }

  private static func failure(_ error: TargetMemoryError) -> CallFailure {
    switch error {
    case .fault: .errno(EFAULT)
    case .tooLong: .errno(ENAMETOOLONG)
    case .gone: .gone
    case .notPermitted: .errno(EPERM)
    }
  }

  /// Runs `body` with CAP_SYS_PTRACE in effect for this thread, and without it again afterwards.
  func withPtraceCapability(_ body: () -> Void) {
    guard let sets = try? ThreadCapabilities.current(), sets.permitted & ThreadCapabilities.sysPtrace != 0 else { return body() }
    guard (try? ThreadCapabilities.set(effective: ThreadCapabilities.sysPtrace, permitted: sets.permitted)) != nil else { return body() }
    body()
    if (try? ThreadCapabilities.set(effective: 0, permitted: sets.permitted)) == nil {
      // Going on with a capability in effect could let a target's open through that the kernel would refuse it.
      supervision.endSession("a capability could not be put down")
      _exit(70)
    }
  }

  /// Sets this thread's umask to the target's, for a call that creates something.
  func takeUmask(of call: TrappedCall) throws(CallFailure) {
    // One read: the file is made whole at the first, and the field is its second line.
    guard let file = try? openAt(AT_FDCWD, procPath(call.thread, "status"), flags: O_RDONLY), let status = try? readOnce(file, limit: 512),
      let mask = statusField("Umask:", in: status).flatMap({ mode_t($0, radix: 8) })
    else { throw .errno(EPERM) }
    if mask != currentUmask {
      _ = umask(mask)
      currentUmask = mask
    }
  }

  /// Process and program of a caller, for the record. What was found is used again while that very thread lives, and a change of program is seen.
  func describe(_ call: TrappedCall) -> CallerDescription {
    let executions = supervision.executions.load(ordering: .acquiring)
    // Where no rule asks about programs, or Landlock alone holds them, they change unseen.
    if supervision.policy.needs.commands != nil, supervision.verifiesExecutions, let last = lastCaller, last.task.thread == call.thread, last.executions == executions, !last.task.pidfd.hasExited() {
      return last.description
    }
    // First, and by a number that is the caller's while it waits: whose it is from now on shows.
    let pidfd = try? Pidfd.open(call.thread, thread: true)
    // No program is to take its name out of the record by not being dumpable.
    let description = CallerDescription(process: (try? processID(call)) ?? call.thread, executable: link("exe", of: call.thread))
    // Kernels that pin no threads (before 6.9) tell nothing of a thread whose number comes round.
    if let pidfd { lastCaller = (description, PinnedTask(thread: call.thread, isThread: true, pidfd), executions) } else { lastCaller = nil }
    return description
  }

  func microsecondsSinceReceived() -> UInt64 { (monotonicNanoseconds() &- received) / 1000 }
}

/// Who made a call.
struct CallerDescription {
  let process: Int32
  let executable: [UInt8]?
}
