import AgentshProtocol
internal import AgentshSystem
import CAgentshSystem
import Glibc
import SystemPackage

/// Why a file or directory is not used: somebody other than root could have written it.
struct TrustError: Error, Sendable, Equatable, CustomStringConvertible {
  let path: [UInt8]
  let reason: String

  var description: String { "\(displayEscaped(path)): \(reason)" }
}

/// Files that only root can have written, found so that nobody else had a say on the way.
///
/// Every directory from `/` on and every link in them is root's and not writable by group or others (a root-owned directory with the sticky
/// bit is accepted, as what is root's in it stays root's). Each is opened first and judged by its descriptor, so that what was judged is what is used.
enum TrustedPath {
  /// A file that was judged, and where it really lies.
  struct Opened: ~Copyable {
    let descriptor: OwnedDescriptor
    /// Canonical: without links.
    let path: [UInt8]
    let status: FileStatus
  }

  /// Opens a regular file for reading.
  static func file(_ path: [UInt8]) throws(TrustError) -> Opened {
    let parent = try directory(holding: path)
    let found = try open(parent.path, at: parent.descriptor.rawValue, parent.name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY)
    let whole = joined(parent.path, parent.name)
    let status = try status(of: found, whole)
    guard status.isRegular else { throw TrustError(path: whole, reason: "is not a regular file") }
    try judge(status, whole)
    return Opened(descriptor: found, path: whole, status: status)
  }

  /// Opens a directory.
  static func directory(_ path: [UInt8]) throws(TrustError) -> Opened {
    var walk = Walk(try Walk.root())
    try walk.follow(path)
    guard let descriptor = walk.take() else { throw TrustError(path: path, reason: "can't be opened") }
    let status = try status(of: descriptor, walk.path)
    guard status.isDirectory else { throw TrustError(path: walk.path, reason: "is not a directory") }
    return Opened(descriptor: descriptor, path: walk.path, status: status)
  }

  /// Opens a directory, making it and those on its way that are missing with `mode`.
  static func makeDirectory(_ path: [UInt8], mode: UInt32) throws(TrustError) -> Opened {
    do {
      return try directory(path)
    } catch {
      let components = path.split(separator: slash)
      guard let name = components.last, path.first == slash else { throw error }
      let parentPath = [slash] + Array(components.dropLast().joined(separator: [slash]))
      let parent = parentPath == [slash] ? try directory(parentPath) : try makeDirectory(parentPath, mode: max(mode, 0o755))
      do throws(SyscallError) {
        try makeDirectoryAt(parent.descriptor.rawValue, Array(name), mode: mode)
      } catch let failure {
        // It is there, so the reason it was refused for is the one to tell.
        if failure.errno == .fileExists { throw error }
        throw TrustError(path: path, reason: "can't be made: \(failure.errno)")
      }
      return try directory(path)
    }
  }

  private struct Parent: ~Copyable {
    let descriptor: OwnedDescriptor
    let path: [UInt8]
    let name: [UInt8]
  }

  /// The directory that really holds `path`'s last name, links followed.
  private static func directory(holding path: [UInt8]) throws(TrustError) -> Parent {
    var path = path
    for _ in 0..<40 {
      guard path.first == slash else { throw TrustError(path: path, reason: "is not an absolute path") }
      let components = path.split(separator: slash).map { Array($0) }
      guard let name = components.last, name != dot, name != dotDot else { throw TrustError(path: path, reason: "names no file") }
      let parent = try directory([slash] + Array(components.dropLast().joined(separator: [slash])))
      let place = joined(parent.path, name)
      let status: FileStatus
      do throws(SyscallError) { status = try linkStatus(at: parent.descriptor.rawValue, name) } catch {
        throw TrustError(path: place, reason: "can't be opened: \(error.errno)")
      }
      guard status.isSymbolicLink else { return Parent(descriptor: parent.descriptor, path: parent.path, name: name) }
      try judgeLink(status, place)
      let target: [UInt8]
      do throws(SyscallError) { target = try readLink(at: parent.descriptor.rawValue, name) } catch {
        throw TrustError(path: place, reason: "can't be read: \(error.errno)")
      }
      path = target.first == slash ? target : joined(parent.path, target)
    }
    throw TrustError(path: path, reason: "has too many links on its way")
  }

