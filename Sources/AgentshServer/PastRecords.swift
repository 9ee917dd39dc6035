internal import AgentshAudit
internal import AgentshProtocol
internal import AgentshSystem
import Glibc
import SystemPackage

/// Sessions as their records tell of them: those of a server before this one.
///
/// A record says in its first line whose it is. Nobody but its own supervisor could write it: with a false uid there a user could give away that one
/// record at most, and never get to see another's.
enum PastRecords {
  /// Names that may be looked at for the beginning of an id.
  static let mostCandidates = 64
  /// Of a record without an end, the most that is counted.
  static let mostCounted = 64 << 20
  private static let suffix = Array(".jsonl".utf8)
  private static let newline = UInt8(ascii: "\n")

  /// The session with this id, or nil where there is no record of it that begins as it has to.
  /// - Parameter isCounted: whether a record without an end is read to its end for what was refused; else that is 0.
  static func session(_ id: String, in context: ServerContext, isCounted: Bool = true) -> Session? {
    guard isID(id), let file = try? open(id, in: context), let first = firstLine(file), let start = try? JSONObject.parse(first),
      text(start, "op") == AuditOperation.sessionStart.rawValue, text(start, "session") == id, case .integer(let number)? = start["uid"],
      let uid = UInt32(exactly: number)
    else { return nil }
    var user = String(uid)
    if case .object(let caller)? = start["caller"] { user = text(caller, "user") ?? user }
    let session = Session(
      Session.Facts(
        id: id, name: text(start, "name"), uid: uid, user: displayEscaped(user), policy: text(start, "policy") ?? "",
        command: Session.kept(command: command(start), isWhole: start["command_omitted"] == nil), cwd: Session.kept(bytes(start, "cwd")), started: text(start, "opened") ?? text(start, "time") ?? "",
        record: TrustedPath.joined(context.recordsPath, fileName(id)), order: 0, parent: text(start, "parent").flatMap { isID($0) ? $0 : nil }))
    let pid: Int32? = if case .integer(let number)? = start["pid"] { Int32(exactly: number) } else { nil }
    let refused = isCounted ? refusals(in: file) : toldRefusals(in: file) ?? 0
    session.update {
      $0.phase = .ended
      $0.pid = pid
      $0.refused = refused
    }
    return session
  }

  /// The ids of the records there are, the latest first.
  static func latest(in context: ServerContext) -> [String] {
    names(in: context).compactMap { id -> (id: String, changed: Int64)? in
      guard let status = try? linkStatus(at: context.records.rawValue, fileName(id)), status.isRegular else { return nil }
      return (id, status.modified)
    }.sorted { $0.changed > $1.changed }.map(\.id)
  }

  /// The ids that begin with `text`; nil where too many do.
  static func ids(beginningWith text: String, in context: ServerContext) -> [String]? {
    let found = names(in: context).filter { $0.utf8.starts(with: text.utf8) }
    return found.count > mostCandidates ? nil : found
  }

  /// How many refusals a record tells of: what its last line says, or, where the session was cut off, what its lines say.
  static func refusals(in file: borrowing OwnedDescriptor) -> Int {
    if let told = toldRefusals(in: file) { return told }
    var count = 0
    var offset: Int64 = 0
    while offset < mostCounted, let part = try? readPart(file.rawValue, from: offset, limit: 1 << 20), let end = part.lastIndex(of: newline) {
      for line in part[...end].split(separator: newline) where isRefusal(line) { count += 1 }
      offset += Int64(end + 1)
    }
    return count
  }

  /// How many refusals a record's last line tells of; nil where it has none.
  private static func toldRefusals(in file: borrowing OwnedDescriptor) -> Int? {
    ending(in: file)?.refused
  }

  /// What a record's last line tells.
  struct Ending {
    let refused: Int
    let told: SessionEnding

    var status: Int? { told.status }
  }

  private static func ending(in file: borrowing OwnedDescriptor) -> Ending? {
    guard let end = lastLine(file), let line = try? JSONObject.parse(end), text(line, "op") == AuditOperation.sessionEnd.rawValue else { return nil }
    var decisions: JSONObject = [:]
    if case .object(let counts)? = line["decisions"] {
      for member in counts.members where AuditDecision(rawValue: member.name) != nil {
        decisions[member.name] = count(counts, member.name).map { .integer(Int64($0)) }
      }
    }
    let told = SessionEnding(
      time: text(line, "time") ?? "", status: count(line, "status"), reason: text(line, "reason").map { Session.kept(Array($0.utf8)) },
      durationMilliseconds: count(line, "duration_us").map { $0 / 1000 }, decisions: decisions)
    return Ending(refused: count(line, "refused") ?? 0, told: told)
  }

