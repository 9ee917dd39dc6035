import AgentshFilter
import Testing

@testable import AgentshPolicy
@testable import AgentshSupervision

private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

/// Numbers that are the same in every run.
struct Seeded: RandomNumberGenerator {
  private var state: UInt64
  init(_ seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var value = state
    value = (value ^ value >> 30) &* 0xbf58_476d_1ce4_e5b9
    value = (value ^ value >> 27) &* 0x94d0_49bb_1331_11eb
    return value ^ value >> 31
  }

  mutating func pick<Element>(_ choices: [Element]) -> Element { choices[Int(next() % UInt64(choices.count))] }
  mutating func chance(_ percent: UInt64) -> Bool { next() % 100 < percent }
}

/// Policies as people write them, and as they don't.
private struct PolicyGenerator {
  static let places = ["/a", "/a/b", "/a/b/c", "/h", "/h/.c", "/h/p", "/p", "/p/x", "/p/x/y", "/tmp", "/usr", "/usr/bin", "/usr/lib", "/dev", "/new", "/new/x"]
  private static let endings = ["", "/**", "/**", "/**", "{,/**}", "/*", "*", "/**/f", "/f", "/?", "/{f,g}"]
  private static let operations = ["read", "list", "open", "write", "create", "mkdir", "rename", "delete", "rmdir", "link", "symlink", "mknod", "chmod"]

  private static func glob(_ random: inout Seeded) -> String {
    if random.chance(8) { return random.pick(["**", "/**", "**/f", "**/.c/**", "**/b/g"]) }
    if random.chance(10) { return random.pick(["${PROJECT_ROOT}", "${HOME}", "/p"]) + random.pick(endings) }
    return random.pick(places) + random.pick(endings)
  }

  private static func fileRule(_ number: Int, _ random: inout Seeded) -> String {
    let paths = (0..<Int(random.next() % 3) + 1).map { _ in "'\(glob(&random))'" }.joined(separator: ", ")
    var rule = "  - {name: r\(number), paths: [\(paths)], decision: \(random.pick(["allow", "allow", "allow", "deny", "deny", "audit", "approve"]))"
    if random.chance(60) {
      let chosen = (0..<Int(random.next() % 5) + 1).map { _ in random.pick(operations) }
      rule += ", operations: [\(chosen.joined(separator: ", "))]"
    }
    return rule + "}\n"
  }

  private static func commandRule(_ number: Int, _ random: inout Seeded) -> String {
    let names = random.chance(70)
      ? ["'\(random.pick(places))/**'"] : [random.pick(["'*'", "f", "'/usr/bin/f'", "'/usr/bin/*'", "'**/f'", "'g*'"])]
    var rule = "  - {name: c\(number), commands: [\(names.joined(separator: ", "))], decision: \(random.pick(["allow", "allow", "audit", "deny"]))"
    if random.chance(10) { rule += ", args_patterns: ['^x']" }
    if random.chance(5) { rule += ", context: [nested]" }
    return rule + "}\n"
  }

