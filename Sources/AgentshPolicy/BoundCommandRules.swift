import AgentshText

/// The command rules of a session.
///
/// A refusing rule matches by any name that leads to the program, a permitting one only by names that the target can't
/// make up. A permitted subtree (`/usr/**`) is about where programs lie, so there no link counts at all, not even root's: what
/// Landlock holds is the subtree.
struct BoundCommandRules: Sendable {
  struct Rule: Sendable {
    let answer: Answer
    let matchesAll: Bool
    /// Globs over the last part of a name.
    let bases: [Glob]
    /// Globs over the whole of it.
    let paths: [Glob]
    let arguments: [Pattern]
    let minDepth: Int
    let maxDepth: Int?

    /// Whether it says the same whatever the arguments are and whoever starts the program.
    var isUnconditional: Bool { arguments.isEmpty && minDepth == 0 && maxDepth == nil }
  }

  let rules: [Rule]
  /// Rules by plain names of programs, in file order.
  private let byBase: [[UInt8]: [Int]]
  /// Rules that names alone don't find.
  private let others: [Int]
  /// Whether some rule looks at how deep a program stands below the session's command.
  let asksDepth: Bool
  let unmatched: Answer

  init(_ source: [CommandRule], defaults: Defaults, compiler: PathCompiler) throws(PolicyError) {
    var rules: [Rule] = []
    var byBase: [[UInt8]: [Int]] = [:]
    var others: [Int] = []
    for (number, rule) in source.enumerated() {
      let refuses = !rule.head.decision.permits
      var bases: [Glob] = []
      var paths: [Glob] = []
      var isPlain = true
      for command in rule.commands {
        for glob in try compiler.globs(command, rule: rule.head.name, refuses: refuses) {
          if Self.isPath(glob) {
            paths.append(glob)
            isPlain = false
          } else {
            bases.append(glob)
            if glob.isLiteral {
              byBase[glob.codes.map { UInt8(truncatingIfNeeded: $0) }, default: []].append(number)
            } else {
              isPlain = false
            }
          }
        }
      }
      let matchesAll = !rule.hasCommands || rule.commands.contains { $0.source == "*" || $0.source == "**" }
      if matchesAll || !isPlain { others.append(number) }
      rules.append(
        Rule(
          answer: Answer(rule.head), matchesAll: matchesAll, bases: bases, paths: paths, arguments: rule.arguments,
          minDepth: rule.minDepth, maxDepth: rule.maxDepth))
    }
    self.rules = rules
    self.byBase = byBase
    self.others = others
    asksDepth = rules.contains { $0.minDepth != 0 || $0.maxDepth != nil }
    unmatched = .unmatched(defaults.command, "command", "no rule of the policy allows running {{.Command}}")
  }

  private static func isPath(_ glob: Glob) -> Bool {
    glob.codes.contains(GlobCode.slash) || glob.codes.contains(GlobCode.deepStar) && glob.codes.count - glob.prefixCount > 1
  }

  func verdict(_ subject: CommandSubject) -> Verdict {
    let trusted = [subject.canonicalPath] + subject.trustedNames
    let all = trusted + subject.untrustedNames
    var numbers = Set(others)
    for name in all { numbers.formUnion(byBase[Self.base(name)] ?? []) }
    var joined: [UInt8]?
    for number in numbers.sorted() {
      let rule = rules[number]
      let permits = rule.answer.isPermitted
      guard Self.depthMatches(rule, subject.depth, permits: permits) else { continue }
      guard rule.matchesAll || Self.matches(rule, subject, permits ? trusted : all, permits: permits) else { continue }
      if !rule.arguments.isEmpty {
        let text = joined ?? Array(subject.arguments.joined(separator: [UInt8(ascii: " ")]))
        joined = text
        // What RE2 can't tell is taken for the worse.
        guard rule.arguments.contains(where: { $0.matches(text) ?? !permits }) else { continue }
      }
      return rule.answer.verdict { Self.facts(subject)[$0] }
    }
    return unmatched.verdict { Self.facts(subject)[$0] }
  }

  private static func facts(_ subject: CommandSubject) -> [String: String] {
    [
      "Path": printable(subject.canonicalPath), "Command": printable(base(subject.canonicalPath)),
      "Args": printable(subject.arguments.joined(separator: [UInt8(ascii: " ")])),
    ]
  }

  private static func base(_ name: [UInt8]) -> [UInt8] {
    guard let slash = name.lastIndex(of: UInt8(ascii: "/")) else { return name }
    return Array(name[(slash + 1)...])
  }

  private static func matches(_ rule: Rule, _ subject: CommandSubject, _ names: [[UInt8]], permits: Bool) -> Bool {
    for name in names {
      let last = base(name)
      for glob in rule.bases where glob.matches(last) { return true }
      for glob in rule.paths {
        // Nested closures that choose here make the optimiser of Swift 6.3 fail.
        let path = permits && glob.isSubtree ? subject.canonicalPath : name
        if glob.matches(path) { return true }
      }
    }
    return false
  }

  private static func depthMatches(_ rule: Rule, _ depth: Int?, permits: Bool) -> Bool {
    guard let depth else { return permits ? rule.minDepth == 0 && rule.maxDepth == nil : true }
    return depth >= rule.minDepth && depth <= rule.maxDepth ?? .max
  }

  var firstConcern: String? {
    for rule in rules {
      if rule.answer.decision != .allow { return rule.answer.rule }
      if rule.matchesAll && rule.isUnconditional { return nil }
    }
    return unmatched.decision == .allow ? nil : unmatched.rule
  }
}
