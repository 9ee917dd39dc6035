import Synchronization

/// A glob without variables, matched in time linear in the text whatever the glob and the text are.
///
/// Most globs are compared with the text as they stand: one literal, a literal and `**`, stars of one kind. The others
/// become an automaton when they are first asked, since a session that starts asks few of them. A class, so that looking
/// at one of many copies nothing.
final class Glob: Sendable {
  private enum Kind: Sendable {
    case literal
    /// `**` after the prefix.
    case anything
    /// `**` and a literal end.
    case end
    /// Stars that need only ever be tried again at the last of them.
    case stars
    /// `**/` and such stars within one name: the last name alone decides.
    case lastName
    case automaton
  }

  /// All steps (`GlobCode`), no two stars side by side.
  let codes: [UInt16]
  /// So many bytes, at the beginning of the steps, everything begins with that it matches.
  let prefixCount: Int
  let sets: [GlobSet]
  let separator: UInt8?
  private let kind: Kind
  private let lazyAutomaton = AtomicLazyReference<GlobAutomaton>()

  /// - Parameters:
  ///   - codes: `GlobCode`s, no variables.
  ///   - sets: what they refer to.
  init(_ codes: [UInt16], sets: [GlobSet], separator: UInt8?) {
    let codes = Self.folded(codes)
    self.codes = codes
    self.sets = sets
    self.separator = separator
    var count = 0
    while count < codes.count && codes[count] < 0x100 { count += 1 }
    prefixCount = count
    kind = Self.kind(codes, count, sets, separator)
  }

  private static func kind(_ codes: [UInt16], _ prefix: Int, _ sets: [GlobSet], _ separator: UInt8?) -> Kind {
    guard prefix < codes.count else { return .literal }
    var deepStars = 0
    var stars = 0
    var others = 0
    var separators = 0
    for index in prefix..<codes.count {
      let code = codes[index]
      if code < 0x100 { separators += separator.map { UInt16($0) == code } ?? false ? 1 : 0 } else if code == GlobCode.deepStar {
        deepStars += 1
      } else if code == GlobCode.star {
        stars += 1
      } else {
        others += 1
      }
    }
    let isDeep = codes[prefix] == GlobCode.deepStar
    if isDeep && codes.count == prefix + 1 { return .anything }
    if isDeep && deepStars == 1 && stars == 0 && others == 0 { return .end }
    // Longer ones compare too much anew, and a character beyond ASCII is of no certain length.
    guard codes.count - prefix <= 64, others == 0 || !sets.contains(where: \.wide) else { return .automaton }
    if let separator, isDeep, deepStars == 1, separators == 1, codes.count > prefix + 2, codes[prefix + 1] == UInt16(separator) {
      return .lastName
    }
    return deepStars == 0 || stars == 0 ? .stars : .automaton
  }

  /// Stars that stand side by side are one: the automaton counts on it.
  private static func folded(_ codes: [UInt16]) -> [UInt16] {
    func isStar(_ code: UInt16) -> Bool { code == GlobCode.star || code == GlobCode.deepStar }
    var index = 1
    while index < codes.count && !(isStar(codes[index]) && isStar(codes[index - 1])) { index += 1 }
    if index >= codes.count { return codes }
    var result: [UInt16] = []
    for code in codes {
      if let last = result.last, isStar(code), isStar(last) {
        if code == GlobCode.deepStar { result[result.count - 1] = code }
      } else {
        result.append(code)
      }
    }
    return result
  }

  /// Globs over names of environment variables: nothing stops a star there.
  static func environment(_ pattern: String) throws(GlobError) -> Glob {
    let template = try GlobTemplate(pattern, separator: nil)
    guard template.alternatives.count == 1, let codes = template.alternatives.first, template.variables.isEmpty else {
      throw GlobError(
        reason: template.variables.isEmpty ? "braces in the name of a variable" : "variables don't stand in names of variables")
    }
    return Glob(codes, sets: template.sets, separator: nil)
  }

