import AgentshText

// Reads `file_rules`.
extension PolicyReader {
  func fileRules(_ top: inout Mapping, _ key: String) -> [FileRule] {
    var result: [FileRule] = []
    eachRule(&top, key) { rule, place in
      let head = head(&rule, place)
      let entries = rule.strings("paths")
      if rule.lacks("paths") { reports.error(rule.position(of: "paths"), "\(label(rule, place)) has no paths") }
      for (text, position) in entries {
        checkPath(text, position)
        checkLink(text, position, permits: head?.decision.permits ?? true)
      }
      let paths = globs(entries, separator: PathCompiler.slash)
      let operations = choices(&rule, "operations", FileOperation.self)
      warnOfEmpty(rule, place, [("operations", "all operations")])
      _ = rule.duration("timeout")
      _ = rule.string("redirect_to")
      _ = rule.bool("preserve_tree")
      guard let head else { return }
      noteUnmediated(operations, head, rule)
      result.append(FileRule(head: head, paths: paths, operations: operations))
    }
    return result
  }

  func checkPath(_ text: String, _ position: TextPosition) {
    let bytes = Array(text.utf8)
    if bytes.isEmpty || bytes.contains(0) { reports.error(position, "an empty path, or a NUL in one") }
    if Self.hasDots(bytes) {
      reports.error(position, "\"\(text)\": paths are canonical when they are compared, so . and .. never match")
    }
    switch bytes.first ?? 0 {
    case PathCompiler.slash, UInt8(ascii: "{"): return
    case UInt8(ascii: "*") where bytes.count > 1 && (bytes[1] == UInt8(ascii: "*") || bytes[1] == PathCompiler.slash): return
    case UInt8(ascii: "$") where bytes.count > 1 && bytes[1] == UInt8(ascii: "{"): return
    default: reports.warning(position, "\"\(text)\" matches no absolute path (begin with /, ** or a variable)")
    }
  }

  /// A path that leads through a link of the system's, and so is no canonical one. A refusing rule about a process's own entries is about every process's.
  private func checkLink(_ text: String, _ position: TextPosition, permits: Bool) {
    func begins(_ link: String) -> Bool { text == link || text.utf8.starts(with: (link + "/").utf8) }
    if let (link, meaning) = PathCompiler.ownLinks.first(where: { begins($0.link) }) {
      if permits { reports.warning(position, "\"\(text)\" matches nothing: \(link) is a link, and paths are canonical when they are compared (write \(meaning))") }
    } else if ["/dev/stdin", "/dev/stdout", "/dev/stderr"].contains(where: begins) {
      reports.warning(position, "\"\(text)\" matches nothing: it is a link to whatever the program has open there")
    }
  }

  /// Whether `.` or `..` stands between slashes.
  static func hasDots(_ bytes: [UInt8]) -> Bool {
    var length = 0
    var dots = 0
    for index in 0...bytes.count {
      if index == bytes.count || bytes[index] == PathCompiler.slash {
        if length == dots && (1...2).contains(length) { return true }
        (length, dots) = (0, 0)
      } else {
        length += 1
        if bytes[index] == UInt8(ascii: ".") { dots += 1 }
      }
    }
    return false
  }

  private func noteUnmediated(_ operations: [FileOperation], _ head: RuleHead, _ rule: Mapping) {
    if head.decision == .allow { return }
    let position = rule.position(of: "operations")
    for operation in [FileOperation.stat, .readlink, .access] where operations.contains(operation) {
      reports.unenforced(
        position, "file rule \(head.name): operation \(operation.rawValue)", "this version doesn't ask about it, so it is never refused")
    }
    if operations.isEmpty {
      reports.unenforced(
        position, "file_rules: what rules for all operations say of stat, readlink and access",
        "this version doesn't ask about them, so whether a file exists can be found out")
    }
  }
}
