import CAgentshSystem
import Glibc

/// The capabilities of the calling thread alone: capset(2) on Linux acts on one thread.
public enum ThreadCapabilities {
  public static let sysPtrace: UInt64 = 1 << 19

  /// Effective, permitted and inheritable sets as bit masks (capabilities(7) numbers).
  public static func current() throws(SyscallError) -> (effective: UInt64, permitted: UInt64, inheritable: UInt64) {
    var effective: UInt64 = 0
    var permitted: UInt64 = 0
    var inheritable: UInt64 = 0
    try syscall("capget") { unsafe ash_thread_capabilities_get(&effective, &permitted, &inheritable) }
    return (effective, permitted, inheritable)
  }

  public static func set(effective: UInt64, permitted: UInt64, inheritable: UInt64 = 0) throws(SyscallError) {
    try syscall("capset") { ash_thread_capabilities_set(effective, permitted, inheritable) }
  }
}
