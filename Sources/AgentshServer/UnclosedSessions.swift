internal import AgentshAudit
internal import AgentshProtocol
internal import AgentshSystem
import Glibc

/// Sessions of which `server.jsonl` tells the beginning and not the end: they ended while no server ran, or while one did that was killed before it wrote that.
struct UnclosedSessions {
  /// Of the log, the most that is looked through: what is older was looked through by earlier servers.
  static let mostLookedThrough: Int64 = 64 << 20
  private static let newline = UInt8(ascii: "\n")
  private static let comma = UInt8(ascii: ",")
  private static let sessionKey = Array("\"session\":\"".utf8)
  private static let userKey = Array("\"uid\":".utf8)
  private static let opened = Array("\"op\":\"\(AuditOperation.sessionOpened.rawValue)\"".utf8)
  private static let closed = Array("\"op\":\"\(AuditOperation.sessionClosed.rawValue)\"".utf8)

  private var open: [String: (order: Int, uid: UInt32?)] = [:]
  private var count = 0
  private let wanted: Set<String>
  /// What `session.closed` says of those that were asked for.
  private(set) var closings: [String: Session.Closing] = [:]

  /// In the order of opening.
  var all: [(id: String, uid: UInt32?)] { open.sorted { $0.value.order < $1.value.order }.map { ($0.key, $0.value.uid) } }

  /// - Parameters:
  ///   - file: `server.jsonl`.
  ///   - end: how far it is read.
  ///   - wanted: of which sessions that have been closed it is to be known what was said then.
  init(in file: borrowing OwnedDescriptor, upTo end: Int64, closingsOf wanted: Set<String> = []) {
    self.wanted = wanted
    // The first of these lines may lack its beginning, and is no whole one then.
    var offset = max(0, end - Self.mostLookedThrough)
    while offset < end, let part = try? readPart(file.rawValue, from: offset, limit: min(ServerLog.longestLine, Int(end - offset))), !part.isEmpty {
      // What has no end in so much is no line of ours.
      let length = part.lastIndex(of: Self.newline).map { $0 + 1 } ?? part.count
      for line in part[..<length].split(separator: Self.newline) { note(line) }
      offset += Int64(length)
    }
  }

  /// Takes apart what stands before the first value that somebody else has chosen: number, time, session, uid, pid, op. None of them has a comma in it.
  private mutating func note(_ line: ArraySlice<UInt8>) {
    let parts = line.prefix(512).split(separator: Self.comma, maxSplits: 7)
    let isOpening = parts.contains { $0.elementsEqual(Self.opened) }
    guard isOpening || parts.contains(where: { $0.elementsEqual(Self.closed) }), let part = parts.first(where: { $0.starts(with: Self.sessionKey) })
    else { return }
    let id = String(decoding: part.dropFirst(Self.sessionKey.count).dropLast(), as: UTF8.self)
    guard PastRecords.isID(id) else { return }
    guard isOpening else {
      open[id] = nil
      if wanted.contains(id), let object = try? JSONObject.parse(Array(line)), case .string(let time)? = object["time"] {
        var closing = Session.Closing(time: time)
        if case .string(let message)? = object["message"] { closing.message = message }
        closings[id] = closing
      }
      return
    }
    let uid = parts.first { $0.starts(with: Self.userKey) }.flatMap { UInt32(String(decoding: $0.dropFirst(Self.userKey.count), as: UTF8.self)) }
    open[id] = (count, uid)
    count += 1
  }
}

extension ServerContext {
  /// Writes `session.closed` for sessions that ended while nobody was there to write it, with the hash of their record's last line: without it lines could
  /// be cut off there unseen. For a worker: the log may be long, and nobody waits for it.
  /// - Parameter running: sessions of a server before this one that go on: theirs is written when they end.
  func closeForgotten(running: Set<String>) {
    let over = sessions.all.filter { !running.contains($0.facts.id) }
    let looked = UnclosedSessions(in: log.file.descriptor, upTo: log.sizeAtStart, closingsOf: Set(over.map(\.facts.id)))
    for session in over {
      guard let closing = looked.closings[session.facts.id] else { continue }
      session.update {
        $0.closing = closing
        $0.ending = nil
      }
    }
    let found = looked.all.filter { !running.contains($0.id) }
    guard !found.isEmpty else { return }
    // Without control groups, or where their directories are gone, only the supervisors tell which sessions go on.
    let supervised = supervisors(of: Set(found.map(\.id)))
    for (id, uid) in found where supervised[id] == nil {
      noteClosing(closingRecord(of: id, uid: uid, "the session ended while no server ran"), of: sessions.session(id))
    }
  }

  /// Writes `session.closed`, and has the session know what that says.
  func noteClosing(_ record: AuditRecord, of session: Session?) {
    let closing = Session.Closing(time: auditClock().text, message: record.message)
    log.note(record)
    session?.update {
      $0.closing = closing
      $0.ending = nil
    }
  }

  /// What the log says of the end of a session, as far back as it is looked through.
  func loggedClosing(of id: String) -> Session.Closing? {
    guard let size = try? fileStatus(log.file.descriptor).size else { return nil }
    return UnclosedSessions(in: log.file.descriptor, upTo: size, closingsOf: [id]).closings[id]
  }

  /// The record of the end of a session that this server has not watched.
  /// - Parameters:
  ///   - message: what is said of one that ended by itself.
  ///   - failure: why this server has ended it, where it has.
  func closingRecord(of id: String, uid: UInt32?, _ message: String?, failure: String? = nil) -> AuditRecord {
    var fields: [AuditField] = []
    var message = message
    if let ending = PastRecords.ending(of: id, in: self) {
      if let status = ending.status { fields.append(AuditField("status", .integer(Int64(status)))) }
      fields.append(AuditField("refused", .integer(Int64(ending.refused))))
      message = message ?? failure
    } else if let told = message {
      message = "\(told), and its supervisor died"
    } else {
      message = failure
    }
    if let last = lastHash(of: id) { fields.append(AuditField("last_hash", .text(last))) }
    return AuditRecord(operation: .sessionClosed, session: id, uid: uid, fields: fields, message: message)
  }
}
