import FoundationEssentials
import Testing

@testable import AgentshPolicy

@Suite struct DocumentTests {
  /// What the document says of its example about trees.
  @Test func theExampleOfTreesIsDecidedByLandlockAlone() throws {
    let text = String(decoding: try contents(checkout.appendingPathComponent("docs/policy.md")), as: UTF8.self)
    let block = try #require(text.split(separator: "```yaml\n").first { $0.hasPrefix("version: 1\nname: trees\n") }?.prefix { $0 != "`" })
    let example = try #require(Policy.parse(bytes(String(block)), file: "docs/policy.md").policy).bound(to: home)
    let floor = example.floor.placed { path in ["/lib", "/lib64", "/lib32", "/libx32"].contains(String(decoding: path, as: UTF8.self)) ? .link : .directory }
    #expect(!floor.exactRights.contains(.execute), "loaders lie in a store of this machine, too")
    let usual = example.floor.placed { path in
      let text = String(decoding: path, as: UTF8.self)
      return text.hasPrefix("/lib") ? .link : text.hasSuffix("/store") ? .missing : .directory
    }
    #expect(usual.exactRights == [.readFile, .readDir, .execute])
  }

  /// Fenced blocks of docs/policy.md: whole policies, and parts of them that need a head.
  @Test func everyExampleInTheDocumentLoads() throws {
    let text = String(decoding: try contents(checkout.appendingPathComponent("docs/policy.md")), as: UTF8.self)
    var blocks: [(line: Int, text: String)] = []
    var open: (line: Int, text: String)?
    for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
      if line == "```yaml" { open = (number + 1, "") } else if line == "```" {
        if let block = open { blocks.append(block) }
        open = nil
      } else { open?.text += line + "\n" }
    }
    #expect(blocks.count >= 10)
    for block in blocks {
      let whole = block.text.contains("version:") ? block.text : "version: 1\nname: example\n" + block.text
      let result = Policy.parse(bytes(whole), file: "docs/policy.md:\(block.line)")
      #expect(result.errors.isEmpty, "the example in line \(block.line): \(result.errors)")
      #expect(throws: Never.self) { try result.policy?.bound(to: home) }
    }
  }

  @Test func theDocumentNamesEveryKeyThatIsRead() throws {
    let text = String(decoding: try contents(checkout.appendingPathComponent("docs/policy.md")), as: UTF8.self)
    let keys = """
      version name description metadata file_rules network_rules command_rules unix_socket_rules signal_rules dns_redirects connect_redirects
      resource_limits env_policy env_inject audit transparent_commands process_contexts process_identities package_rules registry_rules mcp_rules
      http_services providers db_services database_rules database_connection_rules policies defaults syscalls allow_nested_sessions
      paths operations decision message timeout redirect_to preserve_tree commands args_patterns context domains cidrs ports signals target fallback
      block_iteration max_bytes max_keys log_allowed
      """
    for key in keys.split(whereSeparator: { $0 == " " || $0 == "\n" }) { #expect(text.contains("`\(key)"), "\(key)") }
    for operation in FileOperation.allCases { #expect(text.contains("`\(operation.rawValue)`")) }
    for decision in Decision.allCases { #expect(text.contains("`\(decision.rawValue)`")) }
    for call in RestrictedCalls.groups { #expect(text.contains("`\(call)`"), "\(call)") }
  }
}
