internal import AgentshProtocol
internal import AgentshSystem
import Glibc
import Logging
import SystemPackage

/// The socket that everybody may connect to, and the file that they find it by.
struct ControlSocket: ~Copyable {
  let socket: UnixSocket
  let place: Place

  /// Where the file is that was bound.
  struct Place: Sendable {
    let path: [UInt8]
    /// We made the file, so we remove it, and make it again.
    let isOurs: Bool
    fileprivate let file: File?

    fileprivate struct File: Sendable, Equatable {
      let device: UInt64
      let inode: UInt64

      init(_ status: FileStatus) { (device, inode) = (status.device, status.inode) }
    }

    /// Whether those who connect to the path come to the socket that was bound.
    var isThere: Bool { file != nil && (try? linkStatus(at: AT_FDCWD, path)).map { File($0) } == file }

    /// At the server's end: what somebody else has put there stays.
    func remove() { if isOurs, isThere { try? removeName(at: AT_FDCWD, path) } }
  }

  /// Takes the one that the service manager has opened, or makes it.
  static func open(_ notifier: ServiceManager, _ configuration: ServerConfiguration, _ logger: Logger) throws -> ControlSocket {
    let path = configuration.controlSocket
    guard let inherited = try notifier.takeInherited(at: path) else { return try bind(path) }
    let status = try? linkStatus(at: AT_FDCWD, path)
    if let status, status.mode & 0o222 != 0o222 {
      logger.warning("\(displayEscaped(path)) has mode \(octal(status.mode & 0o7777)): not everybody can connect (SocketMode=0666 in its socket unit)")
    }
    let raw = inherited.rawValue
    try syscall("fcntl", subject: "the socket from LISTEN_FDS") { fcntl(raw, F_SETFL, fcntl(raw, F_GETFL) | O_NONBLOCK) }
    return ControlSocket(socket: UnixSocket(owning: inherited), place: Place(path: path, isOurs: false, file: status.map { Place.File($0) }))
  }

  /// Makes the file, in place of one that nobody serves any more.
  static func bind(_ path: [UInt8]) throws -> ControlSocket {
    let slash = UInt8(ascii: "/")
    guard let cut = path.lastIndex(of: slash), cut + 1 < path.endIndex else {
      throw ServerError("control_socket \(displayEscaped(path)) names no file")
    }
    let directory = try TrustedPath.makeDirectory(cut == path.startIndex ? [slash] : Array(path[..<cut]), mode: 0o755)
    let name = Array(path[(cut + 1)...])
    let opened = try openAt(AT_FDCWD, directory.path, flags: O_RDONLY | O_DIRECTORY)
    // Somebody who answers there is another server; a socket that nobody serves was left behind.
    if let status = try? linkStatus(at: opened.rawValue, name) {
      guard status.type == S_IFSOCK else { throw ServerError("control_socket \(displayEscaped(path)) \(isNoSocket)") }
      try checkAbandoned(path)
      try removeName(at: opened.rawValue, name)
    }
    // Short: who waits behind a hundred others waits a few milliseconds, behind thousands a second.
    let socket = try UnixSocket.listen(at: TrustedPath.joined(directory.path, name), backlog: 128)
    // Everybody may connect: who it is comes from the kernel.
    try changeMode(at: opened.rawValue, name, mode: 0o666)
    let file = Place.File(try linkStatus(at: opened.rawValue, name))
    return ControlSocket(socket: socket, place: Place(path: path, isOurs: true, file: file))
  }

  static let isNoSocket = "exists and is no socket"

  /// Throws where somebody serves the socket at `path`, and tells who.
  private static func checkAbandoned(_ path: [UInt8]) throws {
    let place = displayEscaped(path)
    let peer: PeerCredentials
    do throws(SyscallError) { peer = try peerCredentials(of: UnixSocket.connect(to: path, nonBlocking: true).descriptor) } catch {
      // It is there and has no room now.
      guard error.errno != .wouldBlock else { throw ServerError("somebody serves \(place) and doesn't take connections") }
      return
    }
    guard peer.uid == 0 else {
      throw ServerError(
        "process \(peer.pid) of uid \(peer.uid), which is no agentshd, serves \(place): end it, and let control_socket lie where only root can make files")
    }
    guard let name = ExclusiveUse.nameOfOther(peer.pid) else { throw ServerError("another agentshd (pid \(peer.pid)) serves \(place)") }
    // The one who called listen(2), whoever accepts.
    if peer.pid == 1 {
      throw ServerError("\(name) (pid 1) listens at \(place) for its socket unit: stop agentshd.socket first, or have `systemctl start agentshd` start the server")
    }
    throw ServerError("process \(peer.pid) (\(name)), which is no agentshd, serves \(place): end it, or name another control_socket")
  }
}

extension ControlLoop {
  /// Makes the control socket's file again where something that cleans directories has removed it: without it nobody can connect, and nobody notices.
  func renewListener() {
    let name = displayEscaped(place.path)
    guard !place.isThere else { return }
    guard place.isOurs else {
      context.log.logger.error("control_socket \(name) was removed or replaced while the server ran; it comes from a socket unit: systemctl restart agentshd.socket")
      return
    }
    do {
      let renewed = try ControlSocket.bind(place.path)
      try epoll.add(renewed.socket.rawValue, .readable, token: Self.token(.listener, 0))
      // Those who had connected to the other wait in its queue.
      acceptConnections()
      stopAccepting()
      acceptAgainAt = nil
      place = renewed.place
      let socket = renewed.socket
      listener = consume socket
      context.log.logger.warning("control_socket \(name) was removed or replaced while the server ran; it is made anew")
    } catch {
      context.log.logger.error("control_socket \(name) was removed or replaced while the server ran, and can't be made anew: \(error)")
    }
  }
}
