import CAgentshSystem
import Glibc

/// The capabilities of the calling thread alone: capset(2) on Linux acts on one thread.
public enum ThreadCapabilities {
  public static let sysPtrace: UInt64 = 1 << 19
  /// CAP_SYS_ADMIN
  public static let sysAdmin: UInt64 = 1 << 21

  /// Sets the three sets: capset(2). EPERM for what is not permitted.
  public static func set(effective: UInt64, permitted: UInt64, inheritable: UInt64 = 0) throws(SyscallError) {
    try syscall("capset") { ash_thread_capabilities_set(effective, permitted, inheritable) }
  }
}
