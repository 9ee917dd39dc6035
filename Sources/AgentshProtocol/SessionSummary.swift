/// How the root target ended.
public enum TargetEnding: Sendable, Equatable {
  case exited(Int32)
  case signalled(Int32)
  /// It never started, or nobody saw it end.
  case unknown

  /// - Parameter waitStatus: what wait4(2) gave for a process that has ended.
  public init(waitStatus: Int32) {
    let signal = waitStatus & 0x7F
    switch signal {
    case 0: self = .exited(waitStatus >> 8 & 0xFF)
    case 0x7F: self = .unknown  // stopped, not ended
    default: self = .signalled(signal)
    }
  }

  /// The exit status as a shell shows it: the command's own, or 128 and the signal's number.
  public var shellStatus: Int32? {
    switch self {
    case .exited(let status): status
    case .signalled(let signal): 128 + signal
    case .unknown: nil
    }
  }
}

/// The totals of a session, in `session.end`, in `--summary-json` and between the processes.
public struct SessionSummary: WireMessage, Equatable {
  /// The session's id, where the message stands alone.
  public var session: String?
  public var refused: Int
  public var audited: Int
  /// Permitted operations that are on record.
  public var allowed: Int
  /// Records per decision word, in a fixed order.
  public var decisions: [(decision: String, count: Int)]
  public var durationMilliseconds: Int
  public var ending: TargetEnding
  /// Why the session ended, where it was not its target's own end: "timeout", "stopped by …", ….
  public var reason: String?
  /// User and system time of everything that ran in the session, in microseconds.
  public var cpuMicroseconds: Int?
  /// Highest memory use, in KiB.
  public var memoryKiB: Int?
  /// Operations that were refused because the record could not be written.
  public var unrecorded: Int
  /// Whether the command was let go at all.
  public var hasRun: Bool

  public init(
    session: String? = nil, refused: Int, audited: Int, allowed: Int, decisions: [(decision: String, count: Int)] = [],
    durationMilliseconds: Int, ending: TargetEnding, reason: String? = nil, cpuMicroseconds: Int? = nil, memoryKiB: Int? = nil,
    unrecorded: Int = 0, hasRun: Bool = true
  ) {
    self.session = session
    self.refused = refused
    self.audited = audited
    self.allowed = allowed
    self.decisions = decisions
    self.durationMilliseconds = durationMilliseconds
    self.ending = ending
    self.reason = reason
    self.cpuMicroseconds = cpuMicroseconds
    self.memoryKiB = memoryKiB
    self.unrecorded = unrecorded
    self.hasRun = hasRun
  }

  public init(object: JSONObject) throws(ProtocolError) {
    try self.init(FieldReader(object))
  }

  init(_ fields: FieldReader) throws(ProtocolError) {
    session = try fields.optionalString("session")
    refused = try fields.count("refused")
    audited = try fields.count("audited")
    allowed = try fields.count("allowed")
    decisions = []
    let counts = try fields.optionalObject("decisions") ?? [:]
    for member in counts.members {
      guard case .integer(let count) = member.value, count >= 0 else {
        throw .invalid(field: "decisions", reason: "must hold counts")
      }
      decisions.append((member.name, Int(truncatingIfNeeded: count)))
    }
    durationMilliseconds = try fields.count("duration_ms")
    if let signal = try fields.optionalInteger("signal", in: 1...64) {
      ending = .signalled(Int32(truncatingIfNeeded: signal))
    } else if let status = try fields.optionalInteger("status", in: 0...255) {
      ending = .exited(Int32(truncatingIfNeeded: status))
    } else {
      ending = .unknown
    }
    reason = try fields.optionalString("reason")
    cpuMicroseconds = try fields.optionalCount("cpu_us")
    memoryKiB = try fields.optionalCount("memory_kb")
    unrecorded = try fields.optionalCount("unrecorded") ?? 0
    hasRun = try fields.optionalBool("has_run") ?? true
  }

  public var object: JSONObject {
    var object: JSONObject = [:]
    object.add("session", session.map { .string($0) })
    object.add("status", ending.shellStatus.map { .integer(Int64($0)) })
    if case .signalled(let signal) = ending { object.add("signal", .integer(Int64(signal))) }
    object.add("reason", reason.map { .string($0) })
    object.add("refused", .integer(Int64(refused)))
    object.add("audited", .integer(Int64(audited)))
    object.add("allowed", .integer(Int64(allowed)))
    object.add("decisions", .object(JSONObject(decisions.map { JSONObject.Member($0.decision, .integer(Int64($0.count))) })))
    object.add("duration_ms", .integer(Int64(durationMilliseconds)))
    object.add("cpu_us", cpuMicroseconds.map { .integer(Int64($0)) })
    object.add("memory_kb", memoryKiB.map { .integer(Int64($0)) })
    if unrecorded > 0 { object.add("unrecorded", .integer(Int64(unrecorded))) }
    if !hasRun { object.add("has_run", .bool(false)) }
    return object
  }

  public static func == (left: Self, right: Self) -> Bool { left.object == right.object }
}
