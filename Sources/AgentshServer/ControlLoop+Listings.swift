internal import AgentshProtocol
internal import AgentshSystem

/// Sessions that are to be listed, while those of them that run are asked how many operations they have refused.
struct Listing {
  let connection: UInt64
  let sessions: [Session]
  /// `ListSessions`; else `GetSession`.
  let isList: Bool
  /// Numbers of watched sessions that have not answered.
  var waiting: Set<UInt64>
  let deadline: Deadline
}

extension ControlLoop {
  /// A supervisor answers at once. One that is stopped, or dying, is not waited for: what it said last is told.
  static let countMilliseconds: Int64 = 250

  /// Has a worker find the sessions, asks them, and answers.
  func list(for connection: ControlConnection, isList: Bool, _ find: @escaping @Sendable () throws(ControlError) -> [Session]) {
    let (id, mailbox) = (connection.id, mailbox)
    workers.submit(for: connection.uid) {
      do throws(ControlError) {
        mailbox.post(.countsWanted(connection: id, try find(), isList: isList))
      } catch {
        mailbox.post(.answered(connection: id, .failure(error)))
      }
    }
  }

  func beginListing(_ found: [Session], isList: Bool, for connection: UInt64) {
    let number = nextNumber
    nextNumber += 1
    var waiting: Set<UInt64> = []
    for session in found where session.current.phase == .running {
      guard let watched = sessionNumbers[session.facts.id], let running = sessions[watched] else { continue }
      // One whose queue is full has questions enough before it.
      if send(.count(request: Int(clamping: number)), to: running) { waiting.insert(watched) }
    }
    let deadline = Deadline.after(milliseconds: Self.countMilliseconds)
    listings[number] = Listing(connection: connection, sessions: found, isList: isList, waiting: waiting, deadline: deadline)
    if waiting.isEmpty { finishListing(number) } else { watchFor(deadline) }
  }

  /// A supervisor has told its count.
  func noteCount(_ refused: Int, of session: WatchedSession, request: Int) {
    // The end's own count is the last word.
    if session.summary == nil { session.session.update { $0.refused = refused } }
    guard let number = UInt64(exactly: request) else { return }
    stopWaiting(for: session.number, in: number)
  }

  /// A session has gone: nobody is to wait for its count.
  func stopWaiting(for session: UInt64) {
    for number in Array(listings.keys) { stopWaiting(for: session, in: number) }
  }

  private func stopWaiting(for session: UInt64, in number: UInt64) {
    guard listings[number]?.waiting.remove(session) != nil, listings[number]?.waiting.isEmpty == true else { return }
    finishListing(number)
  }

  /// What goes into one message of sessions in the order of opening: those opened last.
  static func fitting(_ sessions: [Session]) -> [SessionInfo] {
    var infos: [SessionInfo] = []
    // What is around each of them in the list is less than what is around it here.
    var left = MessageFramer.controlLimit - 1024
    for session in sessions.reversed() {
      let info = session.info
      left -= ControlResponse.session(info).reply.frame.count
      guard left >= 0 else { break }
      infos.append(info)
    }
    return infos.reversed()
  }

  func finishListing(_ number: UInt64) {
    guard let listing = listings.removeValue(forKey: number) else { return }
    if listing.isList {
      answer(listing.connection, .success(.sessions(Self.fitting(listing.sessions))))
    } else if let info = listing.sessions.first?.wholeInfo {
      answer(listing.connection, .success(.session(info)))
    }
  }
}
