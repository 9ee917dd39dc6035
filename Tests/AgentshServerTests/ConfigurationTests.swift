@testable import AgentshServer
import Testing

struct ConfigurationTests {
  private func parse(_ text: String) -> (configuration: ServerConfiguration, problems: [String]) {
    let result = ServerConfiguration.parse(Array(text.utf8), file: "f.yaml")
    return (result.configuration, result.problems.map(\.description))
  }

  @Test func everythingThatTheContractShowsIsRead() {
    let (read, problems) = parse(
      """
      control_socket: /run/agentsh/control.sock
      runtime_dir: /run/x
      log_dir: /var/log/x
      policy_dir: /etc/x
      handshake_timeout: 30s
      limits: { active_sessions_per_user: 6, sessions_per_user: 11, active_sessions: 1001, record_size: 100MiB }
      assignments:
        - { users: [alice], groups: [staff], default: agent-default, policies: [agent-default, agent-strict] }
        - { users: ["*"], default: agent-strict }
      admins: { users: [root], groups: [wheel, "0"] }
      on_missing_feature: { landlock: warn, listener: refuse }
      """)
    #expect(problems == [])
    #expect(read.handshakeTimeoutMilliseconds == 30_000)
    #expect([read.limits.activePerUser, read.limits.perUser, read.limits.active, Int(read.limits.recordSize)] == [6, 11, 1001, 100 << 20])
    #expect(read.assignments.count == 2)
    #expect(read.assignments.first?.who == Principals(users: [.name(Array("alice".utf8))], groups: [.name(Array("staff".utf8))]))
    #expect(read.assignments.last?.who.users == [.anyone])
    #expect(read.assignments.last?.policies == [])
    #expect(read.admins.groups == [.name(Array("wheel".utf8)), .number(0)])
    #expect(read.rule(for: .landlock) == .warn)
    #expect(read.rule(for: .listener) == .refuse)
    #expect(read.rule(for: .cgroup) == .refuse)
  }

  @Test(arguments: [
    ("log_dirr: /x", "f.yaml:1:1: error: the configuration has no key log_dirr"),
    ("log_dir: x", "f.yaml:1:10: error: log_dir must be an absolute path"),
    ("limits: { active_sessions: 0 }", "f.yaml:1:28: error: active_sessions must be a number from 1 to 1000000"),
    ("limits: { record_size: 63KiB }", "f.yaml:1:24: error: record_size must be a size like 64KiB, 100MiB or 4GiB, at least 64KiB"),
    ("limits: { record_size: 4 }", "f.yaml:1:24: error: record_size must be a size like 64KiB, 100MiB or 4GiB, at least 64KiB"),
    ("limits:\n  sesions: 3", "f.yaml:2:3: error: limits has no key sesions"),
    ("handshake_timeout: 30", "f.yaml:1:20: error: handshake_timeout must be a duration like 500ms, 30s or 10m, at most 24h"),
    ("handshake_timeout: 99999999999999999999h", "f.yaml:1:20: error: handshake_timeout must be a duration like 500ms, 30s or 10m, at most 24h"),
    ("assignments:\n- { users: [a] }", "f.yaml:2:3: error: an assignment needs a default policy"),
    ("assignments:\n- { default: a }", "f.yaml:2:3: error: an assignment needs users or groups"),
    ("assignments: { a: b }", "f.yaml:1:14: error: assignments must be a list, not a mapping"),
    ("admins: { users: [\"4294967295\"] }", "f.yaml:1:19: error: users: 4294967295 is no id: it must be a number from 0 to 4294967294"),
    ("admins: { users: [\"-1\"] }", "f.yaml:1:19: error: users: -1 is no id: it must be a number from 0 to 4294967294"),
    ("on_missing_feature: { landlok: warn }", "f.yaml:1:23: error: on_missing_feature has no key landlok"),
    ("control_socket: /run/agentsh/", "f.yaml:1:17: error: control_socket /run/agentsh/ names no file"),
    (
      "control_socket: /run/\(String(repeating: "x", count: 110))",
      "f.yaml:1:17: error: control_socket: its last name has 110 bytes, and in so long a path no more than 85 can be bound"
    ),
    ("on_missing_feature: ignore", "f.yaml:1:21: error: on_missing_feature must be refuse or warn"),
  ])
  func whatIsWrongIsSaidWithItsPlace(text: String, problem: String) {
    #expect(parse(text).problems == [problem])
  }

