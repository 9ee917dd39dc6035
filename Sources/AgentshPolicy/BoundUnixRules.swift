/// The rules about Unix domain sockets of a session.
struct BoundUnixRules: Sendable {
  private struct Rule: Sendable {
    let answer: Answer
    let globs: [Glob]
    let matchesAll: Bool
    let operations: [UnixOperation]
  }

  private let rules: [Rule]
  private let unmatched: Answer
  private let unnamed: Answer

  init(_ source: [UnixRule], defaults: Defaults, compiler: PathCompiler) throws(PolicyError) {
    var rules: [Rule] = []
    for rule in source {
      var globs: [Glob] = []
      for path in rule.paths {
        if path.source.utf8.first == UInt8(ascii: "@") {
          globs += try compiler.plainGlobs(path, rule: rule.head.name, separator: nil)
        } else {
          globs += try compiler.globs(path, rule: rule.head.name, refuses: !rule.head.decision.permits)
        }
      }
      rules.append(
        Rule(
          answer: Answer(rule.head), globs: globs,
          matchesAll: rule.paths.contains { $0.source == "*" || $0.source == "**" }, operations: rule.operations))
    }
    self.rules = rules
    unmatched = .unmatched(defaults.unix, "unix", "no rule of the policy allows the socket {{.Path}}")
    unnamed = .unmatched(.allow, "unix_unnamed", "")
  }

  func verdict(_ operation: UnixOperation, _ address: UnixAddress) -> Verdict {
    let name: [UInt8]
    switch address {
    case .unnamed: return unnamed.verdict { _ in nil }
    case .abstract(let bytes): name = [UInt8(ascii: "@")] + bytes
    case .path(let path):
      name = path
      // A path that begins with @ would pass for an abstract name.
      guard path.first == UInt8(ascii: "/") else {
        return Verdict(decision: .deny, rule: "default:not_a_path", message: "not an absolute path")
      }
    }
    let facts = { (fact: String) in fact == "Path" ? printable(name) : fact == "Operation" ? operation.rawValue : nil }
    for rule in rules where rule.operations.isEmpty || rule.operations.contains(operation) {
      if rule.matchesAll || rule.globs.contains(where: { $0.matches(name) }) { return rule.answer.verdict(facts) }
    }
    return unmatched.verdict(facts)
  }

  /// Whether a rule could permit reaching someone by an abstract name.
  var permitsAbstractNames: Bool {
    let reaching: Set<UnixOperation> = [.connect, .sendto]
    for rule in rules where rule.operations.isEmpty || !reaching.isDisjoint(with: rule.operations) {
      if rule.answer.isPermitted {
        if rule.matchesAll || rule.globs.contains(where: { $0.couldBegin(with: UInt8(ascii: "@")) }) { return true }
      } else if rule.matchesAll, rule.operations.isEmpty || reaching.isSubset(of: rule.operations) {
        return false
      }
    }
    return unmatched.isPermitted
  }

  var firstConcern: String? {
    for rule in rules {
      if rule.answer.decision != .allow { return rule.answer.rule }
      if rule.matchesAll && (rule.operations.isEmpty || Set(rule.operations).count == UnixOperation.allCases.count) { return nil }
    }
    return unmatched.decision == .allow ? nil : unmatched.rule
  }
}
