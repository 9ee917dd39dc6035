/// A rule's answer, made ready once: a lookup that ends in it copies it and allocates nothing, unless the message names
/// what was asked about.
struct Answer: Sendable {
  private let fixed: Verdict
  /// Whether the message names what was asked about.
  private let hasFacts: Bool

  init(_ head: RuleHead, note: String? = nil) {
    let limit = Self.limit(of: head.decision)
    let text: String?
    if limit == nil && note == nil {
      text = head.message
    } else {
      let notes = [limit, note].compactMap { $0 }.joined(separator: "; ")
      text = head.message.map { "\($0) (\(notes))" } ?? notes
    }
    fixed = Verdict(
      decision: head.decision, rule: head.name, message: text, isPermitted: head.decision.permits && note == nil)
    hasFacts = text?.utf8.contains(UInt8(ascii: "{")) ?? false
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

  /// - Parameter fact: what a name such as `Path` stands for, nil for one that stands for nothing; asked only for names
  ///   that the message has.
  func verdict(_ fact: (String) -> String?) -> Verdict {
    guard hasFacts, let message = fixed.message else { return fixed }
    return Verdict(
      decision: fixed.decision, rule: fixed.rule, message: Self.filled(message, fact), isPermitted: fixed.isPermitted)
  }

  /// `text` with what `fact` says in the place of `{{.Name}}`; what it puts there is not looked through again.
  private static func filled(_ text: String, _ fact: (String) -> String?) -> String {
    let bytes = Array(text.utf8)
    let (open, close) = (UInt8(ascii: "{"), UInt8(ascii: "}"))
    var result: [UInt8] = []
    result.reserveCapacity(bytes.count + 64)
    var start = 0
    var index = 0
    while index + 2 < bytes.count {
      guard bytes[index] == open, bytes[index + 1] == open, bytes[index + 2] == UInt8(ascii: ".") else {
        index += 1
        continue
      }
      var end = index + 3
      while end < bytes.count, isWordByte(bytes[end]) { end += 1 }
      guard end + 1 < bytes.count, bytes[end] == close, bytes[end + 1] == close,
        let value = fact(String(decoding: bytes[(index + 3)..<end], as: UTF8.self))
      else {
        index += 1
        continue
      }
      result += bytes[start..<index]
      result += value.utf8
      index = end + 2
      start = index
    }
    result += bytes[start...]
    return String(decoding: result, as: UTF8.self)
  }
}
