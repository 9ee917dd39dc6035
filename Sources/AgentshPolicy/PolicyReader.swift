import AgentshText

/// Reads a policy's tree into rules; everything it doesn't know is an error.
struct PolicyReader {
  let reports: Reports
  var rules = PolicyRules()
  var environment = EnvironmentPolicy()
  var limits = ResourceLimits()
  var audit = AuditSettings()
  var allowedCalls: Set<String> = []
  var allowsNestedSessions = false
  var networkMode = NetworkMode.full
  var name = ""
  var version = 0
  var description: String?

  private let compilesPatterns: Bool

  init(_ reports: Reports, compilesPatterns: Bool) {
    self.reports = reports
    self.compilesPatterns = compilesPatterns
  }

  mutating func read(_ root: YAMLNode) {
    guard var top = Mapping(root, "the policy", reports) else { return }
    readHead(&top)
    rules.files = fileRules(&top, "file_rules")
    rules.commands = commandRules(&top, "command_rules")
    rules.networks = networkRules(&top, "network_rules")
    rules.sockets = unixRules(&top, "unix_socket_rules")
    rules.signals = signalRules(&top)
    readDefaults(&top)
    networkMode = top.choice("network", NetworkMode.self) ?? .full
    readRedirects(&top)
    readLimits(&top)
    environment = environmentPolicy(&top, "env_policy")
    readInjection(&top)
    readAudit(&top)
    readTransparentCommands(&top)
    readSyscalls(&top)
    allowsNestedSessions = top.bool("allow_nested_sessions") ?? false
    readContexts(&top)
    readOtherParts(&top)
    top.finish()
  }

  private mutating func readHead(_ top: inout Mapping) {
    if top.has("version") {
      // Written so that a version from the future is told apart from a mistake.
      if let number = top.int("version", in: 0...1_000_000) {
        version = number
        if number != 1 {
          reports.error(top.position(of: "version"), "version \(number) is unknown: this build reads version 1")
        }
      }
    } else {
      _ = top.take("version")
      reports.error(top.position, "version is missing (write version: 1)")
    }
    let text = top.string("name") ?? ""
    if text.isEmpty {
      reports.error(top.position(of: "name"), "name is missing")
    } else if text.utf8.count > 64 || !text.utf8.allSatisfy({ isWordByte($0) || $0 == 0x2d || $0 == 0x2e }) || text.utf8.first == 0x2e {
      reports.error(
        top.position(of: "name"), "a policy's name has at most 64 letters, digits, -, _ and ., and doesn't begin with a dot")
    }
    name = text
    description = top.string("description")
    for (index, item) in top.list("metadata").enumerated() {
      guard var entry = Mapping(item, "metadata[\(index)]", reports) else { continue }
      for key in ["rule_name", "source"] where (entry.string(key) ?? "").isEmpty {
        reports.error(entry.position(of: key), "metadata[\(index)] needs a \(key)")
      }
      for key in ["db_service", "bypass_mode", "destination"] { _ = entry.string(key) }
      entry.finish()
    }
  }

  // MARK: What all rules share

  /// Rules of one list, one by one; each is read to its end whatever is wrong with it.
  private func eachRule(_ top: inout Mapping, _ key: String, _ body: (inout Mapping, String) -> Void) {
    var seen: [String: Int] = [:]
    for (index, item) in top.list(key).enumerated() {
      let place = "\(key)[\(index)]"
      guard var mapping = Mapping(item, place, reports) else { continue }
      body(&mapping, place)
      mapping.finish()
      if let name = mapping.peekString("name"), !name.isEmpty {
        if let line = seen[name] {
          reports.warning(
            mapping.position(of: "name"), "two rules of \(key) are called \(name) (the other one stands in line \(line))")
        }
        seen[name] = seen[name] ?? mapping.position(of: "name").line
      }
    }
  }

