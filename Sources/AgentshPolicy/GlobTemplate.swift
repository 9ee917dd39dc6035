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

/// One step of a glob, spelled out.
enum GlobToken: Sendable, Hashable {
  case byte(UInt8)
  /// `*`: any bytes but the separator.
  case star
  /// `**`: any bytes.
  case deepStar
  /// `?` and `[…]`: one character; `wide` when one beyond ASCII fits too.
  case one(ByteSet, wide: Bool)
  case variable(GlobVariable)
}

/// A `${NAME}` or `${NAME:-default}` in a glob.
struct GlobVariable: Sendable, Hashable {
  let name: String
  let fallback: [UInt8]?
}

/// What `?` or brackets stand for.
struct GlobSet: Sendable, Hashable {
  let members: ByteSet
  /// Whether a character beyond ASCII fits too.
  let wide: Bool
}

/// The steps of a glob in 16 bits each, so that making, joining and comparing globs is copying and comparing numbers.
///
/// Below 256 a byte that stands for itself; what doesn't fit in 16 bits stands in tables beside the steps.
enum GlobCode {
  static let star: UInt16 = 0x100
  static let deepStar: UInt16 = 0x101
  static let sets: Range<UInt16> = 0x1000..<0x8000
  static let variables: Range<UInt16> = 0x8000..<0xffff
  static let slash = UInt16(UInt8(ascii: "/"))

  static func token(_ code: UInt16, _ sets: [GlobSet], _ variables: [GlobVariable] = []) -> GlobToken {
    if let byte = UInt8(exactly: code) { return .byte(byte) }
    if code == star { return .star }
    if code == deepStar { return .deepStar }
    if GlobCode.sets.contains(code) {
      let set = sets[Int(code - GlobCode.sets.lowerBound)]
      return .one(set.members, wide: set.wide)
    }
    return .variable(variables[Int(code - GlobCode.variables.lowerBound)])
  }
}

/// A glob as it stands in a policy: braces written out, variables still open.
struct GlobTemplate: Sendable, Hashable {
  /// As written.
  let source: String
  /// What the braces stand for, one list of steps each (`GlobCode`).
  let alternatives: [[UInt16]]
  /// What steps for one character stand for.
  let sets: [GlobSet]
  /// Every use of a variable.
  let variables: [GlobVariable]

  /// Braces may stand for so many globs at most: `{a,b}{a,b}…` doubles with every pair.
  static let mostAlternatives = 512

  /// A text in which nothing is special.
  init(literal: String) {
    source = literal
    alternatives = [literal.utf8.map { UInt16($0) }]
    sets = []
    variables = []
  }

  /// Reads glob syntax: `*`, `**`, `?`, `[abc]`, `[a-z]`, `[!…]`, `{a,b}` (may be nested), `\` before a character that is
  /// meant literally, `${NAME}` and `${NAME:-default}`.
  ///
  /// - Parameter separator: what `*`, `?` and `[…]` stop at; nil for nothing.
  init(_ source: String, separator: UInt8?) throws(GlobError) {
    self.source = source
    guard source.utf8.count <= 4096 else { throw GlobError(reason: "a pattern of more than 4096 bytes") }
    let bytes = Array(source.utf8)
    guard !bytes.contains(0) else { throw GlobError(reason: "a NUL byte in a pattern") }
    var reader = GlobReader(bytes: bytes, separator: separator)
    alternatives = try reader.read()
    sets = reader.sets
    variables = reader.variables
  }
}

private struct GlobReader {
  let bytes: [UInt8]
  let separator: UInt8?
  var sets: [GlobSet] = []
  var variables: [GlobVariable] = []
  private var index = 0

  init(bytes: [UInt8], separator: UInt8?) {
    self.bytes = bytes
    self.separator = separator
  }

  mutating func read() throws(GlobError) -> [[UInt16]] { try alternatives(depth: 0) }

