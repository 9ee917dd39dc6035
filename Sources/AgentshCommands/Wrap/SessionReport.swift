internal import AgentshProtocol

/// What a session's totals say to the user.
enum SessionReport {
  /// One line where something was refused, another where the record could not be written; none where nothing was.
  static func lines(_ summary: SessionSummary, session: String) -> [String] {
    var lines: [String] = []
    if summary.refused > 0 { lines.append("\(operations(summary.refused)) refused; see: agentsh events \(session) --decision deny") }
    if summary.unrecorded > 0, summary.hasRun {
      lines.append("\(operations(summary.unrecorded)) refused because the session's record can't be written (its disk may be full, or the record as large as it may be); tell an administrator")
    }
    return lines
  }

  private static func operations(_ count: Int) -> String { count == 1 ? "1 operation was" : "\(count) operations were" }

  /// What `--summary-json` writes.
  /// - Parameters:
  ///   - dropped: names of the variables that the policy dropped.
  ///   - failure: why the command could not be executed, where that is how the session ended.
  static func json(_ outcome: SessionOutcome, session: String, dropped: [[UInt8]] = [], _ failure: CommandFailure? = nil) -> JSONObject {
    // Names and never values: they are mostly those of secrets.
    let names: JSONValue? = dropped.isEmpty ? nil : .array(dropped.map { .string(displayEscaped($0)) })
    if var summary = outcome.summary {
      summary.session = session
      if failure != nil { summary.hasRun = false }
      var object = summary.object
      object["env_dropped"] = names
      object["error"] = failure?.lines.first.map { .string($0) }
      return object
    }
    var object: JSONObject = [
      "session": .string(session), "wait_status": .integer(Int64(outcome.ending.waitStatus)),
      "error": .string("the supervisor did not close the record"),
    ]
    object["env_dropped"] = names
    return object
  }

  /// The same for a session in which nothing ran.
  static func json(_ failure: CommandFailure, session: String) -> JSONObject {
    [
      "session": .string(session), "status": .integer(Int64(failure.status.rawValue)), "has_run": .bool(false),
      "error": .string(failure.lines.first ?? ""),
    ]
  }
}
