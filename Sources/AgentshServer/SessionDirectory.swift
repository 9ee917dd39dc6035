internal import AgentshProtocol
internal import AgentshSystem
import Glibc
import SystemPackage

/// Why a session's directory or sockets are not as they have to be.
struct SessionSetupError: Error, Sendable, CustomStringConvertible {
  /// What was being done.
  let stage: String
  let reason: String
  /// What the kernel said, where it was a call that failed.
  var errno: Errno?

  var description: String { "\(stage): \(reason)" }

  init(_ stage: String, _ reason: String) {
    self.stage = stage
    self.reason = reason
  }

  init(_ stage: String, _ error: SyscallError) {
    self.init(stage, "\(error)")
    errno = error.errno
  }
}

/// The directory of a session with its three listening sockets.
///
/// It is made and filled while only root can enter it; nothing is ever owned by the caller but the sockets themselves, which nobody can replace,
/// since the directory stays root's. Whatever fails, all that was made is removed again.
struct SessionDirectory: ~Copyable {
  let path: [UInt8]
  let notify: UnixSocket
  let signal: UnixSocket
  let ptrace: UnixSocket

  /// - Parameters:
  ///   - parent: the trusted directory of all sessions, and its path.
  ///   - canChangeOwner: with CAP_CHOWN the sockets are the caller's alone; without it they are open to all, and who connects is judged
  ///     by the kernel's word alone.
  init(
    in parent: borrowing OwnedDescriptor, path parentPath: [UInt8], name: [UInt8], uid: UInt32, gid: UInt32, canChangeOwner: Bool
  ) throws(SessionSetupError) {
    let path = TrustedPath.joined(parentPath, name)
    do throws(SyscallError) { try makeDirectoryAt(parent.rawValue, name, mode: 0o700) } catch {
      throw SessionSetupError("making \(displayEscaped(path))", error)
    }
    do throws(SessionSetupError) {
      let made = try Self.fill(parent, path, name, uid, gid, canChangeOwner)
      self = made
    } catch {
      Self.remove(in: parent, name: name)
      throw error
    }
  }

  private init(path: [UInt8], notify: consuming UnixSocket, signal: consuming UnixSocket, ptrace: consuming UnixSocket) {
    self.path = path
    self.notify = notify
    self.signal = signal
    self.ptrace = ptrace
  }

  private static func fill(
    _ parent: borrowing OwnedDescriptor, _ path: [UInt8], _ name: [UInt8], _ uid: UInt32, _ gid: UInt32, _ canChangeOwner: Bool
  ) throws(SessionSetupError) -> SessionDirectory {
    var stage = "opening \(displayEscaped(path))"
    do throws(SyscallError) {
      let directory = try openAt(parent.rawValue, name, flags: O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
      // The parent is root's, so this can't be anything but what was just made; said by the kernel, not by the path.
      let status = try fileStatus(directory)
      guard status.owner == 0, status.mode & 0o7777 == 0o700, try directoryNames(in: directory).isEmpty else {
        throw SyscallError("mkdirat", .fileExists, displayEscaped(path))
      }
      stage = "making the sockets in \(displayEscaped(path))"
      let notify = try socket(.notify, in: directory)
      let signal = try socket(.signal, in: directory)
      let ptrace = try socket(.ptrace, in: directory)
      stage = "giving the sockets in \(displayEscaped(path)) to uid \(uid)"
      for socket in SessionSocket.allCases {
        try changeMode(at: directory.rawValue, fileName(socket), mode: canChangeOwner ? 0o600 : 0o666)
        if canChangeOwner { try changeOwner(at: directory.rawValue, fileName(socket), uid: uid, gid: gid) }
      }
      stage = "opening \(displayEscaped(path)) for passing through"
      try changeMode(directory, mode: 0o711)
      stage = "checking \(displayEscaped(path))"
      try verify(directory, uid: canChangeOwner ? uid : 0, mode: canChangeOwner ? 0o600 : 0o666)
      return SessionDirectory(path: path, notify: notify, signal: signal, ptrace: ptrace)
    } catch {
      throw SessionSetupError(stage, error)
    }
  }

  private static func socket(_ socket: SessionSocket, in directory: borrowing OwnedDescriptor) throws(SyscallError) -> UnixSocket {
    // Short: who connects in a flood sleeps in connect(2) instead of filling a queue that the rightful peer has to wait behind.
    try UnixSocket.listen(in: directory, name: fileName(socket), backlog: 256)
  }

  static func fileName(_ socket: SessionSocket) -> [UInt8] { Array("\(socket.rawValue).sock".utf8) }

  /// Owner, mode and type of the directory and all three sockets, and that there is nothing else.
  private static func verify(_ directory: borrowing OwnedDescriptor, uid: UInt32, mode: UInt32) throws(SyscallError) {
    let status = try fileStatus(directory)
    guard status.isDirectory, status.owner == 0, status.mode & 0o7777 == 0o711 else {
      throw SyscallError("fstat", .notPermitted, "the directory is owned by uid \(status.owner) with mode \(octal(status.mode & 0o7777))")
    }
    for socket in SessionSocket.allCases {
      let status = try linkStatus(at: directory.rawValue, fileName(socket))
      guard status.type == S_IFSOCK, status.owner == uid, status.mode & 0o7777 == mode else {
        throw SyscallError(
          "fstatat", .notPermitted,
          "\(socket.rawValue).sock: type \(octal(status.type >> 12)), uid \(status.owner), mode \(octal(status.mode & 0o7777))")
      }
    }
    guard try directoryNames(in: directory).count == SessionSocket.allCases.count else {
      throw SyscallError("readdir", .fileExists, "something else is in the directory")
    }
  }

  func socketPath(_ socket: SessionSocket) -> [UInt8] { TrustedPath.joined(path, Self.fileName(socket)) }

  /// Removes a session's directory and the sockets in it; what is not there is not missed.
  static func remove(in parent: borrowing OwnedDescriptor, name: [UInt8]) {
    if let directory = try? openAt(parent.rawValue, name, flags: O_RDONLY | O_DIRECTORY | O_NOFOLLOW) {
      for socket in SessionSocket.allCases { try? removeName(at: directory.rawValue, fileName(socket)) }
      for name in (try? directoryNames(in: directory)) ?? [] where isTerm(name) { try? removeName(at: directory.rawValue, name) }
    }
    try? removeName(at: parent.rawValue, name, isDirectory: true)
  }
}
