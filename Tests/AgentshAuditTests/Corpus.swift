import FoundationEssentials
import Testing

/// One file of `Tests/Fuzz`.
struct CorpusFile: Sendable, CustomTestStringConvertible {
  let name: String
  let bytes: [UInt8]

  var mustBeTaken: Bool { name.hasPrefix("accept-") }
  var testDescription: String { name }

  /// The files of one folder; empty where the folder is missing, which a test of its own finds.
  static func all(_ folder: String, file: String = #filePath) -> [CorpusFile] {
    let tests = file.split(separator: "/", omittingEmptySubsequences: false).dropLast(2).joined(separator: "/")
    let directory = tests + "/Fuzz/" + folder
    let names = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
    return names.sorted().compactMap { name in
      FileManager.default.contents(atPath: directory + "/" + name).map { CorpusFile(name: name, bytes: Array($0)) }
    }
  }
}

/// Random numbers that are the same in every run (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) {
    state = seed
  }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }

  mutating func bytes(upTo count: Int) -> [UInt8] {
    (0..<Int.random(in: 0...count, using: &self)).map { _ in UInt8.random(in: 0...255, using: &self) }
  }

  /// The bytes with one to four of them changed, removed, doubled, or cut off.
  mutating func mutated(_ bytes: [UInt8]) -> [UInt8] {
    var result = bytes
    for _ in 0..<Int.random(in: 1...4, using: &self) where !result.isEmpty {
      let index = Int.random(in: 0..<result.count, using: &self)
      switch Int.random(in: 0..<5, using: &self) {
      case 0: result[index] = UInt8.random(in: 0...255, using: &self)
      case 1: result.remove(at: index)
      case 2: result.insert(result[index], at: index)
      case 3: result = Array(result[..<index])
      default: result[index] = Array("{}[]\",:\\u0e-".utf8).randomElement(using: &self) ?? 0
      }
    }
    return result
  }
}
