import TestSupport
import Testing

@testable import AgentshProtocol

/// Every decoder of the control socket, the three sockets and the channel meets bytes that an attacker chose.
@Suite struct CorpusTests {
  @Test(arguments: ["varlink", "handshake", "record"])
  func theCorpusIsThere(folder: String) {
    let files = CorpusFile.all(folder)
    #expect(files.contains { $0.mustBeTaken })
    #expect(files.contains { !$0.mustBeTaken })
  }

  private static func isControlRequest(_ bytes: [UInt8]) -> Bool {
    guard let call = try? VarlinkCall.decode(bytes) else { return false }
    return (try? ControlRequest(call)) != nil
  }

  private static func isSessionMessage(_ bytes: [UInt8]) -> Bool {
    let decoders: [([UInt8]) throws -> Any] = [
      ProcessHello.decode, ListenerHello.decode, HandshakeReply.decode, LauncherMessage.decode, SupervisorMessage.decode, SupervisorReport.decode,
      ServerOrder.decode,
    ]
    // Each runs, also after one has taken the bytes: none may trap.
    return decoders.reduce(false) { taken, decode in (try? decode(bytes)) != nil || taken }
  }

  @Test(arguments: CorpusFile.all("varlink"))
  func aControlFrameIsTakenOrRefusedAsItsFileSays(file: CorpusFile) {
    #expect(Self.isControlRequest(file.bytes) == file.mustBeTaken)
  }

  @Test(arguments: CorpusFile.all("handshake"))
  func aSessionMessageIsTakenOrRefusedAsItsFileSays(file: CorpusFile) {
    #expect(Self.isSessionMessage(file.bytes) == file.mustBeTaken)
  }

  @Test(arguments: CorpusFile.all("varlink") + CorpusFile.all("handshake"))
  func changedBytesNeverTrapADecoder(file: CorpusFile) throws {
    guard file.bytes.count < 4096 else { return }  // the deep ones say nothing new when changed
    var random = SeededGenerator(seed: UInt64(file.bytes.count))
    for _ in 0..<200 {
      let bytes = random.mutated(file.bytes)
      _ = Self.isControlRequest(bytes)
      _ = Self.isSessionMessage(bytes)
      _ = try? VarlinkReply.decode(bytes)
      _ = try? WrapReply.decode(bytes)
      _ = try? SessionPlan.decode(bytes)
      // What is taken can be said again, in the same words.
      if let value = try? JSONValue.parse(bytes) { #expect(try JSONValue.parse(value.encoded()) == value) }
    }
  }
}
