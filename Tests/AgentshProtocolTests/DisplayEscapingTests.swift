import TestSupport
import Testing

@testable import AgentshProtocol

@Suite struct DisplayEscapingTests {
  @Test(arguments: [
    (Array("plain text.c".utf8), "plain text.c"), (Array("Grüße 漢字 😀".utf8), "Grüße 漢字 😀"), (Array("a\\x41".utf8), "a\\\\x41"),
    ([0x1B, 0x5B, 0x32, 0x4A], "\\x1b[2J"), ([0x0A], "\\x0a"), ([0x0D, 0x09, 0x00, 0x7F], "\\x0d\\x09\\x00\\x7f"), ([0xFF, 0xC3], "\\xff\\xc3"),
    ([0xC0, 0xAF], "\\xc0\\xaf"), ([0xED, 0xA0, 0x80], "\\xed\\xa0\\x80"), ([0xF4, 0x90, 0x80, 0x80], "\\xf4\\x90\\x80\\x80"),
    (Array("\u{9B}31m".utf8), "\\u{9b}31m"), (Array("a\u{202E}txt.exe".utf8), "a\\u{202e}txt.exe"), (Array("\u{2066}\u{200B}\u{FEFF}".utf8), "\\u{2066}\\u{200b}\\u{feff}"),
    (Array("\u{2028}\u{2029}\u{85}".utf8), "\\u{2028}\\u{2029}\\u{85}"), (Array("\u{E0041}".utf8), "\\u{e0041}"), (Array("\u{A0}".utf8), "\\u{a0}"),
    ([], ""),
  ] as [([UInt8], String)])
  func bytesAreShownSoThatNothingActsOnThem(bytes: [UInt8], shown: String) {
    #expect(displayEscaped(bytes) == shown)
  }

  @Test(arguments: 0..<10 as Range<UInt64>)
  func noBytesReachATerminalAsControl(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    for _ in 0..<300 {
      let bytes = random.bytes(upTo: 60)
      let shown = displayEscaped(bytes)
      for scalar in shown.unicodeScalars {
        #expect(scalar.value >= 0x20 && !(0x7F..<0xA0).contains(scalar.value))
        #expect(scalar.properties.generalCategory != .format)
      }
    }
  }

  @Test(arguments: 0..<5 as Range<UInt64>)
  func differentBytesAreNeverShownAlike(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    var seen: [String: [UInt8]] = [:]
    for _ in 0..<2_000 {
      let bytes = (0..<Int.random(in: 0...3, using: &random)).map { _ in
        Array("\\x1b".utf8).randomElement(using: &random) ?? 0
      } + (Bool.random(using: &random) ? [0x1B] : [])
      let shown = displayEscaped(bytes)
      if let other = seen[shown] { #expect(other == bytes) }
      seen[shown] = bytes
    }
  }

  @Test func aCommandShowsWhereArgumentsBeginAndEnd() {
    #expect(displayEscaped(command: ["sh", "-c", "echo  hi", ""].map { Array($0.utf8) }) == "sh -c 'echo  hi' ''")
    #expect(displayEscaped(command: [Array("a'b\n".utf8)]) == "'a\\'b\\x0a'")
  }
}
