internal import AgentshAudit
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

  /// In the order of opening.
  var all: [(id: String, uid: UInt32?)] { open.sorted { $0.value.order < $1.value.order }.map { ($0.key, $0.value.uid) } }

  /// - Parameters:
  ///   - file: `server.jsonl`.
  ///   - end: how far it is read.
  init(in file: borrowing OwnedDescriptor, upTo end: Int64) {
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
    let found = UnclosedSessions(in: log.file.descriptor, upTo: log.sizeAtStart).all.filter { !running.contains($0.id) }
    guard !found.isEmpty else { return }
    // Without control groups, or where their directories are gone, only the supervisors tell which sessions go on.
    let supervised = supervisors(of: Set(found.map(\.id)))
    for (id, uid) in found where supervised[id] == nil { log.note(closingRecord(of: id, uid: uid, "the session ended while no server ran")) }
  }

  /// The record of the end of a session that this server has not watched.
  /// - Parameters:
  ///   - message: what is said of one whose record has its last line.
  ///   - failure: of one that has none, why this server has ended it.
  func closingRecord(of id: String, uid: UInt32?, _ message: String?, failure: String? = nil) -> AuditRecord {
    var fields: [AuditField] = []
    var message = message
    if let ending = PastRecords.ending(of: id, in: self) {
      if let status = ending.status { fields.append(AuditField("status", .integer(Int64(status)))) }
      fields.append(AuditField("refused", .integer(Int64(ending.refused))))
    } else if let told = message {
      message = "\(told), and its supervisor died"
    } else {
      message = failure
    }
    if let last = lastHash(of: id) { fields.append(AuditField("last_hash", .text(last))) }
    return AuditRecord(operation: .sessionClosed, session: id, uid: uid, fields: fields, message: message)
  }
}
