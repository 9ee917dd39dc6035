internal import AgentshProtocol
internal import AgentshSystem

/// A session whose supervisor the loop watches; belongs to the loop's thread.
final class WatchedSession {
  let number: UInt64
  let opened: OpenedSession
  /// The session that it lies inside of, whose supervisor serves it.
  let parent: WatchedSession?
  /// The connection that waits for the reply to Wrap.
  var wrapConnection: UInt64?
  /// Connections that wait for the session to end.
  var stopConnections: [UInt64] = []
  var isReady = false
  /// Something has to have happened by then: ready, stopped, gone.
  var deadline: Deadline?
  /// When it is to be over; nil: whenever it likes, or it is being ended.
  var term: Term?
  /// Its term has passed, and the supervisor was told to go on.
  var overdue: Term.Cause?
  /// Its launcher, for as long as that lives.
  var launcher: SharedPidfd?
  var summary: SessionSummary?
  var stopReason: String?
  /// Why the server itself ended it.
  var failure: String?
  /// The supervisor's wait status, once it has been reaped.
  var status: Int32?
  var isChannelOpen = true
  var emptyChecks = 0

  init(number: UInt64, opened: OpenedSession, parent: WatchedSession? = nil, wrapConnection: UInt64) {
    self.number = number
    self.parent = parent
    self.opened = opened
    self.wrapConnection = wrapConnection
    deadline = opened.readyDeadline
  }

  var session: Session { opened.session }
  var id: String { opened.session.facts.id }
}

/// A pidfd that a job takes along.
final class SharedPidfd: Sendable {
  let pidfd: Pidfd

  init(_ descriptor: consuming OwnedDescriptor) { pidfd = Pidfd(descriptor) }
}
