import AgentshPolicy
import FoundationEssentials
import Testing

/// Policy files that the original project publishes, where someone has put them beside the checkout.
private let folder = checkout.deletingLastPathComponent().appendingPathComponent("shared/policies-original")
private let originals = policyFiles(in: folder, ending: ".yaml")

private func original(_ name: String) throws -> BoundPolicy {
  let url = folder.appendingPathComponent("\(name).yaml")
  let result = Policy.parse(try contents(url), file: url.lastPathComponent)
  guard let policy = result.policy else { throw Unloadable(diagnostics: result.diagnostics) }
  return try policy.bound(to: home)
}

private func isThere(_ test: String) -> Bool {
  if originals.isEmpty { print("skipped: \(test): there is no folder shared/policies-original beside the checkout") }
  return !originals.isEmpty
}

@Suite struct OriginalPolicyTests {
  @Test func allLoadAsTheyAre() throws {
    guard isThere("allLoadAsTheyAre") else { return }
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
    guard isThere("filesAreDecidedByTheSameRule") else { return }
    let operation = try #require(FileOperation(rawValue: operation))
    #expect(try original(name).file(operation, bytes(path)).rule == rule)
  }

  @Test(arguments: [
    ("agent-default", "/usr/bin/git", ["push", "--force"], "redirect-git-force-push"), ("agent-default", "/usr/bin/git", ["status"], "allow-dev-tools"),
    ("agent-default", "/usr/bin/rm", ["-rf", "/"], "redirect-destructive-rm"), ("agent-default", "/usr/bin/rm", ["x"], "allow-file-ops"),
    ("agent-default", "/usr/bin/sudo", ["x"], "deny-privilege-escalation"), ("agent-default", "/usr/bin/[", [], "allow-shell-exec"),
    ("agent-default", "/usr/bin/apt-get", ["install", "x"], "deny-system-pkg-install"), ("agent-default", "/opt/unknown", [], "default:command"),
    ("agent-observe", "/opt/unknown", [], "audit-all-commands"), ("agent-strict", "/usr/bin/git", ["log"], "git-read"), ("agent-strict", "/usr/bin/git", ["push"], "all-other-commands"),
  ] as [(String, String, [String], String)])
  func programsAreDecidedByTheSameRule(_ name: String, _ path: String, _ arguments: [String], _ rule: String) throws {
    guard isThere("programsAreDecidedByTheSameRule") else { return }
    #expect(try original(name).command(CommandSubject(canonicalPath: bytes(path), arguments: arguments.map(bytes), depth: 0)).rule == rule)
  }

  @Test func addressesSocketsAndSignalsAreDecidedByTheSameRule() throws {
    guard isThere("addressesSocketsAndSignalsAreDecidedByTheSameRule") else { return }
    let bound = try original("agent-default")
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
