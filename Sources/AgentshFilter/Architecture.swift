/// Instruction sets that the table knows numbers for. One filter serves one of them: calls by any other convention of the same
/// processor (i386, x32, 32-bit Arm) are refused with ENOSYS.
public enum Architecture: String, CaseIterable, Sendable {
  case x86_64
  case arm64

  /// What this program was built for.
  public static var native: Architecture {
    #if arch(arm64)
      .arm64
    #else
      .x86_64
    #endif
  }

  /// AUDIT_ARCH_* as seccomp reports it, see linux/audit.h.
  public var auditValue: UInt32 {
    switch self {
    case .x86_64: 0xC000_003E
    case .arm64: 0xC000_00B7
    }
  }
}
