internal import AgentshAudit
internal import AgentshFilter
internal import AgentshProtocol
internal import AgentshSystem
import Synchronization

/// A session as the server knows it: what was decided when it was opened, and how far it has come.
final class Session: Sendable {
  /// Everything that stays as it was when the session was opened.
  struct Facts: Sendable {
    let id: String
    let name: String?
    let uid: UInt32
    let user: String
    let policy: String
    /// Display-escaped.
    let command: [String]
    let cwd: String
    let started: String
    let record: [UInt8]
    /// In the order of opening.
    var order: UInt64
    /// The session that it lies inside of.
    var parent: String?
    /// Whether others may be opened inside it.
    var permitsNested = false
  }

  /// Of what a user chose a session keeps as much as is worth listing: there may be thousands of them. The record has all of it.
  static let mostWords = 64
  static let mostText = 1024

  /// A command as it is kept: display-escaped, and cut, with an ellipsis where something is missing.
  /// - Parameter isWhole: nothing of it was left out before.
  static func kept(command: [[UInt8]], isWhole: Bool = true) -> [String] {
    var words: [String] = []
    var left = mostText
    for word in command {
      guard words.count < mostWords, left > 0 else {
        words.append("…")
        break
      }
      let text = kept(word, most: left)
      words.append(text)
      left -= max(1, text.utf8.count)
    }
    if !isWhole, words.last != "…" { words.append("…") }
    return words
  }

  /// A text as it is kept.
  static func kept(_ bytes: [UInt8], most: Int = mostText) -> String {
    let text = displayEscaped(Array(bytes.prefix(most)))
    if bytes.count <= most, text.utf8.count <= most { return text }
    var cut = ""
    for scalar in text.unicodeScalars {
      guard cut.utf8.count + UTF8.width(scalar) <= most else { break }
      cut.unicodeScalars.append(scalar)
    }
    return cut + "…"
  }

  enum Phase: Sendable, Equatable {
    /// Files are being made, the supervisor is not ready or the target has not started.
    case starting
    case running
    /// Its supervisor is gone or going; the control group may not be empty yet.
    case ending
    /// Runs on under a supervisor that a server before this one started: nobody here is told how it goes.
    case unwatched
    case ended
  }

  struct Progress: Sendable {
    var phase = Phase.starting
    var pid: Int32?
    var refused = 0
    /// Looked up when somebody asks for it.
    var ending: SessionEnding?
    /// What the server's own log says of its end, or is going to say.
    var closing: Closing?
  }

  /// `session.closed`: when it was written, and why the server had to end the session, if it had.
  struct Closing: Sendable, Equatable {
    var time: String
    var message: String?
  }

  let facts: Facts
  private let progress: Mutex<Progress>

  init(_ facts: Facts, _ progress: Progress = Progress()) {
    self.facts = facts
    self.progress = Mutex(progress)
  }

  var current: Progress { progress.withLock { $0 } }

  func update(_ change: (inout Progress) -> Void) { progress.withLock { change(&$0) } }

  var isActive: Bool { current.phase != .ended }

  /// What a list tells.
  var info: SessionInfo { info(current) }

  /// What is told of one alone: how it ended, too, where that is known.
  var wholeInfo: SessionInfo {
    let now = current
    var info = info(now)
    if now.phase == .ended { info.ending = now.ending }
    return info
  }

  private func info(_ now: Progress) -> SessionInfo {
    let state: SessionState =
      switch now.phase {
      case .starting: .starting
      case .running, .ending, .unwatched: .running
      case .ended: .ended
      }
    return SessionInfo(
      session: facts.id, name: facts.name, uid: facts.uid, user: facts.user, policy: facts.policy, pid: now.pid, command: facts.command,
      cwd: facts.cwd, started: facts.started, state: state, refused: now.refused, record: String(decoding: facts.record, as: UTF8.self), parent: facts.parent)
  }
}

/// All sessions, and the limits on them. Locked: every thread may ask.
final class SessionTable: Sendable {
  private struct State {
    var sessions: [String: Session] = [:]
    /// Those that were active when they were last looked at, and the others, each in the order of opening: what a Wrap has to look at must not grow with
    /// what has been.
    var active: [Session] = []
    var ended: [Session] = []
    var nextOrder: UInt64 = 0
    var unwatched: [Session] = []

    mutating func add(_ session: Session) {
      sessions[session.facts.id] = session
      active.append(session)
    }

    /// Notices which sessions have ended.
    mutating func settle() {
      guard active.contains(where: { !$0.isActive }) else { return }
      let over = active.filter { !$0.isActive }
      active.removeAll { session in over.contains { $0 === session } }
      for session in over {
        let place = ended.lastIndex { $0.facts.order < session.facts.order }.map { $0 + 1 } ?? 0
        ended.insert(session, at: place)
      }
    }

    /// Forgets the oldest ended sessions of a user beyond `keeping`, and of all users beyond the bound.
    mutating func makeRoom(uid: UInt32, keeping: Int) {
      var surplus = ended.count { $0.facts.uid == uid } - max(0, keeping)
      if surplus > 0 {
        ended.removeAll { session in
          guard surplus > 0, session.facts.uid == uid else { return false }
          surplus -= 1
          sessions[session.facts.id] = nil
          return true
        }
      }
      let beyond = max(0, ended.count - SessionTable.mostEnded)
      for session in ended.prefix(beyond) { sessions[session.facts.id] = nil }
      ended.removeFirst(beyond)
    }
  }

