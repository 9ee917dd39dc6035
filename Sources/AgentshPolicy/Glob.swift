/// A glob without variables, matched in time linear in the text whatever the glob and the text are.
///
/// A literal beginning is compared byte by byte; what comes after is the commonest shapes (nothing, `**`, `**` and a
/// literal end) or an automaton whose states are the bits of a word. A class, so that looking at one of many copies nothing.
final class Glob: Sendable {
  enum Tail: Sendable {
    case nothing
    case anything
    case end([UInt8])
    /// `**/` and something within one name: the last name alone decides.
    case lastName(GlobAutomaton)
    case automaton(GlobAutomaton)
  }

  /// The bytes that everything it matches begins with.
  let prefix: [UInt8]
  let tail: Tail
  /// What follows the prefix, step by step.
  let tokens: [GlobToken]
  let separator: UInt8?

  init(tokens all: [GlobToken], separator: UInt8?) {
    let tokens = Self.folded(all)
    let literal = tokens.prefix { if case .byte = $0 { true } else { false } }
    prefix = literal.compactMap { if case .byte(let byte) = $0 { byte } else { nil } }
    let rest = Array(tokens.dropFirst(literal.count))
    self.tokens = rest
    self.separator = separator
    let end = rest.dropFirst().compactMap { if case .byte(let byte) = $0 { byte } else { nil } }
    if rest.isEmpty {
      tail = .nothing
    } else if rest.first == .deepStar && rest.count == 1 {
      tail = .anything
    } else if rest.first == .deepStar && end.count == rest.count - 1 {
      tail = .end(end)
    } else if let separator, Self.isLastName(rest, separator) {
      tail = .lastName(GlobAutomaton(Array(rest.dropFirst(2)), separator: separator))
    } else {
      tail = .automaton(GlobAutomaton(rest, separator: separator))
    }
  }

  private static func isLastName(_ tokens: [GlobToken], _ separator: UInt8) -> Bool {
    tokens.count > 2 && tokens[0] == .deepStar && tokens[1] == .byte(separator)
      && !tokens.dropFirst(2).contains { $0 == .deepStar || $0 == .byte(separator) }
  }

  /// Stars that stand side by side are one: the automaton counts on it.
  private static func folded(_ tokens: [GlobToken]) -> [GlobToken] {
    var result: [GlobToken] = []
    for token in tokens {
      switch (result.last, token) {
      case (.star, .star), (.deepStar, .star), (.deepStar, .deepStar): continue
      case (.star, .deepStar): result[result.count - 1] = .deepStar
      default: result.append(token)
      }
    }
    return result
  }

  /// Globs over names of environment variables: nothing stops a star there.
  static func environment(_ pattern: [UInt8]) throws(GlobError) -> Glob {
    let template = try GlobTemplate(String(decoding: pattern, as: UTF8.self), separator: nil)
    guard template.alternatives.count == 1, let tokens = template.alternatives.first else {
      throw GlobError(reason: "braces in the name of a variable")
    }
    return Glob(tokens: tokens, separator: nil)
  }

  func matches(_ text: [UInt8]) -> Bool { matches(text.span) }

  func matches(_ text: Span<UInt8>) -> Bool {
    guard text.count >= prefix.count else { return false }
    for index in prefix.indices where text[index] != prefix[index] { return false }
    return tailMatches(text, from: prefix.count)
  }

  /// Whether what follows position `start` matches what follows the prefix.
  func tailMatches(_ text: Span<UInt8>, from start: Int) -> Bool {
    switch tail {
    case .nothing: return text.count == start
    case .anything: return true
    case .end(let bytes):
      guard text.count - start >= bytes.count else { return false }
      let offset = text.count - bytes.count
      for index in bytes.indices where text[offset + index] != bytes[index] { return false }
      return true
    case .lastName(let automaton):
      var slash = text.count - 1
      while slash >= start && text[slash] != separator { slash -= 1 }
      return slash >= start && automaton.matches(text, from: slash + 1)
    case .automaton(let automaton): return automaton.matches(text, from: start)
    }
  }
}

/// The steps of a glob as an automaton that is run for all its states at once.
final class GlobAutomaton: Sendable {
  /// Which kind of byte each of the 256 is; few kinds differ for one glob.
  private let kinds: [UInt8]
  /// For each kind, `words` words of states that go on, then as many that stay.
  private let moves: [UInt64]
  private let stars: [UInt64]
  private let words: Int
  private let last: Int

