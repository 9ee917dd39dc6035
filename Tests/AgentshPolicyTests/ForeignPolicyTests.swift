import AgentshPolicy
import FoundationEssentials
import Testing

/// Policies as somebody who moves over brings them: `Tests/Policies` has all that the original's language knows, in files of our own.
private let foreign = policyFiles(in: checkout.appendingPathComponent("Tests/Policies"), ending: ".yaml")

private func load(_ name: String, from files: [URL]) throws -> (policy: Policy, bound: BoundPolicy) {
  let url = try #require(files.first { $0.lastPathComponent == "\(name).yaml" })
  let result = Policy.parse(try contents(url), file: url.lastPathComponent)
  guard let policy = result.policy else { throw Unloadable(diagnostics: result.diagnostics) }
  return (policy, try policy.bound(to: home))
}

@Suite struct ForeignPolicyTests {
  @Test func whatIsAskedForAndNotDoneIsNamed() throws {
    let asked = "audit: { log_denied: false, log_approved: false }\ntransparent_commands: { remove: [sudo] }\n"
    #expect(try loaded(asked).notEnforced == ["audit.log_denied: false", "audit.log_approved: false", "transparent_commands.remove"])
    #expect(try loaded("audit: { log_denied: true, log_approved: true }\ntransparent_commands: { add: [run] }\n").notEnforced == [])
  }

