import AgentshPolicy
import FoundationEssentials
import Testing

/// Where the checkout is.
let checkout = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

func contents(_ url: URL) throws -> [UInt8] { Array(try Data(contentsOf: url)) }

/// Files of a folder, by name.
func policyFiles(in folder: URL, ending: String) -> [URL] {
  let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
  return names.filter { $0.hasSuffix(ending) }.sorted().map { folder.appendingPathComponent($0) }
}

let home = PolicyVariables(
  projectRoot: bytes("/home/ann/shop"), gitRoot: bytes("/home/ann/shop"), home: bytes("/home/ann"), user: bytes("ann"))

struct Unloadable: Error { let diagnostics: [Diagnostic] }

/// A policy with `version` and `name` before `text`, bound.
func policy(_ text: String, _ variables: PolicyVariables = home) throws -> BoundPolicy {
  try loaded(text).bound(to: variables)
}

func loaded(_ text: String) throws -> Policy {
  let result = Policy.parse(bytes("version: 1\nname: test\n" + text), file: "test.yaml")
  guard let policy = result.policy else { throw Unloadable(diagnostics: result.diagnostics) }
  return policy
}

/// One file rule.
func fileRule(_ paths: String, _ operations: String = "[\"*\"]", _ decision: String = "deny", variables: PolicyVariables = home)
  throws -> BoundPolicy
{
  try policy("file_rules:\n  - {name: r, paths: [\(paths)], operations: \(operations), decision: \(decision)}\n", variables)
}
