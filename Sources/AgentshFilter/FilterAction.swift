import Glibc

/// What the filter answers: the SECCOMP_RET_* values that it uses, see seccomp(2).
enum FilterAction: Sendable, Hashable {
  case allow
  /// To the listener.
  case notify
  case errno(Int32)

  var rawValue: UInt32 {
    switch self {
    case .allow: 0x7fff_0000
    case .notify: 0x7fc0_0000
    case .errno(let errno): 0x0005_0000 | (UInt32(bitPattern: errno) & 0xffff)
    }
  }
}

/// One rule for libseccomp: no two of a call have common arguments.
struct FilterRule: Sendable, Hashable {
  let region: Region
  let action: FilterAction
}

extension FilterSpecification {
  /// The rules for one call: disjoint, and together they cover every argument.
  func rules(for call: SystemCall) throws(FilterError) -> [FilterRule] {
    var rules: [FilterRule] = []
    var undecided = [Region.all]
    for clause in call.treatment.clauses {
      guard let action = action(clause.outcome, for: call) else { continue }
      for region in Region.matching(clause.tests) {
        var remaining: [Region] = []
        for part in undecided {
          guard let (inside, outside) = part.split(by: region) else { throw .overlappingClauses(call.name) }
          if let inside { rules.append(FilterRule(region: inside, action: action)) }
          remaining += outside
        }
        undecided = remaining
      }
    }
    rules += undecided.map { FilterRule(region: $0, action: .allow) }
    // A call that comes out the same whatever its arguments needs one rule, and the kernel caches it when that is "allow".
    if let action = rules.first?.action, rules.allSatisfy({ $0.action == action }) { return [FilterRule(region: .all, action: action)] }
    return rules
  }

  /// Nil when the clause is skipped: the class isn't asked for, or the policy permits the call.
  private func action(_ outcome: Outcome, for call: SystemCall) -> FilterAction? {
    switch outcome {
    case .allow: .allow
    case .refuse(let errno, let group):
      if permits(call.name, group) { nil } else if tellsRefusals, call.isTold, errno == EPERM, group?.isTold ?? false { .notify } else { .errno(errno) }
    case .refuseWith(let classes, let errno): traps.isDisjoint(with: classes) ? nil : .errno(errno)
    case .trap(let classes): traps.isDisjoint(with: classes) ? nil : asking
    }
  }
}
