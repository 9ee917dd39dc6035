import AgentshPolicy
import Testing

@testable import AgentshCommands

private let trees = """
  version: 1
  name: trees
  description: "Trees \\e[31m"
  defaults: {file_read: deny}
  file_rules:
    - {name: project, paths: ["${PROJECT_ROOT}/**"], decision: allow}
    - {name: system, paths: ["/usr/**"], operations: [read], decision: allow}
  command_rules: [{name: installed, commands: ["/usr/**"], decision: allow}]
  network_rules: [{name: web, ports: [443, "8000-8002", 80], decision: allow}]
  resource_limits: {pids_max: 5}

  """

private func explanation(_ text: String, version: Int32 = 7, missing: [String] = [], isExact: Bool = true) throws -> PolicyExplanation {
  let policy = try #require(Policy.parse(bytes(text), file: "test.yaml").policy)
  let bound = try policy.bound(to: PolicyVariables(projectRoot: bytes("/home/ann/s\u{1b}hop"), home: bytes("/home/ann"), user: bytes("ann")))
  let floor = bound.floor.placed { path in
    let text = String(decoding: path, as: UTF8.self)
    return text.hasPrefix("/lib") ? .link : text.hasSuffix("/store") ? .missing : .directory
  }
  return try PolicyExplanation(
    policy: policy, bound: bound, floor: FloorWords(floor: floor, version: version, missing: missing, filesLeftOut: nil),
    exactRights: isExact ? floor.exactRights : [])
}

@Suite struct PolicyExplanationTests {
  @Test func whatLandlockDecidesAloneIsNotAskedAbout() throws {
    let page = try explanation(trees).lines
    #expect(!page.contains { $0.hasPrefix("  read-only opens: default:file_read") })
    #expect(page.contains { $0.hasPrefix("  read-only opens, but for openat2(2): Landlock decides them") })
    #expect(page.contains { $0.hasPrefix("  programs are asked about before, not looked at after") })
    #expect(page.contains("  opens for writing: default:file_write"))
    let other = try explanation(trees, isExact: false).lines
    #expect(other.contains("  read-only opens: default:file_read"))
    #expect(other.contains { $0.hasPrefix("  programs are asked about before, and looked at") })
    #expect(!other.contains { $0.contains("Landlock decides them") })
  }

  @Test func thePageShowsWhatIsHeldInWords() throws {
    let page = try explanation(trees, missing: ["signals"]).lines
    #expect(page.contains("    /home/ann/s\\x1bhop  read, write, make anything, remove, move and link"))
    #expect(page.contains { $0.hasPrefix("    /usr ") && $0.hasSuffix("  read, execute") })
    #expect(page.contains("  TCP connections: to ports 80, 443, 8000-8002"))
    // What this kernel lacks is not said to be held.
    #expect(!page.contains("  signals: stay in the session"))
    #expect(try explanation(trees).lines.contains("  signals: stay in the session"))
    #expect(page.contains("  not held, since this kernel can't: signals"))
    #expect(page.contains { $0.contains("resource_limits.pids_max") })
    #expect(page.allSatisfy { !$0.utf8.contains(0x1b) && $0.utf8.count < 160 })
  }

  @Test func everyRefusedCallStandsSomewhere() throws {
    let (first, second) = (try explanation(trees), try explanation(trees + "syscalls: {allow: [mount]}\n"))
    #expect(Set(first.told).isSuperset(of: ["mount", "unshare", "setns", "clone", "pivot_root", "open_tree"]))
    #expect(first.refusedWithSomeArguments.contains("ioctl") && first.refusedWithSomeArguments.contains("prctl"))
    #expect(first.lines.contains { $0.hasPrefix("Refused and recorded") })
    #expect(!second.told.contains("mount") && second.told.contains("unshare"))
    let shown = Set(first.asked.flatMap(\.calls) + first.told + first.refused + first.refusedWithSomeArguments)
    #expect(shown.isSuperset(of: ["chroot", "fsmount", "move_mount", "mount_setattr", "fcntl", "bpf", "openat", "umount2"]))
  }

  @Test func thePageSaysHowFarASessionReachesAndWhetherNamesMatter() throws {
    #expect(try explanation(trees).lines.contains { $0.hasPrefix("  full: the rules") })
    #expect(try explanation(trees).lines.contains { $0.hasPrefix("  no rule goes by name") })
    let named = try explanation("version: 1\nname: n\nnetwork: restricted\nnetwork_rules: [{name: x, domains: [x.example], decision: allow}]\n")
    #expect(named.lines.contains { $0.hasPrefix("  restricted:") } && named.lines.contains { $0.hasPrefix("  names matter") })
    #expect(named.json["network"] == .string("restricted") && named.json["knows_names"] == .bool(true))
    let none = try explanation("version: 1\nname: n\nnetwork: none\n")
    #expect(none.lines.contains { $0.hasPrefix("  none: the filter refuses every socket") })
    #expect(none.lines.allSatisfy { $0.utf8.count < 160 })
  }

  @Test func aPolicyThatPermitsEverythingIsHeldByNothing() throws {
    let page = try explanation("version: 1\nname: open\ndefaults: {file_write: allow, command: allow, network: allow, unix: allow, signal: allow}\n").lines
    #expect(page.contains { $0.hasPrefix("  files: nothing, since the rules could permit everything") })
    #expect(page.contains { $0.hasPrefix("  TCP connections: not held") } && page.contains { $0.hasPrefix("  signals: not held") })
    #expect(page.contains("  read-only opens, but for openat2(2): no rule refuses or records one"))
    #expect(page.contains("  opens for writing: what is permitted is recorded"))
  }

  @Test func aKernelWithoutLandlockHoldsNothingAndThePageSaysSo() throws {
    let page = try explanation(trees, version: 0, isExact: false).lines
    #expect(page.contains { $0.hasPrefix("Held by Landlock below all that: nothing, since this kernel has no Landlock") })
    #expect(!page.contains { $0.contains("TCP connections") })
  }

  @Test func programsGetTheSameAsPeople() throws {
    let object = try explanation(trees).json
    for key in ["policy", "description", "decided", "undecided", "trapped", "refused", "refused_with_some_arguments", "landlock", "not_enforced"] {
      #expect(object[key] != nil, "\(key)")
    }
    guard case .object(let landlock)? = object["landlock"], case .array(let exact)? = landlock["exact"], case .array(let grants)? = landlock["grants"] else {
      Issue.record("no landlock in \(object)")
      return
    }
    #expect(exact == [.string("execute"), .string("read_file"), .string("read_dir")])
    #expect(grants.count == 2)
    #expect(landlock["tcp_connect_ports"] == .array([80, 443, 8000, 8001, 8002].map { .integer($0) }))
    #expect(landlock["tcp_bind_ports"] == .null)
    guard case .array(let trapped)? = object["trapped"] else { return }
    #expect(trapped.contains(.string("execve")) && trapped.contains(.string("openat")) && !trapped.contains(.string("read")))
  }

  @Test(arguments: [
    ([.readFile, .readDir], "read"), ([.readFile], "read files"), ([.readDir], "list directories"), ([.writeFile, .truncate], "write"), ([.truncate], "truncate"),
    ([.makeReg, .makeSock], "make files, sockets"), ([.removeFile, .refer], "remove files, move and link"), (.all, "everything"), ([.ioctlDev], "control devices"),
    ([.execute, .removeDir, .removeFile], "execute, remove"),
  ] as [(FloorRights, String)])
  func rightsHaveWords(_ rights: FloorRights, _ words: String) { #expect(FloorWords.words(rights) == words) }
}
