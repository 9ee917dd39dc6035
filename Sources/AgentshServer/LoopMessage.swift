internal import AgentshProtocol

/// What a worker tells the loop.
enum LoopMessage: Sendable {
  /// The answer to a call on a connection.
  case answered(connection: UInt64, Result<ControlResponse, ControlError>)
  /// A session is set up and its supervisor started; the caller is answered once that is ready.
  case opened(connection: UInt64, OpenedSession)
  /// These sessions are to be told of; those that run are asked first how many operations they have refused.
  case countsWanted(connection: UInt64, [Session], isList: Bool)
  case stopWanted(connection: UInt64, session: String, reason: String)
  /// The next part of a record, ready to be sent, or why there is none.
  case streamOpened(connection: UInt64, Result<RecordStream, ControlError>)
  case streamed(connection: UInt64, RecordStream, RecordPart)
  /// A session of a server before this one is over, and what was left of it is gone.
  case adoptedEnded(UInt64)
  case attested(session: String, ServerOrderResult)
  case reloaded(Ruleset?, problems: [String])
}

/// Whether a target is what it has to be.
enum ServerOrderResult: Sendable {
  case attested
  case notAttested(String)
}
