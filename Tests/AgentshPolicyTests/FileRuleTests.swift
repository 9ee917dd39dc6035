import Testing

@testable import AgentshPolicy

@Suite struct FileRuleTests {
  @Test func theFirstRuleThatMatchesDecides() throws {
    let bound = try policy(
      """
      file_rules:
        - {name: one, paths: [/a/x], operations: [write], decision: allow}
        - {name: two, paths: [/a/**], operations: ["*"], decision: deny, message: "no {{.Path}}"}
        - {name: three, paths: ["**"], decision: allow}
      """)
    #expect(bound.file(.write, bytes("/a/x")).rule == "one")
    #expect(bound.file(.delete, bytes("/a/x")) == Verdict(decision: .deny, rule: "two", message: "no /a/x"))
    #expect(bound.file(.delete, bytes("/b")).rule == "three")
  }

  @Test(arguments: [
    ("/proc/self/environ", "/proc/77/environ"), ("/proc/self/task/*/environ", "/proc/77/task/78/environ"), ("/proc/thread-self/stat", "/proc/7/task/8/stat"),
    ("/proc/mounts", "/proc/7/mounts"), ("/dev/fd/*", "/proc/7/fd/3"), ("/etc/mtab", "/proc/7/mounts"),
  ])
  func aRefusalByALinkOfTheSystemsIsOneOfWhatItLeadsTo(_ path: String, _ canonical: String) throws {
    #expect(try !fileRule(path, "[read]", "deny").file(.read, bytes(canonical)).isPermitted)
    // A permission by one is none, and that is said.
    let text = "version: 1\nname: n\ndefaults: {file_read: deny}\nfile_rules:\n  - {name: r, paths: [\"\(path)\"], operations: [read], decision: allow}\n"
    #expect(Policy.parse(Array(text.utf8), file: "p").diagnostics.contains { $0.message.contains("matches nothing") })
    #expect(try !policy("defaults: {file_read: deny}\nfile_rules:\n  - {name: r, paths: [\"\(path)\"], operations: [read], decision: allow}\n").file(.read, bytes(canonical)).isPermitted)
  }

  @Test func noRuleLetsASessionChangeItsRecord() throws {
    let text = "version: 1\nname: n\nfile_rules:\n  - {name: all, paths: [\"/**\"], decision: allow}\n"
    var variables = PolicyVariables(projectRoot: bytes("/p"), home: bytes("/h"), user: bytes("u"))
    variables.recordDirectory = bytes("/p/[a]/sessions")
    let bound = try #require(Policy.parse(Array(text.utf8), file: "p").policy).bound(to: variables)
    #expect(bound.file(.write, bytes("/p/[a]/sessions/x.jsonl")).rule == "builtin:record")
    #expect(bound.file(.read, bytes("/p/[a]/sessions/x.jsonl")).isPermitted && bound.file(.write, bytes("/p/a/sessions/x")).isPermitted)
    #expect(bound.refusalBelow(bytes("/p/[a]"), FileOperation.moved) != nil && bound.refusalBelow(bytes("/p/other"), FileOperation.moved) == nil)
  }

  @Test func whatNoRuleMatchesIsReadAndNotChanged() throws {
    let bound = try policy("")
    for operation in FileOperation.allCases {
      let verdict = bound.file(operation, bytes("/x"))
      #expect(verdict.isPermitted == operation.isReading)
      #expect(verdict.rule == (operation.isReading ? "default:file_read" : "default:file_write"))
    }
  }

