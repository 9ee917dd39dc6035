import TestSupport
import Testing

@testable import AgentshProtocol

@Suite struct JSONTests {
  @Test(arguments: [
    ("null", JSONValue.null), ("true", .bool(true)), ("false", .bool(false)), ("0", .integer(0)), ("-0", .integer(0)),
    ("9223372036854775807", .integer(.max)), ("-9223372036854775808", .integer(.min)), ("9223372036854775808", .number("9223372036854775808")),
    ("1.5", .number("1.5")), ("1e3", .number("1e3")), ("-2.5E-10", .number("-2.5E-10")), ("\"\"", .string("")), ("[]", .array([])),
    ("{}", .object([:])), (" [ 1 , [ ] ] ", .array([.integer(1), .array([])])),
    (#""a\"\\\/\b\f\n\r\té""#, .string("a\"\\/\u{8}\u{c}\n\r\té")), (#""\uD83D\uDE00""#, .string("😀")), (#""\u0000""#, .string("\0")),
    (#"{"b":1,"a":2}"#, .object(["b": .integer(1), "a": .integer(2)])),
  ])
  func validTextIsRead(text: String, value: JSONValue) throws {
    #expect(try JSONValue.parse(Array(text.utf8)) == value)
  }

  @Test(arguments: [
    "", " ", "nul", "truee", "True", "01", "-", "+1", ".5", "1.", "1e", "1e+", "0x10", "\"", "\"a", #""\x41""#, #""\u12""#, #""\ud800""#,
    #""\udc00""#, #""\ud800\ud800""#, "\"\t\"", "[1,]", "[,1]", "[1 2]", "[", "]", "{", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}",
    "{\"a\":1 \"b\":2}", "{1:2}", "1 2", "{\"a\":1,\"a\":2}", "'a'", "/**/1", "[1]]",
  ])
  func textThatIsNotJSONIsRefused(text: String) {
    #expect(throws: JSONError.self) { try JSONValue.parse(Array(text.utf8)) }
  }

  @Test func nestingIsBoundedAndNeverExhaustsTheStack() {
    let deep = Array(repeating: UInt8(ascii: "["), count: 1 << 20)
    #expect(throws: JSONError.self) { try JSONValue.parse(deep) }
    let allowed = Array(repeating: UInt8(ascii: "["), count: 32) + Array(repeating: UInt8(ascii: "]"), count: 32)
    #expect(throws: Never.self) { try JSONValue.parse(allowed) }
    #expect(throws: JSONError.self) { try JSONValue.parse([UInt8(ascii: "[")] + allowed + [UInt8(ascii: "]")]) }
  }

  @Test func aNameThatStandsTwiceIsFoundAmongThousands() {
    let names = (0..<5_000).map { "\"n\($0)\":0" }
    #expect(throws: Never.self) { try JSONValue.parse(Array("{\(names.joined(separator: ","))}".utf8)) }
    #expect(throws: JSONError.self) { try JSONValue.parse(Array("{\(names.joined(separator: ",")),\"n4321\":1}".utf8)) }
  }

  @Test func namesAreComparedByTheirBytes() throws {
    // U+212A is the Kelvin sign: to String's ==, the same as K.
    let object = try JSONObject.parse(Array("{\"\u{212A}\":1,\"K\":2}".utf8))
    #expect(object["K"] == .integer(2))
    #expect(object["\u{212A}"] == .integer(1))
  }

  @Test(arguments: 0..<20 as Range<UInt64>)
  func whatIsWrittenIsReadBack(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    func value(_ depth: Int) -> JSONValue {
      switch Int.random(in: 0..<(depth > 0 ? 7 : 5), using: &random) {
      case 0: return .null
      case 1: return .bool(Bool.random(using: &random))
      case 2: return .integer(Int64.random(in: .min ... .max, using: &random))
      case 3, 4: return .string(String(decoding: random.bytes(upTo: 40), as: UTF8.self))
      case 5: return .array((0..<Int.random(in: 0..<5, using: &random)).map { _ in value(depth - 1) })
      default:
        return .object(JSONObject((0..<Int.random(in: 0..<30, using: &random)).map { JSONObject.Member("m\($0)\u{1}", value(depth - 1)) }))
      }
    }
    for _ in 0..<100 {
      let original = value(4)
      let bytes = original.encoded()
      #expect(try JSONValue.parse(bytes) == original)
      #expect(!bytes.contains { $0 < 0x20 || $0 == 0x7F })
    }
  }

  @Test(arguments: [([], ""), ([0], "AA=="), ([0, 1], "AAE="), ([0, 1, 2], "AAEC"), ([255, 254, 253, 252], "//79/A==")] as [([UInt8], String)])
  func base64IsThatOfTheStandard(bytes: [UInt8], text: String) {
    #expect(Base64.encode(bytes) == text)
    #expect(Base64.decode(text) == bytes)
  }

  @Test(arguments: ["A", "AA", "AAA", "AA=A", "=AAA", "A===", "====", "AB==", "AAF=", "AA==AA==", "AA==\n", "A A=", "AA-_", "é==="])
  func base64ThatIsNotCanonicalIsRefused(text: String) {
    #expect(Base64.decode(text) == nil)
  }

  @Test func base64AndHexadecimalGoBothWays() {
    var random = SeededGenerator(seed: 7)
    for _ in 0..<500 {
      let bytes = random.bytes(upTo: 100)
      #expect(Base64.decode(Base64.encode(bytes)) == bytes)
      #expect(Hexadecimal.decode(Hexadecimal.encode(bytes)) == bytes)
    }
    #expect(Hexadecimal.decode("0") == nil)
    #expect(Hexadecimal.decode("0G") == nil)
    #expect(Hexadecimal.decode("AB") == nil)
  }
}
