/// Where a chain of records stands: what the next line continues.
public struct ChainPosition: Sendable, Equatable {
  /// The number of the next line; the first is 1.
  public let nextSequence: UInt64
  /// The 64 digits of the last line's hash; zeros before the first line.
  public let lastHash: [UInt8]

  /// Before the first line.
  public static let start = ChainPosition(nextSequence: 1, lastHash: Array(repeating: UInt8(ascii: "0"), count: 64))

  init(nextSequence: UInt64, lastHash: [UInt8]) {
    self.nextSequence = nextSequence
    self.lastHash = lastHash
  }

  /// Where a chain stands whose last line is `line` (without its newline); nil where that is no line of a record, or its
  /// hash is not its own. A server that starts again goes on with its log this way.
  public init?(lastLine line: [UInt8]) {
    guard let parsed = RecordLine(line[...]), parsed.isHashRight, parsed.sequence < UInt64.max else { return nil }
    self.init(nextSequence: parsed.sequence + 1, lastHash: Array(parsed.hash))
  }
}

/// Turns records into the lines of one chain and hands each line to a sink.
///
/// The sink is given the whole line with its newline and must take all of it or throw and have taken nothing; when it
/// throws, the number and the hash stay as they were, so that the next line continues what is really in the file.
/// Not locked: the owner sees to that (`AuditLog` does).
public struct RecordWriter<Failure: Error> {
  public typealias Sink = @Sendable ([UInt8]) throws(Failure) -> Void
  public typealias Clock = @Sendable () -> AuditTime

  private var line = RecordLineBuilder()
  private var sequence: UInt64
  private var lastHash: [UInt8]
  private let clock: Clock
  private let sink: Sink

  /// - Parameters:
  ///   - position: where the file stands that the sink writes to.
  ///   - clock: the wall clock.
  ///   - sink: takes whole lines.
  public init(continuing position: ChainPosition = .start, clock: @escaping Clock, sink: @escaping Sink) {
    sequence = position.nextSequence
    lastHash = position.lastHash
    self.clock = clock
    self.sink = sink
  }

  /// Where the chain stands now.
  public var position: ChainPosition { ChainPosition(nextSequence: sequence, lastHash: lastHash) }

  /// Writes one record, and gives the line that the sink has taken; what the sink throws is thrown, and the record is not part of the chain then.
  @discardableResult
  public mutating func write(_ record: AuditRecord) throws(Failure) -> [UInt8] {
    line.build(record, sequence: sequence, time: clock(), previous: lastHash)
    try sink(line.bytes)
    line.copyHash(to: &lastHash)
    sequence += 1
    return line.bytes
  }
}

/// Builds one line in a buffer that is used again for the next.
struct RecordLineBuilder {
  private(set) var bytes: [UInt8] = []
  private var stamp = TimeStamp()

  /// The digits of the hash stand before `"}` and the newline.
  private static let tail = 3

  init() {
    bytes.reserveCapacity(1024)
  }

  func copyHash(to hash: inout [UInt8]) {
    let end = bytes.count - Self.tail
    hash.removeAll(keepingCapacity: true)
    hash.append(contentsOf: bytes[(end - 64)..<end])
  }

  mutating func build(_ record: AuditRecord, sequence: UInt64, time: AuditTime, previous: [UInt8]) {
    bytes.removeAll(keepingCapacity: true)
    literal("{\"seq\":")
    appendNumber(sequence, to: &bytes)
    literal(",\"time\":\"")
    stamp.append(time, to: &bytes)
    literal("\"")
    if let session = record.session { key("session"); TextEscaping.append(session, to: &bytes) }
    if let uid = record.uid { key("uid"); appendNumber(uid, to: &bytes) }
    if let pid = record.pid { key("pid"); appendNumber(pid, to: &bytes) }
    if let exe = record.exe { text("exe", "exe_b64", exe) }
    word("op", record.operation.rawValue)
    if let syscall = record.syscall { key("syscall"); TextEscaping.append(syscall, to: &bytes) }
    subject(record.subject)
    for field in record.fields { self.field(field) }
    if let decision = record.decision { word("decision", decision.rawValue) }
    if let rule = record.rule { key("rule"); TextEscaping.append(rule, to: &bytes) }
    if let message = record.message { key("message"); TextEscaping.append(message, to: &bytes) }
    if let errno = record.errno, errno != 0 { key("errno"); appendNumber(errno, to: &bytes) }
    if let duration = record.durationMicroseconds { key("duration_us"); appendNumber(duration, to: &bytes) }
    literal(",\"prev\":\"")
    bytes.append(contentsOf: previous)
    literal("\"")
    let hashed = bytes.count
    literal(",\"hash\":\"")
    AuditDigest.append(bytes[..<hashed], to: &bytes)
    literal("\"}\n")
  }