  @Test func theFilesAreThere() { #expect(foreign.map(\.lastPathComponent) == ["cellar.yaml", "library.yaml", "watcher.yaml", "workshop.yaml"]) }

  @Test(arguments: foreign)
  func everyFileLoadsAsItIs(url: URL) throws {
    let result = Policy.parse(try contents(url), file: url.lastPathComponent)
    #expect(result.errors.isEmpty, "\(result.errors)")
    #expect(throws: Never.self) { try result.policy?.bound(to: home) }
  }

  /// What this version does not do is said, word by word, and nothing else is.
  @Test func whatIsNotEnforcedIsNamed() throws {
    let limits = [
      "max_memory_mb", "memory_swap_max_mb", "cpu_quota_percent", "disk_read_bps_max", "disk_write_bps_max", "net_bandwidth_mbps", "pids_max",
      "command_timeout", "idle_timeout",
    ].map { "resource_limits.\($0)" }
    let named = try load("workshop", from: foreign).policy.notEnforced.filter { !$0.hasPrefix("file_rules") }
    #expect(named == limits + ["env_policy.block_iteration", "audit.include_stderr", "audit.retention_days", "package_rules"])
    #expect(try load("library", from: foreign).policy.notEnforced == ["registry_rules"])
  }

  @Test(arguments: [
    ("workshop", "read", "/home/ann/shop/.env", "ask-for-secrets"), ("workshop", "read", "/home/ann/shop/a/.env.local", "ask-for-secrets"),
    ("workshop", "delete", "/home/ann/shop/keep/x", "keep-what-is-deleted"), ("workshop", "write", "/home/ann/shop/keep/x", "project"),
    ("workshop", "chown", "/home/ann/shop", "project"), ("workshop", "create", "/tmp/x", "scratch"), ("workshop", "write", "/var/tmp/x", "scratch"),
    ("workshop", "chown", "/tmp/x", "rest"), ("workshop", "write", "/var/log/workshop/a.log", "logs-go-elsewhere"),
    ("workshop", "write", "/var/log/workshop/b/a.log", "rest"), ("workshop", "write", "/dev/null", "devices"), ("workshop", "read", "/dev/zero", "devices"),
    ("workshop", "write", "/dev/mem", "rest"), ("workshop", "read", "/home/ann/.ssh/id", "no-keys"), ("workshop", "read", "/etc/gshadow", "no-keys"),
    ("workshop", "read", "/proc/5/environ", "no-keys"), ("workshop", "read", "/usr/lib/x.so", "system"), ("workshop", "write", "/usr/lib/x.so", "rest"),
    ("workshop", "read", "/var/x", "default:file_read"), ("workshop", "link", "/srv/x", "rest"),
    ("watcher", "delete", "/etc/passwd", "every-file"),
    ("library", "read", "/x", "readers"), ("library", "write", "/x", "no-pencils"), ("library", "link", "/x", "default:file_write"),
    ("cellar", "read", "/etc/hosts", "house"), ("cellar", "read", "/var/x", "locked"), ("cellar", "write", "/home/ann/shop/x", "shelf"),
    ("cellar", "rename", "/home/ann/shop/x", "locked"),
  ])
  func filesAreDecidedByTheFirstRuleThatMatches(_ name: String, _ operation: String, _ path: String, _ rule: String) throws {
    let operation = try #require(FileOperation(rawValue: operation))
    #expect(try load(name, from: foreign).bound.file(operation, bytes(path)).rule == rule)
  }

  @Test(arguments: [
    ("workshop", "/usr/bin/git", ["push", "--force"], "no-history-rewrite"), ("workshop", "/usr/bin/git", ["push", "-f", "origin"], "no-history-rewrite"),
    ("workshop", "/usr/bin/git", ["push", "origin"], "tools"), ("workshop", "/usr/bin/rm", ["-rf", "/"], "no-wiping"), ("workshop", "/usr/bin/rm", ["x"], "tools"),
    ("workshop", "/usr/bin/shred", ["-R", "/"], "no-wiping"), ("workshop", "/opt/shred", ["-R", "/"], "default:command"),
    ("workshop", "/usr/bin/sudo", ["x"], "no-other-identity"), ("workshop", "/usr/bin/npm", ["publish"], "ask-before-publishing"),
    ("workshop", "/usr/bin/npm", ["install"], "tools"), ("workshop", "/usr/bin/python3.11", ["x.py"], "tools"), ("workshop", "/usr/bin/[", [], "tools"),
    ("workshop", "/opt/workshop/bin/saw", [], "tools"), ("workshop", "/opt/workshop/bin/sub/saw", [], "default:command"), ("workshop", "/opt/unknown", [], "default:command"),
    ("watcher", "/opt/unknown", [], "every-program"), ("cellar", "/usr/bin/git", ["log"], "look-at-history"), ("cellar", "/usr/bin/git", ["branch", "-D", "x"], "ask"),
    ("cellar", "/usr/bin/git", ["push"], "ask"),
  ] as [(String, String, [String], String)])
  func programsAreDecidedByTheFirstRuleThatMatches(_ name: String, _ path: String, _ arguments: [String], _ rule: String) throws {
    let subject = CommandSubject(canonicalPath: bytes(path), arguments: arguments.map(bytes), depth: 0)
    #expect(try load(name, from: foreign).bound.command(subject).rule == rule)
  }

  /// approve, redirect and soft_delete need what this version hasn't: what they match does not happen.
  @Test func whatNobodyCanCarryOutIsRefused() throws {
    let bound = try load("workshop", from: foreign).bound
    #expect(!bound.file(.read, bytes("/home/ann/shop/.env")).isPermitted)
    #expect(!bound.file(.delete, bytes("/home/ann/shop/keep/x")).isPermitted)
    #expect(!bound.file(.write, bytes("/var/log/workshop/a.log")).isPermitted)
    #expect(!bound.command(CommandSubject(canonicalPath: bytes("/usr/bin/npm"), arguments: [bytes("publish")], depth: 0)).isPermitted)
  }

  @Test func addressesSocketsAndSignalsAreDecidedByTheFirstRuleThatMatches() throws {
    let bound = try load("workshop", from: foreign).bound
    func address(_ text: String, _ port: UInt16) -> String { bound.network(NetworkSubject(operation: .connect, address: IPAddress(text), port: port)).rule }
    #expect(address("127.0.0.1", 80) == "own-machine")
    #expect(address("::1", 80) == "own-machine")
    #expect(address("169.254.169.254", 80) == "no-metadata")
    #expect(address("192.0.2.1", 443) == "ask-for-the-rest")
    #expect(address("192.0.2.1", 80) == "nothing-else")
    #expect(bound.unixSocket(.connect, .path(bytes("/run/docker.sock"))).rule == "containers")
    #expect(bound.unixSocket(.connect, .path(bytes("/run/dbus/x"))).rule == "default:unix")
    #expect(bound.unixSocket(.bind, .abstract(bytes("workshop-1"))).rule == "own-sockets")
    #expect(bound.signal(9, .self_).rule == "itself")
    #expect(bound.signal(15, .session).rule == "family")
    #expect(bound.signal(9, .session).rule == "default:signal")
    #expect(bound.signal(9, .external(sameUser: true)).rule == "no-strangers")
    #expect(bound.signal(1, .system).rule == "swallow-hup")
  }
}

/// The files that the original project publishes, where somebody has put them beside the checkout.
private let originals = policyFiles(in: checkout.deletingLastPathComponent().appendingPathComponent("shared/policies-original"), ending: ".yaml")

@Suite(.enabled(if: !originals.isEmpty, "there is no folder shared/policies-original beside the checkout")) struct OriginalPolicyTests {
  @Test func allLoadAsTheyAre() throws {
    for url in originals {
      let result = Policy.parse(try contents(url), file: url.lastPathComponent)
      #expect(result.errors.isEmpty, "\(result.errors)")
      #expect(throws: Never.self) { try result.policy?.bound(to: home) }
    }
  }

  @Test(arguments: [
    ("agent-default", "read", "/home/ann/shop/x.c", "allow-workspace"), ("agent-default", "read", "/home/ann/shop/.env", "approve-env-files"),
    ("agent-default", "read", "/usr/lib/x.so", "allow-system-read"), ("agent-default", "write", "/usr/lib/x.so", "default-deny-files"),
    ("agent-default", "write", "/dev/null", "allow-dev-write"), ("agent-default", "read", "/etc/shadow", "deny-passwd-shadow"),
    ("agent-default", "read", "/proc/5/environ", "deny-proc-sensitive"), ("agent-default", "read", "/home/ann/.ssh/id", "approve-ssh-keys"),
    ("agent-default", "read", "/var/x", "default:file_read"), ("agent-default", "create", "/home/ann/.cache/x", "allow-package-caches"),
    ("agent-observe", "delete", "/etc/passwd", "audit-all-files"), ("agent-strict", "read", "/etc/hosts", "system-read"),
    ("agent-strict", "read", "/var/x", "default-deny-files"), ("agent-strict", "write", "/home/ann/shop/x", "workspace"),
    ("agent-strict", "rename", "/home/ann/shop/x", "default-deny-files"), ("default", "write", "/home/ann/.bashrc", "deny-shell-rc"),
    ("default", "delete", "/home/ann/shop/x", "approve-workspace-delete"), ("default", "write", "/home/ann/shop/x", "allow-workspace-write"),
    ("system-readonly", "write", "/x", "deny-write"), ("system-readonly", "read", "/x", "allow-readonly"), ("system-readonly", "link", "/x", "default:file_write"),
  ])
  func filesAreDecidedByTheSameRule(_ name: String, _ operation: String, _ path: String, _ rule: String) throws {
    let operation = try #require(FileOperation(rawValue: operation))
    #expect(try load(name, from: originals).bound.file(operation, bytes(path)).rule == rule)
  }

  @Test(arguments: [
    ("agent-default", "/usr/bin/git", ["push", "--force"], "redirect-git-force-push"), ("agent-default", "/usr/bin/git", ["status"], "allow-dev-tools"),
    ("agent-default", "/usr/bin/rm", ["-rf", "/"], "redirect-destructive-rm"), ("agent-default", "/usr/bin/rm", ["x"], "allow-file-ops"),
    ("agent-default", "/usr/bin/sudo", ["x"], "deny-privilege-escalation"), ("agent-default", "/usr/bin/[", [], "allow-shell-exec"),
    ("agent-default", "/usr/bin/apt-get", ["install", "x"], "deny-system-pkg-install"), ("agent-default", "/opt/unknown", [], "default:command"),
    ("agent-observe", "/opt/unknown", [], "audit-all-commands"), ("agent-strict", "/usr/bin/git", ["log"], "git-read"), ("agent-strict", "/usr/bin/git", ["push"], "all-other-commands"),
  ] as [(String, String, [String], String)])
  func programsAreDecidedByTheSameRule(_ name: String, _ path: String, _ arguments: [String], _ rule: String) throws {
    #expect(try load(name, from: originals).bound.command(CommandSubject(canonicalPath: bytes(path), arguments: arguments.map(bytes), depth: 0)).rule == rule)
  }

  @Test func addressesSocketsAndSignalsAreDecidedByTheSameRule() throws {
    let bound = try load("agent-default", from: originals).bound
    func address(_ text: String, _ port: UInt16) -> String { bound.network(NetworkSubject(operation: .connect, address: IPAddress(text), port: port)).rule }
    #expect(address("127.0.0.1", 80) == "allow-localhost")
    #expect(address("169.254.169.254", 80) == "deny-metadata-services")
    #expect(address("10.0.0.1", 443) == "deny-private-networks")
    #expect(address("192.0.2.1", 443) == "approve-unknown-https")
    #expect(address("192.0.2.1", 80) == "default-deny-network")
    #expect(bound.unixSocket(.connect, .path(bytes("/run/docker.sock"))).rule == "allow-docker-socket")
    #expect(bound.unixSocket(.connect, .path(bytes("/run/dbus/x"))).rule == "deny-system-sockets")
    #expect(bound.signal(9, .self_).rule == "allow-self")
    #expect(bound.signal(15, .session).rule == "allow-session")
    #expect(bound.signal(9, .external(sameUser: true)).rule == "deny-external-fatal")
    #expect(bound.signal(1, .system).rule == "deny-system")
  }
}
