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

/// Lines of one or more records, read bit by bit as fast as the reader takes them.
final class RecordStream: Sendable {
  private struct Source {
    let file: SharedDescriptor
    var offset: Int64 = 0
  }

  private let sources: Mutex<[Source]>
  private let next = Mutex(0)
  let request: EventsRequest
  /// Whose records these are, for the watch on them.
  let sessions: [String]
  let paths: [[UInt8]]

  /// What is read at a time.
  static let partBytes = 128 << 10
  /// A record has no longer lines.
  static let longestLine = 4 << 20

  init(_ request: EventsRequest, sessions: [(id: String, path: [UInt8])], in directory: borrowing OwnedDescriptor) throws(SyscallError) {
    var opened: [Source] = []
    for session in sessions {
      let file = try openAt(directory.rawValue, Array("\(session.id).jsonl".utf8), flags: O_RDONLY | O_NOFOLLOW)
      opened.append(Source(file: SharedDescriptor(file)))
    }
    sources = Mutex(opened)
    self.request = request
    self.sessions = sessions.map(\.id)
    paths = sessions.map(\.path)
  }

  /// Reads on. Called by one thread at a time.
  func readPart() -> RecordPart {
    var part = RecordPart()
    let count = sources.withLock { $0.count }
    while part.frames.isEmpty {
      let index = next.withLock { $0 }
      guard index < count else {
        // The next time, all of them are looked at again.
        next.withLock { $0 = 0 }
        part.isAtEnd = true
        return part
      }
      do throws(SyscallError) {
        if try !read(index, &part) { next.withLock { $0 += 1 } }
      } catch {
        part.failure = "the record can't be read: \(error)"
        return part
      }
    }
    return part
  }

  /// Whether there was anything.
  private func read(_ index: Int, _ part: inout RecordPart) throws(SyscallError) -> Bool {
    let source = sources.withLock { $0[index] }
    var limit = Self.partBytes
    while true {
      let bytes = try AgentshServer.readPart(source.file.rawValue, from: source.offset, limit: limit)
      guard let end = bytes.lastIndex(of: UInt8(ascii: "\n")) else {
        // A line that is not there yet, or one longer than what was read.
        if bytes.count < limit { return false }
        guard limit < Self.longestLine else { throw SyscallError("read", .messageTooLong, "a line has no end") }
        limit = Self.longestLine
        continue
      }
      for line in bytes[...end].split(separator: UInt8(ascii: "\n")) where wants(line) {
        part.frames += ControlResponse.event(line: String(decoding: line, as: UTF8.self), continues: true).reply.frame
      }
      sources.withLock { $0[index].offset += Int64(end + 1) }
      return true
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

  init() throws(SyscallError) {
    descriptor = OwnedDescriptor(owning: try openWatch())
  }

  /// From now on `readChanged` names `connection` when the file at `path` changes.
  mutating func add(_ path: [UInt8], connection: UInt64) throws(SyscallError) {
    let watch = try addWatch(descriptor.rawValue, path)
    watches[watch, default: []].insert(connection)
  }

  mutating func remove(connection: UInt64) {
    for (watch, var connections) in watches where connections.remove(connection) != nil {
      if connections.isEmpty {
        watches[watch] = nil
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
