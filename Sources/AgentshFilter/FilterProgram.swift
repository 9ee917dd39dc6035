/// A compiled filter, ready for seccomp(2) SECCOMP_SET_MODE_FILTER.
public struct FilterProgram: Sendable, Hashable {
  /// `struct sock_filter[]` in the byte order of the machine, 8 bytes an instruction.
  public let instructions: [UInt8]
  /// Names of the calls of which some form goes to the supervisor, in the order of the table.
  public let trapped: [String]

  /// How many instructions there are: at most 4096.
  public var count: Int { instructions.count / FilterProgram.instructionSize }

  /// sizeof(struct sock_filter), see linux/filter.h.
  public static let instructionSize = 8
}
