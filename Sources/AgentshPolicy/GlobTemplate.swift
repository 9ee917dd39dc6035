/// A set of bytes.
struct ByteSet: Sendable, Hashable {
  private var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)

  init() {}

  static func == (left: ByteSet, right: ByteSet) -> Bool { left.words == right.words }
  func hash(into hasher: inout Hasher) {
    hasher.combine(words.0)
    hasher.combine(words.1)
    hasher.combine(words.2)
    hasher.combine(words.3)
  }

  func contains(_ byte: UInt8) -> Bool {
    let bit: UInt64 = 1 << UInt64(byte & 63)
    switch byte >> 6 {
    case 0: return words.0 & bit != 0
    case 1: return words.1 & bit != 0
    case 2: return words.2 & bit != 0
    default: return words.3 & bit != 0
    }
  }

  mutating func insert(_ byte: UInt8) {
    let bit: UInt64 = 1 << UInt64(byte & 63)
    switch byte >> 6 {
    case 0: words.0 |= bit
    case 1: words.1 |= bit
    case 2: words.2 |= bit
    default: words.3 |= bit
    }
  }

  mutating func remove(_ byte: UInt8) {
    let bit: UInt64 = 1 << UInt64(byte & 63)
    switch byte >> 6 {
    case 0: words.0 &= ~bit
    case 1: words.1 &= ~bit
    case 2: words.2 &= ~bit
    default: words.3 &= ~bit
    }
  }

  var inverted: ByteSet {
    var copy = self
    copy.words = (~words.0, ~words.1, ~words.2, ~words.3)
    return copy
  }
}

/// Why a glob can't be read.
struct GlobError: Error, Equatable { let reason: String }

/// One step of a glob.
enum GlobToken: Sendable, Hashable {
  case byte(UInt8)
  /// `*`: any bytes but the separator.
  case star
  /// `**`: any bytes.
  case deepStar
  /// `?` and `[…]`: one character; `wide` when one beyond ASCII fits too.
  case one(ByteSet, wide: Bool)
  case variable(String, fallback: [UInt8]?)
}

/// A glob as it stands in a policy: braces written out, variables still open.
struct GlobTemplate: Sendable, Hashable {
  /// As written.
  let source: String
  /// What the braces stand for, one list of steps each.
  let alternatives: [[GlobToken]]

  /// Braces may stand for so many globs at most: `{a,b}{a,b}…` doubles with every pair.
  static let mostAlternatives = 512

  /// The names of the variables in it.
  var variables: Set<String> {
    var names: Set<String> = []
    for tokens in alternatives {
      for case .variable(let name, _) in tokens { names.insert(name) }
    }
    return names
  }

  /// Whether every use of the variable says what it stands for when it has no value.
  func hasFallback(_ name: String) -> Bool {
    for tokens in alternatives {
      for case .variable(name, fallback: nil) in tokens { return false }
    }
    return true
  }

  /// A text in which nothing is special.
  init(literal: String) {
    source = literal
    alternatives = [literal.utf8.map { .byte($0) }]
  }

  /// Reads glob syntax: `*`, `**`, `?`, `[abc]`, `[a-z]`, `[!…]`, `{a,b}` (may be nested), `\` before a character that is
  /// meant literally, `${NAME}` and `${NAME:-default}`.
  ///
  /// - Parameter separator: what `*`, `?` and `[…]` stop at; nil for nothing.
  init(_ source: String, separator: UInt8?) throws(GlobError) {
    self.source = source
    guard source.utf8.count <= 4096 else { throw GlobError(reason: "a pattern of more than 4096 bytes") }
    guard !source.utf8.contains(0) else { throw GlobError(reason: "a NUL byte in a pattern") }
    var reader = GlobReader(bytes: Array(source.utf8), separator: separator)
    alternatives = try reader.read()
  }
}

private struct GlobReader {
  let bytes: [UInt8]
  let separator: UInt8?
  var index = 0

  mutating func read() throws(GlobError) -> [[GlobToken]] {
    let result = try alternatives(depth: 0)
    return result
  }