  @Test(arguments: [
    ("open", "deny", "read open list write create"), ("open", "allow", "read open list"), ("read", "deny", "read open list"),
    ("read", "allow", "read open list"), ("list", "deny", "list"), ("list", "allow", "list"), ("write", "deny", "write"),
    ("create", "audit", "create"), ("stat", "deny", "stat"), ("open", "approve", "read open list write create"),
  ])
  func anOperationMeansWhatItsDecisionMakesOfIt(_ operation: String, _ decision: String, _ meant: String) throws {
    let bound = try fileRule("/x", "[\(operation)]", decision)
    for asked in FileOperation.allCases {
      let isMeant = meant.split(separator: " ").contains { $0 == asked.rawValue }
      #expect((bound.file(asked, bytes("/x")).rule == "r") == isMeant, "\(asked)")
    }
  }

  @Test func noOperationsMeansAll() throws {
    let bound = try policy("file_rules: [{name: r, paths: [/x], decision: deny}]")
    for operation in FileOperation.allCases { #expect(bound.file(operation, bytes("/x")).rule == "r") }
  }

  @Test func valuesOfVariablesAreNoGlobs() throws {
    let variables = PolicyVariables(projectRoot: bytes("/srv/[a]*{b}?"), home: bytes("/home/ann"), user: bytes("ann"))
    let bound = try fileRule("\"${PROJECT_ROOT}/**\"", variables: variables)
    #expect(bound.file(.write, bytes("/srv/[a]*{b}?/x")).rule == "r")
    #expect(bound.file(.write, bytes("/srv/axbc/x")).rule != "r")
  }

  @Test func aRuleAboutARepositoryThatIsNotThereMatchesNothing() throws {
    let variables = PolicyVariables(projectRoot: bytes("/p"), home: bytes("/h"), user: bytes("u"))
    let bound = try fileRule("\"${GIT_ROOT}/**\", \"${GIT_DIR}/**\", \"${GIT_COMMON_DIR}/**\", \"${GIT_ROOT:-/fallback}/x\"", variables: variables)
    #expect(bound.file(.write, bytes("/anything")).rule == "default:file_write")
    #expect(bound.file(.write, bytes("/fallback/x")).rule == "r")
  }

  @Test func aHomeThatIsTheRootMakesCanonicalPaths() throws {
    let variables = PolicyVariables(projectRoot: bytes("/"), home: bytes("/"), user: bytes("u"))
    let bound = try fileRule("\"${HOME}/.ssh/**\", \"${HOME}\"", variables: variables)
    #expect(bound.file(.read, bytes("/.ssh/id")).rule == "r")
    #expect(bound.file(.list, bytes("/")).rule == "r")
    #expect(bound.file(.read, bytes("/etc")).rule != "r")
  }

  @Test(arguments: ["relative", "", "/a/../b", "/a/./b", "/a//b", "/a/", "/a\0b"])
  func valuesThatAreNotCanonicalAreRefused(_ value: String) throws {
    let variables = PolicyVariables(projectRoot: bytes("/p"), home: bytes(value), user: bytes("u"))
    #expect(throws: PolicyError.self) { try policy("", variables) }
  }

  @Test(arguments: ["", ".", "..", "a/b"])
  func aLoginNameDoesNotClimb(_ value: String) throws {
    #expect(throws: PolicyError.self) { try policy("", PolicyVariables(projectRoot: bytes("/p"), home: bytes("/h"), user: bytes(value))) }
  }

  @Test func aVariableWithoutValueIsAnErrorOfTheSession() throws {
    #expect(throws: PolicyError.undefinedVariable(name: "TEMP", rule: "r")) { try fileRule("\"${TEMP}/x\"") }
    #expect(try fileRule("\"${TEMP:-/tmp}/x\"").file(.write, bytes("/tmp/x")).rule == "r")
  }

  @Test func aRuleByTheOldNameOfADirectoryHoldsForItsCanonicalOne() throws {
    let bound = try fileRule("/bin/**, /var/run/docker.sock, \"/lib*/x\"")
    #expect(bound.file(.write, bytes("/usr/bin/ls")).rule == "r")
    #expect(bound.file(.write, bytes("/run/docker.sock")).rule == "r")
    #expect(bound.file(.write, bytes("/lib64/x")).rule == "r")
  }

  @Test func aRefusalReadsDirectoriesInBetweenAsNoneToo() throws {
    #expect(try fileRule("/srv/**/*.key").file(.read, bytes("/srv/a.key")).rule == "r")
    #expect(try fileRule("/srv/**/*.key").file(.read, bytes("/srv/b/c/a.key")).rule == "r")
    #expect(try fileRule("/srv/**/*.key", "[\"*\"]", "allow").file(.write, bytes("/srv/a.key")).rule == "default:file_write")
  }

  @Test(arguments: ["approve", "redirect", "soft_delete"])
  func whatCanNotBeCarriedOutIsRefusedAndSaysSo(_ decision: String) throws {
    let result = Policy.parse(
      bytes("version: 1\nname: t\nfile_rules:\n  - {name: r, paths: [/x], decision: \(decision), message: ask}\n"), file: "t")
    #expect(result.warnings.contains { $0.line == 4 && $0.message.contains("refused") })
    let verdict = try #require(try result.policy?.bound(to: home).file(.delete, bytes("/x")))
    #expect(!verdict.isPermitted)
    #expect(verdict.decision.rawValue == decision)
    #expect(verdict.message?.hasPrefix("ask (") == true)
    #expect(verdict.isRecorded)
  }

  @Test func auditPermitsAndIsRecorded() throws {
    let verdict = try fileRule("/x", "[write]", "audit").file(.write, bytes("/x"))
    #expect(verdict.isPermitted && verdict.isRecorded)
  }

  @Test func aMessageShowsNamesWithoutLettingThemSpeakToATerminal() throws {
    let bound = try policy("file_rules: [{name: r, paths: ['**'], decision: deny, message: 'no {{.Path}}'}]")
    #expect(bound.file(.read, bytes("/a\u{1b}[2J\n{{.Path}}")).message == "no /a\\x1b[2J\\x0a{{.Path}}")
    #expect(bound.file(.read, bytes("/") + [0xff]).message == "no /\u{fffd}")
  }

  @Test func whatIsNoAbsolutePathIsRefused() throws {
    let bound = try policy("file_rules: [{name: r, paths: ['**'], decision: allow}]")
    #expect(!bound.file(.read, bytes("x")).isPermitted)
    #expect(!bound.file(.read, []).isPermitted)
  }

  @Test func rulesWithoutNamesAreNamedByTheirPlace() throws {
    let bound = try policy("file_rules: [{paths: [/a], decision: deny}, {paths: [/b], decision: deny}]")
    #expect(bound.file(.read, bytes("/b")).rule == "file_rules[1]")
  }

  @Test func defaultsChangeWhatIsUnmatched() throws {
    let bound = try policy("defaults: {file_read: deny, file_write: audit, command: allow, network: allow, unix: allow, signal: allow}")
    #expect(!bound.file(.read, bytes("/x")).isPermitted)
    #expect(bound.file(.write, bytes("/x")).decision == .audit)
    #expect(bound.command(CommandSubject(canonicalPath: bytes("/x"))).isPermitted)
    #expect(bound.unixSocket(.connect, .path(bytes("/x"))).isPermitted)
    #expect(bound.signal(9, .external(sameUser: true)).isPermitted)
    #expect(bound.network(NetworkSubject(operation: .connect, address: IPAddress("192.0.2.1"), port: 1)).isPermitted)
  }
}

@Suite struct DirectoryMoveTests {
  let changes: Set<FileOperation> = [.write, .create, .delete, .rename]

