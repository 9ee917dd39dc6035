import AgentshText

// Reads `command_rules`.
extension PolicyReader {
  func commandRules(_ top: inout Mapping, _ key: String) -> [CommandRule] {
    var result: [CommandRule] = []
    eachRule(&top, key) { rule, place in
      let head = head(&rule, place)
      let entries = rule.strings("commands").map { entry in
        (text: entry.text.trimmed, position: entry.position)
      }
      for entry in entries { checkCommand(entry.text, entry.position) }
      // `[` is a program: what isn't a glob stands for itself.
      let commands = globs(entries.filter { !$0.text.isEmpty }, separator: PathCompiler.slash, literalWhenBroken: true)
      let refuses = head.map { !$0.decision.permits } ?? true
      let arguments = patterns(rule.strings("args_patterns"), dotMatchesNewline: refuses)
      var (minDepth, maxDepth): (Int, Int?) = (0, nil)
      if let context = rule.take("context") { (minDepth, maxDepth) = depths(context) }
      if let redirect = rule.take("redirect_to") { checkRedirect(redirect, "\(place).redirect_to") }
      checkRuleEnvironment(&rule, head?.name ?? place)
      warnOfEmpty(rule, place, [("commands", "all programs"), ("args_patterns", "all arguments"), ("context", "all depths")])
      guard let head else { return }
      result.append(
        CommandRule(
          head: head, commands: commands, hasCommands: !entries.isEmpty, arguments: arguments, minDepth: minDepth,
          maxDepth: maxDepth))
    }
    return result
  }

  func patterns(_ entries: [(text: String, position: TextPosition)], dotMatchesNewline: Bool) -> [Pattern] {
    var result: [Pattern] = []
    for (text, position) in entries {
      guard compilesPatterns else {
        result.append(Pattern(checked: text, dotMatchesNewline: dotMatchesNewline))
        continue
      }
      do throws(PatternError) {
        result.append(try Pattern(text, dotMatchesNewline: dotMatchesNewline))
      } catch {
        reports.error(position, "\"\(text)\" is not a regular expression: \(error.description)")
      }
    }
    return result
  }

  private func depths(_ node: YAMLNode) -> (Int, Int?) {
    if case .sequence(let items) = node.content {
      var words: Set<String> = []
      for item in items {
        if let word = item.string, word == "direct" || word == "nested" { words.insert(word) } else {
          reports.error(item.position, "context lists direct, nested, or both")
        }
      }
      return words == ["direct"] ? (0, 0) : words == ["nested"] ? (1, nil) : (0, nil)
    }
    guard var mapping = Mapping(node, "context", reports) else { return (0, nil) }
    let low = mapping.int("min_depth", in: 0...1_000_000) ?? 0
    let high = mapping.int("max_depth", in: -1...1_000_000) ?? -1
    mapping.finish()
    if high >= 0 && high < low { reports.error(node.position, "max_depth is below min_depth: the rule would never match") }
    return (low, high < 0 ? nil : high)
  }

  func checkRedirect(_ node: YAMLNode, _ what: String) {
    guard var mapping = Mapping(node, what, reports) else { return }
    if (mapping.string("command") ?? "").isEmpty { reports.error(mapping.position, "\(what) needs a command") }
    _ = mapping.strings("args")
    _ = mapping.strings("args_append")
    if let values = mapping.take("environment") { Shape.named(.scalar).check(values, "\(what).environment", reports) }
    mapping.finish()
  }

  func checkRuleEnvironment(_ rule: inout Mapping, _ name: String) {
    for key in ["env_allow", "env_deny"] { _ = globs(rule.strings(key), separator: nil) }
    for key in ["env_max_bytes", "env_max_keys"] { _ = rule.int(key, in: 0...Int.max) }
    _ = rule.bool("env_block_iteration")
    for key in ["env_allow", "env_deny", "env_max_bytes", "env_max_keys", "env_block_iteration"] where rule.has(key) {
      reports.unenforced(
        rule.position(of: key), "command rule \(name): \(key)", "the environment is filtered once, at the start of the session")
    }
  }

  /// A pattern of a program that can't be one.
  private func checkCommand(_ text: String, _ position: TextPosition) {
    let bytes = Array(text.utf8)
    guard bytes.contains(PathCompiler.slash) else {
      if bytes.contains(UInt8(ascii: " ")) {
        reports.warning(position, "\"\(text)\" is a program with a blank in its name (arguments are compared with args_patterns)")
      }
      return
    }
    if Self.hasDots(bytes) { reports.warning(position, "\"\(text)\": paths are canonical when they are compared, so . and .. never match") }
    switch bytes.first ?? 0 {
    case PathCompiler.slash, UInt8(ascii: "{"): return
    case UInt8(ascii: "*") where bytes[1] == UInt8(ascii: "*"): return
    case UInt8(ascii: "*") where bytes[1] == PathCompiler.slash:
      reports.warning(position, "\"\(text)\" matches in the root directory alone, since * stops at a slash (a name without a slash matches wherever the program lies)")
    case UInt8(ascii: "$") where bytes[1] == UInt8(ascii: "{"): return
    default: reports.warning(position, "\"\(text)\" matches no program (begin with /, ** or a variable, or write the name alone)")
    }
  }
}

extension String {
  /// Without blanks and tabs at both ends.
  fileprivate var trimmed: String {
    func isBlank(_ byte: UInt8?) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }
    guard isBlank(utf8.first) || isBlank(utf8.last) else { return self }
    var bytes = Array(utf8)[...]
    while isBlank(bytes.first) { bytes.removeFirst() }
    while isBlank(bytes.last) { bytes.removeLast() }
    return String(decoding: bytes, as: UTF8.self)
  }
}
