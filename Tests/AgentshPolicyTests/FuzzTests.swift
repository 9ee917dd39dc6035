import AgentshPolicy
import FoundationEssentials
import TestSupport
import Testing

/// Whatever the text is, reading it ends, and ends in a policy or in errors that have a place.
private func survives(_ text: [UInt8]) -> Bool {
  let result = Policy.parse(text, file: "fuzz")
  if let policy = result.policy {
    guard let bound = try? policy.bound(to: home) else { return result.errors.isEmpty }
    _ = bound.file(.read, bytes("/home/ann/shop/.env"))
    _ = bound.refusalBelow(bytes("/home/ann/shop"), [.rename, .delete])
    _ = bound.command(CommandSubject(canonicalPath: bytes("/usr/bin/git"), arguments: [bytes("push")]))
    _ = bound.network(NetworkSubject(operation: .connect, address: IPAddress("192.0.2.1"), port: 443))
    _ = bound.unixSocket(.connect, .abstract(bytes("x")))
    _ = bound.signal(9, .session)
    return result.errors.isEmpty
  }
  return !result.errors.isEmpty && result.errors.allSatisfy { $0.line >= 1 && $0.column >= 1 }
}

@Suite struct FuzzTests {
  private static let corpus = policyFiles(in: checkout.appendingPathComponent("Tests/Fuzz/policy"), ending: "")
  private static let shipped = policyFiles(in: checkout.appendingPathComponent("policies"), ending: ".yaml")

  @Test func theCorpusIsRead() throws {
    #expect(Self.corpus.count >= 10)
    for url in Self.corpus { #expect(survives(try contents(url)), "\(url.lastPathComponent)") }
  }

  @Test(arguments: 0..<8)
  func damagedPoliciesAreReadToAnEnd(_ seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let sources = try (Self.corpus + Self.shipped.filter { $0.lastPathComponent != "agent-default.yaml" }).map { try contents($0) }
    let pieces = ["*", "{", "}", "[", "]", "&a", "*a", "\\", "\"", "\n", "  ", ": ", "- ", "${", "\0", "\u{ff}", "!!str ", "<<: ", "0x", "**/", "..", "@", "|", "\t"]
    for _ in 0..<30 {
      var text = sources.randomElement(using: &random) ?? []
      for _ in 0..<Int.random(in: 1...6, using: &random) where !text.isEmpty {
        let place = Int.random(in: 0..<text.count, using: &random)
        switch Int.random(in: 0...3, using: &random) {
        case 0: text[place] = UInt8.random(in: .min ... .max, using: &random)
        case 1: text.removeSubrange(place..<min(text.count, place + Int.random(in: 1...40, using: &random)))
        case 2: text.insert(contentsOf: bytes(pieces.randomElement(using: &random) ?? "x"), at: place)
        default: text.insert(contentsOf: text[place..<min(text.count, place + 30)], at: Int.random(in: 0...text.count, using: &random))
        }
      }
      #expect(survives(text), "seed \(seed): \(String(decoding: text, as: UTF8.self).debugDescription)")
    }
  }
}
