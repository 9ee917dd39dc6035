internal import AgentshProtocol
internal import AgentshSupervision
internal import AgentshSystem
import Glibc
import Logging
import SystemPackage

/// When a session is to be over. Its supervisor sees to that; but it runs as the caller, who may have stopped it (SIGSTOP), and then the server does.
struct Term: Sendable {
  enum Cause: Sendable {
    case handshake, timeout, launcher
  }

  let at: Deadline
  let cause: Cause

  /// How long after its moment a supervisor that runs may take to notice.
  private static let patienceMilliseconds: Int64 = 1000

  init(at: Deadline, _ cause: Cause) {
    self.at = at
    self.cause = cause
  }

  init(afterMilliseconds milliseconds: Int, _ cause: Cause) {
    self.init(at: .after(milliseconds: Int64(clamping: milliseconds).addingReportingOverflow(Self.patienceMilliseconds).partialValue), cause)
  }

  /// Why the server has ended a session.
  static func reason(_ cause: Cause) -> String {
    let what =
      switch cause {
      case .handshake: "the time for its handshake was over"
      case .timeout: "its time was over"
      case .launcher: "its launcher had ended"
      }
    return "\(what), and its supervisor did not end it: the server killed everything in it"
  }
}

/// What a server after this one has to know of a session's term: the moment, in a file of root's in the directory of the session, or of the one around it.
/// Nanoseconds of CLOCK_MONOTONIC, which no change of the date moves; the sessions of another boot are over.
extension SessionDirectory {
  private static let suffix = Array(".deadline".utf8)

  static func isTerm(_ name: [UInt8]) -> Bool { name.count > suffix.count && name.suffix(suffix.count).elementsEqual(suffix) }

  /// - Parameters:
  ///   - parent: the directory of all sessions.
  ///   - name: the session with the directory.
  static func write(_ term: Deadline, of session: String, in parent: borrowing OwnedDescriptor, name: [UInt8]) throws(SyscallError) {
    let directory = try openAt(parent.rawValue, name, flags: O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
    let file = try openAt(
      directory.rawValue, Array(session.utf8) + suffix, flags: O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode: 0o600)
    if let error = writeAll(file.rawValue, Array("\(term.nanoseconds)\n".utf8)).error { throw error }
  }

  static func term(of session: String, in parent: borrowing OwnedDescriptor, name: [UInt8]) -> Deadline? {
    guard let directory = try? openAt(parent.rawValue, name, flags: O_RDONLY | O_DIRECTORY | O_NOFOLLOW),
      let text = try? readSmallFile(at: directory.rawValue, Array(session.utf8) + suffix, limit: 64), text.last == UInt8(ascii: "\n")
    else { return nil }
    return UInt64(String(decoding: text.dropLast(), as: UTF8.self)).map { Deadline(nanoseconds: $0) }
  }

  static func removeTerm(of session: String, in parent: borrowing OwnedDescriptor, name: [UInt8]) {
    guard let directory = try? openAt(parent.rawValue, name, flags: O_RDONLY | O_DIRECTORY | O_NOFOLLOW) else { return }
    try? removeName(at: directory.rawValue, Array(session.utf8) + suffix)
  }
}

/// Sessions whose time is over while their supervisors do nothing.
extension ControlLoop {
  /// The command runs: from here on its time counts.
  func beginTerm(of session: WatchedSession) {
    if session.term?.cause == .handshake { session.term = nil }
    guard let milliseconds = session.opened.timeoutMilliseconds else { return }
    let term = Term(afterMilliseconds: milliseconds, .timeout)
    let name = Array((session.parent ?? session).id.utf8)
    do throws(SyscallError) {
      try SessionDirectory.write(term.at, of: session.id, in: context.runtime.current.descriptor, name: name)
    } catch {
      context.log.logger.error("session \(session.id): a server after this one will not know when it has to end: \(error)")
    }
    if session.term == nil { set(term, of: session) }
  }

  func set(_ term: Term, of session: WatchedSession) {
    session.term = term
    watchFor(term.at)
  }

  /// Its supervisor, which has the launcher's pidfd too, ends the session, if it runs.
  func launcherEnded(_ session: WatchedSession) {
    unwatchLauncher(of: session)
    set(Term(at: .after(milliseconds: 0), .launcher), of: session)
  }

