/// A rule's answer, made ready once: a lookup that ends in it copies it and allocates nothing, unless the message names
/// what was asked about.
struct Answer: Sendable {
  private let fixed: Verdict
  private let template: String?

  init(_ head: RuleHead, note: String? = nil) {
    let notes = [Self.limit(of: head.decision), note].compactMap { $0 }.joined(separator: "; ")
    let text: String?
    switch (head.message, notes.isEmpty) {
    case (nil, true): text = nil
    case (nil, false): text = notes
    case (let message?, true): text = message
    case (let message?, false): text = "\(message) (\(notes))"
    }
    fixed = Verdict(
      decision: head.decision, rule: head.name, message: text, isPermitted: head.decision.permits && note == nil)
    template = text.flatMap { $0.contains("{{") ? $0 : nil }
  }

  /// What this version can't do about a decision, in words for the record.
  static func limit(of decision: Decision) -> String? {
    switch decision {
    case .allow, .deny, .audit, .absorb: nil
    case .approve: "needs approval, which this version can't ask for: refused"
    case .redirect: "is to be redirected, which this version can't do: refused"
    case .softDelete: "is to be kept when it is deleted, which this version can't do: refused"
    }
  }

  static func unmatched(_ decision: Decision, _ kind: String, _ message: String) -> Answer {
    Answer(
      RuleHead(name: "default:\(kind)", decision: decision, message: decision == .allow || decision == .audit ? nil : message))
  }

  var decision: Decision { fixed.decision }
  var rule: String { fixed.rule }
  var isPermitted: Bool { fixed.isPermitted }

  /// - Parameter facts: what `{{.Path}}` and the like stand for; asked only when the message names one.
  func verdict(_ facts: () -> [String: String]) -> Verdict {
    guard let template else { return fixed }
    var text = template
    for (name, value) in facts() { text = Self.replace("{{.\(name)}}", in: text, by: value) }
    return Verdict(decision: fixed.decision, rule: fixed.rule, message: text, isPermitted: fixed.isPermitted)
  }

  private static func replace(_ mark: String, in text: String, by value: String) -> String {
    let mark = Array(mark.utf8)
    let bytes = Array(text.utf8)
    var result: [UInt8] = []
    var index = 0
    while index < bytes.count {
      if bytes[index...].starts(with: mark) {
        result += value.utf8
        index += mark.count
      } else {
        result.append(bytes[index])
        index += 1
      }
    }
    return String(decoding: result, as: UTF8.self)
  }
}
