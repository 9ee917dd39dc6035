/// A rule's answer, made ready once: a lookup that ends in it copies it and allocates nothing, unless the message names
/// what was asked about.
struct Answer: Sendable {
  private enum Piece: Sendable {
    case text(String)
    /// The name in `{{.Name}}`.
    case fact(String)
  }

  private let fixed: Verdict
  /// The message in pieces, when it names what was asked about.
  private let pieces: [Piece]?

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
    pieces = text.flatMap { Self.pieces(of: $0) }
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
    guard let pieces else { return fixed }
    var text = ""
    for piece in pieces {
      switch piece {
      case .text(let part): text += part
      case .fact(let name): text += fact(name) ?? "{{.\(name)}}"
      }
    }
    return Verdict(decision: fixed.decision, rule: fixed.rule, message: text, isPermitted: fixed.isPermitted)
  }

  private static func pieces(of text: String) -> [Piece]? {
    var pieces: [Piece] = []
    var rest = Array(text.utf8)[...]
    var literal: [UInt8] = []
    while let byte = rest.first {
      if rest.starts(with: Array("{{.".utf8)) {
        let name = rest.dropFirst(3).prefix { isWordByte($0) }
        if rest.dropFirst(3 + name.count).starts(with: Array("}}".utf8)) {
          if !literal.isEmpty { pieces.append(.text(String(decoding: literal, as: UTF8.self))) }
          pieces.append(.fact(String(decoding: name, as: UTF8.self)))
          literal = []
          rest = rest.dropFirst(name.count + 5)
          continue
        }
      }
      literal.append(byte)
      rest = rest.dropFirst()
    }
    if pieces.isEmpty { return nil }
    if !literal.isEmpty { pieces.append(.text(String(decoding: literal, as: UTF8.self))) }
    return pieces
  }
}
