import AgentshSystem
import Synchronization

/// Which name each Unix socket of the session was bound to, as it was decided: the kernel keeps the string that was bound, and where that leads later is for
/// whoever changes the directories on its way to say.
final class BoundSockets: Sendable {
  /// Those of sockets that are closed stay until there are so many; then all are forgotten, and their names looked at again.
  private static let most = 4096

  private let names = Mutex<[UInt64: [UInt8]]>([:])

  /// - Parameter socket: what fstat(2) says of it; its inode is no other open socket's.
  func note(_ name: [UInt8], of socket: FileStatus) {
    names.withLock { names in
      if names.count >= Self.most { names.removeAll() }
      names[socket.inode] = name
    }
  }

  /// The decided name; nil of a socket that wasn't bound here.
  func name(of socket: FileStatus) -> [UInt8]? { names.withLock { $0[socket.inode] } }
}
