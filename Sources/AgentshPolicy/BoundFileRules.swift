/// The file rules of a session.
struct BoundFileRules: Sendable {
  private let index: FileIndex
  let answers: [Answer]
  let rules: [(globs: [Glob], mask: OperationMask)]
  let reading: Answer
  let writing: Answer
  private let foreign: Answer

  /// - Parameter record: the directory of the session's record, which nothing may change.
  init(_ rules: [FileRule], defaults: Defaults, compiler: PathCompiler, record: [UInt8]? = nil) throws(PolicyError) {
    var compiled: [(globs: [Glob], mask: OperationMask)] = []
    var answers: [Answer] = []
    compiled.reserveCapacity(rules.count + 1)
    if let record {
      let name = record.map { UInt16($0) }
      let globs = [name, name + [GlobCode.slash, GlobCode.deepStar]].map { Glob($0, sets: [], separator: PathCompiler.slash) }
      compiled.append((globs, OperationMask(FileOperation.allCases.filter { !$0.isReading })))
      let answer = Answer(RuleHead(name: "builtin:record", decision: .deny, message: "the record of a session is not the session's to change"))
      answers.append(answer)
      // Nor is the way to it to be closed.
      if let slash = name.lastIndex(of: GlobCode.slash), slash > 0 {
        compiled.append(([Glob(Array(name[..<slash]), sets: [], separator: PathCompiler.slash)], OperationMask([.chmod, .chown, .rename, .delete, .rmdir])))
        answers.append(answer)
      }
    }
    for rule in rules {
      let permits = rule.head.decision.permits
      let mask = OperationMask(rule: rule.operations, permits: permits)
      var globs: [Glob] = []
      for path in rule.paths { globs += try compiler.globs(path, rule: rule.head.name, refuses: !permits) }
      compiled.append((globs, mask))
      answers.append(Answer(rule.head))
      // Whoever may read all that lies below a directory may list the directory: its names are what the rule permits.
      guard permits, mask.contains(OperationMask(.list)) else { continue }
      let tops = globs.compactMap { $0.isSubtree ? $0.anchor : nil }.filter { $0.count > 1 }
      if tops.isEmpty { continue }
      compiled.append((tops.map { Glob($0.map { UInt16($0) }, sets: [], separator: PathCompiler.slash) }, OperationMask(.list)))
      answers.append(Answer(rule.head))
    }
    self.rules = compiled
    self.answers = answers
    index = FileIndex(compiled)
    reading = .unmatched(defaults.fileRead, "file_read", "no rule of the policy allows reading {{.Path}}")
    writing = .unmatched(
      defaults.fileWrite, "file_write", "no rule of the policy allows changing {{.Path}}")
    foreign = .unmatched(.deny, "not_a_path", "not an absolute path")
  }

  func verdict(_ operation: FileOperation, _ path: Span<UInt8>) -> Verdict {
    answer(operation, path).verdict { Self.fact($0, copy(path), operation) }
  }

  private static func fact(_ name: String, _ path: [UInt8], _ operation: FileOperation?) -> String? {
    switch name {
    case "Path": printable(path)
    case "Operation": operation?.rawValue
    default: nil
    }
  }

  private func answer(_ operation: FileOperation, _ path: Span<UInt8>) -> Answer {
    guard path.count > 0, path[0] == UInt8(ascii: "/") else { return foreign }
    if let rule = index.firstRule(operation, path) { return answers[rule] }
    return operation.isReading ? reading : writing
  }

  func refusal(of operation: FileOperation, byName path: [UInt8]) -> Verdict? {
    guard let rule = index.firstRule(operation, path.span), !answers[rule].isPermitted else { return nil }
    let root = [UInt8(ascii: "/")]
    if rules[rule].globs.contains(where: { $0.coversDescendants(of: root) }) { return nil }
    return answers[rule].verdict { Self.fact($0, path, operation) }
  }

