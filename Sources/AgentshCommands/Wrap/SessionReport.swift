internal import AgentshProtocol

/// What a session's totals say to the user.
enum SessionReport {
  /// One line where something was refused, nil where nothing was.
  static func line(_ summary: SessionSummary, session: String) -> String? {
    guard summary.refused > 0 else { return nil }
    let what = summary.refused == 1 ? "1 operation was refused" : "\(summary.refused) operations were refused"
    return "\(what); see: agentsh events \(session) --decision deny"
  }

  /// What `--summary-json` writes.
  static func json(_ outcome: SessionOutcome, session: String) -> JSONObject {
    if var summary = outcome.summary {
      summary.session = session
      return summary.object
    }
    return [
      "session": .string(session), "wait_status": .integer(Int64(outcome.ending.waitStatus)),
      "error": .string("the supervisor did not close the record"),
    ]
  }
}
