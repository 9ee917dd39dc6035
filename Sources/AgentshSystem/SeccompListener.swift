import CAgentshSystem
import Glibc
public import SystemPackage

/// A trapped system call as the kernel reported it: seccomp_unotify(2), struct seccomp_notif.
public struct TrappedCall: Sendable {
  public let id: UInt64
  /// The calling thread's id in the supervisor's pid namespace (0 when it lives in a namespace that isn't visible from here).
  public let thread: Int32
  public let number: Int32
  /// AUDIT_ARCH_* of the call.
  public let architecture: UInt32
  public let arguments: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64)
  /// Where the caller goes on: the address behind the instruction that made the call.
  public let instruction: UInt64

  public init(
    id: UInt64, thread: Int32, number: Int32, architecture: UInt32, arguments: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64), instruction: UInt64 = 0
  ) {
    self.id = id
    self.thread = thread
    self.number = number
    self.architecture = architecture
    self.arguments = arguments
    self.instruction = instruction
  }
}

/// The notification descriptor of a seccomp filter.
public struct SeccompListener: ~Copyable, Sendable {
  public let descriptor: OwnedDescriptor

  public init(_ descriptor: consuming OwnedDescriptor) {
    self.descriptor = descriptor
  }

  /// Whether `descriptor` is a seccomp listener at all, as the kernel names it in /proc.
  public static func isListener(_ descriptor: borrowing OwnedDescriptor) -> Bool {
    guard let name = try? readLink(at: AT_FDCWD, Array("/proc/self/fd/\(descriptor.rawValue)".utf8)) else { return false }
    return name == Array("anon_inode:seccomp notify".utf8)
  }

  /// Asks for synchronous wake-up (6.6), or for the usual one; false where the kernel lacks it.
  @discardableResult public borrowing func useSynchronousWakeUp(_ isWanted: Bool = true) -> Bool {
    ash_notif_set_flags(descriptor.rawValue, isWanted ? UInt64(SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP) : 0) == 0
  }

  public enum Reception {
    case call(TrappedCall)
    /// The caller went away before it could be received, or a signal came: receive again.
    case nothing
    case failed(Errno)
  }

  /// Whether the call still waits for its answer. Only ENOENT means that it doesn't; anything else is no proof of death.
  public borrowing func isWaiting(_ id: UInt64) -> Bool {
    ash_notif_id_valid(descriptor.rawValue, id) == 0 || currentErrno != .noSuchFileOrDirectory
  }

  /// The call returns `value` to its caller.
  @discardableResult public borrowing func answer(_ id: UInt64, value: Int64) -> Bool {
    ash_notif_send(descriptor.rawValue, id, value, 0, 0) == 0
  }

  /// The call fails in its caller with `errno` (positive; the kernel wants it negated, and it is negated here and nowhere else).
  @discardableResult public borrowing func answer(_ id: UInt64, errno: CInt) -> Bool {
    ash_notif_send(descriptor.rawValue, id, 0, errno > 0 ? -errno : -EPERM, 0) == 0
  }

  /// The kernel performs the call itself. Only for calls that were decided on register arguments, and for exec, which is verified afterwards.
  @discardableResult public borrowing func answerContinue(_ id: UInt64) -> Bool {
    ash_notif_send(descriptor.rawValue, id, 0, 0, UInt32(SECCOMP_USER_NOTIF_FLAG_CONTINUE)) == 0
  }

  /// Puts a copy of `source` into the caller's descriptor table, and answers its number there. The call goes on waiting.
  public borrowing func inject(_ id: UInt64, _ source: borrowing OwnedDescriptor, closeOnExec: Bool) throws(SyscallError) -> CInt {
    let listener = descriptor.rawValue
    let raw = source.rawValue
    return try syscall("ioctl(SECCOMP_IOCTL_NOTIF_ADDFD)") { ash_notif_addfd(listener, id, 0, raw, 0, closeOnExec ? UInt32(O_CLOEXEC) : 0) }
  }

  /// Puts a copy of `source` into the caller's descriptor table and makes its number the call's result, in one step (SECCOMP_ADDFD_FLAG_SEND, 5.14).
  ///
  /// A supervisor that is interrupted in there (it is stopped or frozen, somebody begins to trace it, the machine is put to sleep) takes the descriptor back and leaves the answer
  /// behind: the caller's open returns 0 (seccomp_notify_addfd() of kernel/seccomp.c). That shows as EINPROGRESS; or, when the caller has gone on by the time that the
  /// call is made again, as ENOENT, which a caller that died gives too.
  public borrowing func answer(_ id: UInt64, injecting source: borrowing OwnedDescriptor, closeOnExec: Bool) throws(SyscallError) {
    let listener = descriptor.rawValue
    let raw = source.rawValue
    try syscall("ioctl(SECCOMP_IOCTL_NOTIF_ADDFD)") {
      ash_notif_addfd(listener, id, UInt32(SECCOMP_ADDFD_FLAG_SEND), raw, 0, closeOnExec ? UInt32(O_CLOEXEC) : 0)
    }
  }
}