  /// A file that was cut off must not pass for one that assigns nothing to anybody.
  @Test(arguments: ["", "\n", "# all of it\n# is comment\n", "---\n", "~"])
  func aConfigurationThatSaysNothingIsBroken(text: String) {
    #expect(parse(text).problems.count == 1 && parse(text).problems[0].hasPrefix("f.yaml: error: the file says nothing"))
    #expect(!parse(text).configuration.isYAML)
    #expect(parse("{}").problems == [])
  }

  @Test func usersAndGroupsThatNobodyKnowsAreWarnedOfWithTheirPlaces() {
    let (read, problems) = parse(
      """
      assignments:
        - { users: [root, no-such-user, "4000000000", "*"], groups: [no-such-group], default: a }
      admins: { groups: [root, neither] }
      """)
    #expect(problems == [])
    #expect(
      read.unknownPrincipals(file: "f.yaml").map(\.description) == [
        "f.yaml:2:21: warning: there is no user no-such-user at the moment", "f.yaml:2:64: warning: there is no group no-such-group at the moment",
        "f.yaml:3:26: warning: there is no group neither at the moment",
      ])
  }

  private func warnings(_ text: String) -> [String] { parse(text).configuration.warnings.map(\.description) }

  @Test func aListenerThatMayBeMissingIsWarnedOf() {
    let somebody = "assignments: [{ users: [root], default: a }]"
    let warned = warnings("on_missing_feature: { listener: warn }\n\(somebody)")
    #expect(warned.count == 1 && warned[0].hasPrefix("f.yaml:1:23: warning: listener has no effect"))
    #expect(warnings("on_missing_feature: { listener: refuse }\n\(somebody)") == [])
    #expect(warnings("on_missing_feature: warn\n\(somebody)") == [])
  }

  @Test func aConfigurationInWhichNobodyMayDoAnythingIsWarnedOf() {
    for text in ["{}", "assignments: []", "log_dir: /x"] { #expect(warnings(text) == ["f.yaml: warning: there are no assignments: nobody may open a session"]) }
    // What is broken says nothing about what somebody meant.
    #expect(warnings("assignments: x") == [])
  }

  @Test func aLimitThatAnotherMakesVainIsWarnedOf() {
    func limits(_ text: String) -> [String] { warnings("assignments: [{ users: [root], default: a }]\nlimits: { \(text) }") }
    #expect(limits("sessions_per_user: 5") == [])
    for (text, active, all) in [("active_sessions_per_user: 11", 11, 10), ("sessions_per_user: 4", 5, 4)] {
      let warning = "f.yaml: warning: active_sessions_per_user (\(active)) is more than sessions_per_user (\(all)): a user may have \(all) at a time"
      #expect(limits(text) == [warning])
    }
  }

  @Test func anAssignmentThatIsNeverReachedIsWarnedOf() {
    let warned = warnings("assignments:\n- { users: [root], default: a }\n- { users: [\"*\"], groups: [staff], default: a }\n- { users: [bob], default: b }")
    #expect(warned == ["f.yaml:4:3: warning: this assignment is never reached: the one of line 3 is for everybody, and the first that matches decides"])
  }

  @Test func aHandshakeThatHasNoTimeIsWarnedOf() {
    func timeout(_ text: String) -> [String] { warnings("assignments: [{ users: [root], default: a }]\nhandshake_timeout: \(text)") }
    #expect(timeout("1s") == [])
    #expect(timeout("999ms").count == 1 && timeout("999ms")[0].hasPrefix("f.yaml:2:20: warning: handshake_timeout is less than 1s"))
  }

  @Test func aSocketsLongPathWithAShortNameIsGood() {
    #expect(parse("control_socket: /\(String(repeating: "x", count: 200))/control.sock").problems == [])
  }

  @Test func allProblemsAreSaidNotJustTheFirst() {
    #expect(parse("a: 1\nb: 2\nlog_dir: 3").problems.count == 3)
  }

  @Test(arguments: [("500ms", 500), ("30s", 30_000), ("10m", 600_000), ("1h", 3_600_000)])
  func durations(text: String, milliseconds: Int) {
    #expect(parse("handshake_timeout: \(text)").configuration.handshakeTimeoutMilliseconds == milliseconds)
  }
}
