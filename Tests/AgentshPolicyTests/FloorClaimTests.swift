import Testing

@testable import AgentshPolicy

/// A machine of today, with a home, a project and whatever else is said.
private func placed(_ text: String, missing: Set<String> = []) throws -> PolicyFloor {
  let links: Set<String> = ["/bin", "/sbin", "/lib", "/lib64", "/lib32", "/libx32"]
  return try policy(text).floor.placed { path in
    let text = String(decoding: path, as: UTF8.self)
    if links.contains(text) { return .link }
    return missing.contains(text) || text.hasPrefix("/nix") || text.hasPrefix("/gnu") ? .missing : .directory
  }
}

private let reading: FloorRights = [.readFile, .readDir]
private let closed = "defaults: {file_read: deny}\n"

private func reads(_ rules: String, missing: Set<String> = []) throws -> Bool {
  try placed(closed + "file_rules:\n" + rules, missing: missing).exactRights.isSuperset(of: reading)
}

@Suite struct FloorClaimTests {
  @Test func theHomeOfNobodyOpensNothingAboveIt() throws {
    let floor = try placed(
      "file_rules:\n  - {name: home, paths: [\"/nonexistent/.cache/**\"], decision: allow}\n", missing: ["/nonexistent", "/nonexistent/.cache"])
    #expect(!floor.grants.contains { $0.path == bytes("/") && $0.rights.contains(.writeFile) }, "\(floor.grants)")
  }

