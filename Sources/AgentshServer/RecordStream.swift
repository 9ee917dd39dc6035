internal import AgentshAudit
internal import AgentshProtocol
internal import AgentshSystem
import Glibc
import Synchronization
import SystemPackage

/// Part of the answer to `Events`.
struct RecordPart: Sendable {
  /// Replies, framed.
  var frames: [UInt8] = []
  /// Everything that is in the files now has been read.
  var isAtEnd = false
  /// The record can't be read.
  var failure: String?
}

/// Lines of one or more records, read bit by bit as fast as the reader takes them. One that has ended is open only while it is read, so that no number
/// of them holds more than one descriptor.
final class RecordStream: Sendable {
  private struct Source {
    let session: Session
    var file: SharedDescriptor?
    var offset: Int64 = 0
    var isRead = false
  }

  private struct Reading {
    var sources: [Source]
    var next = 0
  }

  private let reading: Mutex<Reading>
  private let directory: SharedDescriptor
  let request: EventsRequest
  /// Whose records these are, and those that have come since.
  let sessions: [String]
  /// Who follows everything that they may see, sessions that are still to come too; nil for a stream that has an end.
  let audience: Authority?
  /// Sessions that have come since, until they are read.
  private let joining: Mutex<[Session]> = Mutex([])

  /// What is read at a time.
  static let partBytes = 128 << 10
  /// What is read in one job where nothing in it is wanted, or what as many looks at files count for, before others have their turn.
  static let jobBytes = 1 << 20
  private static let lookBytes = 4 << 10
  /// A record has no longer lines.
  static let longestLine = 4 << 20

  /// - Parameters:
  ///   - directory: where the records lie.
  ///   - audience: follows what is still to come, too.
  init(_ request: EventsRequest, sessions: [Session], in directory: SharedDescriptor, audience: Authority? = nil) {
    self.request = request
    self.directory = directory
    self.audience = audience
    self.sessions = sessions.map(\.facts.id)
    reading = Mutex(Reading(sources: sessions.map { Source(session: $0) }))
  }

  /// Whether the stream tells of a session.
  func concerns(_ session: Session) -> Bool { audience?.maySee(session) ?? sessions.contains(session.facts.id) }

  /// From now on this one is read too, if it isn't already.
  func join(_ session: Session) { joining.withLock { $0.append(session) } }

  /// Reads on, for a part with something in it, but not for long: one that is empty and not at the end is to be followed by another call. Called by
  /// one thread at a time.
  func readPart() -> RecordPart {
    var part = RecordPart()
    var current = reading.withLock { $0 }
    defer { reading.withLock { $0 = current } }
    let joined = joining.withLock { sessions in
      defer { sessions = [] }
      return sessions
    }
    for session in joined where !current.sources.contains(where: { $0.session === session && !$0.isRead }) { current.sources.append(Source(session: session)) }
    var left = Self.jobBytes
    while part.frames.isEmpty, left > 0 {
      left -= Self.lookBytes
      guard current.next < current.sources.count else {
        // The next time, those that may have grown are looked at again.
        current.next = 0
        // Whoever follows for days is not to look at all that has been.
        if audience != nil { current.sources.removeAll(where: \.isRead) }
        part.isAtEnd = true
        return part
      }
      do throws(SyscallError) {
        if try !read(&current.sources[current.next], &part, &left) { current.next += 1 }
      } catch {
        part.failure = "the record can't be read: \(error)"
        return part
      }
    }
    return part
  }

  /// Whether there was anything.
  private func read(_ source: inout Source, _ part: inout RecordPart, _ left: inout Int) throws(SyscallError) -> Bool {
    if source.isRead { return false }
    // Asked before reading: what has ended by now writes no more.
    let mayGrow = request.follow && source.session.isActive
    guard let file = try open(&source) else { return false }
    var limit = Self.partBytes
    while true {
      let bytes = try AgentshServer.readPart(file.rawValue, from: source.offset, limit: limit)
      left -= bytes.count
      guard let end = bytes.lastIndex(of: UInt8(ascii: "\n")) else {
        // A line that is not there yet, or one longer than what was read.
        if bytes.count < limit {
          if !mayGrow {
            source.file = nil
            source.isRead = true
          }
          return false
        }
        guard limit < Self.longestLine else { throw SyscallError("read", .messageTooLong, "a line has no end") }
        limit = Self.longestLine
        continue
      }
      for line in bytes[...end].split(separator: UInt8(ascii: "\n")) where wants(line) {
        part.frames += ControlResponse.event(line: String(decoding: line, as: UTF8.self), continues: true).reply.frame
      }
      source.offset += Int64(end + 1)
      return true
    }
  }

  private func open(_ source: inout Source) throws(SyscallError) -> SharedDescriptor? {
    if let file = source.file { return file }
    do throws(SyscallError) {
      let file = SharedDescriptor(try openAt(directory.rawValue, Array("\(source.session.facts.id).jsonl".utf8), flags: O_RDONLY | O_NOFOLLOW))
      source.file = file
      return file
    } catch {
      // Of many, one that was moved away meanwhile is not there; that of one session is what was asked for.
      guard error.errno == .noSuchFileOrDirectory, sessions.count > 1 || audience != nil else { throw error }
      source.isRead = true
      return nil
    }
  }

  private func wants(_ line: ArraySlice<UInt8>) -> Bool {
    if request.decision == nil, request.operation == nil { return true }
    guard let object = try? JSONObject.parse(Array(line)) else { return true }
    return Self.matches(object["decision"], request.decision) && Self.matches(object["op"], request.operation)
  }

  /// `file.*` and plain words.
  private static func matches(_ value: JSONValue?, _ wanted: String?) -> Bool {
    guard let wanted else { return true }
    guard case .string(let text)? = value else { return false }
    if wanted.hasSuffix("*") { return text.utf8.starts(with: wanted.utf8.dropLast()) }
    return text.utf8.elementsEqual(wanted.utf8)
  }
}

/// Tells when files grow: inotify(7).
struct FileWatch: ~Copyable {
  let descriptor: OwnedDescriptor
  private var watches: [CInt: Set<UInt64>] = [:]
  private var paths: [[UInt8]: CInt] = [:]

  init() throws(SyscallError) {
    descriptor = OwnedDescriptor(owning: try openWatch())
  }

  /// From now on `readChanged` names `connection` when the file at `path` changes.
  mutating func add(_ path: [UInt8], connection: UInt64) throws(SyscallError) {
    let watch = try addWatch(descriptor.rawValue, path)
    watches[watch, default: []].insert(connection)
    paths[path] = watch
  }

  /// The file at `path` changes no more.
  mutating func remove(_ path: [UInt8]) {
    guard let watch = paths.removeValue(forKey: path) else { return }
    watches[watch] = nil
    _ = inotify_rm_watch(descriptor.rawValue, watch)
  }

  mutating func remove(connection: UInt64) {
    for (watch, var connections) in watches where connections.remove(connection) != nil {
      if connections.isEmpty {
        watches[watch] = nil
        for (path, other) in paths where other == watch { paths[path] = nil }
        _ = inotify_rm_watch(descriptor.rawValue, watch)
      } else {
        watches[watch] = connections
      }
    }
  }

  /// The connections whose files have changed.
  func readChanged() -> Set<UInt64> {
    var changed: Set<UInt64> = []
    for watch in readWatches(descriptor.rawValue) {
      // -1: events were lost, so everybody looks.
      if watch == -1 { return watches.values.reduce(into: []) { $0.formUnion($1) } }
      changed.formUnion(watches[watch] ?? [])
    }
    return changed
  }
}
