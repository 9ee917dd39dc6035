import TestSupport
import Testing

extension FuzzTarget: CustomTestStringConvertible {
  var testDescription: String { name }
}

@Suite struct FuzzTests {
  @Test(arguments: FuzzTarget.all)
  func everyFileOfTheCorpusIsTakenOrRefusedAsItsNameSays(_ target: FuzzTarget) {
    let files = CorpusFile.all(target.name)
    #expect(files.count >= 8)
    var outcomes: [FuzzTarget.Outcome] = []
    for file in files {
      let outcome = target.check(file.bytes)
      outcomes.append(outcome)
      if case .wrong(let what) = outcome { Issue.record("\(file.name): \(what)") }
      if file.name.hasPrefix("accept-") { #expect(outcome == .taken, "\(file.name)") }
      if file.name.hasPrefix("refuse-") { #expect(outcome == .refused, "\(file.name)") }
    }
    // A corpus of one kind alone would show half of a reader.
    #expect(outcomes.contains(.taken))
    #expect(outcomes.contains(.refused) || target.name == "escaping")
  }

  @Test(arguments: FuzzTarget.all)
  func changedBytesNeverBreakWhatMustBeTrue(_ target: FuzzTarget) {
    let files = CorpusFile.all(target.name).filter { $0.bytes.count <= 4096 }
    var random = SeededGenerator(seed: UInt64(target.name.utf8.reduce(0) { $0 &* 31 &+ UInt64($1) }))
    for _ in 0..<600 {
      guard let first = files.randomElement(using: &random), let second = files.randomElement(using: &random) else { return }
      let input = random.changed(first.bytes, with: second.bytes)
      if case .wrong(let what) = target.check(input) { Issue.record("\(first.name) changed to \(input): \(what)") }
    }
  }
}

extension SeededGenerator {
  /// One to six changes of a byte, a stretch, a place where the other text goes on.
  mutating func changed(_ bytes: [UInt8], with other: [UInt8]) -> [UInt8] {
    var result = bytes
    for _ in 0..<Int.random(in: 1...6, using: &self) where !result.isEmpty {
      let place = Int.random(in: 0..<result.count, using: &self)
      switch Int.random(in: 0..<7, using: &self) {
      case 0: result[place] = UInt8.random(in: 0...255, using: &self)
      case 1: result[place] ^= 1 << UInt8.random(in: 0...7, using: &self)
      case 2: result.removeSubrange(place..<min(result.count, place + Int.random(in: 1...16, using: &self)))
      case 3: result.insert(contentsOf: result[place..<min(result.count, place + 16)], at: place)
      case 4: result = Array(result[..<place])
      case 5: result[place] = [0, 1, 0x7f, 0x80, 0xff, 0x2f, 0x22, 0x0a].randomElement(using: &self) ?? 0
      default: result = Array(result[..<place]) + other.dropFirst(Int.random(in: 0...other.count, using: &self))
      }
    }
    return result
  }
}
