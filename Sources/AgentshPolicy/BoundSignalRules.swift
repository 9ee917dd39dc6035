/// The rules about signals of a session.
struct BoundSignalRules: Sendable {
  private let rules: [SignalRule]
  private let answers: [Answer]
  private let inside: Answer
  private let outside: Answer

  init(_ rules: [SignalRule], defaults: Defaults) {
    self.rules = rules
    answers = rules.map { Answer($0.head) }
    inside = .unmatched(defaults.signal ?? .allow, "signal", "no rule of the policy allows this signal")
    outside = .unmatched(
      defaults.signal ?? .deny, "signal", "signals stay within the session: that process is not part of it")
  }

  func verdict(_ number: Int32, _ target: SignalRelation) -> Verdict {
    let facts = { (fact: String) in fact == "Signal" ? "\(number)" : nil }
    for (rule, answer) in zip(rules, answers) where rule.signals.contains(number) {
      if matches(rule.target, target, permits: answer.isPermitted) { return answer.verdict(facts) }
    }
    return (target.isInSession ? inside : outside).verdict(facts)
  }

  /// What isn't known of the receiver never permits, and never saves from a refusal.
  private func matches(_ wanted: SignalTarget, _ target: SignalRelation, permits: Bool) -> Bool {
    switch wanted {
    case .kind(let kind): return target.kinds.isSuperset(of: kind)
    case .process(let glob): return target.name.map { glob.matches($0) } ?? !permits
    case .pids(let range): return target.pid.map { range.contains($0) } ?? !permits
    }
  }

  /// Whether a rule could permit a signal to a process that is not the session's.
  var permitsOutside: Bool {
    for (rule, answer) in zip(rules, answers) {
      let reachesOutside: Bool
      switch rule.target {
      case .kind(let kind):
        // A relation of these kinds is always one inside the session too (`SignalRelation`).
        reachesOutside = kind.isDisjoint(with: [.itself, .child, .descendant, .sibling, .session])
        if !answer.isPermitted, kind == .external, rule.signals == .all { return false }
      case .process, .pids: reachesOutside = true
      }
      if answer.isPermitted && reachesOutside { return true }
    }
    return outside.isPermitted
  }

  var firstConcern: String? {
    for (rule, answer) in zip(rules, answers) where answer.decision != .allow {
      return rule.head.name
    }
    return outside.decision == .allow && inside.decision == .allow ? nil : outside.rule
  }
}