  /// Whether it matches one text alone.
  var isLiteral: Bool { prefixCount == codes.count }

  /// What follows the prefix, step by step.
  var tokens: [GlobToken] { codes[prefixCount...].map { GlobCode.token($0, sets) } }

  func matches(_ text: [UInt8]) -> Bool { matches(text.span) }

  func matches(_ text: Span<UInt8>) -> Bool {
    guard text.count >= prefixCount else { return false }
    for index in 0..<prefixCount where UInt16(text[index]) != codes[index] { return false }
    switch kind {
    case .literal: return text.count == prefixCount
    case .anything: return true
    case .end:
      let count = codes.count - prefixCount - 1
      guard text.count - prefixCount >= count else { return false }
      let offset = text.count - count
      for index in 0..<count where UInt16(text[offset + index]) != codes[prefixCount + 1 + index] { return false }
      return true
    case .stars: return starsMatch(text, from: prefixCount, prefixCount)
    case .lastName:
      var slash = text.count - 1
      while slash >= prefixCount && text[slash] != separator { slash -= 1 }
      return slash >= prefixCount && starsMatch(text, from: slash + 1, prefixCount + 2)
    case .automaton: return automaton.matches(text, from: prefixCount)
    }
  }

  private var automaton: GlobAutomaton {
    if let known = lazyAutomaton.load() { return known }
    return lazyAutomaton.storeIfNil(GlobAutomaton(tokens, separator: separator))
  }

