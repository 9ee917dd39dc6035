import CAgentshSystem
import Glibc

extension Pidfd {
  /// ENOTTY where the kernel has no PIDFD_GET_INFO, ESRCH when the task was reaped.
  public borrowing func information() throws(SyscallError) -> Information {
    var pid: UInt32 = 0
    var tgid: UInt32 = 0
    var ppid: UInt32 = 0
    var uid: UInt32 = 0
    let raw = descriptor.rawValue
    // SAFETY: the kernel writes into the four variables during the call only.
    try syscall("ioctl(PIDFD_GET_INFO)") { unsafe ash_pidfd_info(raw, &pid, &tgid, &ppid, &uid) }
    return Information(
      thread: Int32(truncatingIfNeeded: pid), process: Int32(truncatingIfNeeded: tgid), parent: Int32(truncatingIfNeeded: ppid), uid: uid)
  }

  /// Whether the process has ended (pidfds poll readable then).
  public borrowing func hasExited() -> Bool {
    var request = pollfd(fd: descriptor.rawValue, events: Int16(POLLIN), revents: 0)
    // SAFETY: one pollfd, and one is said to be there.
    return unsafe poll(&request, 1, 0) == 1
  }

  /// Waits until the process has ended; false when it hasn't after so many milliseconds.
  public borrowing func waitForExit(milliseconds: CInt) -> Bool {
    var request = pollfd(fd: descriptor.rawValue, events: Int16(POLLIN), revents: 0)
    let end = monotonicNanoseconds() &+ UInt64(max(0, milliseconds)) * 1_000_000
    while true {
      let now = monotonicNanoseconds()
      // SAFETY: one pollfd, and one is said to be there.
      let ready = unsafe poll(&request, 1, now >= end ? 0 : CInt((end - now + 999_999) / 1_000_000))
      if ready > 0 { return true }
      if now >= end { return false }
    }
  }

  /// Whether both refer to the same process: pidfs inodes are unique for the life of the system (6.9).
  public borrowing func isSameProcess(as other: borrowing Pidfd) -> Bool {
    var mine = stat()
    var theirs = stat()
    // SAFETY: fstat(2) writes into the structures during the calls only.
    guard unsafe fstat(descriptor.rawValue, &mine) == 0, unsafe fstat(other.descriptor.rawValue, &theirs) == 0 else { return false }
    return mine.st_ino == theirs.st_ino && mine.st_dev == theirs.st_dev
  }
}
