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

  let compilesPatterns: Bool

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
  func eachRule(_ top: inout Mapping, _ key: String, _ body: (inout Mapping, String) -> Void) {
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

  func head(_ rule: inout Mapping, _ place: String, isSignal: Bool = false) -> RuleHead? {
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
  func label(_ rule: Mapping, _ place: String) -> String {
    rule.peekString("name").flatMap { $0.isEmpty ? nil : $0 } ?? place
  }

  /// Of lists that restrict a rule where they are given: an empty one restricts nothing, as in the original, and reads as if it permitted, or refused, nothing.
  func warnOfEmpty(_ rule: Mapping, _ place: String, _ lists: [(key: String, meaning: String)]) {
    for (key, meaning) in lists where rule.isEmpty(key) {
      reports.warning(rule.position(of: key), "\(label(rule, place)): \(key) is empty, and that means \(meaning), not none")
    }
  }

  func globs(
    _ entries: [(text: String, position: TextPosition)], separator: UInt8?, literalWhenBroken: Bool = false
  ) -> [GlobTemplate] {
    var result: [GlobTemplate] = []
    for (text, position) in entries {
      do throws(GlobError) {
        let template = try GlobTemplate(text, separator: separator)
        for variable in template.variables where variable.fallback == nil {
          switch variable.name {
          case "PROJECT_ROOT", "GIT_ROOT", "GIT_DIR", "GIT_COMMON_DIR", "HOME", "USER": continue
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

  func choices<Choice: RawRepresentable & CaseIterable & Hashable>(
    _ rule: inout Mapping, _ key: String, _ type: Choice.Type
  ) -> [Choice] where Choice.RawValue == String {
    var result: [Choice] = []
    var all = false
    for (text, position) in rule.strings(key) {
      if text == "*" {
        all = true
      } else if let value = Choice(rawValue: text) {
        result.append(value)
      } else {
        let words = Choice.allCases.map(\.rawValue)
        reports.error(
          position, "unknown operation \"\(text)\": known are \(words.joined(separator: ", ")) and *" + Mapping.hint(text, words))
      }
    }
    return all ? [] : result
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
      guard entry.key != "AGENTSH_SESSION_ID" else {
        reports.error(entry.keyPosition, "AGENTSH_SESSION_ID is set by agentsh itself, to the session's id")
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
