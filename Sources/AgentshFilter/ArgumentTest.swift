/// A condition on one argument register.
///
/// The kernel looks at the low 32 bits only where a parameter is an `int`, so most tests do so too: a test of all 64 bits would be evaded by
/// rubbish in the high half. Pointers are tested whole.
struct ArgumentTest: Sendable, Hashable {
  enum Condition: Sendable, Hashable {
    /// All bits under `mask` are those of `value`.
    case bits(mask: UInt64, value: UInt64)
    /// Some bit under `mask` is set.
    case anyBit(mask: UInt64)
    /// The whole register differs from `value`.
    case not(UInt64)
  }
  /// 0…5.
  let argument: Int
  let condition: Condition

  static func int(_ argument: Int, equals value: UInt32) -> ArgumentTest {
    ArgumentTest(argument: argument, condition: .bits(mask: 0xffff_ffff, value: UInt64(value)))
  }
  static func int(_ argument: Int, under mask: UInt32, equals value: UInt32) -> ArgumentTest {
    ArgumentTest(argument: argument, condition: .bits(mask: UInt64(mask), value: UInt64(value)))
  }
  static func int(_ argument: Int, hasAnyOf mask: UInt32) -> ArgumentTest {
    ArgumentTest(argument: argument, condition: .anyBit(mask: UInt64(mask)))
  }
  static func isNull(_ argument: Int) -> ArgumentTest {
    ArgumentTest(argument: argument, condition: .bits(mask: .max, value: 0))
  }
  static func isNotNull(_ argument: Int) -> ArgumentTest {
    ArgumentTest(argument: argument, condition: .not(0))
  }
}

/// What happens to a call that a clause matches.
enum Outcome: Sendable, Hashable {
  case allow
  /// Refused with an errno unless the group is permitted. Without a group only the call's own name permits it.
  case refuse(Int32, RestrictedGroup?)
  /// Refused with an errno as long as one of the classes is asked for: the supervisor couldn't decide it.
  case refuseWith(TrapClasses, Int32)
  /// Goes to the supervisor when one of the classes is asked for.
  case trap(TrapClasses)
}

/// All tests must hold. Clauses of a call are read in order and the first that matches decides; one whose outcome isn't asked for
/// or is permitted is skipped. A call that no clause matches is allowed.
struct Clause: Sendable, Hashable {
  let tests: [ArgumentTest]
  let outcome: Outcome

  init(_ tests: ArgumentTest..., then outcome: Outcome) {
    self.tests = tests
    self.outcome = outcome
  }
}
