import TestSupport
import Testing

@testable import AgentshAudit

@Suite struct RecordVerifierTests {
  private static func record(_ count: Int) throws -> [[UInt8]] {
    let sink = MemorySink()
    let log = sink.log()
    try log.write(.start)
    for index in 0..<count { try log.write(.write(Array("/etc/\(index)".utf8))) }
    try log.write(.end)
    return sink.lines
  }

  @Test(arguments: [1, 2, 7, 64, 1000, 1 << 20])
  func aWholeRecordIsWholeHoweverItIsRead(chunk: Int) throws {
    let file = Array(try Self.record(20).joined())
    #expect(try verify(file, chunk: chunk).get() == WholeRecord(lines: 22, end: .closed))
  }

  @Test func aRecordWithoutItsEndIsOpen() throws {
    let lines = try Self.record(3)
    #expect(try verify(Array(lines.dropLast().joined())).get() == WholeRecord(lines: 4, end: .open))
  }

  /// Every single byte of a record, changed in several ways, is noticed, and in its own line or the next.
  @Test func oneChangedByteAnywhereIsFound() throws {
    let lines = try Self.record(2)
    let file = Array(lines.joined())
    var lineOfByte: [Int] = []
    for (index, line) in lines.enumerated() { lineOfByte += Array(repeating: index + 1, count: line.count) }
    for index in file.indices {
      for change in [0x01, 0x20, 0x80] as [UInt8] {
        var changed = file
        changed[index] ^= change
        guard case .failure(let broken) = verify(changed) else {
          Issue.record("a change of byte \(index) by \(change) went unnoticed")
          return
        }
        #expect(broken.line == lineOfByte[index])
      }
    }
  }

  @Test func oneRemovedOrAddedByteAnywhereIsFound() throws {
    let file = Array(try Self.record(1).joined())
    for index in file.indices {
      var shorter = file
      shorter.remove(at: index)
      var longer = file
      longer.insert(UInt8(ascii: "0"), at: index)
      for changed in [shorter, longer] {
        if case .success(let whole) = verify(changed) { Issue.record("byte \(index): \(whole)") }
      }
    }
  }

  @Test func removedMovedAndDoubledLinesAreFound() throws {
    let lines = try Self.record(4)
    for index in lines.indices.dropLast() {
      var removed = lines
      removed.remove(at: index)
      guard case .failure(let broken) = verify(Array(removed.joined())) else {
        Issue.record("the removal of line \(index + 1) went unnoticed")
        continue
      }
      #expect(broken.line == index + 1)
      var swapped = lines
      swapped.swapAt(index, index + 1)
      if case .success = verify(Array(swapped.joined())) { Issue.record("swapped lines went unnoticed") }
      var doubled = lines
      doubled.insert(lines[index], at: index)
      if case .success = verify(Array(doubled.joined())) { Issue.record("a doubled line went unnoticed") }
    }
  }

  /// A line with a right hash of its own in the place of another: the next line gives it away.
  @Test func aLineThatWasWrittenAnewIsFound() throws {
    let lines = try Self.record(3)
    let position = try #require(ChainPosition(lastLine: Array(lines[1].dropLast())))
    let sink = MemorySink()
    let forger = AuditLog<SinkError>(
      continuing: position, clock: { AuditTime(seconds: 0, nanoseconds: 0) }, sink: { (line) throws(SinkError) in try sink.take(line) })
    try forger.write(.write(Array("/harmless".utf8)))
    var forged = lines
    forged[2] = try #require(sink.lines.first)
    guard case .failure(let broken) = verify(Array(forged.joined())) else {
      Issue.record("the forged line went unnoticed")
      return
    }
    #expect(broken.line == 4)
  }

  @Test func aFileThatIsCutAnywhereIsNeverClosed() throws {
    let file = Array(try Self.record(1).joined())
    for count in 0..<file.count {
      if case .success(let whole) = verify(Array(file.prefix(count))) { #expect(whole.end == .open) }
    }
  }

  @Test func aLineLongerThanAnyIsRefusedWithoutBeingHeld() {
    var verifier = RecordVerifier()
    let chunk = [UInt8](repeating: UInt8(ascii: "x"), count: 1 << 20)
    #expect(throws: BrokenRecord.self) { for _ in 0..<5 { try verifier.append(chunk) } }
    #expect(throws: BrokenRecord.self) { try verifier.finish() }
  }

  @Test func theCorpusIsThere() {
    let files = CorpusFile.all("record")
    #expect(files.contains { $0.mustBeTaken })
    #expect(files.contains { !$0.mustBeTaken })
  }

  @Test(arguments: CorpusFile.all("record"))
  func aRecordIsTakenOrRefusedAsItsFileSays(file: CorpusFile) {
    for chunk in [1, 100, 1 << 20] {
      switch verify(file.bytes, chunk: chunk) {
      case .success: #expect(file.mustBeTaken)
      case .failure: #expect(!file.mustBeTaken)
      }
    }
  }

  @Test(arguments: CorpusFile.all("record"))
  func changedBytesNeverTrapTheVerifier(file: CorpusFile) {
    var random = SeededGenerator(seed: UInt64(file.bytes.count))
    for _ in 0..<200 {
      let bytes = random.mutated(file.bytes)
      if bytes == file.bytes { continue }
      if case .success(let whole) = verify(bytes, chunk: 50) {
        // Only a cut between two lines leaves a whole chain.
        #expect(file.bytes.starts(with: bytes) && whole.end != .closed)
      }
    }
  }
}
