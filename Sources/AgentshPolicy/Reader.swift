import AgentshText

/// Collects what is wrong with a file while it is read to its end.
final class Reports {
  let file: String
  private(set) var all: [Diagnostic] = []
  private(set) var notEnforced: [String] = []

  init(file: String) { self.file = file }

  func error(_ position: TextPosition, _ message: String) { add(.error, position, message) }
  func warning(_ position: TextPosition, _ message: String) { add(.warning, position, message) }

  /// Notes something that is accepted and has no effect in this version.
  func unenforced(_ position: TextPosition, _ what: String, _ why: String) {
    guard !notEnforced.contains(what) else { return }
    notEnforced.append(what)
    warning(position, "\(what) is not enforced: \(why)")
  }

  private func add(_ severity: Diagnostic.Severity, _ position: TextPosition, _ message: String) {
    all.append(
      Diagnostic(
        severity: severity, file: file, line: position.line, column: position.column, message: printable(message.utf8)))
  }

  var hasErrors: Bool { all.contains { $0.severity == .error } }

  var sorted: [Diagnostic] {
    all.enumerated().sorted { ($0.element.line, $0.element.column, $0.offset) < ($1.element.line, $1.element.column, $1.offset) }
      .map(\.element)
  }
}

/// A mapping of which every key has to be asked for: what nobody asks for is unknown, and an error.
struct Mapping {
  let what: String
  let position: TextPosition
  let reports: Reports
  private let entries: [YAMLNode.Entry]
  private var known: [String] = []

  /// Nil, with an error, when `node` is something else; nothing counts as an empty mapping.
  init?(_ node: YAMLNode, _ what: String, _ reports: Reports) {
    self.what = what
    self.reports = reports
    position = node.position
    known.reserveCapacity(16)
    if case .mapping(let entries) = node.content {
      self.entries = entries
    } else if node.isNull {
      entries = []
    } else {
      reports.error(node.position, "\(what) has to be a mapping (key: value), not \(node.kind)")
      return nil
    }
  }

  /// The value of `key`; nil when the key is absent or has none.
  mutating func take(_ key: String) -> YAMLNode? {
    known.append(key)
    guard let node = entries.first(where: { $0.key == key })?.value, !node.isNull else { return nil }
    return node
  }

  /// Where `key` stands, or the mapping when it is absent.
  func position(of key: String) -> TextPosition { entries.first { $0.key == key }?.keyPosition ?? position }

  func has(_ key: String) -> Bool { entries.contains { $0.key == key } }

  /// Whether `key` is absent, or there is nothing in its list.
  func lacks(_ key: String) -> Bool {
    guard let node = entries.first(where: { $0.key == key })?.value else { return true }
    if case .sequence(let items) = node.content { return items.isEmpty }
    return node.isNull
  }

  /// Whether `key` is there, and says nothing.
  func isEmpty(_ key: String) -> Bool { has(key) && lacks(key) }

  /// A text that has been asked for already.
  func peekString(_ key: String) -> String? { entries.first { $0.key == key }?.value.string }

  mutating func string(_ key: String) -> String? {
    guard let node = take(key) else { return nil }
    guard let text = node.string else {
      reports.error(node.position, "\(key) has to be a text, not \(node.kind)")
      return nil
    }
    guard !text.utf8.contains(0) else {
      reports.error(node.position, "\(key) contains a NUL byte")
      return nil
    }
    return text
  }

  /// The texts of a list, with the place of each; empty when absent.
  mutating func strings(_ key: String) -> [(text: String, position: TextPosition)] {
    guard let node = take(key) else { return [] }
    guard case .sequence(let items) = node.content else {
      reports.error(node.position, "\(key) has to be a list, not \(node.kind)")
      return []
    }
    var result: [(text: String, position: TextPosition)] = []
    for item in items {
      if let text = item.string, !text.utf8.contains(0) {
        result.append((text, item.position))
      } else {
        reports.error(item.position, "an entry of \(key) has to be a text, not \(item.kind)")
      }
    }
    return result
  }

