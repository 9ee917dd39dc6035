import CAgentshSystem
import SystemPackage

/// A descriptor that refers to one process (or thread) and never to a later one with the same number: pidfd_open(2).
public struct Pidfd: ~Copyable, Sendable {
  public let descriptor: OwnedDescriptor

  public init(_ descriptor: consuming OwnedDescriptor) {
    self.descriptor = descriptor
  }

  /// Opens a process by number; with `thread` any thread by its id (PIDFD_THREAD, kernel 6.9; EINVAL before).
  public static func open(_ pid: Int32, thread: Bool = false) throws(SyscallError) -> Pidfd {
    let flags: UInt32 = thread ? UInt32(ASH_PIDFD_THREAD) : 0
    return Pidfd(OwnedDescriptor(owning: try syscall("pidfd_open", subject: "\(pid)") { ash_pidfd_open(pid, flags) }))
  }

  /// Numbers of the task: its thread id, its process, the parent and the real uid. From PIDFD_GET_INFO (6.13).
  public struct Information: Sendable, Equatable {
    public let thread: Int32
    public let process: Int32
    public let parent: Int32
    public let uid: UInt32
  }

  /// Sends a signal to exactly this task: pidfd_send_signal(2).
  public borrowing func sendSignal(_ number: Int32) throws(SyscallError) {
    let raw = descriptor.rawValue
    try syscall("pidfd_send_signal") { ash_pidfd_send_signal(raw, number) }
  }

  /// A copy of one of the process's descriptors, close-on-exec: pidfd_getfd(2). EPERM without ptrace access, EBADF when it isn't open there.
  public borrowing func descriptor(_ number: Int32) throws(SyscallError) -> OwnedDescriptor {
    let raw = descriptor.rawValue
    return OwnedDescriptor(owning: try syscall("pidfd_getfd", subject: "\(number)") { ash_pidfd_getfd(raw, number) })
  }
}
