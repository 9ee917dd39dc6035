import AgentshProtocol

@testable import AgentshAudit

private func verify(_ record: [UInt8], pieces: Int) -> WholeRecord? {
  var verifier = RecordVerifier()
  var rest = record[...]
  while !rest.isEmpty {
    guard (try? verifier.append(rest.prefix(pieces))) != nil else { return nil }
    rest = rest.dropFirst(pieces)
  }
  return try? verifier.finish()
}

/// Places of a text to look at: all of a short one, some of a long one.
private func places(_ count: Int) -> StrideTo<Int> { stride(from: 0, to: count, by: max(1, count / 64)) }

extension FuzzTarget {
  /// A record file: it is judged the same however it is read, and no changed byte of a whole one is missed.
  static let record = FuzzTarget(
    "record", dictionary: ["{\\x22seq\\x22:1,\\x22time\\x22:\\x22", "\\x22,\\x22prev\\x22:\\x22", "\\x22,\\x22hash\\x22:\\x22", "\\x22}\\x0a", "session.start", "session.end"]
  ) { input in
    let whole = verify(input, pieces: max(1, input.count))
    guard verify(input, pieces: 1) == whole, verify(input, pieces: 17) == whole else { return .wrong("judged by how it is read") }
    guard whole != nil else { return .refused }
    for place in places(input.count) {
      var changed = input
      changed[place] ^= UInt8(1 << (place % 8))
      if verify(changed, pieces: changed.count) != nil { return .wrong("the change of byte \(place) is missed") }
    }
    return .taken
  }

  /// Names and arguments that a target chose, on record: each record is one line of JSON that tells them all, and the file verifies.
  static let recordWriting = FuzzTarget("escaping", dictionary: ["\\x0a", "\\x1b[2J", "\\xe2\\x80\\xae", "\\xe2\\x80\\xa8", "\\x22", "\\\\", "\\xc2\\x9b", "\\xff"]) { input in
    let parts = input.split(separator: 0, omittingEmptySubsequences: false).map { Array($0) }
    let text = String(decoding: input, as: UTF8.self)
    let collected = Lines()
    var writer = RecordWriter<Never>(clock: { AuditTime(seconds: 1, nanoseconds: 2) }, sink: { collected.bytes += $0 })
    writer.write(AuditRecord(operation: .sessionStart, session: text, fields: [AuditField("a field", .bytes(input))]))
    writer.write(AuditRecord(operation: .fileRename, exe: input, subject: .paths(input, new: parts.last ?? []), rule: text, message: text))
    writer.write(AuditRecord(operation: .exec, subject: .command(parts)))
    writer.write(AuditRecord(operation: .signalSend, subject: .signal(text, target: -1)))
    writer.write(AuditRecord(operation: .sessionEnd))
    guard verify(collected.bytes, pieces: 33) == WholeRecord(lines: 5, end: .closed) else { return .wrong("a record that was just written is broken") }
    let lines = collected.bytes.split(separator: UInt8(ascii: "\n")).map { Array($0) }
    guard lines.count == 5 else { return .wrong("\(lines.count) lines") }
    for line in lines {
      guard line.allSatisfy({ $0 >= 0x20 && $0 != 0x7f }) else { return .wrong("a control character on record") }
    }
    guard case .object(let rename)? = try? JSONValue.parse(lines[1]), case .object(let exec)? = try? JSONValue.parse(lines[2]) else {
      return .wrong("a line that is no JSON")
    }
    guard tells(rename, "path", input), tells(rename, "exe", input), tells(rename, "new_path", parts.last ?? []) else { return .wrong("a name is not told") }
    guard case .array(let arguments)? = exec["command"], exec["command_omitted"] != nil || arguments.count == parts.count else {
      return .wrong("arguments are missing")
    }
    let shown = displayEscaped(input)
    guard shown.unicodeScalars.allSatisfy({ $0.value >= 0x20 && !(0x7f...0x9f).contains($0.value) && $0.value != 0x2028 && $0.value != 0x202e }) else {
      return .wrong("a control character on a terminal")
    }
    return .taken
  }

  private final class Lines: @unchecked Sendable {
    // One check writes and reads it, on one thread.
    var bytes: [UInt8] = []
  }

  /// Whether a field, or the one that holds it whole, is these bytes.
  private static func tells(_ line: JSONObject, _ field: String, _ bytes: [UInt8]) -> Bool {
    if case .string(let whole)? = line[field + "_b64"] { return Base64.decode(whole) == bytes }
    guard case .string(let text)? = line[field] else { return false }
    return Array(text.utf8) == bytes
  }
}