  /// Reads up to the end, or inside braces up to a comma or the closing brace.
  private mutating func alternatives(depth: Int) throws(GlobError) -> [[GlobToken]] {
    guard depth <= 8 else { throw GlobError(reason: "braces nested more than 8 deep") }
    var results: [[GlobToken]] = [[]]
    func append(_ token: GlobToken) { for i in results.indices { results[i].append(token) } }
    while index < bytes.count {
      let byte = bytes[index]
      switch byte {
      case UInt8(ascii: ","), UInt8(ascii: "}"):
        if depth > 0 { return results }
        if byte == UInt8(ascii: "}") { throw GlobError(reason: "a closing brace without an opening one (write \\} for a brace)") }
        index += 1
        append(.byte(byte))
      case UInt8(ascii: "\\"):
        guard index + 1 < bytes.count else { throw GlobError(reason: "a backslash at the end of a pattern") }
        append(.byte(bytes[index + 1]))
        index += 2
      case UInt8(ascii: "*"):
        var count = 0
        while index < bytes.count, bytes[index] == UInt8(ascii: "*") {
          count += 1
          index += 1
        }
        append(count > 1 || separator == nil ? .deepStar : .star)
      case UInt8(ascii: "?"):
        index += 1
        var set = ByteSet().inverted
        if let separator { set.remove(separator) }
        append(.one(set, wide: true))
      case UInt8(ascii: "["):
        append(try characterClass())
      case UInt8(ascii: "$") where index + 1 < bytes.count && bytes[index + 1] == UInt8(ascii: "{"):
        append(try variable())
      case UInt8(ascii: "{"):
        index += 1
        var choices: [[GlobToken]] = []
        while true {
          choices += try alternatives(depth: depth + 1)
          guard choices.count * results.count <= GlobTemplate.mostAlternatives else {
            throw GlobError(reason: "braces that stand for more than \(GlobTemplate.mostAlternatives) patterns")
          }
          guard index < bytes.count else { throw GlobError(reason: "an opening brace without a closing one") }
          index += 1
          if bytes[index - 1] == UInt8(ascii: "}") { break }
        }
        results = results.flatMap { start in choices.map { start + $0 } }
      default:
        index += 1
        append(.byte(byte))
      }
    }
    if depth > 0 { throw GlobError(reason: "an opening brace without a closing one") }
    return results
  }

  private mutating func characterClass() throws(GlobError) -> GlobToken {
    index += 1
    var negated = false
    if index < bytes.count, bytes[index] == UInt8(ascii: "!") || bytes[index] == UInt8(ascii: "^") {
      negated = true
      index += 1
    }
    var set = ByteSet()
    var isEmpty = true
    while true {
      guard var low = next() else { throw GlobError(reason: "a bracket without a closing one (write \\[ for a bracket)") }
      if low == UInt8(ascii: "]") && !isEmpty { break }
      if low == UInt8(ascii: "\\") {
        guard let escaped = next() else { throw GlobError(reason: "a bracket without a closing one") }
        low = escaped
      }
      var high = low
      if index + 1 < bytes.count, bytes[index] == UInt8(ascii: "-"), bytes[index + 1] != UInt8(ascii: "]") {
        index += 1
        high = next() ?? low
        if high == UInt8(ascii: "\\") { high = next() ?? low }
      }
      guard low < 0x80, high < 0x80 else {
        throw GlobError(reason: "a character beyond ASCII in brackets (write {ä,ö} instead)")
      }
      guard low <= high else { throw GlobError(reason: "a range that runs backwards") }
      for byte in low...high { set.insert(byte) }
      isEmpty = false
    }
    if negated { set = set.inverted }
    if let separator { set.remove(separator) }
    return .one(set, wide: negated)
  }

  private mutating func next() -> UInt8? {
    guard index < bytes.count else { return nil }
    index += 1
    return bytes[index - 1]
  }

  private mutating func variable() throws(GlobError) -> GlobToken {
    guard let end = bytes[index...].firstIndex(of: UInt8(ascii: "}")) else {
      throw GlobError(reason: "${ without a closing brace")
    }
    let body = bytes[(index + 2)..<end]
    index = end + 1
    let name = body.prefix { $0 != UInt8(ascii: ":") }
    guard let first = name.first, !(0x30...0x39).contains(first),
      name.allSatisfy({ isWordByte($0) })
    else { throw GlobError(reason: "${\(printable(body))} is not a variable") }
    let rest = body.dropFirst(name.count)
    if rest.isEmpty { return .variable(String(decoding: name, as: UTF8.self), fallback: nil) }
    guard rest.starts(with: [UInt8(ascii: ":"), UInt8(ascii: "-")]) else {
      throw GlobError(reason: "${\(printable(body))} is not a variable: only ${NAME} and ${NAME:-default} are")
    }
    return .variable(String(decoding: name, as: UTF8.self), fallback: Array(rest.dropFirst(2)))
  }
}

func isWordByte(_ byte: UInt8) -> Bool {
  (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte) || byte == UInt8(ascii: "_")
}
