import AgentshPolicy
import Testing

private func subject(
  _ path: String, _ arguments: [String] = [], trusted: [String] = [], untrusted: [String] = [], depth: Int? = 0
) -> CommandSubject {
  CommandSubject(
    canonicalPath: bytes(path), trustedNames: trusted.map(bytes), untrustedNames: untrusted.map(bytes),
    arguments: arguments.map(bytes), depth: depth)
}

@Suite struct CommandRuleTests {
  @Test func aBareWordMatchesTheBaseNameAndAPathTheWholeOne() throws {
    let bound = try policy(
      """
      command_rules:
        - {name: git, commands: [git], decision: allow}
        - {name: sh, commands: [/bin/sh], decision: allow}
        - {name: py, commands: ["python3.*"], decision: allow}
        - {name: opt, commands: ["/opt/*/run"], decision: allow}
        - {name: bracket, commands: ["["], decision: allow}
      """)
    #expect(bound.command(subject("/usr/bin/git")).rule == "git")
    #expect(bound.command(subject("/usr/bin/gitk")).rule == "default:command")
    #expect(bound.command(subject("/usr/bin/sh")).rule == "sh")
    #expect(bound.command(subject("/tmp/sh")).rule == "default:command")
    #expect(bound.command(subject("/usr/bin/python3.11")).rule == "py")
    #expect(bound.command(subject("/opt/x/run")).rule == "opt")
    #expect(bound.command(subject("/opt/x/y/run")).rule == "default:command")
    #expect(bound.command(subject("/usr/bin/[")).rule == "bracket")
  }

  @Test func aRefusalTakesAnyNameAndAPermissionOnlyTrustedOnes() throws {
    let bound = try policy(
      """
      command_rules:
        - {name: no, commands: [sudo], decision: deny}
        - {name: yes, commands: [busybox, python], decision: allow}
      """)
    #expect(bound.command(subject("/usr/bin/busybox", untrusted: ["/tmp/sudo"])).rule == "no")
    #expect(bound.command(subject("/usr/bin/busybox", untrusted: ["sudo"])).rule == "no")
    #expect(bound.command(subject("/usr/bin/python3.11", trusted: ["/usr/bin/python"])).rule == "yes")
    #expect(bound.command(subject("/tmp/evil", untrusted: ["python", "/tmp/python"])).rule == "default:command")
  }

  @Test func argumentsAreJoinedByOneSpaceAndAnyPatternSuffices() throws {
    let bound = try policy(
      """
      command_rules:
        - {name: force, commands: [git], args_patterns: ["push.*(^|\\\\s)--force(\\\\s|$)", "^reset --hard"], decision: deny}
        - {name: git, commands: [git], args_patterns: ["^(push|reset)"], decision: allow}
      """)
    #expect(bound.command(subject("/usr/bin/git", ["push", "--force"])).rule == "force")
    #expect(bound.command(subject("/usr/bin/git", ["push", "--force-with-lease"])).rule == "git")
    #expect(bound.command(subject("/usr/bin/git", ["reset", "--hard"])).rule == "force")
    #expect(bound.command(subject("/usr/bin/git", ["log"])).rule == "default:command")
    #expect(bound.command(subject("/usr/bin/git")).rule == "default:command")
    #expect(bound.command(subject("/usr/bin/git", ["push", "a\nb", "--force"])).rule == "force", "a newline doesn't carry past a refusal")
  }

  @Test func aContextIsADepth() throws {
    let bound = try policy(
      """
      command_rules:
        - {name: direct, commands: [a], context: [direct], decision: allow}
        - {name: nested, commands: [a], context: [nested], decision: deny}
        - {name: deep, commands: [b], context: {min_depth: 2, max_depth: 3}, decision: allow}
        - {name: both, commands: [c], context: [direct, nested], decision: allow}
      """)
    #expect(bound.command(subject("/a", depth: 0)).rule == "direct")
    #expect(bound.command(subject("/a", depth: 4)).rule == "nested")
    #expect(bound.command(subject("/a", depth: nil)).rule == "nested", "an unknown depth permits nothing and saves from nothing")
    #expect(bound.command(subject("/b", depth: 1)).rule == "default:command")
    #expect(bound.command(subject("/b", depth: 3)).rule == "deep")
    #expect(bound.command(subject("/c", depth: nil)).rule == "both")
  }

  @Test func orderHoldsBetweenNamesFoundByTableAndGlobs() throws {
    var text = "command_rules:\n"
    for number in 0..<2000 { text += "  - {name: r\(number), commands: [\(number % 2 == 0 ? "tool\(number)" : "\"x\(number)*\"")], decision: deny}\n" }
    text += "  - {name: all, commands: [\"*\"], decision: allow}\n  - {name: late, commands: [ls], decision: deny}\n"
    let bound = try policy(text)
    #expect(bound.command(subject("/bin/tool400")).rule == "r400")
    #expect(bound.command(subject("/bin/x401y")).rule == "r401")
    #expect(bound.command(subject("/bin/ls")).rule == "all")
  }

  @Test func aMessageNamesCommandAndArguments() throws {
    let bound = try policy("command_rules: [{name: r, commands: [rm], decision: deny, message: 'not {{.Command}} {{.Args}}'}]")
    #expect(bound.command(subject("/usr/bin/rm", ["-rf", "/\u{1b}x"])).message == "not rm -rf /\\x1bx")
  }

  @Test func aRuleWithoutCommandsIsAboutAll() throws {
    let bound = try policy("command_rules: [{name: r, args_patterns: [secret], decision: deny}, {name: a, decision: allow}]")
    #expect(bound.command(subject("/x", ["a", "secret"])).rule == "r")
    #expect(bound.command(subject("/x", ["a"])).rule == "a")
  }

  @Test func aPatternThatCanNotBeCompiledLateRefusesAndNeverPermits() throws {
    let text = bytes(
      """
      version: 1
      name: t
      command_rules:
        - {name: may, commands: [git], args_patterns: ["("], decision: allow}
        - {name: not, commands: [git], args_patterns: ["("], decision: deny}
        - {name: rest, commands: ["*"], decision: allow}
      """)
    #expect(Policy.parse(text, file: "t").policy == nil)
    let bound = try #require(try Policy.parse(text, file: "t", isChecked: true).policy?.bound(to: home))
    #expect(bound.command(CommandSubject(canonicalPath: bytes("/usr/bin/git"), arguments: [bytes("push")])).rule == "not")
    #expect(bound.command(CommandSubject(canonicalPath: bytes("/usr/bin/ls"), arguments: [])).rule == "rest")
  }
}
