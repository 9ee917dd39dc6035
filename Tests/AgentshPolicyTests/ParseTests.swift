import AgentshPolicy
import Testing

private func diagnose(_ text: String) -> [String] {
  Policy.parse(bytes(text), file: "p.yaml").errors.map { "\($0.line):\($0.column): \($0.message)" }
}

@Suite struct ParseTests {
  @Test func allErrorsAreReportedWithTheirPlaces() {
    let text = """
      version: 2
      name: "bad name"
      colour: red
      file_rules:
        - name: a
          path: [/x]
          decision: forbid
        - name: b
          paths: /x
          operations: [reed]
          decision: deny
          timeout: 5 minutes
      network_rules:
        - {name: c, cidrs: [10.0.0.0/40], ports: [70000, "9-8"], decision: allow}
      command_rules:
        - {name: d, commands: [x], args_patterns: ["("], decision: allow, context: [sometimes]}
      signal_rules:
        - {name: e, signals: [SIGNOPE], target: {type: everyone}, decision: deny}
      syscalls: {allow: [io_uring, mouse]}
      """
    let found = diagnose(text)
    let expected = [
      "1:1: version 2", "2:1: a policy's name", "3:1: unknown key \"colour\"", "5:5: a has no paths", "6:5: unknown key \"path\" in file_rules[0]; did you mean paths?",
      "7:15: decision has to be one of", "9:12: paths has to be a list", "10:18: unknown operation \"reed\"", "; did you mean read?",
      "12:14: timeout has to be a duration", "14:23: \"10.0.0.0/40\"", "14:45: a port", "14:52: a port", "16:46: \"(\" is not a regular expression",
      "context lists", "18:25: \"SIGNOPE\" is not a signal", "type has to be one of", "io_uring can't be allowed", "\"mouse\" is not one",
    ]
    for part in expected { #expect(found.contains { $0.contains(part) }, "\(part) is missing in \(found)") }
  }

  @Test(arguments: [
    ("", "is empty"), ("[]", "mapping"), ("name: x", "version is missing"), ("version: 1", "name is missing"), ("version: one\nname: x", "whole number"),
    ("version: 1\nname: x\nfile_rules: {}", "has to be a list"), ("version: 1\nname: x\nfile_rules: [a]", "has to be a mapping"),
    ("version: 1\nname: x\nfile_rules: [{paths: [/x]}]", "has no decision"), ("version: 1\nname: x\nfile_rules: [{decision: deny}]", "has no paths"),
    ("version: 1\nname: x\nfile_rules: [{paths: [/a/../b], decision: deny}]", ".."),
    ("version: 1\nname: x\nfile_rules: [{paths: ['/a[b'], decision: deny}]", "bracket"),
    ("version: 1\nname: x\nfile_rules: [{paths: [/a], decision: absorb}]", "signal_rules only"),
    ("version: 1\nname: x\nfile_rules: [{paths: [/a], decision: DENY}]", "did you mean deny?"), ("version: 1\nname: x\nfile_rules: [{paths: [/a], operations: [Read], decision: deny}]", "did you mean read?"),
    ("version: 1\nname: x\nfile_rules: [{paths: [\"/a\\0\"], decision: deny}]", "text"),
    ("version: 1\nname: x\nservices: {}", "http_services"), ("version: 1\nname: x\nregistry_rules: [{nam: a}]", "unknown key \"nam\""),
    ("version: 1\nname: x\nprocess_contexts: {a: {command_rules: [{comand: [x], decision: deny}]}}", "unknown key \"comand\""),
    ("version: 1\nname: x\nprocess_contexts: {a: {chain_rules: [{condition: {or: [{via_contain: [x]}]}}]}}", "via_contain"),
    ("version: 1\nname: x\nconnect_redirects: [{name: a, match: b}]", "either redirect_to"), ("version: 1\nname: x\ndns_redirects: [{name: a, match: b, resolve_to: x}]", "resolve_to"),
    ("version: 1\nname: x\naudit: {log_allowed: perhaps}", "true or false"), ("version: 1\nname: x\nenv_inject: {'a b': c}", "not the name"),
    ("version: 1\nname: x\nenv_inject: {AGENTSH_SESSION_ID: mine}", "set by agentsh itself"),
    ("version: 1\nname: x\nmetadata: [{source: a}]", "rule_name"), ("version: 1\nname: x\ndefaults: {file_read: redirect}", "one of allow"),
    ("version: 1\nname: x\nresource_limits: {pids_max: -1}", "at least 0"), ("version: 1\nname: x\nname: y", "twice"),
    ("version: 1\nname: ../x", "name"), ("version: 1\nname: .x", "name"), ("version: 1\nname: x\nsignal_rules: [{signals: [TERM], decision: deny}]", "target"),
  ])
  func mistakesAreNamed(_ text: String, _ part: String) {
    let found = diagnose(text)
    #expect(found.contains { $0.contains(part) }, "\(found)")
  }

  @Test func acceptedPartsThatHaveNoEffectAreNamed() throws {
    let policy = try loaded(
      """
      registry_rules: [{name: a, paths: ['*'], operations: [read], decision: allow}]
      package_rules: [{match: {severity: critical}, action: block}]
      mcp_rules: {enforce_policy: true, cross_server: {x: {enabled: true}}}
      http_services: [{name: a, upstream: 'https://a'}]
      providers: {v: {type: vault}}
      db_services: {anything: [goes]}
      database_rules: []
      database_connection_rules: []
      policies: {db: {}}
      process_contexts: {agent: {identities: [x], denied_commands: [rm]}}
      dns_redirects: [{name: d, match: x, resolve_to: 127.0.0.1}]
      resource_limits: {pids_max: 5, session_timeout: 1h30m}
      env_policy: {block_iteration: yes}
      audit: {include_stdout: true}
      file_rules: [{name: s, paths: [/x], operations: [stat, read], decision: deny}]
      command_rules: [{name: c, commands: [x], env_deny: [A], decision: allow}]
      """)
    for part in [
      "registry_rules", "package_rules", "mcp_rules", "http_services", "providers", "db_services", "database_rules", "database_connection_rules", "policies",
      "process_contexts.agent", "resource_limits.pids_max", "env_policy.block_iteration", "audit.include_stdout",
      "file rule s: operation stat", "command rule c: env_deny",
    ] { #expect(policy.notEnforced.contains(part), "\(part)") }
    #expect(!policy.notEnforced.contains { $0.hasPrefix("dns_redirects") })
    #expect(policy.resourceLimits.sessionTimeout == 5_400_000)
    #expect(policy.environment.blockIteration)
  }

  /// As in the original an empty list restricts nothing, and whoever wrote it may have meant the contrary.
  @Test func anEmptyListThatMeansAllIsWarnedOf() throws {
    let text = """
      version: 1
      name: x
      file_rules:
        - {name: f, paths: [/x], operations: [], decision: allow}
        - {paths: [/y], operations: [read], decision: allow}
      command_rules:
        - name: c
          commands: []
          args_patterns: []
          context: []
          decision: deny
        - {name: e, commands: , decision: deny}
      network_rules:
        - {name: n, domains: [], cidrs: [], ports: [], operations: [], decision: deny}
      unix_socket_rules:
        - {name: u, paths: [/x], operations: [], decision: allow}

      """
    let expected = [
      "4:28: f: operations is empty, and that means all operations, not none",
      "8:5: c: commands is empty, and that means all programs, not none",
      "9:5: c: args_patterns is empty, and that means all arguments, not none",
      "10:5: c: context is empty, and that means all depths, not none",
      "12:15: e: commands is empty, and that means all programs, not none",
      "14:15: n: domains is empty, and that means all names, not none",
      "14:28: n: cidrs is empty, and that means all addresses, not none",
      "14:39: n: ports is empty, and that means all ports, not none",
      "14:50: n: operations is empty, and that means all operations, not none",
      "16:28: u: operations is empty, and that means all operations, not none",
    ]
    let parsed = Policy.parse(bytes(text), file: "p.yaml")
    #expect(parsed.policy != nil && parsed.errors.isEmpty)
    #expect(parsed.warnings.map { "\($0.line):\($0.column): \($0.message)" }.filter { $0.contains(" is empty") } == expected)
    // What follows is what the warning says.
    let rules = try policy("command_rules: [{name: c, commands: [], decision: allow}]\nfile_rules: [{name: f, paths: ['**'], operations: [], decision: allow}]")
    #expect(rules.command(CommandSubject(canonicalPath: Array("/usr/bin/ls".utf8), arguments: [])).rule == "c")
  }

  @Test func whatIsOursLoads() throws {
    let policy = try loaded("syscalls: {allow: [ptrace, mount, chroot]}\nallow_nested_sessions: true\naudit: {log_allowed: on}\ntransparent_commands: {add: [x]}")
    #expect(policy.allowedRestrictedCalls == ["ptrace", "mount", "chroot"])
    #expect(policy.allowsNestedSessions)
    #expect(policy.audit.logAllowed)
    #expect(policy.notEnforced.isEmpty)
  }

  @Test func aMessageOfOursCarriesNoControlCharacters() {
    for line in diagnose("version: 1\nname: x\n\"a\\e[2J\": 1") { #expect(!line.unicodeScalars.contains { $0.value < 0x20 }) }
  }

  @Test func needsSayWhichRuleAsksForWhat() throws {
    let free = try policy("file_rules: [{name: a, paths: ['**'], decision: allow}, {name: b, paths: [/x], decision: deny}]").needs
    #expect(free.readOpens == nil)
    #expect(free.writeOpens == "record")
    let carved = try policy("file_rules: [{name: e, paths: ['**/.env'], decision: deny}]").needs
    #expect(carved.readOpens == "e" && carved.writeOpens == "e")
    #expect(try policy("audit: {log_allowed: true}").needs.readOpens == "audit.log_allowed")
    #expect(try policy("file_rules: [{name: w, paths: ['**'], operations: [write], decision: deny}]").needs.readOpens == nil)
    #expect(try policy("file_rules: [{name: l, paths: [/x], operations: [list], decision: deny}]").needs.readOpens == "l")
    #expect(try policy("file_rules: [{name: o, paths: [/x], operations: [open], decision: audit}]").needs.readOpens == "o")
    #expect(try policy("defaults: {file_read: deny}").needs.readOpens == "default:file_read")
    #expect(try policy("").needs.changes == "default:file_write")
    #expect(try policy("command_rules: [{name: c, commands: ['*'], decision: allow}, {name: d, commands: [x], decision: deny}]").needs.commands == "record")
    #expect(try policy("signal_rules: []").needs.signals == "default:signal")
  }
}