  @Test(arguments: [
    "- {name: r, paths: ['${PROJECT_ROOT}/**', '/usr/**', '/etc/**'], operations: [read], decision: allow}",
    "- {name: r, paths: ['${PROJECT_ROOT}{,/**}', '/usr{,/**}'], operations: [read], decision: allow}",
    "- {name: r, paths: ['${PROJECT_ROOT}/**'], decision: allow}\n- {name: end, paths: ['**'], decision: deny, message: no}",
    // What is refused elsewhere, or later, takes nothing away.
    "- {name: d, paths: ['/srv/**', '/home/bob/x'], decision: deny}\n- {name: r, paths: ['/usr/**'], operations: [read], decision: allow}",
    "- {name: r, paths: ['/usr/**'], operations: [read], decision: allow}\n- {name: d, paths: ['/usr/share/**', '**/x'], decision: deny}",
    // Changing is another matter.
    "- {name: w, paths: ['**/.env'], operations: [write, create], decision: deny}\n- {name: r, paths: ['/usr/**'], operations: [read], decision: allow}",
    "- {name: r, paths: ['/usr/**'], operations: [read], decision: allow}\n- {name: s, paths: ['/usr/*/x', /usr/y], operations: [read], decision: allow}",
    "- {name: d, paths: ['**'], operations: [read], decision: deny}", "- {name: r, paths: ['/usr/**'], operations: [list], decision: allow}",
  ])
  func readingByTreesIsExact(_ rules: String) throws { #expect(try reads(rules)) }

  @Test(arguments: [
    "- {name: e, paths: ['**/.env'], decision: deny}\n- {name: r, paths: ['/usr/**'], operations: [read], decision: allow}",
    "- {name: e, paths: ['/usr/share/x'], decision: deny}\n- {name: r, paths: ['/usr/**'], operations: [read], decision: allow}",
    "- {name: e, paths: ['/us*/share/x'], decision: deny}\n- {name: r, paths: ['/usr/**'], operations: [read], decision: allow}",
    "- {name: e, paths: [/usr], operations: [list], decision: deny}\n- {name: r, paths: ['/usr/**'], operations: [read], decision: allow}",
    "- {name: r, paths: ['/usr/*/x'], operations: [read], decision: allow}", "- {name: r, paths: ['/etc/hosts'], operations: [read], decision: allow}",
    "- {name: r, paths: ['/usr/**'], operations: [read], decision: audit}", "- {name: r, paths: ['**/x'], operations: [read], decision: allow}",
    // The session could move the tree away, or make it.
    "- {name: r, paths: ['/srv/a{,/**}'], decision: allow}", "- {name: r, paths: ['/srv/a/**'], operations: [read], decision: allow}\n- {name: m, paths: [/srv/a], operations: [mkdir], decision: allow}",
    "- {name: r, paths: ['/srv/a/b/**'], operations: [read], decision: allow}\n- {name: m, paths: [/srv/a], operations: [rename], decision: allow}",
    // What is created can be read, so the grant is wider than the rules.
    "- {name: r, paths: ['/usr/**'], operations: [read], decision: allow}\n- {name: c, paths: ['/tmp/**'], operations: [create], decision: allow}",
    "- {name: r, paths: ['/proc/self/**'], operations: [read], decision: allow}",
  ])
  func readingByAnythingElseIsNot(_ rules: String) throws { #expect(try !reads(rules)) }

  @Test func recordedReadsAreLookedAt() throws {
    let rules = "file_rules: [{name: r, paths: ['/usr/**'], operations: [read], decision: allow}]\n"
    #expect(try placed(closed + rules).exactRights.isSuperset(of: reading))
    #expect(try placed(closed + rules + "audit: {log_allowed: true}").exactRights.isDisjoint(with: reading))
  }

  @Test func aTreeThatIsMissingIsNotGrantedAtAll() throws {
    let rules = "- {name: r, paths: ['/usr/**', '/opt/tools/**'], operations: [read], decision: allow}\n- {name: w, paths: ['/opt/new/**'], operations: [write], decision: allow}"
    let floor = try placed(closed + "file_rules:\n" + rules, missing: ["/opt/tools", "/opt/new"])
    #expect(floor.exactRights.isSuperset(of: reading))
    #expect(floor.grants.map(\.path) == [bytes("/opt"), bytes("/usr")])
    #expect(floor.grants.first?.rights.isDisjoint(with: reading) == true)
  }

  @Test func listingADirectoryIsReadingWhatLiesBelow() throws {
    let bound = try policy(closed + "file_rules: [{name: r, paths: ['/srv/a/**'], operations: [read], decision: allow}, {name: w, paths: ['/srv/b/**'], operations: [write], decision: allow}]")
    #expect(bound.file(.list, bytes("/srv/a")).rule == "r")
    #expect(!bound.file(.read, bytes("/srv/a")).isPermitted && !bound.file(.list, bytes("/srv")).isPermitted && !bound.file(.list, bytes("/srv/b")).isPermitted)
    // A refusal of what lies below says nothing about the directory itself.
    #expect(try policy("file_rules: [{name: r, paths: ['/srv/a/**'], decision: deny}]").file(.list, bytes("/srv/a")).isPermitted)
    // The first rule that matches decides this, too.
    let ordered = try policy("file_rules: [{name: d, paths: [/srv/a], operations: [list], decision: deny}, {name: r, paths: ['/srv/a/**'], decision: allow}]")
    #expect(ordered.file(.list, bytes("/srv/a")).rule == "d")
  }

  @Test(arguments: [
    ("[{commands: ['/usr/**', '${PROJECT_ROOT}/**'], decision: allow}]", true), ("[{commands: ['/usr/**'], decision: audit}, {commands: ['*'], decision: deny}, {commands: [x], decision: allow}]", true),
    // Loaders lie elsewhere than what is permitted.
    ("[{commands: ['/usr/bin/**'], decision: allow}]", false),
    ("[{commands: ['/usr/**'], args_patterns: [x], decision: allow}]", false), ("[{commands: ['/usr/**'], context: [direct], decision: allow}]", false),
    ("[{commands: ['*'], decision: allow}]", false), ("[{commands: [git], decision: allow}, {commands: ['/usr/**'], decision: allow}]", false),
    ("[{commands: [sudo], decision: deny}, {commands: ['/usr/**'], decision: allow}]", false), ("[{commands: ['/usr/bin/*'], decision: allow}]", false),
    ("[{commands: ['/usr/**'], decision: allow}, {commands: [sudo], decision: deny}]", true), ("[]", true),
  ] as [(String, Bool)])
  func programsByTreesAreExact(_ rules: String, _ expected: Bool) throws {
    #expect(try placed("command_rules: \(rules)").exactRights.contains(.execute) == expected)
  }

  @Test func aTreeOfProgramsThatTheSessionCanReplaceIsNotExact() throws {
    let rules = "command_rules: [{commands: ['/usr/**', '/srv/bin/**'], decision: allow}]\n"
    #expect(try placed(rules).exactRights.contains(.execute))
    #expect(try !placed(rules + "file_rules: [{name: r, paths: [/srv/bin], operations: [rename], decision: allow}]").exactRights.contains(.execute))
  }

  /// Somebody else found the floor exact when a directory was still there; now its rights would go further up, and with them, by the rule about moves,
  /// rights that nobody else watches.
  @Test func rightsThatAreLeftToTheFloorAreHeldExactly() throws {
    let text = closed + """
      file_rules:
        - {name: r, paths: ['/srv/a/**', '/usr/**'], operations: [read, create], decision: allow}
        - {name: w, paths: ['/srv/b/**'], operations: [link], decision: allow}
      command_rules: [{commands: [git], decision: allow}]
      """
    let floor = try policy(text).floor
    #expect(!floor.placed { $0 == bytes("/srv/b") ? .missing : .directory }.exactRights.contains(.readFile))
    let held = floor.placed(holding: [.readFile, .readDir, .execute]) { $0 == bytes("/srv/b") ? .missing : .directory }
    #expect(held.exactRights == [.readFile, .readDir], "of programs nothing was claimed, so whoever left them to the floor was wrong")
    for right in [FloorRights.readFile, .readDir] {
      #expect(held.grants.filter { $0.rights.contains(right) }.map(\.path) == [bytes("/srv/a"), bytes("/usr")])
    }
    #expect(floor.placed(holding: [.readFile, .readDir]) { _ in .directory }.grants.filter { $0.rights.contains(.readFile) }.map(\.path) == [bytes("/srv/a"), bytes("/usr")])
  }

  /// mq_open(2) is nobody's business, and the floor sees an open in it; reads that are left to the floor stay where rules permit them.
  @Test func messageQueuesAreGrantedWhereTheyAreMountedAndNoExactRightIs() throws {
    func queues(_ text: String, areMounted: Bool = true) throws -> (rights: FloorRights, exact: FloorRights) {
      let floor = try policy(text).floor.placed { $0 == bytes("/dev/mqueue") && areMounted ? .messageQueues : .directory }
      return (floor.grants.filter { bytes("/dev/mqueue").starts(with: $0.path) }.reduce([]) { $0.union($1.rights) }, floor.exactRights)
    }
    let decided = closed + "file_rules: [{name: r, paths: ['/usr/**', '/srv/*.txt'], operations: [read], decision: allow}]"
    #expect(try queues(decided).rights.isSuperset(of: [.readFile, .writeFile]))
    #expect(try queues(decided, areMounted: false).rights.isDisjoint(with: [.writeFile]))
    let left = closed + "file_rules: [{name: r, paths: ['/usr/**'], operations: [read], decision: allow}]"
    #expect(try queues(left).exact == queues(left, areMounted: false).exact && queues(left).exact.contains(.readFile))
    #expect(try queues(left).rights.intersection([.readFile, .writeFile]) == .writeFile)
    // Without anything to hold there is nothing to grant either.
    #expect(try queues("defaults: {file_write: allow, command: allow}").rights == .all)
  }

  @Test func aRepositoryThatIsNotCertainMakesNoClaims() throws {
    let text = closed + "file_rules: [{name: r, paths: ['${GIT_ROOT}/**', '/usr/**'], operations: [read], decision: allow}]"
    var variables = home
    #expect(try policy(text, variables).floor.mayBeExact)
    variables.isGitRootCertain = false
    #expect(try !policy(text, variables).floor.mayBeExact)
    #expect(try policy(text.replacing("GIT_ROOT", with: "HOME"), variables).floor.mayBeExact)
  }

  @Test func whoeverMayMountClaimsNothing() throws {
    #expect(try placed(closed + "syscalls: {allow: [mount]}").exactRights.isEmpty)
  }
}
