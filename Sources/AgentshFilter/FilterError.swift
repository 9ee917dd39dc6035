/// Why there is no filter.
public enum FilterError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The policy permits a call or group that doesn't exist or needs no permission.
  case unknownRestrictedName(String)
  /// libseccomp refused a rule: a fault of the table.
  case library(call: String, errno: Int32)
  /// The kernel takes at most 4096 instructions (BPF_MAXINSNS).
  case tooLong(instructions: Int)
  /// Two clauses of a call overlap in a way that can't be made disjoint: a fault of the table.
  case overlappingClauses(String)

  public var description: String {
    switch self {
    case .unknownRestrictedName(let name): "syscalls.allow: '\(name)' is neither a group nor a restricted system call"
    case .library(let call, let errno): "libseccomp: \(call) failed with errno \(errno)"
    case .tooLong(let instructions): "the filter has \(instructions) instructions, the kernel takes 4096"
    case .overlappingClauses(let call): "the rules for \(call) overlap"
    }
  }
}
