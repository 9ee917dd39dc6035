import TestSupport
import Testing

@testable import AgentshPolicy

private func matches(_ pattern: String, _ text: String, separator: UInt8? = UInt8(ascii: "/")) throws -> Bool {
  let template = try GlobTemplate(pattern, separator: separator)
  return template.alternatives.contains { Glob($0, sets: template.sets, separator: separator).matches(bytes(text)) }
}

/// What a glob means, said as plainly as possible and without care for time.
private func naive(_ tokens: ArraySlice<GlobToken>, _ text: ArraySlice<UInt8>) -> Bool {
  guard let token = tokens.first else { return text.isEmpty }
  let rest = tokens.dropFirst()
  switch token {
  case .byte(let byte): return text.first == byte && naive(rest, text.dropFirst())
  case .one(let set, _): return text.first.map { set.contains($0) } ?? false && naive(rest, text.dropFirst())
  case .star, .deepStar:
    if naive(rest, text) { return true }
    guard let first = text.first, token == .deepStar || first != UInt8(ascii: "/") else { return false }
    return naive(tokens, text.dropFirst())
  case .variable: return false
  }
}

@Suite struct GlobTests {
  @Test(arguments: [
    ("/a/b", "/a/b", true), ("/a/b", "/a/bc", false), ("/a/*", "/a/b", true), ("/a/*", "/a/", true), ("/a/*", "/a/b/c", false),
    ("/a/**", "/a/b/c", true), ("/a/**", "/a/", true), ("/a/**", "/a", false), ("**", "/any/thing", true), ("/**", "/", true),
    ("**/.env", "/x/.env", true), ("**/.env", "/.env", true), ("**/.env", "/x/y.env", false), ("**/.env.*", "/x/.env.local", true),
    ("**/.env.*", "/x/.env.d/y", false), ("**/*.pem", "/x/y.pem", true), ("**/*.pem", "/x.pem/y", false), ("/a/?", "/a/b", true),
    ("/a/?", "/a/bc", false), ("/a?b", "/a/b", false), ("/[abc]", "/b", true), ("/[abc]", "/d", false), ("/[a-c]x", "/bx", true),
    ("/[a-c0-9]x", "/7x", true), ("/[!a-c]", "/d", true), ("/[!a-c]", "/b", false), ("/a[!x]b", "/a/b", false), ("/[]]", "/]", true),
    ("/{a,b}/c", "/b/c", true), ("/{a,b}/c", "/c/c", false), ("/{a,{b,c}d}", "/cd", true), ("/a{,/**}", "/a", true),
    ("/a{,/**}", "/a/b", true), ("/a{,/**}", "/ab", false), ("/\\*", "/*", true), ("/\\*", "/x", false), ("/a,b", "/a,b", true),
    ("/?", "/ü", true), ("/[!a]", "/ü", true), ("/*b*", "/abc", true), ("/*.tar.*", "/a.tar.gz", true),
    ("/**/b/**/d", "/a/b/c/d", true), ("/.*", "/.x", true), ("/*", "/.x", true), ("/a**b", "/a/x/b", true), ("/$x", "/$x", true),
    ("/proc/*/mem", "/proc/12/mem", true), ("/proc/*/mem", "/proc/12/task/13/mem", false),
  ])
  func matchesAsDocumented(_ pattern: String, _ text: String, _ expected: Bool) throws {
    #expect(try matches(pattern, text) == expected)
  }

  @Test(arguments: ["/a[b", "/{a", "/a}", "/a\\", "/[z-a]", "/[ä]", "${", "${1A}", "${A:x}", "/{a,{b,{c,{d,{e,{f,{g,{h,{i,{j}}}}}}}}}}"])
  func brokenGlobsAreErrors(_ pattern: String) {
    #expect(throws: GlobError.self) { try GlobTemplate(pattern, separator: UInt8(ascii: "/")) }
  }

  @Test func bracesThatMultiplyAreAnError() {
    #expect(throws: GlobError.self) { try GlobTemplate(String(repeating: "{a,b}", count: 20), separator: nil) }
  }

  @Test(arguments: [3, 20, 200])
  func starsTakeLinearTimeWhateverTheText(_ stars: Int) throws {
    let glob = try #require(try GlobTemplate("/" + String(repeating: "*a", count: stars) + "b", separator: nil).alternatives.first)
    let compiled = Glob(glob, sets: [], separator: nil)
    // Backtracking would take longer than the sun has left.
    #expect(compiled.matches(bytes("/" + String(repeating: "a", count: 4000))) == false)
    #expect(compiled.matches(bytes("/" + String(repeating: "a", count: 4000) + "b")))
  }

  @Test func aGlobMeansWhatItPlainlySays() throws {
    var random = SeededGenerator(seed: 1)
    var matched = 0
    for round in 0..<6000 {
      let deep = round % 2 == 0 ? "**" : "*"
      // Without `?` and `[!…]` most are compared as they stand, with them most become automata.
      let parts = Bool.random(using: &random) ? ["a", "b", "/", "*", "**", "?", "[ab]", "[!a]", "."] : ["a", "b", "/", "*", "[ab]", deep]
      let pattern = "/" + (0..<Int.random(in: 0...9, using: &random)).map { _ in parts.randomElement(using: &random) ?? "" }.joined()
      let text = "/" + (0..<Int.random(in: 0...9, using: &random)).map { _ in ["a", "b", "/", "."].randomElement(using: &random) ?? "" }.joined()
      let template = try GlobTemplate(pattern, separator: UInt8(ascii: "/"))
      for codes in template.alternatives {
        let expected = naive(codes.map { GlobCode.token($0, template.sets) }[...], bytes(text)[...])
        let glob = Glob(codes, sets: template.sets, separator: UInt8(ascii: "/"))
        #expect(glob.matches(bytes(text)) == expected, "\(pattern) on \(text)")
        if expected { matched += 1 }
      }
    }
    #expect(matched > 150, "the test would prove nothing if little matched")
  }

  @Test func longGlobsNeedMoreThanOneWordOfStates() throws {
    let middle = String(repeating: "xy", count: 60)
    #expect(try matches("/*\(middle)?z*", "/q\(middle)pz/".dropLast().description))
    #expect(try !matches("/*\(middle)?z*", "/q\(middle)z"))
    #expect(try matches("/**/\(middle)/**/*.\(middle)", "/a/\(middle)/b/c.\(middle)"))
  }
}
