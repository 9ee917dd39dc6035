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
  /// Locked as long as this is there.
  let file: SharedDescriptor
  /// How far it went before this server wrote anything.
  let sizeAtStart: Int64
  let logger: Logger

  /// Opens `server.jsonl` in `directory`, which is at `place`, takes it for this server alone, and goes on with its chain. A file whose last line is torn or
  /// changed is kept under another name, and a new chain begins: a broken one is never continued as if it were whole.
  init(in directory: borrowing OwnedDescriptor, at place: [UInt8], logger: Logger) throws(ServerError) {
    path = TrustedPath.joined(place, Self.name)
    self.logger = logger
    var file = try Self.open(directory, at: place)
    var position = ChainPosition.start
    do {
      let size = try fileStatus(file).size
      let tail = try readPart(file.rawValue, from: max(0, size - Int64(Self.longestLine)), limit: Self.longestLine)
      if !tail.isEmpty {
        if tail.last == newline, let last = tail.split(separator: newline).last, let found = ChainPosition(lastLine: Array(last)) {
          position = found
        } else {
          let aside = Self.name + Array(".broken-\(wallClock().seconds)".utf8)
          try renameName(at: directory.rawValue, Self.name, aside)
          logger.error("server.jsonl does not end with a whole record; it is kept as \(String(decoding: aside, as: UTF8.self))")
          file = try Self.open(directory, at: place)
        }
      }
    } catch let error as ServerError {
      throw error
    } catch {
      throw ServerError("\(displayEscaped(path)) can't be used: \(error)")
    }
    let shared = SharedDescriptor(file)
    self.file = shared
    sizeAtStart = position == .start ? 0 : (try? fileStatus(shared.descriptor).size) ?? 0
    record = AuditLog(continuing: position, clock: auditClock) { line throws(SyscallError) in try appendLine(shared.rawValue, line) }
  }

  private static let name = Array("server.jsonl".utf8)

  /// The file, which nobody but root may have written and no other server writes; made where there is none.
  private static func open(_ directory: borrowing OwnedDescriptor, at place: [UInt8]) throws(ServerError) -> OwnedDescriptor {
    let path = TrustedPath.joined(place, name)
    do {
      // A FIFO without O_NONBLOCK would hold the start up for good.
      let file = try openAt(directory.rawValue, name, flags: O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, mode: 0o640)
      let status = try fileStatus(file)
      guard status.isRegular else { throw TrustError(path: path, reason: "is not a regular file") }
      try TrustedPath.judge(status, path)
      try ExclusiveUse.take(file, "log_dir \(displayEscaped(place))")
      return file
    } catch let error as ServerError {
      throw error
    } catch let error as TrustError {
      throw ServerError("\(error): the server does not write there")
    } catch {
      throw ServerError("\(displayEscaped(path)) can't be used: \(error)")
    }
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
