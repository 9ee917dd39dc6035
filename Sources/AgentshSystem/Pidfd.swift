import CAgentshSystem
import Glibc
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

  /// ENOTTY where the kernel has no PIDFD_GET_INFO, ESRCH when the task was reaped.
  public borrowing func information() throws(SyscallError) -> Information {
    var pid: UInt32 = 0
    var tgid: UInt32 = 0
    var ppid: UInt32 = 0
    var uid: UInt32 = 0
    let raw = descriptor.rawValue
    try syscall("ioctl(PIDFD_GET_INFO)") { unsafe ash_pidfd_info(raw, &pid, &tgid, &ppid, &uid) }
    return Information(
      thread: Int32(truncatingIfNeeded: pid), process: Int32(truncatingIfNeeded: tgid), parent: Int32(truncatingIfNeeded: ppid), uid: uid)
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

  /// Whether the process has ended (pidfds poll readable then).
  public borrowing func hasExited() -> Bool {
    var request = pollfd(fd: descriptor.rawValue, events: Int16(POLLIN), revents: 0)
    return unsafe poll(&request, 1, 0) == 1
  }

  /// Whether both refer to the same process: pidfs inodes are unique for the life of the system (6.9).
  public borrowing func isSameProcess(as other: borrowing Pidfd) -> Bool {
    var mine = stat()
    var theirs = stat()
    guard unsafe fstat(descriptor.rawValue, &mine) == 0, unsafe fstat(other.descriptor.rawValue, &theirs) == 0 else { return false }
    return mine.st_ino == theirs.st_ino && mine.st_dev == theirs.st_dev
  }
}
