/// A place in a file, counted from 1.
public struct TextPosition: Sendable, Hashable, Comparable {
  public let line: Int
  public let column: Int

  public init(line: Int, column: Int) {
    self.line = line
    self.column = column
  }

  public static func < (left: TextPosition, right: TextPosition) -> Bool {
    (left.line, left.column) < (right.line, right.column)
  }
}

/// Something wrong in a YAML text.
public struct YAMLProblem: Error, Sendable, Equatable {
  public let position: TextPosition
  public let message: String
}

/// A value of a YAML document, with the place where it stands.
public struct YAMLNode: Sendable {
  /// A key of a mapping with its value.
  public struct Entry: Sendable {
    public let key: String
    public let keyPosition: TextPosition
    public let value: YAMLNode
  }

  public enum Content: Sendable {
    /// `quoted` when written in quotes, as a block, or tagged `!!str`: never null, number or boolean then.
    case scalar(String, quoted: Bool)
    case sequence([YAMLNode])
    /// In file order; no key twice.
    case mapping([Entry])
  }

  public let content: Content
  public let position: TextPosition
  /// Number of nodes from here downwards, aliases counted as often as they are used.
  let weight: Int

  /// Whether it is an absent value: nothing, `~` or `null`, unquoted.
  public var isNull: Bool {
    guard case .scalar(let text, quoted: false) = content else { return false }
    switch text.utf8.count {
    case 0: return true
    case 1: return text == "~"
    case 4: return text == "null" || text == "Null" || text == "NULL"
    default: return false
    }
  }

  /// The text of a scalar, however it is written; nil for null and for anything else.
  public var string: String? {
    guard case .scalar(let text, _) = content, !isNull else { return nil }
    return text
  }

  /// A boolean: `true`, `false`, and YAML 1.1's `yes`, `no`, `on`, `off`, `y`, `n`; nil for anything else.
  public var bool: Bool? {
    guard case .scalar(let text, quoted: false) = content else { return nil }
    switch text {
    case "true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", "y", "Y": return true
    case "false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", "n", "N": return false
    default: return nil
    }
  }

  /// An integer: decimal without leading zeros, `0x`, `0o`, `0b`, with `_` between digits; nil for anything else and where it doesn't fit.
  public var int: Int? {
    guard case .scalar(let text, quoted: false) = content else { return nil }
    if let value = Self.plainNumber(text) { return value }
    var digits = text[...]
    var negative = false
    if let sign = digits.first, sign == "-" || sign == "+" {
      negative = sign == "-"
      digits = digits.dropFirst()
    }
    var radix = 10
    for (prefix, base) in [("0x", 16), ("0o", 8), ("0b", 2)] where digits.hasPrefix(prefix) {
      radix = base
      digits = digits.dropFirst(2)
    }
    guard let first = digits.first, first.isHexDigit, digits.allSatisfy({ $0.isHexDigit || $0 == "_" }) else { return nil }
    // 017 is 15 to some readers and 17 to others.
    if radix == 10 && first == "0" && digits.count > 1 { return nil }
    return Int((negative ? "-" : "") + digits.filter { $0 != "_" }, radix: radix)
  }

  /// What most numbers look like: up to nine digits, the first of them no zero.
  private static func plainNumber(_ text: String) -> Int? {
    guard (1...9).contains(text.utf8.count), text.utf8.first != UInt8(ascii: "0") else { return nil }
    var value = 0
    for byte in text.utf8 {
      guard byte >= 0x30, byte <= 0x39 else { return nil }
      value = value * 10 + Int(byte - 0x30)
    }
    return value
  }

  /// What it is, for messages.
  public var kind: String {
    if isNull { return "nothing" }
    switch content {
    case .scalar: return "a value"
    case .sequence: return "a list"
    case .mapping: return "a mapping"
    }
  }
}

/// How large a YAML text may be: beyond that it is refused before it costs anything.
public struct YAMLLimits: Sendable {
  /// Bytes of text.
  public var bytes: Int
  /// Nodes, aliases counted as often as they are used.
  public var nodes: Int
  /// Nesting.
  public var depth: Int

  public init(bytes: Int = 4 << 20, nodes: Int = 400_000, depth: Int = 40) {
    self.bytes = bytes
    self.nodes = nodes
    self.depth = depth
  }
}

/// A YAML text, read.
public struct YAMLDocument: Sendable {
  /// Nil when there is none, or when the text is broken.
  public let root: YAMLNode?
  /// In file order.
  public let problems: [YAMLProblem]
}
