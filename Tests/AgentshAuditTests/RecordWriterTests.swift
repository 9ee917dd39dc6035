import TestSupport
import Testing

@testable import AgentshAudit

@Suite struct RecordWriterTests {
  @Test func aLineHasTheKeysInTheirOrderAndNoSpaces() throws {
    let sink = MemorySink()
    let log = sink.log()
    try log.write(.write(Array("/etc/x".utf8)))
    let line = String(decoding: sink.file, as: UTF8.self)
    let zeros = String(repeating: "0", count: 64)
    let hashed =
      #"{"seq":1,"time":"2023-11-14T22:13:20.000000042Z","session":"5f0c","uid":60001,"pid":8,"exe":"/bin/sh","op":"file.write","syscall":"openat","#
      + #""path":"/etc/x","decision":"deny","rule":"system","message":"no","errno":13,"duration_us":12,"prev":"\#(zeros)""#
    #expect(line == hashed + #","hash":"\#(AuditDigest.sha256(Array(hashed.utf8)))"}"# + "\n")
  }

  @Test func theHashIsSHA256() {
    // FIPS 180-4's examples.
    #expect(AuditDigest.sha256([]) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    #expect(AuditDigest.sha256(Array("abc".utf8)) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
  }

  @Test func aLineHoldsTheHashOfTheOneBefore() throws {
    let sink = MemorySink()
    let log = sink.log()
    for index in 0..<5 { try log.write(.write([UInt8(ascii: "a") + UInt8(index)])) }
    let lines = try sink.lines.map(foundationObject)
    for (line, next) in zip(lines, lines.dropFirst()) { #expect(line["hash"] == next["prev"]) }
    #expect(lines.map { $0["seq"] } == (1...5).map { .number($0) })
  }

  @Test func whatAFullDiskRefusesIsNoPartOfTheChain() throws {
    let sink = MemorySink()
    let log = sink.log()
    try log.write(.start)
    let position = log.position
    sink.setFull(true)
    #expect(throws: SinkError()) { try log.write(.write(Array("/a".utf8))) }
    #expect(log.position == position)
    #expect(log.counts[.deny] == 1)
    sink.setFull(false)
    try log.write(.write(Array("/b".utf8)))
    try log.write(.end)
    #expect(try verify(sink.file).get() == WholeRecord(lines: 3, end: .closed))
  }

  @Test func afterTheLastLineNothingIsWritten() throws {
    let sink = MemorySink()
    let log = sink.log()
    try log.write(.start)
    try log.close(with: .end, afterwards: SinkError())
    #expect(throws: SinkError()) { try log.write(.write(Array("/late".utf8))) }
    #expect(log.isClosed && log.counts[.deny] == 0)
    #expect(try verify(sink.file).get() == WholeRecord(lines: 2, end: .closed))
  }

  @Test func aLogGoesOnWhereItsLastLineEnded() throws {
    let sink = MemorySink()
    let record = AuditRecord(operation: .serverStart)
    try sink.log().write(record)
    let last = try #require(sink.lines.last)
    let position = try #require(ChainPosition(lastLine: Array(last.dropLast())))
    let again = AuditLog<SinkError>(
      continuing: position, clock: { AuditTime(seconds: 1, nanoseconds: 0) }, sink: { (line) throws(SinkError) in try sink.take(line) })
    try again.write(record)
    #expect(try verify(sink.file).get() == WholeRecord(lines: 2, end: .continuous))
    #expect(ChainPosition(lastLine: Array("{}".utf8)) == nil)
    var changed = Array(last.dropLast())
    changed[8] ^= 1
    #expect(ChainPosition(lastLine: changed) == nil)
  }

  static let hostile: [[UInt8]] = [
    Array("/tmp/a\n{\"seq\":3,\"op\":\"session.end\"}\n".utf8), Array("/tmp/\u{1B}[2J\u{1B}]0;x\u{07}".utf8), Array("/tmp/\r\u{08}\u{7F}\u{0}".utf8),
    Array("/tmp/\u{2028}\u{2029}\u{85}\u{9B}31m".utf8), Array("/tmp/\u{202E}gpj.exe".utf8), Array("\",\"decision\":\"allow\",\"x\":\"\\".utf8),
    [0x2F, 0xFF, 0xC3, 0x28, 0xED, 0xA0, 0x80, 0xF5], [0xC0, 0xAF], [0xE2, 0x80], [], Array("/tmp/\u{FFFD}".utf8), Array("/\u{E0041}😀".utf8),
  ]

  @Test(arguments: hostile)
  func aNameCanNeitherForgeNorGarbleALine(name: [UInt8]) throws {
    let sink = MemorySink()
    let log = sink.log()
    var record = AuditRecord.write(name)
    record.exe = name
    record.message = String(decoding: name, as: UTF8.self)
    record.rule = String(decoding: name, as: UTF8.self)
    try log.write(record)
    record.subject = .paths(name, new: name)
    try log.write(record)
    record.subject = .address(name)
    record.fields = [AuditField("extra", .bytes(name)), AuditField("more", .list([.text(String(decoding: name, as: UTF8.self)), .bool(true)]))]
    try log.write(record)
    record.subject = .command([name, Array("b".utf8), name])
    try log.write(record)
    let isText = String(validating: name, as: UTF8.self) != nil
    for line in sink.lines {
      #expect(line.dropLast().allSatisfy { $0 >= 0x20 && $0 != 0x7F })
      #expect(line.last == 0x0A)
      let object = try foundationObject(line)
      #expect(object["decision"] == .text("deny"))
      #expect(object["op"] == .text("file.write"))
      #expect((object["exe_b64"] != nil) == !isText)
    }
    let first = try foundationObject(try #require(sink.lines.first))
    if isText {
      #expect(first["path"] == .text(String(decoding: name, as: UTF8.self)))
      #expect(first["path_b64"] == nil)
    } else {
      guard case .text(let shown)? = first["path"] else {
        Issue.record("no path")
        return
      }
      #expect(shown.contains("\u{FFFD}"))
    }
    #expect(try verify(sink.file).get().lines == 4)
  }

  @Test(arguments: 0..<8 as Range<UInt64>)
  func randomBytesAreAlwaysOneLineAndComeBackWhole(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let sink = MemorySink()
    let log = sink.log()
    var names: [[UInt8]] = []
    for _ in 0..<100 {
      let name = random.bytes(upTo: 64)
      names.append(name)
      try log.write(.write(name))
    }
    #expect(try verify(sink.file).get().lines == 100)
    for (name, line) in zip(names, sink.lines) {
      let object = try foundationObject(line)
      if let whole = object["path_b64"] {
        var expected: [UInt8] = []
        appendBase64(name, to: &expected)
        #expect(whole == .text(String(decoding: expected.dropFirst().dropLast(), as: UTF8.self)))
      } else {
        #expect(object["path"] == .text(String(decoding: name, as: UTF8.self)))
      }
    }
  }

  @Test func aHugeCommandIsCutAndItsHashKept() throws {
    let sink = MemorySink()
    let log = sink.log()
    let arguments = [[UInt8]](repeating: [UInt8](repeating: 0x61, count: 1000), count: 2000)
    try log.write(AuditRecord(operation: .exec, subject: .command(arguments), decision: .allow))
    try log.write(AuditRecord(operation: .exec, subject: .command([[UInt8]](repeating: [], count: 1_000_000)), decision: .allow))
    let lines = sink.lines
    #expect(lines.allSatisfy { $0.count < 256 << 10 })
    let object = try foundationObject(try #require(lines.first))
    #expect(object["command_omitted"] == .number(2000 - 32))
    let omitted = Int64(2000 * 1001 - 1 - 32 * 1001)
    #expect(object["command_omitted_bytes"] == .number(omitted))
    #expect(object["command_sha256"] == .text(AuditDigest.sha256(Array(arguments.joined(separator: [0])))))
    #expect(try verify(sink.file).get().lines == 2)
  }

  @Test func signalsAndEmptyFieldsAreWritten() throws {
    let sink = MemorySink()
    let log = sink.log()
    try log.write(AuditRecord(operation: .signalSend, subject: .signal("SIGTERM", target: -1), fields: [AuditField("f", .fields([]))], decision: .absorb, errno: 0))
    let line = String(decoding: sink.file, as: UTF8.self)
    #expect(line.contains(#""op":"signal.send","signal":"SIGTERM","target":-1,"f":{},"decision":"absorb","prev":"#))
  }

  @Test func decisionsAreCountedWhetherWrittenOrNot() throws {
    let log = MemorySink().log()
    for decision in AuditDecision.allCases { try log.write(AuditRecord(operation: .exec, decision: decision)) }
    log.count(.allow)
    #expect(log.counts.refused == 3)
    #expect(log.counts.allowed == 2)
    #expect(log.counts.audited == 1)
    #expect(log.counts.all.map(\.decision) == AuditDecision.allCases)
  }

  @Test func manyThreadsWriteOneChain() async throws {
    let sink = MemorySink()
    let log = sink.log()
    await withTaskGroup(of: Void.self) { group in
      for thread in 0..<4 {
        group.addTask { for index in 0..<250 { try? log.write(.write(Array("/\(thread)/\(index)".utf8))) } }
      }
    }
    #expect(try verify(sink.file).get().lines == 1000)
  }
}
