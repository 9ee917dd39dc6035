import CAgentshSystem

extension ThreadCapabilities {
  /// Effective, permitted and inheritable sets as bit masks (capabilities(7) numbers).
  public static func current() throws(SyscallError) -> (effective: UInt64, permitted: UInt64, inheritable: UInt64) {
    var effective: UInt64 = 0
    var permitted: UInt64 = 0
    var inheritable: UInt64 = 0
    // SAFETY: the wrapper writes into the three variables during the call only.
    try syscall("capget") { unsafe ash_thread_capabilities_get(&effective, &permitted, &inheritable) }
    return (effective, permitted, inheritable)
  }
}