  @inline(__always)
  private mutating func literal(_ text: String) {
    bytes.append(contentsOf: text.utf8)
  }

  @inline(__always)
  private mutating func key(_ name: String) {
    literal(",\"")
    literal(name)
    literal("\":")
  }

  /// A field whose value is a word of this module, with nothing to escape.
  @inline(__always)
  private mutating func word(_ name: String, _ value: String) {
    key(name)
    literal("\"")
    literal(value)
    literal("\"")
  }

  private mutating func text(_ name: String, _ wholeName: String, _ value: [UInt8]) {
    key(name)
    guard !TextEscaping.append(value, to: &bytes) else { return }
    key(wholeName)
    appendBase64(value, to: &bytes)
  }

  private mutating func subject(_ subject: AuditSubject) {
    switch subject {
    case .none: break
    case .path(let path): text("path", "path_b64", path)
    case .paths(let path, let new):
      text("path", "path_b64", path)
      text("new_path", "new_path_b64", new)
    case .command(let arguments): command(arguments)
    case .address(let address): text("address", "address_b64", address)
    case .signal(let name, let target):
      key("signal")
      TextEscaping.append(name, to: &bytes)
      key("target")
      appendNumber(target, to: &bytes)
    }
  }

  /// Most bytes of a command that are written: a target can run a program with megabytes of arguments, ten thousand times.
  static let commandLimit = 32 << 10

  private mutating func command(_ arguments: [[UInt8]]) {
    var room = Self.commandLimit
    var shown: ArraySlice<[UInt8]> = arguments[...]
    for (index, argument) in arguments.enumerated() {
      // One byte for each argument, so that a million empty ones are bounded, too.
      guard argument.count < room else {
        shown = arguments[..<index]
        break
      }
      room -= argument.count + 1
    }
    var isWhole = true
    key("command")
    list(shown) { argument, line in
      if !TextEscaping.append(argument, to: &line) { isWhole = false }
    }
    if !isWhole {
      key("command_b64")
      list(shown) { argument, line in appendBase64(argument, to: &line) }
    }
    if shown.count < arguments.count {
      key("command_omitted")
      appendNumber(arguments.count - shown.count, to: &bytes)
      key("command_omitted_bytes")
      let all = arguments.reduce(arguments.count - 1) { $0 + $1.count }
      appendNumber(all - (Self.commandLimit - room), to: &bytes)
      key("command_sha256")
      TextEscaping.append(AuditDigest.sha256(Array(arguments.joined(separator: [0]))), to: &bytes)
    }
  }

  private mutating func list<Element>(_ elements: ArraySlice<Element>, _ write: (Element, inout [UInt8]) -> Void) {
    bytes.append(UInt8(ascii: "["))
    var isFirst = true
    for element in elements {
      if !isFirst { bytes.append(UInt8(ascii: ",")) }
      isFirst = false
      write(element, &bytes)
    }
    bytes.append(UInt8(ascii: "]"))
  }

  private mutating func field(_ field: AuditField) {
    bytes.append(UInt8(ascii: ","))
    Self.append(field, to: &bytes)
  }

  private static func append(_ field: AuditField, to line: inout [UInt8]) {
    TextEscaping.append(field.name, to: &line)
    line.append(UInt8(ascii: ":"))
    append(field.value, to: &line)
    if case .bytes(let bytes) = field.value, String(validating: bytes, as: UTF8.self) == nil {
      line.append(UInt8(ascii: ","))
      TextEscaping.append(field.name + "_b64", to: &line)
      line.append(UInt8(ascii: ":"))
      appendBase64(bytes, to: &line)
    }
  }

  private static func append(_ value: AuditValue, to line: inout [UInt8]) {
    switch value {
    case .text(let text): TextEscaping.append(text, to: &line)
    case .bytes(let bytes): TextEscaping.append(bytes, to: &line)
    case .integer(let number): appendNumber(number, to: &line)
    case .bool(let flag): line.append(contentsOf: (flag ? "true" : "false").utf8)
    case .list(let elements):
      line.append(UInt8(ascii: "["))
      for (index, element) in elements.enumerated() {
        if index > 0 { line.append(UInt8(ascii: ",")) }
        append(element, to: &line)
      }
      line.append(UInt8(ascii: "]"))
    case .fields(let fields):
      line.append(UInt8(ascii: "{"))
      for (index, field) in fields.enumerated() {
        if index > 0 { line.append(UInt8(ascii: ",")) }
        append(field, to: &line)
      }
      line.append(UInt8(ascii: "}"))
    }
  }
}