  /// Whether the text from `start` on matches the steps from `first` on, whose stars are of one kind.
  ///
  /// What stands between two stars is found where it first stands. Looking for it further on never helps: a deep star
  /// may stand for whatever lies between, and a plain one reaches to the next separator from wherever it begins.
  private func starsMatch(_ text: Span<UInt8>, from start: Int, _ first: Int) -> Bool {
    var index = start
    var step = first
    var afterStar = -1
    var starEnd = 0
    while index < text.count {
      if step < codes.count {
        let code = codes[step]
        if code == GlobCode.star || code == GlobCode.deepStar {
          step += 1
          if code == GlobCode.deepStar && step == codes.count { return true }
          afterStar = step
          starEnd = index
          continue
        }
        let fits =
          code < 0x100
          ? UInt16(text[index]) == code
          : text[index] < 0x80 && sets[Int(code - GlobCode.sets.lowerBound)].members.contains(text[index])
        if fits {
          index += 1
          step += 1
          continue
        }
      }
      // The star before takes one byte more.
      guard afterStar >= 0, codes[afterStar - 1] == GlobCode.deepStar || text[starEnd] != separator else { return false }
      starEnd += 1
      index = starEnd
      step = afterStar
    }
    while step < codes.count && (codes[step] == GlobCode.star || codes[step] == GlobCode.deepStar) { step += 1 }
    return step == codes.count
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
    var kinds: [UInt8] = []
    kinds.reserveCapacity(256)
    var moves: [UInt64] = []
    var row = [UInt64](repeating: 0, count: 2 * words)
    for byte in UInt8.min...UInt8.max {
      for index in row.indices { row[index] = 0 }
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
      // Kinds are few, and at most 256, since there are 256 bytes.
      var start = 0
      while start < moves.count && !row.indices.allSatisfy({ moves[start + $0] == row[$0] }) { start += row.count }
      if start == moves.count { moves += row }
      kinds.append(UInt8(truncatingIfNeeded: start / row.count))
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
    let path = directory == [UInt8(ascii: "/")] ? [] : directory[...]
    let floats = beginsAnywhere && codes[prefixCount] == GlobCode.deepStar
    if floats && codes.count == prefixCount + 1 { return true }
    for index in 0..<min(path.count, prefixCount) where UInt16(path[index]) != codes[index] { return false }
    if path.count < prefixCount { return codes[path.count] == GlobCode.slash && !floats }
    if isLiteral { return false }
    let tokens = tokens
    var states = closed([0], tokens)
    for byte in path.dropFirst(prefixCount) { states = closed(step(states, byte, tokens), tokens) }
    if floats { states.subtract([0, 1]) }
    return !step(states, UInt8(ascii: "/"), tokens).isEmpty
  }

  /// Whether whatever stands below one of two directories is matched exactly as the same below the other.
  func treatsAlike(below one: [UInt8], and other: [UInt8]) -> Bool { remainder(below: one) == remainder(below: other) }

  /// How far it has come behind a directory and a slash: equal where the same texts match from there on. Within the prefix that is one place, told by a
  /// negative number.
  private func remainder(below directory: [UInt8]) -> Set<Int> {
    let path = directory + [UInt8(ascii: "/")]
    for index in 0..<min(path.count, prefixCount) where UInt16(path[index]) != codes[index] { return [] }
    if path.count < prefixCount { return [-path.count] }
    let tokens = tokens
    var states = closed([0], tokens)
    for byte in path.dropFirst(prefixCount) { states = closed(step(states, byte, tokens), tokens) }
    return states
  }

  /// The directory below which everything lies that it matches: up to the last slash before the first wildcard. The root where there is none;
  /// nil for what matches no absolute path.
  var anchor: [UInt8]? {
    // A star can stand for nothing before the slash.
    if prefixCount == 0 { return codes.isEmpty || codes[0] == GlobCode.star && (codes.count < 2 || codes[1] != GlobCode.slash) ? nil : [PathCompiler.slash] }
    guard codes[0] == GlobCode.slash else { return nil }
    var end = prefixCount - 1
    while end > 0 && codes[end] != GlobCode.slash { end -= 1 }
    return end == 0 ? [PathCompiler.slash] : codes[..<end].map { UInt8(truncatingIfNeeded: $0) }
  }

  /// Whether it is `DIRECTORY/**`: all that lies below its anchor, and nothing else.
  var isSubtree: Bool {
    prefixCount > 0 && prefixCount + 1 == codes.count && codes[prefixCount] == GlobCode.deepStar && codes[prefixCount - 1] == GlobCode.slash
      && codes[0] == GlobCode.slash
  }

  /// Whether something that it matches begins with `byte`.
  func couldBegin(with byte: UInt8) -> Bool {
    guard let first = codes.first else { return false }
    switch GlobCode.token(first, sets) {
    case .byte(let wanted): return wanted == byte
    case .star: return byte != separator
    case .deepStar, .variable: return true
    case .one(let members, let wide): return wide || members.contains(byte)
    }
  }

  /// Whether nothing, or the root alone, stands before the first star.
  private var beginsAnywhere: Bool {
    prefixCount < codes.count && (prefixCount == 0 || prefixCount == 1 && codes[0] == GlobCode.slash)
  }

  /// Whether it matches everything below `directory`.
  func coversDescendants(of directory: [UInt8]) -> Bool {
    guard prefixCount + 1 == codes.count, codes[prefixCount] == GlobCode.deepStar else { return false }
    if beginsAnywhere { return true }
    guard codes[prefixCount - 1] == GlobCode.slash, prefixCount <= directory.count + 1 else { return false }
    for index in 0..<prefixCount where codes[index] != (index < directory.count ? UInt16(directory[index]) : GlobCode.slash) {
      return false
    }
    return true
  }

  private func closed(_ states: Set<Int>, _ tokens: [GlobToken]) -> Set<Int> {
    var result = states
    for state in states where state < tokens.count && (tokens[state] == .star || tokens[state] == .deepStar) {
      result.insert(state + 1)
    }
    return result
  }

  private func step(_ states: Set<Int>, _ byte: UInt8, _ tokens: [GlobToken]) -> Set<Int> {
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
