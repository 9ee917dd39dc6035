import AgentshSystem
import Synchronization

/// Which name each Unix socket of the session was bound to, as it was decided: the kernel keeps the string that was bound, and where that leads later is for
/// whoever changes the directories on its way to say.
final class BoundSockets: Sendable {
  private struct Names {
    var known: [UInt64: [UInt8]] = [:]
    /// Their sockets, the one that was bound first at the beginning.
    var order: [UInt64] = []
  }

  /// Those of sockets that are closed stay until there are so many; then the oldest half is forgotten.
  private static let most = 8192

  private let names = Mutex(Names())

  /// - Parameter socket: what fstat(2) says of it; its inode is no other open socket's.
  func note(_ name: [UInt8], of socket: FileStatus) {
    names.withLock { names in
      if names.order.count >= Self.most {
        for inode in names.order.prefix(Self.most / 2) { names.known[inode] = nil }
        names.order.removeFirst(Self.most / 2)
      }
      if names.known.updateValue(name, forKey: socket.inode) == nil { names.order.append(socket.inode) }
    }
  }

  /// The decided name; nil of a socket that wasn't bound here.
  func name(of socket: FileStatus) -> [UInt8]? { names.withLock { $0.known[socket.inode] } }
}