  private let state = Mutex(State())
  /// Ended sessions that are kept to be listed, over all users: a bound on memory.
  static let mostEnded = 1000

  /// Makes room for one more session and takes it, in one step, so that parallel opens can't exceed a limit.
  /// - Parameter isInside: the caller lives in a session, and is to learn nothing of the user's others.
  func reserve(_ limits: SessionLimits, uid: UInt32, isInside: Bool = false, _ facts: (UInt64) -> Session.Facts) throws(ControlError) -> Session {
    let result: Result<Session, ControlError> = state.withLock { state in
      state.settle()
      let active = state.active
      let own = active.filter { $0.facts.uid == uid }
      if own.count >= limits.activePerUser {
        return .failure(Self.limitReached("active_sessions_per_user", limits.activePerUser, isInside ? nil : own))
      }
      if own.count >= limits.perUser { return .failure(Self.limitReached("sessions_per_user", limits.perUser, isInside ? nil : own)) }
      if active.count >= limits.active {
        // Whose the others are is nobody's business here.
        return .failure(.limitReached(reason: "all \(limits.active) sessions that this host allows (active_sessions) are in use; try again later"))
      }
      state.makeRoom(uid: uid, keeping: limits.perUser - own.count - 1)
      let session = Session(facts(state.nextOrder))
      state.nextOrder += 1
      state.add(session)
      return .success(session)
    }
    return try result.get()
  }

  /// - Parameter holders: those that are told of; nil to tell of none.
  private static func limitReached(_ name: String, _ limit: Int, _ holders: [Session]?) -> ControlError {
    let count = limit == 1 ? "one session" : "\(limit) sessions"
    guard let holders else { return .limitReached(reason: "\(name) allows you \(count) at a time, and you have that many") }
    let list = holders.map { session in
      let command = displayEscaped(session.facts.command.joined(separator: " "))
      let label = session.facts.name.map { "\(displayEscaped($0)), " } ?? ""
      // As much of the id as tells sessions apart, and as `stop` takes.
      return "\(session.facts.id.prefix(8)) (\(label)\(command.prefix(40)))"
    }
    return .limitReached(reason: "\(name) allows you \(count) at a time, and you have \(list.joined(separator: "; "))")
  }

  /// Takes up sessions that were opened before this server was there, the oldest first.
  func adopt(_ sessions: [Session]) {
    state.withLock { state in
      for session in sessions where state.sessions[session.facts.id] == nil {
        var facts = session.facts
        facts.order = state.nextOrder
        state.nextOrder += 1
        state.add(Session(facts, session.current))
      }
      state.unwatched = state.sessions.values.filter { $0.current.phase == .unwatched }
    }
  }

  /// Those that run on under supervisors of a server before this one.
  var unwatched: [Session] {
    state.withLock { state in
      state.unwatched.removeAll { $0.current.phase != .unwatched }
      return state.unwatched
    }
  }

  /// Forgets a session that never came about.
  func cancel(_ session: Session) {
    state.withLock { state in
      state.sessions[session.facts.id] = nil
      state.active.removeAll { $0 === session }
      state.ended.removeAll { $0 === session }
    }
  }

  /// Whether a session of this user runs.
  func hasActive(uid: UInt32) -> Bool { state.withLock { $0.active.contains { $0.facts.uid == uid && $0.isActive } } }

  func session(_ id: String) -> Session? { state.withLock { $0.sessions[id] } }

  /// Every session, in the order of opening.
  var all: [Session] {
    state.withLock { Array($0.sessions.values) }.sorted { $0.facts.order < $1.facts.order }
  }
}

/// What a caller may see and do.
struct Authority: Sendable {
  let uid: UInt32
  let isAdmin: Bool
  /// The session that the caller itself runs in.
  let inside: String?

  func maySee(_ session: Session) -> Bool {
    // From inside a session there is nothing but that session, whoever it belongs to.
    if let inside { return session.facts.id == inside }
    return isAdmin || session.facts.uid == uid
  }
}

extension SessionTable {
  /// The session that `text` means to this caller: an id, a unique beginning of one, or a name.
  /// - Parameter past: the sessions on record, beyond those in the table, whose ids begin so; asked where the table has no better answer.
  func find(_ text: String, for authority: Authority, past: (String) throws(ControlError) -> [Session] = { _ in [] }) throws(ControlError) -> Session {
    let visible = all.filter { authority.maySee($0) }
    if let exact = visible.first(where: { $0.facts.id == text }) { return exact }
    let named = visible.filter { $0.facts.name.map { $0.utf8.elementsEqual(text.utf8) } ?? false }
    // Of several with one name, the one that is still there, else the last.
    if let found = named.last(where: \.isActive) ?? named.last { return found }
    let beginning = visible.filter { $0.facts.id.utf8.starts(with: text.utf8) } + (try past(text)).filter { authority.maySee($0) }
    if beginning.count > 1 {
      throw .unknownSession(reason: "\(beginning.count) sessions begin with \(displayEscaped(text)); write more of the id")
    }
    guard let found = beginning.first else { throw .unknownSession(reason: "there is no session \(displayEscaped(text)) that you may see") }
    return found
  }
}