  fileprivate static func judgeLink(_ status: FileStatus, _ path: [UInt8]) throws(TrustError) {
    guard status.owner == 0 else { throw TrustError(path: path, reason: "is a link that belongs to uid \(status.owner), not to root") }
  }

  static func judge(_ status: FileStatus, _ path: [UInt8]) throws(TrustError) {
    let mode = "mode " + octal(status.mode & 0o7777)
    guard status.owner == 0 else { throw TrustError(path: path, reason: "belongs to uid \(status.owner), not to root (\(mode))") }
    let isShared = status.mode & 0o022 != 0
    let isSticky = status.isDirectory && status.mode & 0o1000 != 0
    if isShared, !isSticky { throw TrustError(path: path, reason: "is writable by group or others (\(mode))") }
  }

  fileprivate static func open(_ parent: [UInt8], at directory: CInt, _ name: [UInt8], _ flags: CInt) throws(TrustError) -> OwnedDescriptor {
    do throws(SyscallError) {
      return try openAt(directory, name, flags: flags)
    } catch {
      throw TrustError(path: joined(parent, name), reason: "can't be opened: \(error.errno)")
    }
  }

  fileprivate static func status(of descriptor: borrowing OwnedDescriptor, _ path: [UInt8]) throws(TrustError) -> FileStatus {
    do throws(SyscallError) {
      return try fileStatus(descriptor)
    } catch {
      throw TrustError(path: path, reason: "can't be looked at: \(error.errno)")
    }
  }

  static func joined(_ directory: [UInt8], _ name: [UInt8]) -> [UInt8] {
    directory == [slash] ? [slash] + name : directory + [slash] + name
  }

  /// A walk from the root, one name at a time.
  private struct Walk: ~Copyable {
    private var current: OwnedDescriptor?
    private(set) var path: [UInt8] = [slash]
    private var links = 0

    init(_ root: consuming OwnedDescriptor) { current = consume root }

    static func root() throws(TrustError) -> OwnedDescriptor {
      try TrustedPath.open([slash], at: AT_FDCWD, [slash], ASH_O_PATH | O_DIRECTORY)
    }

    mutating func take() -> OwnedDescriptor? {
      current.take()
    }

    mutating func follow(_ wanted: [UInt8]) throws(TrustError) {
      guard wanted.first == slash else { throw TrustError(path: wanted, reason: "is not an absolute path") }
      try judgeHere()
      var names = wanted.split(separator: slash).map { Array($0) }
      names.reverse()
      while let name = names.popLast() {
        if name == dot { continue }
        // `..` is the parent of what was really walked to; from the start again, since that is a list of names.
        if name == dotDot {
          var up = path.split(separator: slash).map { Array($0) }
          _ = up.popLast()
          names += up.reversed()
          try startAgain()
          continue
        }
        guard let directory = current.take() else { throw TrustError(path: path, reason: "can't be opened") }
        let next = try TrustedPath.open(path, at: directory.rawValue, name, ASH_O_PATH | O_NOFOLLOW)
        let place = TrustedPath.joined(path, name)
        let status = try TrustedPath.status(of: next, place)
        if status.isSymbolicLink {
          try TrustedPath.judgeLink(status, place)
          links += 1
          guard links <= 40 else { throw TrustError(path: wanted, reason: "has too many links on its way") }
          let target: [UInt8]
          do throws(SyscallError) { target = try readLink(at: directory.rawValue, name) } catch {
            throw TrustError(path: place, reason: "can't be read: \(error.errno)")
          }
          names += target.split(separator: slash).map { Array($0) }.reversed()
          if target.first == slash { try startAgain() } else { current = consume directory }
          continue
        }
        current = consume next
        path = place
        try judgeHere()
      }
    }

    private mutating func startAgain() throws(TrustError) {
      current = try Self.root()
      path = [slash]
    }

    private func judgeHere() throws(TrustError) {
      switch current {
      case .some(let here): try TrustedPath.judge(try TrustedPath.status(of: here, path), path)
      case .none: throw TrustError(path: path, reason: "can't be opened")
      }
    }
  }
}

private let slash = UInt8(ascii: "/")
private let dot = [UInt8(ascii: ".")]
private let dotDot = [UInt8(ascii: "."), UInt8(ascii: ".")]

/// A mode as chmod(1) takes it.
func octal(_ mode: UInt32) -> String {
  let digits = String(mode, radix: 8)
  return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
}
