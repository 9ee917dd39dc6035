internal import AgentshProtocol
import SystemPackage

/// One line of a record, for a person.
enum EventText {
  /// `12:34:56.789 deny file.write /etc/passwd (rule protect-system): message`
  /// - Parameters:
  ///   - isOfMany: lines of other sessions stand beside it, so it says whose it is.
  ///   - today: of another day's line the date is told, too; nil where it is known.
  static func line(_ line: [UInt8], isOfMany: Bool = false, today: String? = nil) -> String {
    guard let object = try? JSONObject.parse(line) else { return "? " + displayEscaped(line) }
    var parts: [String] = []
    if let time = text(object, "time") {
      if let today, !time.utf8.starts(with: today.utf8) { parts.append(String(time.prefix(10))) }
      parts.append(clock(time))
    }
    if isOfMany, let session = text(object, "session") { parts.append(String(session.prefix(8))) }
    if let decision = text(object, "decision") { parts.append(pad(decision, 5)) }
    if let operation = text(object, "op") { parts.append(pad(operation, 11)) }
    if let pid = number(object, "pid") { parts.append("[\(pid)]") }
    if let subject = subject(object) { parts.append(subject) }
    if case .object(let decisions)? = object["decisions"] { parts.append(totals(object, decisions)) }
    if let rule = text(object, "rule") { parts.append("(\(rule))") }
    if let errno = number(object, "errno"), let value = Int32(exactly: errno), value != 0 { parts.append("\(Errno(rawValue: value)):") }
    if let message = message(object) { parts.append(message) }
    return parts.joined(separator: " ")
  }

  /// What the last line of a record says of the whole session.
  private static func totals(_ object: JSONObject, _ decisions: JSONObject) -> String {
    var words: [String] = []
    if let signal = text(object, "ended_by") { words.append("ended by \(signal)") } else if let status = number(object, "status") { words.append("status \(status)") }
    if let reason = text(object, "reason") { words.append(reason) }
    for member in decisions.members {
      if case .integer(let count) = member.value { words.append("\(count) \(displayEscaped(member.name))") }
    }
    return words.joined(separator: ", ")
  }

  /// Whether a line is about this decision and this operation, where they are asked for.
  static func matches(_ line: [UInt8], decision: String?, operation: String?) -> Bool {
    guard decision != nil || operation != nil else { return true }
    guard let object = try? JSONObject.parse(line) else { return false }
    return matches(object["decision"], decision) && matches(object["op"], operation)
  }

  /// A word, or with `*` at its end all that begin so, as the server takes it.
  private static func matches(_ value: JSONValue?, _ wanted: String?) -> Bool {
    guard let wanted else { return true }
    guard case .string(let found)? = value else { return false }
    return wanted.hasSuffix("*") ? found.utf8.starts(with: wanted.utf8.dropLast()) : found.utf8.elementsEqual(wanted.utf8)
  }

  static func subject(_ object: JSONObject) -> String? {
    if text(object, "op") == "net.dns", case .string(let name)? = object["address"] { return shown(name: name) }
    for name in ["path", "address", "signal"] {
      guard let value = shown(object, name) else { continue }
      // What was done to two names.
      for other in ["new_path", "target"] {
        if let second = shown(object, other) { return "\(value) -> \(second)" }
      }
      return value
    }
    guard let command = object["command"] else { return text(object, "op") == "syscall" ? text(object, "syscall") : nil }
    if case .array(let elements) = command {
      var words = elements.map { element in
        if case .string(let text) = element { return displayEscaped(text) }
        return "?"
      }
      // The whole bytes, where the text could not hold them.
      if case .array(let encoded)? = object["command_b64"], encoded.count == elements.count {
        for (index, element) in encoded.enumerated() {
          if case .string(let text) = element, let bytes = Base64.decode(text) { words[index] = displayEscaped(bytes) }
        }
      }
      if let missing = number(object, "command_omitted") {
        let bytes = number(object, "command_omitted_bytes").map { ", \($0) bytes" } ?? ""
        words.append("… (\(missing) more\(bytes))")
      }
      return words.joined(separator: " ")
    }
    return shown(object, "command")
  }

  private static func shown(_ object: JSONObject, _ name: String) -> String? {
    // The whole bytes, where the text could not hold them.
    if case .string(let encoded)? = object["\(name)_b64"], let bytes = Base64.decode(encoded) { return displayEscaped(bytes) }
    switch object[name] {
    case .string(let text)?: return displayEscaped(text)
    case .integer(let value)?: return String(value)
    default: return nil
    }
  }

  /// A name as the record writes it, where a byte that isn't printable is `\DDD` already; what else might stand there is escaped.
  static func shown(name: String) -> String {
    name.utf8.split(separator: UInt8(ascii: "\\"), omittingEmptySubsequences: false).map { displayEscaped(Array($0)) }.joined(separator: "\\")
  }

  /// The name by which an address was decided.
  static func host(_ object: JSONObject) -> String? {
    guard case .string(let name)? = object["host"] else { return nil }
    return shown(name: name)
  }

  /// What a message says of a path, a command or a name is escaped already.
  static func message(_ object: JSONObject) -> String? {
    guard case .string(let message)? = object["message"] else { return nil }
    return shown(name: message)
  }

  static func text(_ object: JSONObject, _ name: String) -> String? {
    guard case .string(let text)? = object[name] else { return nil }
    return displayEscaped(text)
  }

  static func number(_ object: JSONObject, _ name: String) -> Int64? {
    guard case .integer(let value)? = object[name] else { return nil }
    return value
  }

  /// The time of day with milliseconds, of an RFC 3339 text; anything else as it is.
  static func clock(_ time: String) -> String {
    let bytes = Array(time.utf8)
    guard bytes.count >= 23, bytes[10] == UInt8(ascii: "T") else { return time }
    return String(decoding: bytes[11..<23], as: UTF8.self)
  }

  /// An RFC 3339 text without the fraction of its second; anything else as it is.
  static func seconds(_ time: String) -> String {
    let bytes = Array(time.utf8)
    guard bytes.count >= 21, bytes[10] == UInt8(ascii: "T"), bytes[19] == UInt8(ascii: "."), bytes.last == UInt8(ascii: "Z") else { return time }
    return String(decoding: bytes[..<19], as: UTF8.self) + "Z"
  }

  private static func pad(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.utf8.count))
  }
}