  /// What the record's last line tells; nil where it has none.
  static func ending(of id: String, in context: ServerContext) -> Ending? {
    guard let file = try? open(id, in: context) else { return nil }
    return ending(in: file)
  }

  /// Whether a record has its last line.
  static func isClosed(_ id: String, in context: ServerContext) -> Bool { ending(of: id, in: context) != nil }

  static func open(_ id: String, in context: ServerContext) throws(SyscallError) -> OwnedDescriptor {
    try openAt(context.records.rawValue, fileName(id), flags: O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
  }

  // MARK: Parts

  /// 8-4-4-4-12 hexadecimal digits: no path, and no name of anything else.
  static func isID(_ text: String) -> Bool {
    text.utf8.count == 36
      && text.utf8.enumerated().allSatisfy { index, byte in
        [8, 13, 18, 23].contains(index) ? byte == UInt8(ascii: "-") : isHexadecimal(byte)
      }
  }

  private static func isHexadecimal(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
  }

  private static func fileName(_ id: String) -> [UInt8] { Array(id.utf8) + suffix }

  private static func names(in context: ServerContext) -> [String] {
    let found = (try? directoryNames(in: context.records.descriptor)) ?? []
    return found.compactMap { name in
      guard name.count == 36 + suffix.count, name.suffix(suffix.count).elementsEqual(suffix) else { return nil }
      let id = String(decoding: name.dropLast(suffix.count), as: UTF8.self)
      return isID(id) ? id : nil
    }
  }

  private static func firstLine(_ file: borrowing OwnedDescriptor) -> [UInt8]? {
    for limit in [8 << 10, RecordStream.longestLine] {
      guard let part = try? readPart(file.rawValue, from: 0, limit: limit) else { return nil }
      if let end = part.firstIndex(of: newline) { return Array(part[..<end]) }
    }
    return nil
  }

  private static func lastLine(_ file: borrowing OwnedDescriptor) -> [UInt8]? {
    // The line that closes a record is short.
    let limit = 16 << 10
    guard let size = try? fileStatus(file).size, let tail = try? readPart(file.rawValue, from: max(0, size - Int64(limit)), limit: limit),
      tail.last == newline
    else { return nil }
    return tail.split(separator: newline).last.map { Array($0) }
  }

  private static func isRefusal(_ line: ArraySlice<UInt8>) -> Bool {
    guard let object = try? JSONObject.parse(Array(line)), let word = text(object, "decision"), let decision = AuditDecision(rawValue: word) else {
      return false
    }
    return decision.isRefusal
  }

  private static func text(_ object: JSONObject, _ name: String) -> String? {
    if case .string(let text)? = object[name] { text } else { nil }
  }

  private static func count(_ object: JSONObject, _ name: String) -> Int? {
    if case .integer(let number)? = object[name], number >= 0 { Int(clamping: number) } else { nil }
  }

  /// The whole bytes, where the text could not hold them.
  private static func bytes(_ object: JSONObject, _ name: String) -> [UInt8] {
    if let encoded = text(object, "\(name)_b64"), let bytes = Base64.decode(encoded) { return bytes }
    return Array((text(object, name) ?? "").utf8)
  }

  private static func command(_ start: JSONObject) -> [[UInt8]] {
    func list(_ name: String, _ decode: (String) -> [UInt8]?) -> [[UInt8]]? {
      guard case .array(let elements)? = start[name] else { return nil }
      return elements.map { element in if case .string(let text) = element { decode(text) ?? [] } else { [] } }
    }
    return list("command_b64", Base64.decode) ?? list("command") { Array($0.utf8) } ?? []
  }
}

extension ServerContext {
  /// The session that `text` means to this caller; what the table does not know any more may still be on record.
  func find(_ text: String, for authority: Authority) throws(ControlError) -> Session {
    settleUnwatched()
    return try sessions.find(text, for: authority) { text throws(ControlError) in
      // Shorter ones would have every record looked at.
      guard text.utf8.count >= 4 else { return [] }
      guard let ids = PastRecords.ids(beginningWith: text, in: self) else {
        throw .unknownSession(reason: "many records begin with \(displayEscaped(text)); write more of the id")
      }
      return ids.filter { sessions.session($0) == nil }.compactMap { PastRecords.session($0, in: self) }
    }
  }

  /// Has a session that is over know how it ended: what its record's last line tells, and for what is missing there the server's log.
  func learnEnding(of session: Session) {
    let now = session.current
    guard now.phase == .ended, now.ending == nil else { return }
    var ending = PastRecords.ending(of: session.facts.id, in: self)?.told
    // Of sessions with a last line the log is not looked through: what it says of those that are listed was read at the start.
    if let closing = now.closing ?? (ending == nil ? loggedClosing(of: session.facts.id) : nil) {
      let message = closing.message.map { Session.kept(Array($0.utf8)) }
      var told = ending ?? SessionEnding(time: closing.time)
      told.reason = told.reason ?? message
      ending = told
    }
    // What has come meanwhile is told the next time.
    session.update { if $0.closing == now.closing { $0.ending = ending } }
  }

