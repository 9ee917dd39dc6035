internal import AgentshAudit
internal import AgentshProtocol
internal import AgentshSystem
import Glibc
import Logging
import SystemPackage

/// What the server puts on record: `server.jsonl`, and lines on stderr for whoever watches.
final class ServerLog: Sendable {
  private let record: AuditLog<SyscallError>
  private let path: [UInt8]
  let logger: Logger

  /// Opens `server.jsonl` in `directory`, which is at `place`, and goes on with its chain. A file whose last line is torn or changed is kept under another name, and a new
  /// chain begins: a broken one is never continued as if it were whole.
  init(in directory: borrowing OwnedDescriptor, at place: [UInt8], logger: Logger) throws(SyscallError) {
    let name = Array("server.jsonl".utf8)
    var position = ChainPosition.start
    do throws(SyscallError) {
      let file = try openAt(directory.rawValue, name, flags: O_RDONLY | O_NOFOLLOW)
      let size = try fileStatus(file).size
      let tail = try readPart(file.rawValue, from: max(0, size - Int64(Self.longestLine)), limit: Self.longestLine)
      if !tail.isEmpty {
        if tail.last == newline, let last = tail.split(separator: newline).last, let found = ChainPosition(lastLine: Array(last)) {
          position = found
        } else {
          let aside = name + Array(".broken-\(wallClock().seconds)".utf8)
          try renameName(at: directory.rawValue, name, aside)
          logger.error("server.jsonl does not end with a whole record; it is kept as \(String(decoding: aside, as: UTF8.self))")
        }
      }
    } catch {
      if error.errno != .noSuchFileOrDirectory { throw error }
    }
    let flags = O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW
    let file = SharedDescriptor(try openAt(directory.rawValue, name, flags: flags, mode: 0o640))
    record = AuditLog(continuing: position, clock: auditClock) { line throws(SyscallError) in try appendLine(file.rawValue, line) }
    path = TrustedPath.joined(place, name)
    self.logger = logger
  }

  static let longestLine = 1 << 20

  /// Writes a record; throws where it could not be written.
  func require(_ entry: AuditRecord) throws(SyscallError) {
    do throws(SyscallError) { try record.write(entry) } catch { throw SyscallError(error.call, error.errno, displayEscaped(path)) }
  }

  /// Writes a record of something that has happened already; says so on stderr where it can't.
  func note(_ entry: AuditRecord) {
    do throws(SyscallError) { try record.write(entry) } catch {
      logger.error("server.jsonl: \(entry.operation.rawValue) is not on record: \(error)")
    }
  }
}

private let newline = UInt8(ascii: "\n")

@Sendable func auditClock() -> AuditTime {
  let time = wallClock()
  return AuditTime(seconds: time.seconds, nanoseconds: time.nanoseconds)
}

/// A descriptor that several owners hold; closed with the last of them.
final class SharedDescriptor: Sendable {
  let descriptor: OwnedDescriptor

  init(_ descriptor: consuming OwnedDescriptor) { self.descriptor = descriptor }

  var rawValue: CInt { descriptor.rawValue }
}

/// Appends all of `line` or, as far as that can be done, nothing: what a full disk took of it is cut off again.
private func appendLine(_ file: CInt, _ line: [UInt8]) throws(SyscallError) {
  let (written, failure) = writeAll(file, line)
  guard let failure else { return }
  if written > 0 {
    let end = lseek(file, 0, SEEK_END)
    if end >= written { _ = ftruncate(file, end - written) }
  }
  throw failure
}
