import AgentshAudit
import AgentshPolicy
import AgentshSystem
import CAgentshSystem
import Glibc
import Synchronization
import SystemPackage

/// ptrace(2): PTRACE_O_TRACEEXEC, PTRACE_O_EXITKILL.
private let traceOptions: UInt32 = 0x10 | 0x100000

extension Worker {
  /// Lets an exec that was decided go on, and looks at what came of it before any of its code runs.
  ///
  /// The target has to be traced for that, for as long as its exec takes. The order matters: it is seized and told to stop while it waits for the
  /// answer (a wait that only death ends, SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV), so that it stops either at PTRACE_EVENT_EXEC or, where
  /// the exec failed, on its way out of the call; never is a stop waited for before the answer is sent. Should this thread die, the kernel
  /// kills the target (PTRACE_O_EXITKILL).
  func proceedVerified(_ call: TrappedCall, _ kind: CallKind, _ image: borrowing ExpectedImage) throws(CallFailure) -> Answer {
    let seized = traced(call) { ash_ptrace_seize(call.thread, traceOptions) }
    if seized == ESRCH { throw .gone }
    if seized != 0 {
      if try isTracedWithin(call) { return try proceedUnverified(call, kind, image) }
      try refuseUnverified(call, kind, image, "it is being traced, so what it executes can't be verified")
    }
    expectDelay()
    // Seized by number: only if the call still waits was it the caller that was seized.
    let isCaller = supervision.listener.isWaiting(call.id)
    _ = ash_ptrace_interrupt(call.thread)
    if isCaller { send(.proceed, to: call) }
    while true {
      switch waitForTracee() {
      case .executed(let process):
        supervision.executions.add(1, ordering: .releasing)
        supervision.ownDomains.noteExecution(of: call.thread, as: process)
        for layer in [supervision.layer, innermost] where process == layer.relations.rootTarget { layer.relations.noteRootExecution() }
        if let difference = unexpected(call, kind, process, image) {
          // Killed at its stop: there is nothing to look at any more, and nothing has run.
          if difference == Self.unreadable, ash_ptrace_is_stopped(process) == 0 {
            letGo(process, 0)
            return .sent
          }
          kill(process)
          // What its rules refuse is on record as any refused program.
          if difference == Self.refused { return .sent }
          let verdict = Verdict(decision: .deny, rule: "builtin:exec_verification", message: difference)
          try? settle(call, kind, .exec, .command(path: image.path, arguments: image.arguments), verdict, isAnswered: true)
        } else {
          letGo(process, 0)
        }
        return .sent
      case .interrupted(let thread):
        // The exec failed, or was interrupted to be tried again: that will be a call of its own. A group stop goes on after detaching.
        letGo(thread, 0)
        return .sent
      case .signalled(let thread, let signal):
        letGo(thread, signal)
        return .sent
      case .ended, .none:
        return .sent
      }
    }
  }

  /// Runs a ptrace request, with CAP_SYS_PTRACE in effect if it is refused without and the caller still waits: its number may be another process's by now, and
  /// the capability is for the session's alone. 0 or an errno.
  private func traced(_ call: TrappedCall, _ body: () -> CInt) -> CInt {
    if body() == 0 { return 0 }
    var failure = errno
    guard failure == EPERM || failure == EACCES else { return failure }
    guard supervision.listener.isWaiting(call.id) else { return ESRCH }
    withPtraceCapability { failure = body() == 0 ? 0 : errno }
    return failure
  }

  /// Whether what traces the caller is a process of its own session, in a session that may have debuggers.
  private func isTracedWithin(_ call: TrappedCall) throws(CallFailure) -> Bool {
    guard permitsTracing, let status = try? readSmallFile(at: AT_FDCWD, procPath(call.thread, "status"), limit: 4096),
      let tracer = statusField("TracerPid:", in: status).flatMap({ Int32($0) }), tracer > 0
    else { return false }
    try checkStillWaiting(call)
    return innermost.relations.isInSession(tracer)
  }

  /// Lets an exec go on that was decided and can't be verified. Where a policy permits ptrace, a debugger could put anything into a permitted program
  /// anyway; that nothing was verified goes on record.
  private func proceedUnverified(_ call: TrappedCall, _ kind: CallKind, _ image: borrowing ExpectedImage) throws(CallFailure) -> Answer {
    let verdict = Verdict(
      decision: .allow, rule: "builtin:exec_unverified", message: "a process of the session traces it, so what it executes isn't verified")
    try settle(call, kind, .exec, .command(path: image.path, arguments: image.arguments), verdict)
    return .proceed
  }

  private func refuseUnverified(
    _ call: TrappedCall, _ kind: CallKind, _ image: borrowing ExpectedImage, _ reason: String
  ) throws(CallFailure) {
    let verdict = Verdict(decision: .deny, rule: "builtin:exec_verification", message: reason)
    try settle(call, kind, .exec, .command(path: image.path, arguments: image.arguments), verdict, refusal: EPERM)
  }

  static let unreadable = "what was executed can't be looked at"
  static let refused = "what was executed is refused"
  static let otherProgram = "another program than the permitted one was executed"
  static let otherArguments = "other arguments than the permitted ones were used"

