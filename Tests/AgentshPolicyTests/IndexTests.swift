import TestSupport
import Testing

@testable import AgentshPolicy

@Suite struct IndexTests {
  /// A policy of random rules over few names, so that many of them overlap.
  private func randomPolicy(_ random: inout SeededGenerator, rules: Int) throws -> BoundPolicy {
    let parts = ["a", "b", ".env", "src", "*", "**", "?", "{a,b}", "[ab]", "x*", "*.c", "${PROJECT_ROOT}"]
    var text = "file_rules:\n"
    for number in 0..<rules {
      let paths = (0..<Int.random(in: 1...3, using: &random)).map { _ -> String in
        var names = (0..<Int.random(in: 1...4, using: &random)).map { _ in parts.randomElement(using: &random) ?? "a" }
        if names.contains("${PROJECT_ROOT}") { names = ["${PROJECT_ROOT}"] + names.filter { !$0.hasPrefix("$") } }
        let path = names.joined(separator: "/")
        return "\"" + (path.hasPrefix("$") || (path.hasPrefix("**") && Bool.random(using: &random)) ? path : "/" + path) + "\""
      }
      let operations = ["[read]", "[write, create]", "[\"*\"]", "[open]"].randomElement(using: &random) ?? "[read]"
      let decision = Bool.random(using: &random) ? "allow" : "deny"
      text += "  - {name: r\(number), paths: [\(paths.joined(separator: ", "))], operations: \(operations), decision: \(decision)}\n"
    }
    return try policy(text, PolicyVariables(projectRoot: bytes("/a/src"), home: bytes("/h"), user: bytes("u")))
  }

  @Test(arguments: 0..<24)
  func theIndexFindsWhatTryingEveryRuleFinds(_ seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let bound = try randomPolicy(&random, rules: Int.random(in: 1...40, using: &random))
    let names = ["a", "b", ".env", "src", "x1", "y.c", "ab", ""]
    for _ in 0..<150 {
      let path = bytes("/" + (0..<Int.random(in: 0...5, using: &random)).map { _ in names.randomElement(using: &random) ?? "" }.joined(separator: "/"))
      let operation: FileOperation = [.read, .write, .create, .list].randomElement(using: &random) ?? .read
      #expect(bound.files.indexedRule(operation, path.span) == bound.files.naiveRule(operation, path.span))
    }
  }

  @Test func aLookupTriesFewOfTwoThousandRules() throws {
    var text = "file_rules:\n"
    for number in 0..<2000 {
      let path = ["/srv/app\(number)/data/**", "**/.secret\(number)", "/etc/conf\(number).d/*.conf", "/opt/tool\(number)/bin/run"][number % 4]
      text += "  - {name: r\(number), paths: [\"\(path)\"], decision: deny}\n"
    }
    let bound = try policy(text + "  - {name: last, paths: [\"**\"], decision: allow}\n")
    for path in ["/srv/app400/data/x/y", "/home/ann/shop/.secret1", "/etc/conf2.d/a.conf", "/opt/tool3/bin/run", "/usr/lib/x.so"] {
      #expect(bound.files.candidateCount(bytes(path)) <= 2)
    }
    #expect(bound.file(.read, bytes("/srv/app400/data/x/y")).rule == "r400")
    #expect(bound.file(.read, bytes("/home/ann/shop/.secret1")).rule == "r1")
    #expect(bound.file(.read, bytes("/etc/conf2.d/a.conf")).rule == "r2")
    #expect(bound.file(.read, bytes("/opt/tool3/bin/run")).rule == "r3")
    #expect(bound.file(.read, bytes("/usr/lib/x.so")).rule == "last")
  }
}
