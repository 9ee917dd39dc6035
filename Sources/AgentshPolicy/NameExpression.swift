/// What can be seen from a regular expression of a redirection: that it can't match anything that it is compared with.
///
/// Names are compared in lower case and without a dot at the end, and for connections with a port behind them. What is said here is for people: nothing is
/// decided by it, and an expression that is too clever for it is passed over.
enum NameExpression {
  static func warnings(_ source: String, hasPort: Bool) -> [String] {
    guard let parts = elements(Array(source.utf8)) else { return [] }
    var warnings: [String] = []
    if parts.contains(where: { if case .literal(let byte) = $0 { (0x41...0x5a).contains(byte) } else { false } }) {
      warnings.append("has upper-case letters, and names are compared in lower case: it can't match by these")
    }
    let isAtEnd = parts.last == .end
    // What stands at the end of the last alternative.
    let last = parts.dropLast(isAtEnd ? 1 : 0).last { $0 != .close }
    let hasDotBeforePort = zip(parts, parts.dropFirst()).contains { $0 == .literal(UInt8(ascii: ".")) && $1 == .literal(UInt8(ascii: ":")) }
    if isAtEnd && last == .literal(UInt8(ascii: ".")) || hasPort && hasDotBeforePort {
      warnings.append("wants a dot at the end of the name, and names are compared without it: it never matches")
    } else if hasPort, isAtEnd, let last, endsBeforePort(parts, last) {
      warnings.append("ends before the port, and is compared with NAME:PORT: it never matches (such as \":443$\", or \":\" without \"$\")")
    } else if !hasPort, isAtEnd, endsWithPort(parts) {
      warnings.append("has a port, and is compared with names alone: it never matches")
    }
    return warnings
  }

  /// A letter, or the bracket behind an address, is none of a port; and where nothing stands for a colon there is no port.
  private static func endsBeforePort(_ parts: [Element], _ last: Element) -> Bool {
    if case .literal(let byte) = last, (0x61...0x7a).contains(byte | 0x20) || byte == UInt8(ascii: "]") { return true }
    return parts.first == .begin
      && parts.allSatisfy {
        switch $0 {
        case .begin, .end, .open, .close: true
        case .literal(let byte): byte != UInt8(ascii: ":")
        case .other: false
        }
      }
  }

  private static func endsWithPort(_ parts: [Element]) -> Bool {
    let digits = parts.dropLast().reversed().prefix { if case .literal(let byte) = $0 { (0x30...0x39).contains(byte) } else { false } }
    return !digits.isEmpty && parts.dropLast(1 + digits.count).last == .literal(UInt8(ascii: ":"))
  }

  private enum Element: Equatable {
    case literal(UInt8)
    case begin
    case end
    case open
    case close
    /// Something that can stand for more than one text.
    case other
  }

  /// Nil for an expression in which the case of letters means nothing, or that isn't understood here.
  private static func elements(_ source: [UInt8]) -> [Element]? {
    var parts: [Element] = []
    var rest = source[...]
    func skip(past end: UInt8) -> Bool {
      guard let index = rest.firstIndex(of: end) else { return false }
      rest = rest[(index + 1)...]
      return true
    }
    while let byte = rest.popFirst() {
      switch byte {
      case UInt8(ascii: "\\"):
        guard let next = rest.popFirst() else { return nil }
        // A letter or a digit behind it is a class, a place or a number; `\Q…\E` is left alone.
        if next == UInt8(ascii: "Q") || next == UInt8(ascii: "x") { return nil }
        if next == UInt8(ascii: "p") || next == UInt8(ascii: "P"), rest.first == UInt8(ascii: "{") {
          guard skip(past: UInt8(ascii: "}")) else { return nil }
          parts.append(.other)
        } else {
          let isWord = (0x30...0x39).contains(next) || (0x61...0x7a).contains(next | 0x20)
          if next == UInt8(ascii: "p") || next == UInt8(ascii: "P") { _ = rest.popFirst() }
          parts.append(isWord ? (next == UInt8(ascii: "z") ? .end : next == UInt8(ascii: "A") ? .begin : .other) : .literal(next))
        }
      case UInt8(ascii: "["):
        // `]` first, or behind `^`, is one of the class.
        if rest.first == UInt8(ascii: "^") { rest = rest.dropFirst() }
        if rest.first == UInt8(ascii: "]") { rest = rest.dropFirst() }
        var isClosed = false
        while !isClosed, let inner = rest.popFirst() {
          if inner == UInt8(ascii: "\\") { _ = rest.popFirst() }
          if inner == UInt8(ascii: "["), rest.first == UInt8(ascii: ":") { guard skip(past: UInt8(ascii: "]")) else { return nil } }
          isClosed = inner == UInt8(ascii: "]")
        }
        parts.append(.other)
      case UInt8(ascii: "("):
        parts.append(.open)
        guard rest.first == UInt8(ascii: "?") else { continue }
        // Flags, or a name.
        let head = rest.prefix { $0 != UInt8(ascii: ":") && $0 != UInt8(ascii: ")") && $0 != UInt8(ascii: ">") }
        let isName = head.contains(UInt8(ascii: "<"))
        if !isName, head.contains(UInt8(ascii: "i")) || head.contains(UInt8(ascii: "m")) { return nil }
        let end = rest[head.endIndex...].first
        rest = rest[head.endIndex...].dropFirst()
        if end == UInt8(ascii: ")") { parts.append(.close) }
      case UInt8(ascii: ")"): parts.append(.close)
      case UInt8(ascii: "^"): parts.append(.begin)
      case UInt8(ascii: "$"): parts.append(.end)
      case UInt8(ascii: "."), UInt8(ascii: "|"), UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: "?"): parts.append(.other)
      case UInt8(ascii: "{"):
        if rest.first.map({ (0x30...0x39).contains($0) }) == true { guard skip(past: UInt8(ascii: "}")) else { return nil } }
        parts.append(.other)
      default: parts.append(.literal(byte))
      }
    }
    return parts
  }
}
