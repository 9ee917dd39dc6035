import FoundationEssentials
import Testing

private let checkout = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

private struct CorpusFile {
  let name: String
  let bytes: [UInt8]

  static func all(of target: FuzzTarget) throws -> [CorpusFile] {
    let folder = checkout.appendingPathComponent("Tests/Fuzz/\(target.name)")
    return try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted().map {
      CorpusFile(name: $0, bytes: Array(try Data(contentsOf: folder.appendingPathComponent($0))))
    }
  }
}

extension FuzzTarget: CustomTestStringConvertible {
  var testDescription: String { name }
}

@Suite struct FuzzTests {
  @Test(arguments: FuzzTarget.all)
  func everyFileOfTheCorpusIsTakenOrRefusedAsItsNameSays(_ target: FuzzTarget) throws {
    let files = try CorpusFile.all(of: target)
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
  func changedBytesNeverBreakWhatMustBeTrue(_ target: FuzzTarget) throws {
    let files = try CorpusFile.all(of: target).filter { $0.bytes.count <= 4096 }
    var random = SeededChanges(seed: UInt64(target.name.utf8.reduce(0) { $0 &* 31 &+ UInt64($1) }))
    for _ in 0..<600 {
      guard let first = files.randomElement(using: &random), let second = files.randomElement(using: &random) else { return }
      let input = random.changed(first.bytes, with: second.bytes)
      if case .wrong(let what) = target.check(input) { Issue.record("\(first.name) changed to \(input): \(what)") }
    }
  }
}

/// Random numbers that are the same in every run (SplitMix64), and changes made of them.
struct SeededChanges: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) {
    state = seed
  }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }

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
