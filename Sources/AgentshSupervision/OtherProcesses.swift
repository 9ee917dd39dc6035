import AgentshPolicy
import AgentshSystem
import CAgentshSystem
import Glibc

// What /proc gives of another process that no rule about paths can speak of: its memory, and its open files that have no name. With either a process of
// the session would act as one outside it: tracing is refused by the filter, and this is tracing by another way.
extension Worker {
  /// Refuses the memory of any process but the caller's own, where the policy permits tracing of any outside the session; and of processes outside what the
  /// kernel shows only to those who may trace them (the target's Landlock domain would keep it closed, and the supervisor isn't in that), and everything that can be written.
  func settleMemory(_ call: TrappedCall, _ kind: CallKind, _ located: borrowing Located, writes: Bool) throws(CallFailure) {
    let path = located.path
    guard let number = procNumber(path), let slash = path.lastIndex(of: UInt8(ascii: "/")) else { return }
    let isMemory = path.hasSuffix(memorySuffix)
    // What may be written there changes the process: what the kernel kills first (oom_score_adj), what a core file holds.
    guard isMemory || writes || tracersFiles.contains(Array(path[slash...])) || Array(path[..<slash]).hasSuffix(descriptorFactsSuffix) else { return }
    let process = try processID(call)
    if number == process || number == call.thread || processOf(number) == process { return }
    if permitsTracing || !isMemory, let other = processOf(number), innermost.relations.isInSession(other) { return }
    // Another user's: the kernel says no, as it does without a session, and there is nothing to be told of it.
    if !isMemory, geteuid() != 0, located.status.owner != geteuid() { return }
    let message = permitsTracing || !isMemory
      ? writes && !isMemory ? "processes outside the session are changed by nobody in it" : "the memory and descriptors of processes outside the session are theirs alone"
      : "a process's memory is its own (a policy's `syscalls: {allow: [ptrace]}` lets it be traced)"
    let verdict = Verdict(decision: .deny, rule: "builtin:process_memory", message: message)
    try settle(call, kind, writes ? .fileWrite : .fileRead, .path(path), verdict)
  }

  /// Decides about what `/proc/PID/fd/N` leads to when that has no name: a pipe, a deleted file. Opening it so gives rights that the descriptor need not
  /// have, so somebody in the session must really hold it; one that was opened with O_PATH, as anybody may, is not held.
  ///
  /// - Parameters:
  ///   - folder: the kernel's path of the directory that the link is in.
  ///   - found: the object, pinned.
  func settleUnnamed(_ call: TrappedCall, _ folder: [UInt8], _ name: [UInt8], _ found: borrowing OwnedDescriptor) throws(CallFailure) {
    guard folder.hasSuffix(descriptorsSuffix), let number = Int32(String(decoding: name, as: UTF8.self)), let kind = supervision.kinds[call.number] else {
      return
    }
    let status: FileStatus
    let isUnnamed: Bool
    do throws(SyscallError) {
      status = try fileStatus(found)
      let path = try kernelPath(of: found)
      isUnnamed = path.first != UInt8(ascii: "/") || status.links == 0
    } catch {
      throw .errno(EACCES)
    }
    guard isUnnamed else { return }
    if permitsTracing, let holder = taskNumber(folder).flatMap({ processOf($0) }), innermost.relations.isInSession(holder) { return }
    if let holder = taskNumber(folder), try isHeld(call, by: holder, number, status) { return }
    let verdict = Verdict(
      decision: .deny, rule: "builtin:process_descriptor", message: "a file without a name belongs to those who hold it, and none of this session does")
    try settle(call, kind, .fileRead, .path(folder + [UInt8(ascii: "/")] + name), verdict)
  }

  /// Whether a task of the session has this very object open under that number, with more than O_PATH.
  private func isHeld(_ call: TrappedCall, by task: Int32, _ number: CInt, _ object: FileStatus) throws(CallFailure) -> Bool {
    let held: OwnedDescriptor
    if task == call.thread {
      guard let own = try? takeDescriptor(call, number) else { return false }
      held = own
    } else {
      guard let taken = takeDescriptor(ofSessionTask: task, number) else { return false }
      held = taken
    }
    guard let status = try? fileStatus(held), status.inode == object.inode, status.device == object.device else { return false }
    return fcntl(held.rawValue, F_GETFL) & O_PATH == 0
  }

  /// A copy of a descriptor of another task, if that is one of the session's.
  private func takeDescriptor(ofSessionTask task: Int32, _ number: CInt) -> OwnedDescriptor? {
    guard let handle = (try? Pidfd.open(task, thread: true)) ?? (try? Pidfd.open(task)) else { return nil }
    // Looked at by number between two looks at the handle: a number that changed hands shows.
    guard let process = processOf(task), innermost.relations.isInSession(process), !handle.hasExited() else { return nil }
    if let taken = try? handle.descriptor(number) { return taken }
    var raw: CInt = -1
    withPtraceCapability { raw = (try? handle.descriptor(number).release()) ?? -1 }
    return raw < 0 ? nil : OwnedDescriptor(owning: raw)
  }

  /// T of `/proc/N/task/T/…`, N of `/proc/N/…`.
  private func taskNumber(_ path: [UInt8]) -> Int32? {
    guard let number = procNumber(path) else { return nil }
    let parts = path.split(separator: UInt8(ascii: "/"))
    guard parts.count >= 4, parts[2].elementsEqual("task".utf8) else { return number }
    return Int32(String(decoding: parts[3], as: UTF8.self))
  }
}

private let memorySuffix: [UInt8] = Array("/mem".utf8)
private let descriptorFactsSuffix: [UInt8] = Array("/fdinfo".utf8)
/// Entries of /proc/PID that take PTRACE_MODE_READ or PTRACE_MODE_ATTACH of the process (fs/proc/base.c, task_mmu.c).
private let tracersFiles: Set<[UInt8]> = Set(
  [
    "auxv", "clear_refs", "environ", "io", "maps", "numa_maps", "pagemap", "personality", "smaps", "smaps_rollup", "stack", "syscall",
    "timers",
  ].map { Array("/\($0)".utf8) })
private let descriptorsSuffix: [UInt8] = Array("/fd".utf8)
