import Glibc

/// A filter for a process of our own: a list of calls that it needs, and EPERM for everything else.
public struct AllowListFilter: Sendable {
  /// What a call may be given, for calls that are allowed in part.
  public enum Restriction: Sendable {
    /// Some bit under the mask is set in the low 32 bits of the argument.
    case hasAnyOf(UInt32)
    /// No bit under the mask is set in the low 32 bits of the argument.
    case hasNoneOf(UInt32)
    /// The low 32 bits of the argument are this.
    case equals(UInt32)
  }

  private var rules: [(name: String, rule: FilterRule)] = []

  public init() {}

  /// Allows calls whatever their arguments.
  public mutating func allow(_ names: [String]) {
    rules += names.map { ($0, FilterRule(region: .all, action: .allow)) }
  }

  /// Allows a call where argument `argument` (0…5) is as said. Several of one call add up.
  public mutating func allow(_ name: String, argument: Int, _ restriction: Restriction) {
    let test: ArgumentTest =
      switch restriction {
      case .hasAnyOf(let mask): .int(argument, hasAnyOf: mask)
      case .hasNoneOf(let mask): .int(argument, under: mask, equals: 0)
      case .equals(let value): .int(argument, equals: value)
      }
    rules += Region.matching([test]).map { (name, FilterRule(region: $0, action: .allow)) }
  }

  /// Answers ENOSYS, as a kernel without this call would, so that libc takes the older one.
  public mutating func hide(_ name: String) {
    rules.append((name, FilterRule(region: .all, action: .errno(ENOSYS))))
  }

  /// The program. Names that this architecture doesn't have are left out; one that no architecture has is an error.
  public func compile() throws(FilterError) -> FilterProgram {
    let builder = try FilterBuilder.make(otherwise: .errno(EPERM))
    for (name, rule) in rules {
      guard let call = SyscallTable.named(name) else { throw .unknownRestrictedName(name) }
      guard let number = call.number(on: .native) else { continue }
      try builder.add(rule, number: number)
    }
    let program = FilterProgram(instructions: try builder.export(), trapped: [])
    guard program.count <= 4096 else { throw .tooLong(instructions: program.count) }
    return program
  }
}