  /// Takes up what a server before this one has left on record: so many sessions as would be known without the restart.
  ///
  /// Nobody is served meanwhile, so that no record is read to its end for it: those returned have no last line, and what they tell is to be counted later.
  /// - Parameter running: those that go on under their own supervisors.
  func adoptRecords(running: Set<String>) -> [String] {
    let limits = rules.ruleset.configuration.limits
    var kept: [Session] = []
    var perUser: [UInt32: Int] = [:]
    for id in PastRecords.latest(in: self).prefix(4 * SessionTable.mostEnded) {
      guard kept.count < SessionTable.mostEnded else { break }
      guard let session = PastRecords.session(id, in: self, isCounted: false), running.contains(id) || perUser[session.facts.uid, default: 0] < limits.perUser
      else { continue }
      perUser[session.facts.uid, default: 0] += 1
      if running.contains(id) { session.update { $0.phase = .unwatched } }
      kept.append(session)
    }
    sessions.adopt(kept.sorted { $0.facts.started < $1.facts.started })
    return kept.map(\.facts.id).filter { !PastRecords.isClosed($0, in: self) }
  }

  /// Looks whether sessions that run on without a server have ended, and removes what was theirs.
  func settleUnwatched() {
    for session in sessions.unwatched {
      let name = Array(session.facts.id.utf8)
      guard removeCgroup(name, in: session.facts.parent.map { Array($0.utf8) }) || PastRecords.isClosed(session.facts.id, in: self) else { continue }
      SessionDirectory.remove(in: runtime.current.descriptor, name: name)
      var refused = session.current.refused
      if let file = try? PastRecords.open(session.facts.id, in: self) { refused = PastRecords.refusals(in: file) }
      // Several workers may find out at once.
      var isFound = false
      session.update {
        isFound = $0.phase == .unwatched
        $0.phase = .ended
        $0.refused = refused
      }
      // What had a supervisor of its own is closed when that has ended (`finishAdopted`).
      if isFound, session.facts.parent != nil {
        let reason = session.current.closing?.message
        noteClosing(closingRecord(of: session.facts.id, uid: session.facts.uid, nil, failure: reason), of: session)
      }
    }
  }

  /// Kills what runs in the control group of a session that this server does not watch.
  /// - Parameter reason: goes to `session.closed`, since nobody can tell the supervisor.
  func killUnwatched(_ session: Session, _ reason: String) throws(ControlError) {
    // Before the end, which somebody else notices and puts on record.
    session.update { $0.closing = Session.Closing(time: auditClock().text, message: reason) }
    do throws(ControlError) { try killProcesses(of: session.facts.id, in: session.facts.parent) } catch {
      session.update { if $0.phase == .unwatched { $0.closing = nil } }
      throw error
    }
    settleUnwatched()
  }

  /// Kills what runs in a session's control group, and waits for its end.
  func killProcesses(of session: String, in parent: String?) throws(ControlError) {
    guard let cgroups = host.cgroups else { throw .hostCannotEnforce(reason: "without control groups the session's processes can't be found", ofServer: true) }
    do throws(SyscallError) {
      let group = try cgroups.open(Array(session.utf8), in: parent.map { Array($0.utf8) })
      let deadline = Deadline.after(milliseconds: ControlLoop.stopMilliseconds)
      while try !group.isEmpty() {
        try group.kill()
        guard !deadline.hasPassed else { throw SyscallError("cgroup.kill", .timedOut) }
        usleep(5000)
      }
    } catch {
      // It has ended meanwhile: its group is gone, or goes while it is looked at (ENODEV).
      if error.errno != .noSuchFileOrDirectory, error.errno.rawValue != ENODEV {
        throw .hostCannotEnforce(reason: "its processes can't be killed: \(error)", ofServer: true)
      }
    }
  }

  /// The hash of the last line of a session's record: with it here, nobody can cut lines off the end there unseen.
  func lastHash(of session: String) -> String? {
    do throws(SyscallError) {
      let file = try openAt(records.rawValue, Array("\(session).jsonl".utf8), flags: O_RDONLY | O_NOFOLLOW)
      let size = try fileStatus(file).size
      let limit = 256 << 10
      let tail = try readPart(file.rawValue, from: max(0, size - Int64(limit)), limit: limit)
      guard let line = tail.split(separator: UInt8(ascii: "\n")).last, let position = ChainPosition(lastLine: Array(line)) else { return nil }
      return String(decoding: position.lastHash, as: UTF8.self)
    } catch {
      return nil
    }
  }
}