  private func head(_ rule: inout Mapping, _ place: String, isSignal: Bool = false) -> RuleHead? {
    let name = rule.string("name") ?? ""
    if name.utf8.contains(where: { $0 < 0x20 || $0 == 0x7f }) || name.utf8.count > 256 {
      reports.error(rule.position(of: "name"), "a rule's name is one line of at most 256 bytes")
    }
    _ = rule.string("description")
    let message = rule.string("message")
    guard rule.has("decision") else {
      _ = rule.take("decision")
      reports.error(rule.position, "\(name.isEmpty ? place : name) has no decision")
      return nil
    }
    guard let decision = rule.choice("decision", Decision.self) else { return nil }
    if decision == .absorb && !isSignal {
      reports.error(rule.position(of: "decision"), "absorb is for signal_rules only")
      return nil
    }
    if let limit = Answer.limit(of: decision) {
      reports.warning(rule.position(of: "decision"), "\(name.isEmpty ? place : name): what it matches \(limit)")
    }
    return RuleHead(name: name.isEmpty ? place : name, decision: decision, message: message)
  }

  /// What to call a rule in a message.
  private func label(_ rule: Mapping, _ place: String) -> String {
    rule.peekString("name").flatMap { $0.isEmpty ? nil : $0 } ?? place
  }

  private func globs(
    _ entries: [(text: String, position: TextPosition)], separator: UInt8?, literalWhenBroken: Bool = false
  ) -> [GlobTemplate] {
    var result: [GlobTemplate] = []
    for (text, position) in entries {
      do throws(GlobError) {
        let template = try GlobTemplate(text, separator: separator)
        for variable in template.variables where variable.fallback == nil {
          switch variable.name {
          case "PROJECT_ROOT", "GIT_ROOT", "HOME", "USER": continue
          default:
            reports.warning(
              position,
              "${\(variable.name)} has no value here: the policy can't be used in a session unless it has a default")
          }
        }
        result.append(template)
      } catch {
        if literalWhenBroken && !text.contains(where: { "*?{}\\$".contains($0) }) {
          result.append(GlobTemplate(literal: text))
        } else {
          reports.error(position, "\"\(text)\": \(error.reason)")
        }
      }
    }
    return result
  }

  private func choices<Choice: RawRepresentable & CaseIterable & Hashable>(
    _ rule: inout Mapping, _ key: String, _ type: Choice.Type
  ) -> [Choice] where Choice.RawValue == String {
    var result: [Choice] = []
    var all = false
    for (text, position) in rule.strings(key) {
      if text == "*" {
        all = true
      } else if let value = Choice(rawValue: text) ?? Choice(rawValue: text.lowercased()) {
        result.append(value)
      } else {
        let words = Choice.allCases.map(\.rawValue)
        reports.error(
          position, "unknown operation \"\(text)\": known are \(words.joined(separator: ", ")) and *" + Mapping.hint(text, words))
      }
    }
    return all ? [] : result
  }

  // MARK: Rules

  private func fileRules(_ top: inout Mapping, _ key: String) -> [FileRule] {
    var result: [FileRule] = []
    eachRule(&top, key) { rule, place in
      let head = head(&rule, place)
      let entries = rule.strings("paths")
      if rule.lacks("paths") { reports.error(rule.position(of: "paths"), "\(label(rule, place)) has no paths") }
      for (text, position) in entries { checkPath(text, position) }
      let paths = globs(entries, separator: PathCompiler.slash)
      let operations = choices(&rule, "operations", FileOperation.self)
      _ = rule.duration("timeout")
      _ = rule.string("redirect_to")
      _ = rule.bool("preserve_tree")
      guard let head else { return }
      noteUnmediated(operations, head, rule)
      result.append(FileRule(head: head, paths: paths, operations: operations))
    }
    return result
  }