  func watchLauncher(of session: WatchedSession) throws(SyscallError) {
    // A descriptor of the session's own: the caller's connection may have opened others.
    let launcher = SharedPidfd(try session.opened.caller.pidfd.descriptor.duplicate())
    try epoll.add(launcher.pidfd.descriptor.rawValue, .readable, token: Self.token(.launcher, session.number))
    session.launcher = launcher
  }

  func unwatchLauncher(of session: WatchedSession) {
    if let launcher = session.launcher { epoll.remove(launcher.pidfd.descriptor.rawValue) }
    session.launcher = nil
  }

  /// A supervisor that was stopped goes on, and does what it should have done, the end of the record included. One that is stopped again is killed.
  func termPassed(_ session: WatchedSession, _ cause: Term.Cause) {
    session.term = nil
    guard session.status == nil, session.summary == nil else { return }
    session.overdue = session.overdue ?? cause
    session.session.update { $0.phase = .ending }
    expectEnd(of: session)
  }

  /// Has a supervisor that its user has stopped go on.
  func wakeSupervisor(of session: WatchedSession) {
    try? (session.parent ?? session).opened.supervisor?.process.pidfd.sendSignal(SIGCONT)
  }

  // MARK: Sessions of a server before this one

  /// What is to be watched of it, from the files and the descriptors that it has.
  func watchTerm(of session: AdoptedSession, _ number: UInt64) {
    let name = Array(session.id.utf8)
    let runtime = context.runtime.current
    for inside in [name] + context.nestedCgroups(of: name) {
      let id = String(decoding: inside, as: UTF8.self)
      guard let at = SessionDirectory.term(of: id, in: runtime.descriptor, name: name) else { continue }
      session.terms[id] = Term(at: at, .timeout)
      watchFor(at)
    }
    do throws(SyscallError) {
      guard let supervisor = session.supervisor else { return }
      let launcher = SharedPidfd(try supervisor.pidfd.descriptor(SupervisorMain.launcherDescriptor))
      try epoll.add(launcher.pidfd.descriptor.rawValue, .readable, token: Self.token(.adoptedLauncher, number))
      session.launcher = launcher
    } catch {
      context.log.logger.warning("session \(session.id): its launcher can't be watched: \(error)")
    }
  }

  func adoptedLauncherEnded(_ number: UInt64) {
    guard let session = adopted[number] else { return }
    unwatchLauncher(of: session)
    session.terms[session.id] = Term(at: .after(milliseconds: 0), .launcher)
    watchFor(.after(milliseconds: 0))
  }

  func unwatchLauncher(of session: AdoptedSession) {
    if let launcher = session.launcher { epoll.remove(launcher.pidfd.descriptor.rawValue) }
    session.launcher = nil
  }

  /// The same as for those that were opened by this server: first the supervisor is to go on, then it is killed. Sessions inside lose their processes alone.
  func checkTerms(of session: AdoptedSession, _ number: UInt64) {
    guard !session.isEnding else { return }
    for (id, term) in session.terms where term.at.hasPassed {
      session.terms[id] = nil
      guard session.overdue[id] == nil else { continue }
      try? session.supervisor?.pidfd.sendSignal(SIGCONT)
      session.overdue[id] = Term(at: .after(milliseconds: Self.stopMilliseconds), term.cause)
    }
    for (id, overdue) in session.overdue where overdue.at.hasPassed {
      session.overdue[id] = nil
      let reason = Term.reason(overdue.cause)
      guard id == session.id else {
        endUnwatched(id, in: session.id, reason)
        continue
      }
      context.log.logger.error("session \(id): \(reason)")
      session.failure = reason
      try? session.supervisor?.pidfd.sendSignal(SIGKILL)
      return adoptedEnded(number)
    }
    for term in [session.terms.values, session.overdue.values].joined() { watchFor(term.at) }
  }

  private func endUnwatched(_ id: String, in parent: String, _ reason: String) {
    let context = context
    workers.submit(for: 0) {
      guard let session = context.sessions.session(id), session.current.phase == .unwatched else { return }
      context.log.logger.error("session \(id): \(reason)")
      session.update { $0.closing = Session.Closing(time: auditClock().text, message: reason) }
      do throws(ControlError) { try context.killProcesses(of: id, in: parent) } catch {
        context.log.logger.warning("session \(id): what is left of it can't be killed: \(error)")
      }
      context.settleUnwatched()
    }
  }
}