  mutating func list(_ key: String) -> [YAMLNode] {
    guard let node = take(key) else { return [] }
    guard case .sequence(let items) = node.content else {
      reports.error(node.position, "\(key) has to be a list, not \(node.kind)")
      return []
    }
    return items
  }

  mutating func bool(_ key: String) -> Bool? {
    guard let node = take(key) else { return nil }
    guard let value = node.bool else {
      reports.error(node.position, "\(key) has to be true or false")
      return nil
    }
    return value
  }

  mutating func int(_ key: String, in range: ClosedRange<Int>) -> Int? {
    guard let node = take(key) else { return nil }
    guard let value = node.int else {
      reports.error(node.position, "\(key) has to be a whole number")
      return nil
    }
    guard range.contains(value) else {
      reports.error(
        node.position,
        range.upperBound == .max
          ? "\(key) is \(value), and has to be at least \(range.lowerBound)"
          : "\(key) is \(value), and has to lie between \(range.lowerBound) and \(range.upperBound)")
      return nil
    }
    return value
  }

  /// Milliseconds of a duration such as `90s`, `1h30m`, `250ms`.
  mutating func duration(_ key: String) -> Int? {
    guard let node = take(key) else { return nil }
    guard let value = node.string.flatMap(Duration.milliseconds) else {
      reports.error(node.position, "\(key) has to be a duration such as 30s, 5m or 1h30m")
      return nil
    }
    return value
  }

  /// One of the words of `Choice`.
  mutating func choice<Choice: RawRepresentable & CaseIterable>(_ key: String, _ type: Choice.Type) -> Choice?
  where Choice.RawValue == String {
    guard let node = take(key) else { return nil }
    guard let text = node.string, let value = Choice(rawValue: text) else {
      let words = Choice.allCases.map(\.rawValue)
      reports.error(
        node.position, "\(key) has to be one of \(words.joined(separator: ", "))" + Self.hint(node.string ?? "", words))
      return nil
    }
    return value
  }

  /// Names every key that nobody asked for.
  func finish() {
    for entry in entries where !known.contains(entry.key) {
      reports.error(entry.keyPosition, "unknown key \"\(entry.key)\" in \(what)" + Self.hint(entry.key, known))
    }
  }

  /// "; did you mean …?" when one of `words` is close.
  static func hint(_ word: String, _ words: [String]) -> String {
    guard word.utf8.count <= 40, !word.isEmpty else { return "" }
    let close = words.map { ($0, distance(Array(word.lowercased().utf8), Array($0.utf8))) }.min { $0.1 < $1.1 }
    guard let (best, steps) = close, steps <= max(1, best.utf8.count / 4) else { return "" }
    return "; did you mean \(best)?"
  }

  private static func distance(_ left: [UInt8], _ right: [UInt8]) -> Int {
    var row = Array(0...right.count)
    for (i, a) in left.enumerated() {
      var previous = row[0]
      row[0] = i + 1
      for (j, b) in right.enumerated() {
        let here = min(row[j + 1] + 1, row[j] + 1, previous + (a == b ? 0 : 1))
        previous = row[j + 1]
        row[j + 1] = here
      }
    }
    return row.last ?? left.count
  }
}

enum Duration {
  /// Reads `300ms`, `1.5h`, `1h30m`, `0`; nil for anything else, for less than nothing and for more than 292 years.
  static func milliseconds(_ text: String) -> Int? {
    if text == "0" { return 0 }
    let units: [String: Double] = [
      "ns": 0.000_001, "us": 0.001, "µs": 0.001, "μs": 0.001, "ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000,
    ]
    var rest = text[...]
    var total = 0.0
    if rest.isEmpty { return nil }
    while !rest.isEmpty {
      let number = rest.prefix { $0.isASCII && $0.isNumber || $0 == "." }
      rest = rest.dropFirst(number.count)
      let unit = rest.prefix { !($0.isASCII && $0.isNumber || $0 == ".") }
      rest = rest.dropFirst(unit.count)
      guard !number.isEmpty, number.count <= 18, let value = Double(number), let factor = units[String(unit)] else { return nil }
      total += value * factor
    }
    guard total.isFinite, total < 9.2e15 else { return nil }
    return Int(total.rounded())
  }
}
