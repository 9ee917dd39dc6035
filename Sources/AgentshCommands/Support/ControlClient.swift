internal import AgentshProtocol
internal import AgentshSystem
import Glibc
import SystemPackage

/// A connection to agentshd.
struct ControlClient: ~Copyable {
  private let socket: UnixSocket
  let path: [UInt8]
  /// Made from inside a session, by its supervisor.
  let isInside: Bool

  /// Connects, and takes only root's server for one: whoever else listens there is not the one who was set up.
  ///
  /// Inside a session that permits others inside, the session's supervisor gives the connection: the server knows by it which of them asks.
  /// - Parameter mayChoose: the user may name another socket, so that it is worth saying.
  static func connect(to path: [UInt8], isInside: Bool = false, mayChoose: Bool = true) throws(CommandFailure) -> ControlClient {
    if isInside, let connection = try? LauncherChild.door() { return try take(UnixSocket(owning: connection)) }
    let socket: UnixSocket
    do throws(SyscallError) { socket = try UnixSocket.connect(to: path) } catch {
      throw isInside && error.errno == .permissionDenied ? ServerProblems.closedFromInside : ServerProblems.noServer(at: path, error, mayChoose: mayChoose)
    }
    let peer: PeerCredentials
    do throws(SyscallError) { peer = try peerCredentials(of: socket.descriptor) } catch { throw ServerProblems.noServer(at: path, error) }
    guard peer.uid == 0 else { throw ServerProblems.notRoot(at: path, uid: peer.uid, mayChoose: mayChoose) }
    return ControlClient(socket: socket, path: path, isInside: false)
  }

  /// Takes a connection that the supervisor of the session around has given.
  static func take(_ socket: consuming UnixSocket) throws(CommandFailure) -> ControlClient {
    let place = Array("the session's own connection".utf8)
    let peer: PeerCredentials
    do throws(SyscallError) { peer = try peerCredentials(of: socket.descriptor) } catch { throw ServerProblems.noServer(at: place, error) }
    guard peer.uid == 0 else { throw ServerProblems.notRoot(at: place, uid: peer.uid) }
    return ControlClient(socket: socket, path: place, isInside: true)
  }

  private init(socket: consuming UnixSocket, path: [UInt8], isInside: Bool) {
    self.socket = socket
    self.path = path
    self.isInside = isInside
  }

  /// How long an answer may take; opening a session includes starting its supervisor.
  static let patience: Int64 = 60_000

  func send(_ request: ControlRequest) throws(CommandFailure) {
    do throws(SyscallError) {
      try socket.sendAll(request.call.frame, deadline: .after(milliseconds: Self.patience))
    } catch {
      // A server that takes no more says why before it hangs up.
      if error.errno == .brokenPipe || error.errno == .connectionReset {
        do throws(ServerFailure) { _ = try receive(deadline: .after(milliseconds: 1000)) } catch .refused(let refusal) {
          throw ServerProblems.explain(refusal, isInside: isInside)
        } catch {
          // There is nothing but the broken connection.
        }
      }
      throw ServerProblems.lost(at: path, "\(error.errno)")
    }
  }

  /// The next reply; errors of the server are thrown as what they mean.
  func receive(deadline: Deadline) throws(ServerFailure) -> VarlinkReply {
    var link: NestedLink?
    return try receive(deadline: deadline, link: &link)
  }

  /// The same, with the connection to a supervisor that may come along.
  func receive(deadline: Deadline, link: inout NestedLink?) throws(ServerFailure) -> VarlinkReply {
    let reply: VarlinkReply
    do {
      guard var frame = try socket.receiveFrame(limit: MessageFramer.controlLimit, deadline: deadline) else {
        throw ServerFailure.failure(ServerProblems.lost(at: path, "it closed the connection"))
      }
      reply = try VarlinkReply.decode(frame.bytes)
      if let descriptor = frame.descriptors.takeFirst() { link = NestedLink(UnixSocket(owning: descriptor)) }
    } catch let error as SyscallError {
      let reason = error.errno == .timedOut ? "it doesn't answer" : "\(error.errno)"
      throw .failure(ServerProblems.lost(at: path, reason))
    } catch let error as ProtocolError {
      throw .failure(ServerProblems.lost(at: path, "its answer can't be understood: \(error)"))
    } catch let error as ServerFailure {
      throw error
    } catch {
      throw .failure(ServerProblems.lost(at: path, "\(error)"))
    }
    if let error = ControlError(reply) { throw .refused(error) }
    return reply
  }

  /// One call with one reply.
  func call(_ request: ControlRequest) throws(ServerFailure) -> VarlinkReply {
    do throws(CommandFailure) { try send(request) } catch { throw .failure(error) }
    return try receive(deadline: .after(milliseconds: Self.patience))
  }

  /// One call with one reply; what the server refuses is explained in the words of `call(_:)`'s callers.
  func ask<Value>(_ request: ControlRequest, _ decode: (VarlinkReply) throws(ProtocolError) -> Value) throws(CommandFailure) -> Value {
    let reply: VarlinkReply
    do throws(ServerFailure) { reply = try call(request) } catch { throw error.explained(isInside: isInside) }
    do throws(ProtocolError) { return try decode(reply) } catch {
      throw ServerProblems.lost(at: path, "its answer can't be understood: \(error)")
    }
  }

  /// Lines of records, as they come.
  /// - Parameter patience: how long the next one may take, in milliseconds; nil for one that may never come.
  func events(
    _ request: EventsRequest, patience: Int64? = ControlClient.patience, _ body: ([UInt8]) throws(CommandFailure) -> Void
  ) throws(CommandFailure) {
    try send(.events(request))
    while true {
      let reply: VarlinkReply
      let line: String?
      do throws(ServerFailure) { reply = try receive(deadline: patience.map { .after(milliseconds: $0) } ?? .never) } catch {
        throw error.explained(isInside: isInside)
      }
      do throws(ProtocolError) { line = try ControlReplies.eventLine(reply) } catch {
        throw ServerProblems.lost(at: path, "its answer can't be understood: \(error)")
      }
      if let line { try body(Array(line.utf8)) }
      if !reply.continues { return }
    }
  }
}