  /// The rule that trying all in turn finds; for tests of the index.
  func naiveRule(_ operation: FileOperation, _ path: Span<UInt8>) -> Int? {
    index.firstRuleNaively(operation, path, rules.map(\.globs))
  }

  func candidateCount(_ path: [UInt8]) -> Int { index.candidateCount(path) }

  func indexedRule(_ operation: FileOperation, _ path: Span<UInt8>) -> Int? { index.firstRule(operation, path) }

  /// - Parameter asksRulesOnly: what no rule speaks of is not refused, and a rule about everything is taken for a default.
  func refusalBelow(_ directory: [UInt8], _ operations: Set<FileOperation>, asksRulesOnly: Bool) -> Verdict? {
    let root = [UInt8(ascii: "/")]
    var open = OperationMask(operations)
    let facts = { (name: String) in Self.fact(name, directory, nil) }
    for (rule, answer) in zip(rules, answers) {
      let common = rule.mask.intersection(open)
      if common.isEmpty { continue }
      if answer.isPermitted {
        // What this rule permits everywhere below, no later rule can refuse.
        if rule.globs.contains(where: { $0.coversDescendants(of: directory) }) { open.subtract(common) }
      } else if rule.globs.contains(where: { $0.concernsDescendants(of: directory) && !(asksRulesOnly && $0.coversDescendants(of: root)) }) {
        return answer.verdict(facts)
      }
      if open.isEmpty { return nil }
    }
    if asksRulesOnly { return nil }
    let undecided = operations.filter { open.contains(OperationMask($0)) }
    if !reading.isPermitted, undecided.contains(where: \.isReading) { return reading.verdict(facts) }
    if !writing.isPermitted, undecided.contains(where: { !$0.isReading }) { return writing.verdict(facts) }
    return nil
  }

  /// Whether no rule decides otherwise about what stands below one of two directories than about the same below the other.
  func decidesAlike(below one: [UInt8], and other: [UInt8]) -> Bool {
    rules.allSatisfy { $0.globs.allSatisfy { $0.treatsAlike(below: one, and: other) } }
  }

  /// The verdict of the first refusing rule that may match below `old` and would not below `new`, where an earlier rule permits everything; nil if none.
  func refusalLost(movingFrom old: [UInt8], to new: [UInt8], _ operations: Set<FileOperation>) -> Verdict? {
    var excepted: OperationMask = []
    let wanted = OperationMask(operations)
    for (rule, answer) in zip(rules, answers) {
      if answer.isPermitted {
        if rule.globs.contains(where: { $0.coversDescendants(of: new) && !$0.coversDescendants(of: old) }) { excepted.formUnion(rule.mask.intersection(wanted)) }
      } else if !rule.mask.intersection(excepted).isEmpty, rule.globs.contains(where: { $0.couldMatch(in: old) }) {
        return answer.verdict { Self.fact($0, old, nil) }
      }
    }
    return nil
  }

  /// The first rule because of which one of `operations` can't simply happen, whatever the path is.
  func firstConcern(_ operations: [FileOperation], recordsAllowed: Bool) -> String? {
    var open = OperationMask(operations)
    let root = [UInt8(ascii: "/")]
    for (rule, answer) in zip(rules, answers) {
      let common = rule.mask.intersection(open)
      if common.isEmpty || rule.globs.isEmpty { continue }
      if answer.decision != .allow { return answer.rule }
      if rule.globs.contains(where: { $0.coversDescendants(of: root) }) { open.subtract(common) }
      if open.isEmpty { return recordsAllowed ? "record" : nil }
    }
    let undecided = operations.filter { open.contains(OperationMask($0)) }
    if reading.decision != .allow, undecided.contains(where: \.isReading) { return reading.rule }
    if writing.decision != .allow, undecided.contains(where: { !$0.isReading }) { return writing.rule }
    return recordsAllowed ? "record" : nil
  }
}

func copy(_ span: Span<UInt8>) -> [UInt8] {
  var bytes: [UInt8] = []
  bytes.reserveCapacity(span.count)
  for index in span.indices { bytes.append(span[index]) }
  return bytes
}
