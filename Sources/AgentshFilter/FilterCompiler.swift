import Glibc
import Synchronization

/// Turns a specification and the table into a program, through libseccomp.
///
/// A gate stands before libseccomp's program and sends every number that the table doesn't know to the supervisor (jumps are relative, so it can).
/// The program is exported and loaded with seccomp(2) itself: libseccomp 2.5 knows neither WAIT_KILLABLE_RECV nor a listener whose descriptor
/// goes to somebody else. Numbers are passed as they stand in the table, so calls newer than libseccomp work.
public enum FilterCompiler {
  /// The program for `specification`. Thread-safe. The result depends on the specification only, never on the host, and is kept: the sessions
  /// of a machine need a handful of different filters.
  public static func compile(_ specification: FilterSpecification) throws(FilterError) -> FilterProgram {
    if let known = kept.withLock({ $0[specification] }) { return known }
    let program = try compileAnew(specification)
    kept.withLock { programs in
      // A policy can ask for any of many combinations; a server that has seen this many starts over.
      if programs.count >= 64 { programs.removeAll() }
      programs[specification] = program
    }
    return program
  }

  private static let kept = Mutex<[FilterSpecification: FilterProgram]>([:])

  static func compileAnew(_ specification: FilterSpecification) throws(FilterError) -> FilterProgram {
    for name in specification.permitted.sorted() where !FilterSpecification.isRestrictedName(name) {
      throw .unknownRestrictedName(name)
    }
    // What libseccomp is told are the exceptions, so that what it makes is short: numbers that are in no line of the table never get there.
    let otherwise = FilterAction.allow
    let builder = try FilterBuilder.make(otherwise: otherwise)
    var trapped: [String] = []
    for call in SyscallTable.all {
      guard let number = call.number(on: .native) else { continue }
      let rules = try specification.rules(for: call)
      // libseccomp refuses rules that say what happens anyway.
      for rule in rules where rule.action != otherwise { try builder.add(rule, number: number) }
      // Calls that are often permitted after a look at registers are looked for first: the others cost a round trip or are refused.
      if rules.count > 1 { try builder.prioritize(number: number, 255) }
      if rules.contains(where: { $0.action == .notify }), !call.isTold { trapped.append(call.name) }
    }
    let gate = UnknownNumbers.gate(
      known: SyscallTable.all.compactMap { $0.number(on: .native) }, architecture: Architecture.native.auditValue, answering: specification.asking)
    let program = FilterProgram(instructions: gate + (try builder.export()), trapped: trapped)
    guard program.count <= 4096 else { throw .tooLong(instructions: program.count) }
    return program
  }
}