  static func policy(_ random: inout Seeded) -> String {
    var text = "version: 1\nname: random\n"
    let isPure = random.chance(40)
    text += "defaults: {file_read: \(isPure || random.chance(50) ? "deny" : random.pick(["allow", "audit"]))"
    text += ", file_write: \(random.pick(["deny", "deny", "deny", "allow"])), command: \(random.pick(["deny", "deny", "allow"]))"
    text += ", network: \(random.pick(["deny", "deny", "allow"])), unix: \(random.pick(["deny", "deny", "allow"]))}\n"
    if random.chance(10) { text += "audit: {log_allowed: true}\n" }
    text += "file_rules:\n"
    for number in 0..<Int(random.next() % 6) + 1 {
      if isPure, random.chance(80) {
        let operations = random.pick(["read", "read", "read, list", "write, create", "write", "read, write, create, delete", "read, rename, create", "list"])
        text += "  - {name: r\(number), paths: ['\(random.pick(places))\(random.pick(["/**", "/**", "{,/**}"]))'], operations: [\(operations)], decision: allow}\n"
      } else {
        text += fileRule(number, &random)
      }
    }
    text += "command_rules:\n"
    if random.chance(30) { text += "  - {name: all, commands: ['/usr/**', '/p/**'], decision: \(random.pick(["allow", "audit"]))}\n" }
    for number in 0..<Int(random.next() % 3) + 1 { text += commandRule(number, &random) }
    text += "network_rules:\n"
    for number in 0..<Int(random.next() % 3) + 1 {
      text += "  - {name: n\(number), decision: \(random.pick(["allow", "deny"]))"
      if random.chance(50) { text += ", ports: [\(random.pick(["80", "443, '8000-8003'", "'1-65535'"]))]" }
      if random.chance(40) { text += ", cidrs: [\(random.pick(["10.0.0.0/8", "127.0.0.0/8", "'::/0'"]))]" }
      if random.chance(20) { text += ", domains: ['\(random.pick(["*", "example.com"]))']" }
      if random.chance(30) { text += ", operations: [\(random.pick(["connect", "bind", "bind, listen", "'*'"]))]" }
      text += "}\n"
    }
    text += "unix_socket_rules:\n"
    for number in 0..<Int(random.next() % 2) + 1 {
      text += "  - {name: u\(number), paths: ['\(random.pick(["*", "@*", "@x", "/p/**", "**"]))'], decision: \(random.pick(["allow", "deny"]))"
      text += random.chance(30) ? ", operations: [\(random.pick(["connect", "sendto", "bind, listen"]))]}\n" : "}\n"
    }
    text += "signal_rules:\n"
    for number in 0..<Int(random.next() % 2) + 1 {
      let target = random.pick(["type: session", "type: external", "type: parent", "type: user", "type: process, pattern: 'x*'", "type: pid_range, min: 1, max: 9"])
      text += "  - {name: s\(number), signals: [\(random.pick(["TERM", "'@all'"]))], target: {\(target)}, decision: \(random.pick(["allow", "deny"]))}\n"
    }
    return text
  }

  static func tree(_ random: inout Seeded) -> ModelTree {
    var tree = ModelTree()
    for place in places where random.chance(85) { tree.add(place, isDirectory: true) }
    for place in places where random.chance(60) {
      if let parent = tree.find(place), tree[parent].children["f"] == nil { tree.make(parent, "f", isDirectory: false) }
    }
    tree.add("/p", isDirectory: true)
    tree.add("/h", isDirectory: true)
    tree.add("/usr/lib/ld.so", isDirectory: false)
    return tree
  }
}

/// One session of the model: what the tiers do together, beside what the policy says.
private struct TieredSession {
  let policy: BoundPolicy
  let floor: PolicyFloor
  let specification: FilterSpecification
  var kernel: ModelKernel
  var random: Seeded
  /// What the tiers answered otherwise than the policy.
  var differences: [String] = []
  var decidedBelow = 0

  init(_ source: Policy, _ tree: ModelTree, _ random: Seeded, breaking: (PolicyFloor) -> PolicyFloor) throws {
    policy = try source.bound(to: PolicyVariables(projectRoot: bytes("/p"), home: bytes("/h"), user: bytes("u"), aliases: []))
    let placed = policy.floor.placed { path in
      guard let node = tree.find(String(decoding: path, as: UTF8.self)) else { return .missing }
      return tree[node].isDirectory ? .directory : .file
    }
    floor = breaking(placed)
    specification = FilterSpecification(policy: source, bound: policy, exactRights: floor.exactRights)
    kernel = ModelKernel(tree, floor)
    self.random = random
  }

  private mutating func differ(_ what: String) {
    differences.append(what)
  }

  private func permits(_ questions: [(FileOperation, String)]) -> Bool { questions.allSatisfy { policy.file($0.0, bytes($0.1)).isPermitted } }

  /// What reaches the supervisor happens where it and Landlock permit it.
  private mutating func check(_ what: String, policy permitted: Bool, landlock: Bool) -> Bool {
    if permitted && !landlock { differ("\(what): permitted by the policy, and held by the floor") }
    return permitted
  }

  mutating func openForReading(_ node: Int) {
    let path = kernel.tree.path(node)
    let isDirectory = kernel.tree[node].isDirectory
    let verdict = policy.file(isDirectory ? .list : .read, bytes(path))
    let landlock = kernel.permits(isDirectory ? .readDir : .readFile, at: node)
    if specification.traps.contains(.readOpens) {
      _ = check("read \(path)", policy: verdict.isPermitted, landlock: landlock)
    } else {
      decidedBelow += 1
      if landlock != verdict.isPermitted { differ("read \(path): untrapped and \(landlock ? "open" : "closed"), by the policy \(verdict.rule) \(verdict.isPermitted)") }
      if landlock, verdict.isRecorded { differ("read \(path): untrapped, and to be recorded") }
    }
  }

  mutating func execute(_ node: Int) {
    let path = kernel.tree.path(node)
    let arguments = random.chance(50) ? [bytes("x")] : []
    let subject = CommandSubject(canonicalPath: bytes(path), arguments: arguments, depth: random.pick([0, 1, nil]))
    let verdict = policy.command(subject)
    let loader = kernel.tree.find("/usr/lib/ld.so")
    let landlock = kernel.permits(.execute, at: node) && loader.map { kernel.permits(.execute, at: $0) } ?? true
    _ = check("exec \(path)", policy: verdict.isPermitted, landlock: landlock)
    // Without a look at what was executed, whatever can be executed is what the target may have exchanged the program for.
    if floor.exactRights.contains(.execute), landlock != verdict.isPermitted { differ("exec \(path): unverified, and by \(verdict.rule) \(verdict.isPermitted)") }
  }

  /// One operation somewhere; it is done where the policy permits it.
  mutating func step() {
    let nodes = kernel.tree.nodes.keys.sorted()
    let node = random.pick(nodes)
    let directories = nodes.filter { kernel.tree[$0].isDirectory }
    let directory = random.pick(directories)
    let name = random.pick(["f", "g", "b", "c", "x", "p", ".c", "new"])
    let path = kernel.tree.path(node)
    let folder = kernel.tree.path(directory)
    let target = folder == "/" ? "/" + name : folder + "/" + name
    let existing = kernel.tree[directory].children[name]
    switch random.next() % 10 {
    case 0, 1: openForReading(node)
    case 2: if !kernel.tree[node].isDirectory { execute(node) }
    case 3:
      if !kernel.tree[node].isDirectory { _ = check("write \(path)", policy: permits([(.write, path)]), landlock: kernel.permits([.writeFile, .truncate], at: node)) }
    case 4:
      guard existing == nil else { return }
      let landlock = kernel.permits([.makeReg, .writeFile, .readFile, .truncate], at: directory)
      if check("create \(target)", policy: permits([(.create, target)]), landlock: landlock) { kernel.tree.make(directory, name, isDirectory: false) }
    case 5:
      guard existing == nil else { return }
      if check("mkdir \(target)", policy: permits([(.mkdir, target)]), landlock: kernel.permits(.makeDir, at: directory)) {
        kernel.tree.make(directory, name, isDirectory: true)
      }
    case 6:
      guard node != ModelTree.root, kernel.tree[node].children.isEmpty else { return }
      let isDirectory = kernel.tree[node].isDirectory
      let landlock = kernel.permits(isDirectory ? .removeDir : .removeFile, at: kernel.tree[node].parent)
      if check("remove \(path)", policy: permits([(isDirectory ? .rmdir : .delete, path)]), landlock: landlock) { kernel.tree.remove(node) }
    case 7:
      guard existing == nil else { return }
      _ = check("symlink \(target)", policy: permits([(.symlink, target)]) && policy.refusalBelow(bytes(target), [.write, .create, .rename, .symlink], asksRulesOnly: true) == nil, landlock: kernel.permits(.makeSym, at: directory))
      _ = check("mknod \(target)", policy: permits([(.mknod, target)]), landlock: kernel.permits([.makeFifo, .makeChar], at: directory))
    case 8: link(node, path, directory, name, target, existing)
    default: rename(node, path, directory, name, target, existing)
    }
  }

  private mutating func link(_ node: Int, _ path: String, _ directory: Int, _ name: String, _ target: String, _ existing: Int?) {
    guard existing == nil, !kernel.tree[node].isDirectory else { return }
    let permitted = permits([(.link, target), (.create, target), (.link, path), (.read, path), (.write, path)])
    let landlock = kernel.permitsMoving(node, to: directory, removes: false, replacing: nil)
    if check("link \(path) \(target)", policy: permitted, landlock: landlock) { kernel.tree.make(directory, name, isDirectory: false) }
    // A file without a name, made in the one directory and linked into the other.
    let temporary = kernel.tree.make(kernel.tree[node].parent, "#tmpfile", isDirectory: false)
    let made = kernel.tree.path(temporary)
    _ = check(
      "link \(made) \(target)", policy: permits([(.create, made), (.link, target), (.create, target)]),
      landlock: kernel.permitsMoving(temporary, to: directory, removes: false, replacing: nil))
    kernel.tree.remove(temporary)
  }

  private mutating func rename(_ node: Int, _ path: String, _ directory: Int, _ name: String, _ target: String, _ existing: Int?) {
    guard node != ModelTree.root, existing != node, !kernel.tree.upwards(directory).contains(node) else { return }
    let moved = kernel.tree[node]
    if let existing, kernel.tree[existing].isDirectory != moved.isDirectory || !kernel.tree[existing].children.isEmpty { return }
    var questions: [(FileOperation, String)] = [(.rename, path), (.read, path), (.create, target), (.rename, target)]
    if existing != nil { questions.append((.write, target)) }
    var permitted = permits(questions)
    let below: Set<FileOperation> = [.read, .open, .write, .create, .delete, .rename]
    if moved.isDirectory,
      policy.refusalBelow(bytes(path), below) != nil || policy.refusalBelow(bytes(target), below) != nil
        || policy.refusalLost(movingFrom: bytes(path), to: bytes(target), below) != nil
    {
      permitted = false
    }
    let landlock = kernel.permitsMoving(node, to: directory, removes: true, replacing: existing)
    if check("rename \(path) \(target)", policy: permitted, landlock: landlock) { kernel.tree.move(node, to: directory, name) }
  }

  /// What isn't about files: once for each session.
  mutating func askAboutOthers() {
    for port: UInt16 in [0, 22, 80, 443, 8002, 40000] {
      for address in ["10.1.2.3", "127.0.0.1", "2001:db8::1"] {
        for (operation, held) in [(NetworkOperation.connect, floor.tcpConnectPorts), (.bind, floor.tcpBindPorts)] {
          let verdict = policy.network(NetworkSubject(operation: operation, address: IPAddress(address), port: port))
          _ = check("\(operation) \(address) \(port)", policy: verdict.isPermitted, landlock: held?.contains(port) ?? true)
        }
      }
    }
    for name in ["x", "y/z", "@"] {
      for operation in [UnixOperation.connect, .sendto] {
        _ = check("\(operation) @\(name)", policy: policy.unixSocket(operation, .abstract(bytes(name))).isPermitted, landlock: !floor.scopesAbstractSockets)
      }
    }
    for relation in [SignalRelation.parentOutside, .external(sameUser: true, pid: 5, name: bytes("xy")), .external(sameUser: false), .system.with(pid: 2, name: bytes("x"))] {
      for number: Int32 in [9, 15] { _ = check("signal", policy: policy.signal(number, relation).isPermitted, landlock: !floor.scopesSignals) }
    }
  }
}

@Suite struct TierTests {
  struct Outcome {
    var policies = 0
    var withUntrappedReads = 0
    var withUnverifiedPrograms = 0
    var decidedBelow = 0
    var differences: [String] = []
  }

  /// Sessions under random policies in random trees, in which the session changes the tree as it may.
  private func run(_ seeds: Range<UInt64>, breaking: (inout PolicyFloor, UInt64) -> Void = { _, _ in }) throws -> Outcome {
    var outcome = Outcome()
    for seed in seeds {
      var random = Seeded(seed)
      let text = PolicyGenerator.policy(&random)
      let tree = PolicyGenerator.tree(&random)
      let result = Policy.parse(bytes(text), file: "random.yaml")
      let source = try #require(result.policy, "\(result.diagnostics)\n\(text)")
      let choice = random.next()
      var session = try TieredSession(source, tree, random) { placed in
        var floor = placed
        breaking(&floor, choice)
        return floor
      }
      for _ in 0..<60 { session.step() }
      session.askAboutOthers()
      for node in session.kernel.tree.nodes.keys.sorted() {
        session.openForReading(node)
        if !session.kernel.tree[node].isDirectory { session.execute(node) }
      }
      outcome.policies += 1
      if session.policy.needs.readOpens != nil, !session.specification.traps.contains(.readOpens) { outcome.withUntrappedReads += 1 }
      if session.floor.exactRights.contains(.execute) { outcome.withUnverifiedPrograms += 1 }
      outcome.decidedBelow += session.decidedBelow
      if let first = session.differences.first { outcome.differences.append("seed \(seed): \(first)\n\(text)\(session.floor)") }
    }
    return outcome
  }

  @Test(arguments: 0..<8)
  func theTiersTogetherDecideAsThePolicyDoes(_ part: UInt64) throws {
    let outcome = try run(part * 300..<(part + 1) * 300)
    #expect(outcome.differences.isEmpty, "\(outcome.differences.count) of \(outcome.policies), the first: \(outcome.differences.first ?? "")")
    // A test of policies that Landlock never decides would show nothing.
    #expect(outcome.withUntrappedReads > 20 && outcome.withUnverifiedPrograms > 20 && outcome.decidedBelow > 1000, "\(outcome)")
  }

  @Test func aFloorWithoutOneOfItsGrantsIsFound() throws {
    let outcome = try run(0..<100) { floor, choice in
      if !floor.grants.isEmpty { floor.grants.remove(at: Int(choice % UInt64(floor.grants.count))) }
    }
    #expect(outcome.differences.count > 50, "\(outcome.differences.count)")
  }

  @Test func aFloorThatClaimsToBeExactIsFound() throws {
    let outcome = try run(0..<100) { floor, _ in floor.exactRights = [.readFile, .readDir, .execute] }
    #expect(outcome.differences.count > 25, "\(outcome.differences.count)")
  }

  @Test func aFloorThatStandsOnWhatCanBeMovedIsFound() throws {
    let outcome = try run(0..<200) { floor, choice in
      // One directory deeper than it may.
      let places = PolicyGenerator.places.map(bytes)
      floor.grants = floor.grants.flatMap { grant in
        let deeper = places.filter { $0.count > grant.path.count && $0.starts(with: grant.path) }
        return deeper.isEmpty ? [grant] : deeper.map { PolicyFloor.Grant(path: $0, rights: grant.rights) }
      }
    }
    #expect(outcome.differences.count > 25, "\(outcome.differences.count)")
  }

  @Test func aFloorThatLetsNothingMoveIsFound() throws {
    let outcome = try run(0..<200) { floor, _ in floor.grants = floor.grants.map { PolicyFloor.Grant(path: $0.path, rights: $0.rights.subtracting(.refer)) } }
    #expect(outcome.differences.count > 10, "\(outcome.differences.count)")
  }
}
