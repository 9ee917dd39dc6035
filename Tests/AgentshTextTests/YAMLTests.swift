import AgentshText
import Testing

private func read(_ text: String, _ limits: YAMLLimits = YAMLLimits()) -> YAMLDocument {
  YAMLDocument(parsing: Array(text.utf8), limits: limits)
}

@Suite struct YAMLTests {
  @Test func aByteOrderMarkIsSkipped() throws {
    let marked = read("\u{FEFF}a: 1\nb: [\n")
    let plain = read("a: 1\nb: [\n")
    #expect(marked.problems == plain.problems && !plain.problems.isEmpty)
    guard case .mapping(let entries)? = read("\u{FEFF}a: 1\n").root?.content else { throw YAMLProblem.missing }
    #expect(entries.map(\.key) == ["a"] && entries.first?.keyPosition == TextPosition(line: 1, column: 1))
    #expect(read("a: 1\n\u{FEFF}b: 2\n").problems.isEmpty == false)
  }

  @Test func everyKeyAndValueHasItsPlace() throws {
    let root = try #require(read("a: 1\nlist:\n  - x\n  -   y\n").root)
    guard case .mapping(let entries) = root.content, case .sequence(let items) = entries[1].value.content else {
      Issue.record("not the expected tree")
      return
    }
    #expect(entries.map(\.key) == ["a", "list"])
    #expect(entries[1].keyPosition == TextPosition(line: 2, column: 1))
    #expect(items.map(\.position) == [TextPosition(line: 3, column: 5), TextPosition(line: 4, column: 7)])
  }

  @Test(arguments: [
    ("yes", true), ("no", false), ("on", true), ("Off", false), ("TRUE", true), ("y", true), ("\"yes\"", nil), ("ja", nil),
    ("!!str true", nil), ("tRUE", nil),
  ] as [(String, Bool?)])
  func booleansAreThoseOfYAML11(_ text: String, _ expected: Bool?) {
    #expect(read(text).root?.bool == expected)
  }

  @Test(arguments: [
    ("7", 7), ("-3", -3), ("+3", 3), ("0x1F", 31), ("0o17", 15), ("1_000", 1000), ("\"7\"", nil), ("7.5", nil), ("--7", nil),
    ("99999999999999999999", nil), ("_1", nil), ("", nil), ("0x", nil), ("0017", nil),
  ] as [(String, Int?)])
  func integersAreWholeAndFit(_ text: String, _ expected: Int?) {
    #expect(read(text).root?.int == expected)
  }

  @Test(arguments: ["a: ~", "a: null", "a:", "a: Null"])
  func nothingIsNull(_ text: String) throws {
    guard case .mapping(let entries)? = read(text).root?.content else { throw YAMLProblem.missing }
    #expect(entries.first?.value.isNull == true)
    #expect(entries.first?.value.string == nil)
  }

  @Test func aQuotedNullIsText() throws {
    guard case .mapping(let entries)? = read("a: 'null'").root?.content else { throw YAMLProblem.missing }
    #expect(entries.first?.value.string == "null")
  }

  @Test func aKeyThatStandsTwiceIsAProblem() {
    let problems = read("a: 1\nb: {c: 1, c: 2}\na: 3\n").problems
    #expect(problems.map(\.position) == [TextPosition(line: 2, column: 11), TextPosition(line: 3, column: 1)])
  }

  @Test(arguments: [
    ("a: [", 2), ("a: b: c", 1), ("\tx: 1", 1), ("a: 'x", 1), ("- a\nb: 1", 2), ("a: *nowhere", 1), ("a: &x [*x]", 1),
    ("a: 1\n---\nb: 2", 2), ("a: 1\nb: \u{01}", 2), ("? [a]\n: 1", 1), ("a: !thing 1", 1), ("x: &a {b: 1}\ny:\n  <<: *a", 3),
  ])
  func brokenTextSaysWhere(_ text: String, _ line: Int) {
    let problems = read(text).problems
    #expect(!problems.isEmpty)
    #expect(problems.first?.position.line == line)
  }

  @Test func bytesThatAreNoUTF8AreNamedByLine() {
    let document = YAMLDocument(parsing: Array("a: 1\nb: ".utf8) + [0xff, 0xfe])
    #expect(document.root == nil)
    #expect(document.problems.first?.position.line == 2)
  }

  @Test func anAliasStandsForItsAnchor() throws {
    let root = try #require(read("a: &ops [read, write]\nb: *ops").root)
    guard case .mapping(let entries) = root.content, case .sequence(let items) = entries[1].value.content else {
      throw YAMLProblem.missing
    }
    #expect(items.map(\.string) == ["read", "write"])
  }

  @Test func aliasesThatMultiplyAreRefusedBeforeTheyCost() {
    var text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    for level in 1...9 {
      text += "a\(level): &a\(level) [\((0..<10).map { _ in "*a\(level - 1)" }.joined(separator: ", "))]\n"
    }
    let document = read(text)
    #expect(document.root == nil)
    #expect(document.problems.contains { $0.message.contains("too much") })
  }

  @Test func depthAndSizeAreBounded() {
    #expect(read(String(repeating: "[", count: 10_000)).problems.contains { $0.message.contains("too deeply") })
    #expect(read(String(repeating: "- ", count: 5_000)).root == nil)
    #expect(read("a: " + String(repeating: "x", count: 200), YAMLLimits(bytes: 100)).root == nil)
    #expect(read("[" + String(repeating: "1,", count: 500) + "1]", YAMLLimits(nodes: 100)).root == nil)
  }

  @Test func anEmptyTextHasNoRoot() {
    #expect(read("").root == nil)
    #expect(read("# only a comment\n").root == nil)
    #expect(read("").problems.isEmpty)
  }
}

extension YAMLProblem {
  static var missing: YAMLProblem {
    YAMLDocument(parsing: Array("[".utf8)).problems.first ?? YAMLDocument(parsing: Array("{".utf8)).problems[0]
  }
}