  @Test func aDirectoryThatHoldsProtectedNamesIsRefused() throws {
    let bound = try policy(
      """
      file_rules:
        - {name: keys, paths: ["${HOME}/.ssh/**"], decision: deny}
        - {name: env, paths: ["**/.env"], decision: deny}
        - {name: hooks, paths: ["**/.git/hooks/**"], operations: [write, create, rename], decision: deny}
        - {name: one, paths: ["/home/ann/shop/locked/*.txt"], decision: deny}
        - {name: project, paths: ["/home/ann/shop/**"], decision: allow}
      """)
    func rule(_ path: String) -> String? { bound.refusalBelow(bytes(path), changes)?.rule }
    #expect(rule("/home/ann/.ssh") == "keys")
    #expect(rule("/home/ann") == "keys")
    #expect(rule("/home/ann/shop/src") == nil, "what floats stays protected wherever its directory is moved")
    #expect(rule("/home/ann/shop/.git") == "hooks")
    #expect(rule("/home/ann/shop/.git/hooks") == "hooks")
    #expect(rule("/home/ann/shop/.git/hooks/sub") == "hooks")
    #expect(rule("/home/ann/shop/.github") == nil)
    #expect(rule("/home/ann/shop/locked") == "one")
    #expect(rule("/home/ann/shop/locked/deeper") == nil)
    #expect(rule("/home/ann/other") == "default:file_write")
    #expect(bound.refusalBelow(bytes("/home/ann/other"), [.read]) == nil)
    #expect(bound.refusalBelow(bytes("/"), changes)?.rule == "keys")
  }

