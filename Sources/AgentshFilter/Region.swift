/// A set of argument values: for each register nothing, some fixed bits, or one excluded value. All must hold.
///
/// libseccomp takes one comparison for each argument of a rule and promises no order among rules of one call that overlap, so clauses that are
/// read in order are turned into regions that don't.
struct Region: Sendable, Hashable {
  typealias Condition = ArgumentTest.Condition

  private(set) var conditions: [Condition?] = Array(repeating: nil, count: 6)

  /// Everything.
  static let all = Region()

  subscript(argument: Int) -> Condition? {
    get { conditions.indices.contains(argument) ? conditions[argument] : nil }
    set { if conditions.indices.contains(argument) { conditions[argument] = newValue } }
  }

  /// The regions that `tests` stand for together: one, or more where any of several bits suffices.
  static func matching(_ tests: [ArgumentTest]) -> [Region] {
    var regions = [Region.all]
    for test in tests {
      let choices: [Condition]
      if case .anyBit(let mask) = test.condition {
        choices = anyBit(of: mask)
      } else {
        choices = [test.condition]
      }
      regions = regions.flatMap { region in choices.map { region.with(test.argument, $0) } }
    }
    return regions
  }

  /// Splits this region at `other`: the part inside (nil if they are disjoint) and disjoint parts that cover the rest. Nil where an argument would
  /// need two comparisons.
  func split(by other: Region) -> (inside: Region?, outside: [Region])? {
    var inside = self
    var outside: [Region] = []
    for argument in conditions.indices {
      guard let wanted = other[argument] else { continue }
      guard let parts = Self.split(inside[argument] ?? .bits(mask: 0, value: 0), by: wanted) else { return nil }
      guard let common = parts.inside else { return (nil, [self]) }
      outside += parts.outside.map { inside.with(argument, $0) }
      inside[argument] = common
    }
    return (inside, outside)
  }

  private func with(_ argument: Int, _ condition: Condition) -> Region {
    var region = self
    region[argument] = condition
    return region
  }

  private static func split(_ mine: Condition, by other: Condition) -> (inside: Condition?, outside: [Condition])? {
    switch (mine, other) {
    case (.bits(mask: 0, _), .bits(mask: .max, let value)):
      return (other, [.not(value)])
    case (.bits(let mask, let value), .bits(let otherMask, let otherValue)):
      if (value ^ otherValue) & mask & otherMask != 0 { return (nil, [mine]) }
      return splitBits(mask, value, otherMask, otherValue)
    case (.bits(mask: 0, _), .not(let value)):
      return (other, [.bits(mask: .max, value: value)])
    case (.bits(mask: .max, let value), .not(let otherValue)):
      return value == otherValue ? (nil, [mine]) : (mine, [])
    case (.not(let value), .bits(mask: .max, let otherValue)) where value == otherValue:
      return (nil, [mine])
    case (.not(let value), .not(let otherValue)) where value == otherValue:
      return (mine, [])
    default:
      return nil
    }
  }

  /// Bit by bit: whatever differs from `otherValue` first in this bit is outside, and what is the same in all of them inside.
  private static func splitBits(_ mask: UInt64, _ value: UInt64, _ otherMask: UInt64, _ otherValue: UInt64)
    -> (inside: Condition?, outside: [Condition])
  {
    var mask = mask
    var value = value
    var outside: [Condition] = []
    for position in 0..<64 {
      let bit = UInt64(1) << UInt64(position)
      guard otherMask & ~mask & bit != 0 else { continue }
      mask |= bit
      outside.append(.bits(mask: mask, value: value | (~otherValue & bit)))
      value |= otherValue & bit
    }
    return (.bits(mask: mask, value: value), outside)
  }

  /// The lowest set bit of `mask` is this one, that one, …: disjoint, and a single comparison each.
  private static func anyBit(of mask: UInt64) -> [Condition] {
    var choices: [Condition] = []
    var seen: UInt64 = 0
    for position in 0..<64 {
      let bit = UInt64(1) << UInt64(position)
      guard mask & bit != 0 else { continue }
      seen |= bit
      choices.append(.bits(mask: seen, value: bit))
    }
    return choices
  }
}
