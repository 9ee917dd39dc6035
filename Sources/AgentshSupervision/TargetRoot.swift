import AgentshPolicy
import AgentshSystem
import CAgentshSystem
import Glibc
import SystemPackage

/// The root directory of the root target, opened while the target waits for its handshake to end.
struct TargetRoot: ~Copyable {
  private let directory: OwnedDescriptor
  private let isShared: Bool
  private let namespaces: Namespaces?

  /// - Parameter process: the root target, which lives: it waits for the nonce.
  init(of process: Int32) throws(SyscallError) {
    // A launcher that was installed setuid leaves its child not dumpable until exec, so that its /proc entries want CAP_SYS_PTRACE.
    let opened = try withPtrace { () throws(SyscallError) -> OwnedDescriptor in
      try openAt(AT_FDCWD, procPath(process, "root"), flags: O_RDONLY | O_DIRECTORY | ASH_O_PATH)
    }
    let theirs = try fileStatus(opened)
    let mine = try linkStatus(at: AT_FDCWD, Array("/".utf8))
    namespaces = try withPtrace { () throws(SyscallError) -> Namespaces? in Namespaces(of: process) }
    let myMounts = try? readLink(at: AT_FDCWD, Array("/proc/self/ns/mnt".utf8))
    isShared = theirs.device == mine.device && theirs.inode == mine.inode && namespaces != nil && namespaces?.mounts == myMounts
    directory = opened
  }

  /// All that the workers share.
  consuming func supervision(
    listener: consuming SeccompListener, loop: SessionLoop, kinds: CallKinds, rootTarget: Int32,
    endSession: @escaping @Sendable (String) -> Void
  ) -> Supervision {
    let (shared, namespaces) = (isShared, namespaces)
    let moving: Set<String> = ["mount", "namespaces", "chroot", "pivot_root", "unshare", "setns", "clone"]
    let relations = SessionRelations(
      rootTarget: rootTarget, launcher: loop.plan.callerPID, server: loop.plan.isEmbedded ? nil : getppid())
    let box = loop.mailbox
    let nested = loop.permitsNested
      ? relations.membership.map { NestedSessions(membership: $0) { call, process in box.put(.knock(call, process: process)) } } : nil
    return Supervision(
      listener: listener, policy: loop.bound, record: loop.record, relations: relations, counters: loop.counters,
      kinds: kinds, root: directory, sharesRoot: shared, rootsMayDiffer: !loop.policy.allowedRestrictedCalls.isDisjoint(with: moving),
      verifiesExecutions: !FloorRights(rawValue: loop.plan.exactRights).contains(.execute),
      permitsTracing: loop.policy.allowedRestrictedCalls.contains("ptrace"), rootTarget: rootTarget, floor: loop.floor,
      names: loop.names, nested: nested, namespaces: namespaces, endSession: endSession)
  }
}

/// Runs `body` with CAP_SYS_PTRACE in effect for the calling thread, where it is permitted, and without it again afterwards.
func withPtrace<Value: ~Copyable>(_ body: () throws(SyscallError) -> Value) throws(SyscallError) -> Value {
  let permitted = try ThreadCapabilities.current().permitted & ThreadCapabilities.sysPtrace
  guard permitted != 0 else { return try body() }
  try ThreadCapabilities.set(effective: permitted, permitted: permitted)
  defer {
    // What stays in effect would let later opens through that the caller may not make.
    if (try? ThreadCapabilities.set(effective: 0, permitted: permitted)) == nil { _exit(SupervisorMain.failure) }
  }
  return try body()
}