  /// What speaks against the new image, in words; nil when it may run.
  private func unexpected(_ call: TrappedCall, _ kind: CallKind, _ process: Int32, _ image: borrowing ExpectedImage) -> String? {
    guard let unread = image.unread, let status = executedStatus(process), status.inode != image.status.inode || status.device != image.status.device
    else { return difference(process, image) }
    do throws(CallFailure) { return try decideInterpreter(call, kind, process, of: unread) } catch { return Self.refused }
  }

  /// What is other than it was decided, in words; nil when the new image is the one that was permitted.
  func difference(_ process: Int32, _ image: borrowing ExpectedImage) -> String? {
    guard let status = executedStatus(process) else { return Self.unreadable }
    guard status.inode == image.status.inode, status.device == image.status.device else {
      return Self.otherProgram
    }
    var expected: [UInt8] = []
    expected.reserveCapacity(image.arguments.reduce(0) { $0 + $1.count + 1 })
    for argument in image.arguments {
      expected += argument
      expected.append(0)
    }
    guard let line = try? openOwn(procPath(process, "cmdline"), flags: O_RDONLY), var found = try? readOnce(line, limit: expected.count + 1) else {
      return Self.unreadable
    }
    // One read gives what there is (get_mm_cmdline() of fs/proc/base.c), and more than expected if there is more.
    if found != expected, let rest = try? readAll(line, limit: expected.count + 1) { found += rest }
    guard found == expected else { return Self.otherArguments }
    // The file can't be written while it is executed (ETXTBSY), so what it names as its loader now is what the kernel took.
    if image.isKnown, image.loaderFile == nil, isInstalled(image.path, image.status) { return nil }
    guard let program = try? openOwn(procPath(process, "exe"), flags: ASH_O_PATH) else { return Self.unreadable }
    guard let format = executableFormat(of: image.program) else { return foreignLoader(process, of: program, image) }
    if case .elf(let loader) = format, loader != image.loader { return "the program was changed while it was being decided about" }
    if let loader = image.loaderFile {
      guard let path = try? kernelPath(of: program), let maps = try? openOwn(procPath(process, "maps"), flags: O_RDONLY),
        let text = try? readAll(maps, limit: 1 << 20),
        MappedFiles.areOnly([loader, ExpectedFile(path: path, inode: image.status.inode)], in: text)
      else { return "another loader than the permitted one was used" }
    }
    return nil
  }

  /// What a process executes now: /proc/PID/exe followed, with CAP_SYS_PTRACE where that takes it.
  private func executedStatus(_ process: Int32) -> FileStatus? {
    let path = procPath(process, "exe")
    if let status = try? fileStatus(at: AT_FDCWD, path) { return status }
    guard let program = try? openOwn(path, flags: ASH_O_PATH) else { return nil }
    return try? fileStatus(program)
  }

  /// For a program that nobody could read: whether anything runs before it but a loader that root has installed. What it names as its loader is not known
  /// before, and not decided.
  private func foreignLoader(_ process: Int32, of program: borrowing OwnedDescriptor, _ image: borrowing ExpectedImage) -> String? {
    let foreign = "a loader that isn't the system's was used by a program that can't be read"
    guard let path = try? kernelPath(of: program), let maps = try? openOwn(procPath(process, "maps"), flags: O_RDONLY),
      let text = try? readAll(maps, limit: 1 << 20), let files = MappedFiles.all(in: text)
    else { return Self.unreadable }
    let inode = image.status.inode
    let isSystems = files.allSatisfy { file in
      if file.inode == inode, file.path == MappedFiles.escaped(path) { return true }
      guard !supervision.rootsMayDiffer, isSystemLibrary(file.path), LoaderCommand.isLoader(file.path) || file.path.hasSuffix(Array("/libc.so".utf8)),
        let status = try? linkStatus(at: AT_FDCWD, file.path)
      else { return false }
      return status.inode == file.inode && isRoots(status.owner, at: file.path) && status.mode & 0o022 == 0
    }
    return isSystems ? nil : foreign
  }

  /// Detaches from a tracee that is stopped. One that was killed out of its stop can't be detached from (ESRCH), and its parent learns nothing of its
  /// end before the tracer has: it is waited for, so that it neither stays there nor is taken for the next tracee.
  private func letGo(_ thread: Int32, _ signal: Int32) {
    if ash_ptrace_detach(thread, signal) == 0 { return }
    while true {
      switch waitForTracee() {
      case .ended, .none: return
      case .executed(let thread), .interrupted(let thread):
        if ash_ptrace_detach(thread, 0) == 0 { return }
      case .signalled(let thread, let signal):
        if ash_ptrace_detach(thread, signal) == 0 { return }
      }
    }
  }

  /// Ends a tracee that is stopped. Its number can't be anyone else's before it is waited for.
  private func kill(_ process: Int32) {
    _ = Glibc.kill(process, SIGKILL)
    while true {
      switch waitForTracee() {
      case .ended, .none: return
      case .executed(let thread), .interrupted(let thread), .signalled(let thread, _): _ = ash_ptrace_continue(thread, SIGKILL)
      }
    }
  }
}
