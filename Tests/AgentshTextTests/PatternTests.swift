import AgentshText
import Testing

@Suite struct PatternTests {
  @Test(arguments: [
    ("push.*--force", "push origin --force", true), ("^status( |$)", "status -s", true), ("^status( |$)", "statusx", false),
    ("a\\sb", "a b", true), ("", "", true), ("x", "", false), ("(a*)*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false),
  ])
  func matchesAnywhereInTheText(_ pattern: String, _ text: String, _ expected: Bool) throws {
    #expect(try Pattern(pattern).matches(Array(text.utf8)) == expected)
  }

  @Test func aByteThatIsNoUTF8CarriesNothingPastAPattern() throws {
    #expect(try Pattern("push.*force").matches(Array("push ".utf8) + [0xff, 0xc3] + Array(" force".utf8)) == true)
    #expect(try Pattern("a.b").matches([0x61, 0, 0x62]) == true)
  }

  @Test func aNewlineMatchesADotOnlyWhereItIsAskedFor() throws {
    let text = Array("push\nforce".utf8)
    #expect(try Pattern("push.force").matches(text) == false)
    #expect(try Pattern("push.force", dotMatchesNewline: true).matches(text) == true)
  }

  @Test func textBeyondASCIIMatchesItself() throws {
    #expect(try Pattern("grün").matches(Array("ist grün".utf8)) == true)
  }

  @Test(arguments: ["(", "[a", "a**", "(?P<x", "\\8", "(?!x)"])
  func aBrokenPatternSaysWhy(_ source: String) {
    do {
      _ = try Pattern(source)
      Issue.record("\(source) compiled")
    } catch {
      #expect(!error.description.isEmpty)
    }
  }

  @Test func aPatternThatNeedsTooMuchMemoryIsRefused() {
    #expect(throws: PatternError.self) { try Pattern("((a{1,100}){1,100}){1,10}", memory: 1 << 16) }
  }

  @Test func manyThreadsMatchAtOnce() async throws {
    let pattern = try Pattern("(foo|bar)+[0-9]{3}$")
    let right = await withTaskGroup(of: Bool.self) { group in
      for number in 0..<64 {
        group.addTask { pattern.matches(Array("foobar\(100 + number)".utf8)) == true && pattern.matches([0x66]) == false }
      }
      return await group.reduce(true) { $0 && $1 }
    }
    #expect(right)
  }

  @Test func aCheckedPatternIsCompiledWhenItIsFirstAsked() {
    let pattern = Pattern(checked: "^a.*z$", dotMatchesNewline: true)
    #expect(pattern.matches(Array("a\nz".utf8)) == true)
    #expect(pattern.matches(Array("b".utf8)) == false)
  }

  @Test func aCheckedPatternThatIsNoneTellsNothing() {
    let pattern = Pattern(checked: "(")
    #expect(pattern.matches([]) == nil)
    #expect(pattern.matches(Array("(".utf8)) == nil)
  }
}