  init(_ tokens: [GlobToken], separator: UInt8?) {
    last = tokens.count
    words = (tokens.count + 64) / 64
    var stars = [UInt64](repeating: 0, count: words)
    func set(_ bit: Int, in row: inout [UInt64], at offset: Int = 0) { row[offset + bit / 64] |= 1 << UInt64(bit % 64) }
    for (index, token) in tokens.enumerated() where token == .star || token == .deepStar { set(index, in: &stars) }
    var known: [[UInt64]: UInt8] = [:]
    var kinds: [UInt8] = []
    var moves: [UInt64] = []
    for byte in UInt8.min...UInt8.max {
      var row = [UInt64](repeating: 0, count: 2 * words)
      for (index, token) in tokens.enumerated() {
        switch token {
        case .byte(let wanted): if byte == wanted { set(index, in: &row) }
        case .star: if byte != separator { set(index, in: &row, at: words) }
        case .deepStar: set(index, in: &row, at: words)
        case .one(let members, let wide):
          if members.contains(byte) && (wide || byte < 0x80) { set(index, in: &row) }
          // One character beyond ASCII is its first byte and whatever continuation bytes follow.
          if wide && byte & 0xc0 == 0x80 { set(index + 1, in: &row, at: words) }
        case .variable: break
        }
      }
      if let kind = known[row] {
        kinds.append(kind)
      } else {
        // At most 256 kinds, since there are 256 bytes.
        let kind = UInt8(truncatingIfNeeded: known.count)
        known[row] = kind
        kinds.append(kind)
        moves += row
      }
    }
    self.kinds = kinds
    self.moves = moves
    self.stars = stars
  }

  func matches(_ text: Span<UInt8>, from start: Int) -> Bool {
    if words == 1 {
      let stars = self.stars[0]
      var states: UInt64 = 1
      states |= (states & stars) << 1
      var index = start
      while index < text.count {
        let kind = Int(kinds[Int(text[index])]) * 2
        states = ((states & moves[kind]) << 1) | (states & moves[kind + 1])
        states |= (states & stars) << 1
        if states == 0 { return false }
        index += 1
      }
      return states >> UInt64(last) & 1 == 1
    }
    return matchesWide(text, from: start)
  }

  /// The same with states in several words.
  private func matchesWide(_ text: Span<UInt8>, from start: Int) -> Bool {
    var states = [UInt64](repeating: 0, count: words)
    states[0] = 1
    skipStars(&states)
    for index in start..<max(start, text.count) {
      let row = Int(kinds[Int(text[index])]) * 2 * words
      var carry: UInt64 = 0
      var alive: UInt64 = 0
      for word in 0..<words {
        let moved = states[word] & moves[row + word]
        let stayed = states[word] & moves[row + words + word]
        states[word] = moved << 1 | carry | stayed
        carry = moved >> 63
        alive |= states[word]
      }
      if alive == 0 { return false }
      skipStars(&states)
    }
    return states[last / 64] >> UInt64(last % 64) & 1 == 1
  }

  private func skipStars(_ states: inout [UInt64]) {
    var carry: UInt64 = 0
    for word in 0..<words {
      let starred = states[word] & stars[word]
      // No two stars stand side by side, so one step is enough, and a carried bit is no star's.
      states[word] |= starred << 1 | carry
      carry = starred >> 63
    }
  }
}

extension Glob {
  /// Whether it could match something below `directory`, and would match something else there if the directory had
  /// another name.
  ///
  /// A glob that floats (`**/.env`) matches below a directory by what stands below it alone; it counts only when the
  /// directory's own name is part of what it matches (`.git` of `**/.git/hooks/**`).
  func concernsDescendants(of directory: [UInt8]) -> Bool {
    let path = directory == [UInt8(ascii: "/")] ? [] : directory
    let floats = (prefix.isEmpty || prefix == [UInt8(ascii: "/")]) && tokens.first == .deepStar
    if floats && tokens.count == 1 { return true }
    if path.count < prefix.count {
      return prefix.starts(with: path) && prefix[path.count] == UInt8(ascii: "/") && !floats
    }
    guard path.starts(with: prefix) else { return false }
    var states = closed([0])
    for byte in path.dropFirst(prefix.count) { states = closed(step(states, byte)) }
    if floats { states.subtract([0, 1]) }
    return !step(states, UInt8(ascii: "/")).isEmpty
  }

  /// Whether it matches everything below `directory`.
  func coversDescendants(of directory: [UInt8]) -> Bool {
    guard case .anything = tail else { return false }
    if prefix.isEmpty || prefix == [UInt8(ascii: "/")] { return true }
    guard prefix.last == UInt8(ascii: "/") else { return false }
    return (directory + [UInt8(ascii: "/")]).starts(with: prefix)
  }

  private func closed(_ states: Set<Int>) -> Set<Int> {
    var result = states
    for state in states where state < tokens.count && (tokens[state] == .star || tokens[state] == .deepStar) {
      result.insert(state + 1)
    }
    return result
  }

  private func step(_ states: Set<Int>, _ byte: UInt8) -> Set<Int> {
    var result: Set<Int> = []
    for state in states {
      if state > 0, case .one(_, wide: true) = tokens[state - 1], byte & 0xc0 == 0x80 { result.insert(state) }
      guard state < tokens.count else { continue }
      switch tokens[state] {
      case .byte(let wanted): if byte == wanted { result.insert(state + 1) }
      case .star: if byte != separator { result.insert(state) }
      case .deepStar: result.insert(state)
      case .one(let members, let wide): if members.contains(byte) && (wide || byte < 0x80) { result.insert(state + 1) }
      case .variable: break
      }
    }
    return result
  }
}