  @Test func aLinkMustNotStandWhereSomethingIsProtectedBelow() throws {
    let bound = try policy(
      """
      file_rules:
        - {name: hooks, paths: ["**/.git/hooks/**"], operations: [write, create, rename], decision: deny}
        - {name: editor, paths: ["${PROJECT_ROOT}/.vscode/tasks.json"], operations: [write, create], decision: deny}
        - {name: project, paths: ["/home/ann/shop/**", "/srv/current"], decision: allow}
        - {name: rest, paths: ["**"], operations: [write, create, symlink, rename], decision: deny}
      """)
    func rule(_ path: String) -> String? { bound.refusalBelow(bytes(path), [.write, .create, .rename, .symlink], asksRulesOnly: true)?.rule }
    #expect(rule("/home/ann/shop/.git/hooks") == "hooks" && rule("/home/ann/shop/.git") == "hooks" && rule("/home/ann/shop/sub/.git/hooks") == "hooks")
    #expect(rule("/home/ann/shop/.vscode") == "editor")
    #expect(rule("/home/ann/shop/lib") == nil && rule("/home/ann/shop/.github") == nil)
    // What is refused everywhere is no reason against a link that a rule permits.
    #expect(rule("/srv/current") == nil)
  }

  @Test func whatFloatsIsNotMovedToWhereAnExceptionStandsAboveIt() throws {
    let bound = try policy(
      """
      file_rules:
        - {name: examples, paths: ["**/.env.example"], decision: allow}
        - {name: fixtures, paths: ["/w/fixtures/**"], decision: allow}
        - {name: env, paths: ["**/.env*"], decision: deny}
        - {name: work, paths: ["/w/**"], decision: allow}
      """)
    func rule(_ old: String, _ new: String) -> String? { bound.refusalLost(movingFrom: bytes(old), to: bytes(new), changes.union([.read]))?.rule }
    #expect(rule("/w/server", "/w/fixtures/server") == "env")
    #expect(rule("/w/fixtures/server", "/w/server") == nil && rule("/w/server", "/w/client") == nil && rule("/w/fixtures/a", "/w/fixtures/b") == nil)
  }

  @Test func aPermissionAboveHidesALaterRefusal() throws {
    let bound = try policy(
      """
      file_rules:
        - {name: free, paths: ["/p/**"], operations: [write, create, delete, rename], decision: allow}
        - {name: keys, paths: ["/p/keys/**"], decision: deny}
      """)
    #expect(bound.refusalBelow(bytes("/p/keys"), changes) == nil)
    #expect(bound.refusalBelow(bytes("/p/keys"), [.rename, .chmod])?.rule == "keys")
  }
}
