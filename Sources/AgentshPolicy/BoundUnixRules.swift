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
    let facts = { (fact: String) in Self.fact(fact, name, operation) }
    for rule in rules where rule.operations.isEmpty || rule.operations.contains(operation) {
      if rule.matchesAll || rule.globs.contains(where: { $0.matches(name) }) { return rule.answer.verdict(facts) }
    }
    return unmatched.verdict(facts)
  }

  /// The verdict of a rule that refuses this at a path and isn't one about everything, which is taken for a default; nil where there is none.
  func ruleRefusal(_ operation: UnixOperation, _ path: [UInt8]) -> Verdict? {
    for rule in rules where rule.operations.isEmpty || rule.operations.contains(operation) {
      guard rule.matchesAll || rule.globs.contains(where: { $0.matches(path) }) else { continue }
      return rule.matchesAll || rule.answer.isPermitted ? nil : rule.answer.verdict { Self.fact($0, path, operation) }
    }
    return nil
  }

  /// The verdict of the first refusing rule that could match a socket below `directory` and would no longer match it there once the directory has another
  /// name. As for files: rules about everything are taken for defaults.
  func refusalBelow(_ directory: [UInt8], _ operations: Set<UnixOperation> = Set(UnixOperation.allCases)) -> Verdict? {
    var open = operations
    for rule in rules {
      let common = rule.operations.isEmpty ? open : open.intersection(rule.operations)
      if common.isEmpty { continue }
      if rule.matchesAll || rule.answer.isPermitted {
        if rule.matchesAll || rule.globs.contains(where: { $0.coversDescendants(of: directory) }) { open.subtract(common) }
      } else if rule.globs.contains(where: { $0.concernsDescendants(of: directory) }) {
        return rule.answer.verdict { Self.fact($0, directory, nil) }
      }
      if open.isEmpty { return nil }
    }
    return nil
  }

  private static func fact(_ fact: String, _ path: [UInt8], _ operation: UnixOperation?) -> String? {
    fact == "Path" ? printable(path) : fact == "Operation" ? operation?.rawValue : nil
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
