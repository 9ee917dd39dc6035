internal import AgentshProtocol
internal import AgentshSystem
import Glibc
import SystemPackage

/// A connection to agentshd.
struct ControlClient: ~Copyable {
  private let socket: UnixSocket
  let path: [UInt8]

  /// Connects, and takes only root's server for one: whoever else listens there is not the one who was set up.
  ///
  /// Inside a session that permits others inside, the session's supervisor gives the connection: the server knows by it which of them asks.
  static func connect(to path: [UInt8], isInside: Bool = false) throws(CommandFailure) -> ControlClient {
    if isInside, let connection = try? LauncherChild.door() { return try take(UnixSocket(owning: connection)) }
    let socket = try open(path)
    let peer: PeerCredentials
    do throws(SyscallError) { peer = try peerCredentials(of: socket.descriptor) } catch { throw ServerProblems.noServer(at: path, error) }
    guard peer.uid == 0 else { throw ServerProblems.notRoot(at: path, uid: peer.uid) }
    return ControlClient(socket: socket, path: path)
  }

  /// Takes a connection that the supervisor of the session around has given.
  static func take(_ socket: consuming UnixSocket) throws(CommandFailure) -> ControlClient {
    let place = Array("the session's own connection".utf8)
    let peer: PeerCredentials
    do throws(SyscallError) { peer = try peerCredentials(of: socket.descriptor) } catch { throw ServerProblems.noServer(at: place, error) }
    guard peer.uid == 0 else { throw ServerProblems.notRoot(at: place, uid: peer.uid) }
    return ControlClient(socket: socket, path: place)
  }

  private static func open(_ path: [UInt8]) throws(CommandFailure) -> UnixSocket {
    do throws(SyscallError) { return try UnixSocket.connect(to: path) } catch { throw ServerProblems.noServer(at: path, error) }
  }

  private init(socket: consuming UnixSocket, path: [UInt8]) {
    self.socket = socket
    self.path = path
  }

  /// How long an answer may take; opening a session includes starting its supervisor.
  static let patience: Int64 = 60_000

  func send(_ request: ControlRequest) throws(CommandFailure) {
    do throws(SyscallError) {
      try socket.sendAll(request.call.frame, deadline: .after(milliseconds: Self.patience))
    } catch {
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
    do throws(ServerFailure) { reply = try call(request) } catch { throw error.explained }
    do throws(ProtocolError) { return try decode(reply) } catch {
      throw ServerProblems.lost(at: path, "its answer can't be understood: \(error)")
    }
  }
}

/// Why a call to the server gave nothing.
enum ServerFailure: Error {
  /// The server said no.
  case refused(ControlError)
  case failure(CommandFailure)

  /// In words, with the next step.
  var explained: CommandFailure {
    switch self {
    case .refused(let error): ServerProblems.explain(error)
    case .failure(let failure): failure
    }
  }
}

/// What goes wrong between client and server, in words: the thing, the reason, the next step.
enum ServerProblems {
  static func noServer(at path: [UInt8], _ error: SyscallError) -> CommandFailure {
    let place = displayEscaped(path)
    return switch error.errno {
    case .noSuchFileOrDirectory, .notDirectory:
      CommandFailure(
        .failed, "no server answers at \(place): there is no such socket; agentshd is not running, or listens elsewhere",
        "an administrator starts it with `systemctl start agentshd`; --server or AGENTSH_SERVER name another socket")
    case .connectionRefused:
      CommandFailure(
        .failed, "no server answers at \(place): nobody listens there; agentshd has ended, or this is no socket of it",
        "an administrator starts it with `systemctl start agentshd`; --server or AGENTSH_SERVER name another socket")
    case .permissionDenied:
      CommandFailure(
        .failed, "the server at \(place) can't be reached: you may not pass the directories on the way to its socket, or not write to it",
        "the socket is meant for everybody (mode 0666, directories 0755): tell an administrator, or check --server and AGENTSH_SERVER")
    default: CommandFailure(.failed, "the server at \(place) can't be reached: \(error.errno)", "check --server and AGENTSH_SERVER")
    }
  }

  static func notRoot(at path: [UInt8], uid: UInt32) -> CommandFailure {
    CommandFailure(
      .failed, "the server at \(displayEscaped(path)) runs as uid \(uid), not as root: it is not to be trusted",
      "check --server and AGENTSH_SERVER")
  }

  static func lost(at path: [UInt8], _ reason: String) -> CommandFailure {
    CommandFailure(.failed, "the server at \(displayEscaped(path)) gave no answer: \(reason)", "its log says more: journalctl -u agentshd")
  }

  static func explain(_ error: ControlError) -> CommandFailure {
    let reason = Messages.printable(error.reason)
    return switch error {
    // The reason says what to do instead: it depends on what was refused.
    case .notPermitted: CommandFailure(.failed, "not permitted: \(reason)")
    case .limitReached:
      CommandFailure(.failed, "limit reached: \(reason)", "`agentsh ps` shows your sessions, `agentsh stop ID` ends one; the limits are in agentshd.yaml")
    case .unknownSession: CommandFailure(.no, reason, "see the sessions with `agentsh ps --all`")
    case .invalidParameter: CommandFailure(.failed, "the server refuses the request: \(reason)")
    case .hostCannotEnforce:
      CommandFailure(.failed, "this host can't enforce the policy: \(reason)", "`agentsh detect` shows what is there and what is missing")
    case .interfaceNotFound, .methodNotFound, .methodNotImplemented, .serviceInvalidParameter, .other:
      CommandFailure(.failed, "the server answers \(displayEscaped(error.name)): \(reason)", "client and server may be of different versions")
    }
  }
}