  private func checkPath(_ text: String, _ position: TextPosition) {
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

  /// Whether `.` or `..` stands between slashes.
  private static func hasDots(_ bytes: [UInt8]) -> Bool {
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
        position, "file_rules: operations stat, readlink and access of rules for all operations",
        "this version doesn't ask about them, so whether a file exists can be found out")
    }
  }

  private func commandRules(_ top: inout Mapping, _ key: String) -> [CommandRule] {
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
      guard let head else { return }
      result.append(
        CommandRule(
          head: head, commands: commands, hasCommands: !entries.isEmpty, arguments: arguments, minDepth: minDepth,
          maxDepth: maxDepth))
    }
    return result
  }

  private func patterns(_ entries: [(text: String, position: TextPosition)], dotMatchesNewline: Bool) -> [Pattern] {
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

  private func checkRedirect(_ node: YAMLNode, _ what: String) {
    guard var mapping = Mapping(node, what, reports) else { return }
    if (mapping.string("command") ?? "").isEmpty { reports.error(mapping.position, "\(what) needs a command") }
    _ = mapping.strings("args")
    _ = mapping.strings("args_append")
    if let values = mapping.take("environment") { Shape.named(.scalar).check(values, "\(what).environment", reports) }
    mapping.finish()
  }

  private func checkRuleEnvironment(_ rule: inout Mapping, _ name: String) {
    for key in ["env_allow", "env_deny"] { _ = globs(rule.strings(key), separator: nil) }
    for key in ["env_max_bytes", "env_max_keys"] { _ = rule.int(key, in: 0...Int.max) }
    _ = rule.bool("env_block_iteration")
    for key in ["env_allow", "env_deny", "env_max_bytes", "env_max_keys", "env_block_iteration"] where rule.has(key) {
      reports.unenforced(
        rule.position(of: key), "command rule \(name): \(key)", "the environment is filtered once, at the start of the session")
    }
  }

  private func networkRules(_ top: inout Mapping, _ key: String) -> [NetworkRule] {
    var result: [NetworkRule] = []
    eachRule(&top, key) { rule, place in
      let head = head(&rule, place)
      let (domains, addresses, anyDomain) = names(&rule, label(rule, place))
      var cidrs: [CIDR] = []
      for (text, position) in rule.strings("cidrs") {
        if let cidr = CIDR(text) { cidrs.append(cidr) } else {
          reports.error(position, "\"\(text)\" is not a block of addresses such as 10.0.0.0/8 or fd00::/8")
        }
      }
      let ports = rule.list("ports").compactMap { port($0) }
      let operations = choices(&rule, "operations", NetworkOperation.self)
      let saysOperations = rule.has("operations")
      _ = rule.duration("timeout")
      guard let head else { return }
      result.append(
        NetworkRule(
          head: head, domains: domains, anyDomain: anyDomain, addresses: addresses, cidrs: cidrs, ports: ports,
          operations: saysOperations && operations.isEmpty ? NetworkOperation.allCases : operations))
    }
    return result
  }

  /// The `domains` of a rule: names, and addresses that stand among them.
  private func names(_ rule: inout Mapping, _ label: String) -> (globs: [GlobTemplate], addresses: [CIDR], any: Bool) {
    var entries: [(text: String, position: TextPosition)] = []
    var addresses: [CIDR] = []
    for (text, position) in rule.strings("domains") {
      if !text.utf8.allSatisfy({ $0 < 0x80 }) {
        reports.error(position, "\"\(text)\": names stand in a policy as they do on the wire: \(HostName.ascii(text))")
        continue
      }
      let name = Self.foldedName(text)
      if IPAddress(name) != nil, let address = CIDR(name) {
        addresses.append(address)
        continue
      }
      if !HostName.isPlausible(Self.withoutVariables(text)) {
        reports.warning(position, "\(label): \"\(text)\" is no name of a host (no scheme, no port, no path, no empty part, no address in brackets), so it never matches")
      }
      entries.append((name, position))
    }
    return (globs(entries, separator: UInt8(ascii: ".")), addresses, entries.contains { $0.text == "*" || $0.text == "**" })
  }

  /// A name as it is compared, but for the names of variables in it.
  private static func foldedName(_ text: String) -> String {
    var result: [UInt8] = []
    var isVariable = false
    for byte in text.utf8 {
      if byte == UInt8(ascii: "{"), result.last == UInt8(ascii: "$") { isVariable = true } else if byte == UInt8(ascii: "}") { isVariable = false }
      result.append(!isVariable && byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte)
    }
    if result.last == UInt8(ascii: ".") { result.removeLast() }
    return String(decoding: result, as: UTF8.self)
  }

  /// With a letter in the place of each variable.
  private static func withoutVariables(_ text: String) -> String {
    let parts = Array(text.utf8).split(separator: UInt8(ascii: "$"), omittingEmptySubsequences: false)
    return parts.dropFirst().reduce(String(decoding: parts.first ?? [], as: UTF8.self)) { result, part in
      guard part.first == UInt8(ascii: "{"), let end = part.firstIndex(of: UInt8(ascii: "}")) else { return "\(result)$\(String(decoding: part, as: UTF8.self))" }
      return "\(result)x\(String(decoding: part[part.index(after: end)...], as: UTF8.self))"
    }
  }

  private func port(_ node: YAMLNode) -> ClosedRange<UInt16>? {
    if let number = node.int, let port = UInt16(exactly: number) { return port...port }
    if let parts = node.string?.split(separator: "-", omittingEmptySubsequences: false), parts.count == 2,
      parts.allSatisfy({ $0.utf8.allSatisfy { (0x30...0x39).contains($0) } }), let low = UInt16(parts[0]), let high = UInt16(parts[1]), low <= high
    {
      return low...high
    }
    reports.error(node.position, "a port is a number from 0 to 65535, or a range such as 8000-8999")
    return nil
  }

  private func unixRules(_ top: inout Mapping, _ key: String) -> [UnixRule] {
    var result: [UnixRule] = []
    eachRule(&top, key) { rule, place in
      let head = head(&rule, place)
      let entries = rule.strings("paths")
      if rule.lacks("paths") { reports.error(rule.position(of: "paths"), "\(label(rule, place)) has no paths") }
      var paths: [GlobTemplate] = []
      for entry in entries {
        let isAbstract = entry.text.utf8.first == UInt8(ascii: "@")
        if !isAbstract && entry.text != "*" { checkPath(entry.text, entry.position) }
        paths += globs([entry], separator: isAbstract ? nil : PathCompiler.slash)
      }
      let operations = choices(&rule, "operations", UnixOperation.self)
      _ = rule.duration("timeout")
      if let head { result.append(UnixRule(head: head, paths: paths, operations: operations)) }
    }
    return result
  }

  private func signalRules(_ top: inout Mapping) -> [SignalRule] {
    var result: [SignalRule] = []
    eachRule(&top, "signal_rules") { rule, place in
      let head = head(&rule, place, isSignal: true)
      var signals = SignalSet()
      let entries = rule.strings("signals")
      if rule.lacks("signals") { reports.error(rule.position(of: "signals"), "\(label(rule, place)) has no signals") }
      for (text, position) in entries {
        if let numbers = SignalNames.numbers(of: text) { numbers.forEach { signals.insert($0) } } else {
          reports.error(
            position, "\"\(text)\" is not a signal (a name, a number, or one of @all, @fatal, @job, @reload, @ignore)")
        }
      }
      let target = signalTarget(&rule)
      // What to do where a signal can't be held back; it always can here.
      _ = rule.choice("fallback", Decision.self)
      if let other = rule.string("redirect_to"), SignalNames.numbers(of: other)?.count != 1 {
        reports.error(rule.position(of: "redirect_to"), "\"\(other)\" is not a signal")
      }
      _ = rule.duration("timeout")
      if let head, let target { result.append(SignalRule(head: head, signals: signals, target: target)) }
    }
    return result
  }

  private enum TargetType: String, CaseIterable {
    case itself = "self"
    case children, descendants, siblings, session, parent, external, system, user, process
    case pidRange = "pid_range"
  }

  private func signalTarget(_ rule: inout Mapping) -> SignalTarget? {
    guard let node = rule.take("target"), var target = Mapping(node, "target", reports) else {
      if !rule.has("target") { reports.error(rule.position, "a signal rule needs a target: {type: …}") }
      return nil
    }
    defer { target.finish() }
    let type = target.choice("type", TargetType.self)
    let pattern = target.string("pattern")
    let low = target.int("min", in: 0...Int(Int32.max))
    let high = target.int("max", in: 0...Int(Int32.max))
    guard let type else {
      if !target.has("type") { reports.error(node.position, "target needs a type") }
      return nil
    }
    switch type {
    case .itself: return .kind(.itself)
    case .children: return .kind(.child)
    case .descendants: return .kind(.descendant)
    case .siblings: return .kind(.sibling)
    case .session: return .kind(.session)
    case .parent: return .kind(.parent)
    case .external: return .kind(.external)
    case .system: return .kind(.system)
    case .user: return .kind(.user)
    case .process:
      guard let pattern, !pattern.isEmpty else {
        reports.error(node.position, "a target of type process needs a pattern")
        return nil
      }
      do throws(GlobError) {
        return .process(try Glob.environment(pattern))
      } catch {
        reports.error(target.position(of: "pattern"), "\"\(pattern)\": \(error.reason)")
        return nil
      }
    case .pidRange:
      guard let low = low.flatMap(Int32.init(exactly:)), let high = high.flatMap(Int32.init(exactly:)), low > 0, low <= high
      else {
        reports.error(node.position, "a target of type pid_range needs min and max, both above 0")
        return nil
      }
      return .pids(low...high)
    }
  }

  // MARK: Everything else

  private enum DefaultChoice: String, CaseIterable { case allow, deny, audit, approve }

  private mutating func readDefaults(_ top: inout Mapping) {
    guard let node = top.take("defaults"), var mapping = Mapping(node, "defaults", reports) else { return }
    func choice(_ key: String, _ mapping: inout Mapping) -> Decision? {
      guard let word = mapping.choice(key, DefaultChoice.self), let decision = Decision(rawValue: word.rawValue) else { return nil }
      if let limit = Answer.limit(of: decision) { reports.warning(mapping.position(of: key), "\(key): what no rule matches \(limit)") }
      return decision
    }
    if let decision = choice("file_read", &mapping) { rules.defaults.fileRead = decision }
    if let decision = choice("file_write", &mapping) { rules.defaults.fileWrite = decision }
    if let decision = choice("command", &mapping) { rules.defaults.command = decision }
    if let decision = choice("network", &mapping) { rules.defaults.network = decision }
    if let decision = choice("unix", &mapping) { rules.defaults.unix = decision }
    rules.defaults.signal = choice("signal", &mapping)
    mapping.finish()
  }

  private mutating func readRedirects(_ top: inout Mapping) {
    for (index, item) in top.list("dns_redirects").enumerated() {
      let place = "dns_redirects[\(index)]"
      guard var rule = Mapping(item, place, reports) else { continue }
      let name = requiredName(&rule, place)
      let match = match(&rule, place)
      let address = IPAddress(rule.string("resolve_to") ?? "")
      if address == nil { reports.error(rule.position(of: "resolve_to"), "\(place) needs a resolve_to that is an address") }
      let visibility = rule.choice("visibility", RedirectVisibility.self) ?? .auditOnly
      let onFailure = rule.choice("on_failure", RedirectFailure.self) ?? .failClosed
      rule.finish()
      guard let match, let address else { continue }
      rules.nameRedirects.append(
        NameRedirect(match: match, redirection: NameRedirection(rule: name, address: address, visibility: visibility, onFailure: onFailure)))
    }
    for (index, item) in top.list("connect_redirects").enumerated() {
      let place = "connect_redirects[\(index)]"
      guard var rule = Mapping(item, place, reports) else { continue }
      let name = requiredName(&rule, place)
      let match = match(&rule, place)
      let destination = destination(&rule, place)
      let limit = transportLimit(&rule, place, name)
      let visibility = rule.choice("visibility", RedirectVisibility.self) ?? .auditOnly
      let onFailure = rule.choice("on_failure", RedirectFailure.self) ?? .failClosed
      let message = rule.string("message")
      rule.finish()
      guard let match, let destination else { continue }
      let redirection = ConnectRedirection(
        rule: name, destination: destination, visibility: visibility, onFailure: onFailure, message: message)
      rules.connectRedirects.append(ConnectRedirect(match: match, redirection: redirection, limit: limit))
    }
  }

  private func destination(_ rule: inout Mapping, _ place: String) -> ConnectRedirection.Destination? {
    let (address, socket) = (rule.string("redirect_to") ?? "", rule.string("redirect_to_unix") ?? "")
    guard address.isEmpty != socket.isEmpty else {
      reports.error(rule.position, "\(place) needs either redirect_to or redirect_to_unix")
      return nil
    }
    if socket.isEmpty {
      let destination = ConnectRedirection.destination(address)
      if destination == nil { reports.error(rule.position(of: "redirect_to"), "\(place): redirect_to has to be host:port, such as 127.0.0.1:8080 or [::1]:8080") }
      return destination
    }
    let bytes = Array(socket.utf8)
    if bytes.first == UInt8(ascii: "@"), bytes.count > 1, bytes.count <= 108 { return .unix(.abstract(Array(bytes.dropFirst()))) }
    if bytes.first == PathCompiler.slash, bytes.count <= 107 { return .unix(.path(bytes)) }
    reports.error(rule.position(of: "redirect_to_unix"), "\(place): redirect_to_unix has to be an absolute path, or @name, of at most 107 bytes")
    return nil
  }

  /// What of `tls` this version can't do: the bytes of a connection are passed on as they are.
  private func transportLimit(_ rule: inout Mapping, _ place: String, _ name: String) -> String? {
    guard let node = rule.take("tls"), var tls = Mapping(node, "\(place).tls", reports) else { return nil }
    let mode = tls.string("mode") ?? ""
    if !["", "passthrough", "rewrite_sni"].contains(mode) {
      reports.error(tls.position(of: "mode"), "mode has to be passthrough or rewrite_sni")
    }
    if (tls.string("sni") ?? "").isEmpty && mode == "rewrite_sni" { reports.error(node.position, "rewrite_sni needs an sni") }
    tls.finish()
    guard mode == "rewrite_sni" else { return nil }
    let limit = "asks for rewrite_sni, which this version can't do: refused"
    reports.warning(node.position, "\(name): what it matches \(limit)")
    return limit
  }

  private func requiredName(_ rule: inout Mapping, _ place: String) -> String {
    let name = rule.string("name") ?? ""
    if name.isEmpty { reports.error(rule.position, "\(place) needs a name") }
    return name.isEmpty ? place : name
  }

  private func match(_ rule: inout Mapping, _ place: String) -> Pattern? {
    let text = rule.string("match") ?? ""
    guard !text.isEmpty else {
      reports.error(rule.position(of: "match"), "\(place) needs a match")
      return nil
    }
    return patterns([(text, rule.position(of: "match"))], dotMatchesNewline: true).first
  }

  private mutating func readLimits(_ top: inout Mapping) {
    guard let node = top.take("resource_limits"), var mapping = Mapping(node, "resource_limits", reports) else { return }
    limits.maxMemoryMB = mapping.int("max_memory_mb", in: 0...Int.max)
    limits.memorySwapMaxMB = mapping.int("memory_swap_max_mb", in: 0...Int.max)
    limits.cpuQuotaPercent = mapping.int("cpu_quota_percent", in: 0...Int.max)
    limits.diskReadBytesPerSecond = mapping.int("disk_read_bps_max", in: 0...Int.max)
    limits.diskWriteBytesPerSecond = mapping.int("disk_write_bps_max", in: 0...Int.max)
    limits.netBandwidthMbps = mapping.int("net_bandwidth_mbps", in: 0...Int.max)
    limits.pidsMax = mapping.int("pids_max", in: 0...Int.max)
    limits.commandTimeout = mapping.duration("command_timeout")
    limits.sessionTimeout = mapping.duration("session_timeout")
    limits.idleTimeout = mapping.duration("idle_timeout")
    mapping.finish()
    for key in [
      "max_memory_mb", "memory_swap_max_mb", "cpu_quota_percent", "disk_read_bps_max", "disk_write_bps_max",
      "net_bandwidth_mbps", "pids_max", "command_timeout", "idle_timeout",
    ] where mapping.has(key) {
      reports.unenforced(mapping.position(of: key), "resource_limits.\(key)", "this version limits a session's time only")
    }
  }

  private func environmentPolicy(_ top: inout Mapping, _ key: String) -> EnvironmentPolicy {
    var result = EnvironmentPolicy()
    guard let node = top.take(key), var mapping = Mapping(node, key, reports) else { return result }
    let allow = mapping.strings("allow")
    let deny = mapping.strings("deny")
    for (text, position) in allow + deny {
      do throws(GlobError) {
        _ = try Glob.environment(text)
      } catch {
        reports.error(position, "\"\(text)\": \(error.reason)")
      }
    }
    result.allow = allow.map(\.text)
    result.deny = deny.map(\.text)
    result.maxBytes = mapping.int("max_bytes", in: 0...Int.max) ?? 0
    result.maxKeys = mapping.int("max_keys", in: 0...Int.max) ?? 0
    result.blockIteration = mapping.bool("block_iteration") ?? false
    mapping.finish()
    if result.blockIteration {
      reports.unenforced(
        mapping.position(of: "block_iteration"), "\(key).block_iteration",
        "a program sees the whole of the environment that it is given")
    }
    return result
  }

  private mutating func readInjection(_ top: inout Mapping) {
    guard let node = top.take("env_inject") else { return }
    guard case .mapping(let entries) = node.content else {
      reports.error(node.position, "env_inject has to be a mapping (NAME: value)")
      return
    }
    for entry in entries {
      guard let value = entry.value.isNull ? "" : entry.value.string, !value.utf8.contains(0) else {
        reports.error(entry.value.position, "the value of \(entry.key) has to be a text")
        continue
      }
      guard let first = entry.key.utf8.first, !(0x30...0x39).contains(first), entry.key.utf8.allSatisfy(isWordByte) else {
        reports.error(entry.keyPosition, "\"\(entry.key)\" is not the name of a variable")
        continue
      }
      environment.inject[entry.key] = value
    }
  }

  private mutating func readAudit(_ top: inout Mapping) {
    guard let node = top.take("audit"), var mapping = Mapping(node, "audit", reports) else { return }
    audit.logAllowed = mapping.bool("log_allowed") ?? false
    audit.logDenied = mapping.bool("log_denied") ?? true
    audit.logApproved = mapping.bool("log_approved") ?? true
    audit.includeStdout = mapping.bool("include_stdout") ?? false
    audit.includeStderr = mapping.bool("include_stderr") ?? false
    audit.includeFileContent = mapping.bool("include_file_content") ?? false
    audit.retentionDays = mapping.int("retention_days", in: 0...Int.max) ?? 0
    mapping.finish()
    for (key, isAsked) in [
      ("include_stdout", audit.includeStdout), ("include_stderr", audit.includeStderr),
      ("include_file_content", audit.includeFileContent), ("retention_days", audit.retentionDays > 0),
    ] where isAsked {
      reports.unenforced(
        mapping.position(of: key), "audit.\(key)",
        key == "retention_days" ? "records are kept until someone removes them" : "the record has operations, not contents")
    }
    for (key, isKept) in [("log_denied", audit.logDenied), ("log_approved", audit.logApproved)] where !isKept {
      reports.unenforced(mapping.position(of: key), "audit.\(key): false", "what is refused is on record always")
    }
  }

  private func readTransparentCommands(_ top: inout Mapping) {
    // Programs that run others need no unwrapping here: what they run is decided when it is executed.
    guard let node = top.take("transparent_commands"), var mapping = Mapping(node, "transparent_commands", reports) else { return }
    _ = mapping.strings("add")
    if let first = mapping.strings("remove").first {
      reports.unenforced(first.position, "transparent_commands.remove", "what a program executes is decided, whoever executes it")
    }
    mapping.finish()
  }

  private mutating func readSyscalls(_ top: inout Mapping) {
    guard let node = top.take("syscalls"), var mapping = Mapping(node, "syscalls", reports) else { return }
    for (text, position) in mapping.strings("allow") {
      if RestrictedCalls.never.contains(text) {
        reports.error(position, "\(text) can't be allowed: nothing that is done through it could be decided")
      } else if RestrictedCalls.all.contains(text) {
        allowedCalls.insert(text)
        reports.warning(position, "\(text) is let through: \(RestrictedCalls.consequence(of: text))")
      } else {
        reports.error(
          position, "\"\(text)\" is not one of the restricted calls" + Mapping.hint(text, RestrictedCalls.all.sorted()))
      }
    }
    mapping.finish()
  }

  private enum ContextDecision: String, CaseIterable { case allow, deny, approve }

  private func readContexts(_ top: inout Mapping) {
    if let node = top.take("process_identities") {
      Shape.named(Shape.processIdentity).check(node, "process_identities", reports)
      reports.unenforced(
        top.position(of: "process_identities"), "process_identities", "this version decides without regard to who started a process")
    }
    guard let node = top.take("process_contexts") else { return }
    guard case .mapping(let entries) = node.content else {
      reports.error(node.position, "process_contexts has to be a mapping (name: …)")
      return
    }
    for entry in entries {
      let what = "process_contexts.\(entry.key)"
      reports.unenforced(entry.keyPosition, what, "this version decides without regard to who started a process")
      guard var context = Mapping(entry.value, what, reports) else { continue }
      _ = context.string("description")
      for key in ["identities", "stop_at", "pass_through"] { _ = context.strings(key) }
      for key in ["allowed_commands", "denied_commands", "require_approval"] {
        _ = globs(context.strings(key), separator: nil, literalWhenBroken: true)
      }
      for (index, rule) in context.list("chain_rules").enumerated() {
        Shape.chainRule.check(rule, "\(what).chain_rules[\(index)]", reports)
      }
      _ = commandRules(&context, "command_rules")
      _ = fileRules(&context, "file_rules")
      _ = networkRules(&context, "network_rules")
      _ = unixRules(&context, "unix_socket_rules")
      _ = environmentPolicy(&context, "env_policy")
      if let overrides = context.take("command_overrides") {
        Shape.named(Shape.commandOverride).check(overrides, "\(what).command_overrides", reports)
      }
      _ = context.choice("default_decision", ContextDecision.self)
      if let race = context.take("race_policy") { Shape.racePolicy.check(race, "\(what).race_policy", reports) }
      _ = context.int("max_depth", in: 0...1_000_000)
      context.finish()
    }
  }

  private func readOtherParts(_ top: inout Mapping) {
    let parts: [(key: String, shape: () -> Shape, why: String)] = [
      ("registry_rules", { .list(Shape.registryRule) }, "there is no registry on Linux"),
      ("package_rules", { .list(Shape.packageRule) }, "packages are not looked into"),
      ("mcp_rules", { Shape.mcpRules }, "tool servers are not looked into"),
      ("http_services", { .list(Shape.httpService) }, "there is no proxy"),
      ("providers", { .named(.any) }, "there is no proxy"),
      ("db_services", { .any }, "there is no database proxy"),
      ("database_rules", { .any }, "there is no database proxy"),
      ("database_connection_rules", { .any }, "there is no database proxy"),
      ("policies", { .any }, "it belongs to other parts of the original project"),
    ]
    for part in parts {
      guard let node = top.take(part.key) else { continue }
      part.shape().check(node, part.key, reports)
      reports.unenforced(top.position(of: part.key), part.key, part.why)
    }
    if top.has("services") {
      _ = top.take("services")
      reports.error(top.position(of: "services"), "services has become http_services")
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