  /// Reads up to the end, or inside braces up to a comma or the closing brace.
  private mutating func alternatives(depth: Int) throws(GlobError) -> [[UInt16]] {
    guard depth <= 8 else { throw GlobError(reason: "braces nested more than 8 deep") }
    var results: [[UInt16]] = []
    // While there is one alternative, it grows here; where braces make more of it, each gets what is here so far.
    var tail: [UInt16] = []
    tail.reserveCapacity(depth == 0 ? bytes.count : 16)
    func joined() -> [[UInt16]] {
      if results.isEmpty { return [tail] }
      return tail.isEmpty ? results : results.map { $0 + tail }
    }
    while index < bytes.count {
      let byte = bytes[index]
      switch byte {
      case UInt8(ascii: ","), UInt8(ascii: "}"):
        if depth > 0 { return joined() }
        if byte == UInt8(ascii: "}") { throw GlobError(reason: "a closing brace without an opening one (write \\} for a brace)") }
        index += 1
        tail.append(UInt16(byte))
      case UInt8(ascii: "\\"):
        guard index + 1 < bytes.count else { throw GlobError(reason: "a backslash at the end of a pattern") }
        tail.append(UInt16(bytes[index + 1]))
        index += 2
      case UInt8(ascii: "*"):
        var count = 0
        while index < bytes.count, bytes[index] == UInt8(ascii: "*") {
          count += 1
          index += 1
        }
        tail.append(count > 1 || separator == nil ? GlobCode.deepStar : GlobCode.star)
      case UInt8(ascii: "?"):
        index += 1
        var members = ByteSet().inverted
        if let separator { members.remove(separator) }
        tail.append(code(of: GlobSet(members: members, wide: true)))
      case UInt8(ascii: "["):
        tail.append(code(of: try characterClass()))
      case UInt8(ascii: "$") where index + 1 < bytes.count && bytes[index + 1] == UInt8(ascii: "{"):
        // A pattern of 4096 bytes has room for fewer sets and variables than there are codes.
        let variable = try variable()
        tail.append(GlobCode.variables.lowerBound + UInt16(truncatingIfNeeded: variables.count))
        variables.append(variable)
      case UInt8(ascii: "{"):
        index += 1
        let starts = joined()
        var choices: [[UInt16]] = []
        while true {
          choices += try alternatives(depth: depth + 1)
          guard choices.count * starts.count <= GlobTemplate.mostAlternatives else {
            throw GlobError(reason: "braces that stand for more than \(GlobTemplate.mostAlternatives) patterns")
          }
          guard index < bytes.count else { throw GlobError(reason: "an opening brace without a closing one") }
          index += 1
          if bytes[index - 1] == UInt8(ascii: "}") { break }
        }
        results = []
        results.reserveCapacity(starts.count * choices.count)
        for start in starts { for choice in choices { results.append(start.isEmpty ? choice : start + choice) } }
        tail.removeAll(keepingCapacity: true)
      default:
        index += 1
        tail.append(UInt16(byte))
      }
    }
    if depth > 0 { throw GlobError(reason: "an opening brace without a closing one") }
    return joined()
  }

  private mutating func code(of set: GlobSet) -> UInt16 {
    sets.append(set)
    return GlobCode.sets.lowerBound + UInt16(truncatingIfNeeded: sets.count - 1)
  }

  private mutating func characterClass() throws(GlobError) -> GlobSet {
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
    return GlobSet(members: set, wide: negated)
  }

  private mutating func next() -> UInt8? {
    guard index < bytes.count else { return nil }
    index += 1
    return bytes[index - 1]
  }

  private mutating func variable() throws(GlobError) -> GlobVariable {
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
    if rest.isEmpty { return GlobVariable(name: String(decoding: name, as: UTF8.self), fallback: nil) }
    guard rest.starts(with: [UInt8(ascii: ":"), UInt8(ascii: "-")]) else {
      throw GlobError(reason: "${\(printable(body))} is not a variable: only ${NAME} and ${NAME:-default} are")
    }
    return GlobVariable(name: String(decoding: name, as: UTF8.self), fallback: Array(rest.dropFirst(2)))
  }
}

func isWordByte(_ byte: UInt8) -> Bool {
  (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte) || byte == UInt8(ascii: "_")
}
