import AgentshProtocol
import AgentshSystem
import Glibc
import SystemPackage

@testable import AgentshCommands

/// A supervisor in a thread: takes the listener, answers the nonce, lets everything else continue.
enum FakeSupervisor {
  enum Behaviour: Sendable {
    case honest
    case refuses
    case deniesNonce
    case leavesAfterStart
  }

  private static let nonce: UInt64 = 0x1234_5678_9ABC_DEF0

  /// Runs a command to its end and ends this process with its exit status; 99 when it has none.
  static func run(_ command: [String], candidates: [String]? = nil, kept: [CInt] = [], closed: UInt32 = 0) throws -> Never {
    let result = try outcome(command, candidates: candidates, kept: kept, closed: closed)
    if case .exited(let status) = result.ending { exit(status) }
    exit(99)
  }

  static func outcome(
    _ command: [String], candidates: [String]? = nil, behaviour: Behaviour = .honest, kept: [CInt] = [], closed: UInt32 = 0,
    floor: FloorPlan = FloorPlan()
  ) throws -> SessionOutcome {
    let directory = try EmbeddedDirectory(temporary: bytes("/tmp"))
    // Also keeps the sockets open to the end.
    defer { directory.remove() }
    let token = SessionToken(bytes: [UInt8](repeating: 7, count: SessionToken.byteCount))
    guard let token else { throw SyscallError("test", .invalidArgument) }
    let reply = WrapReply(
      session: "test", policy: "test", notifySocket: directory.socketPath(.notify), signalSocket: directory.socketPath(.signal),
      ptraceSocket: directory.socketPath(.ptrace), token: token, filter: filter, environment: EnvironmentPlan(), record: bytes("/dev/null"))
    let sockets = (directory.notify.rawValue, directory.signal.rawValue, directory.ptrace.rawValue)
    try startThread("supervisor") {
      do { try serve(notify: sockets.0, signal: sockets.1, ptrace: sockets.2, behaviour) } catch { print("supervisor: \(error)") }
    }
    let arguments = command.map { bytes($0) }
    let floor = try LaunchFloor(floor)
    defer { withExtendedLifetime(floor) {} }
    return try SessionLaunch.run(
      LaunchRequest(
        filter: filter, candidates: (candidates ?? [command[0]]).map { bytes($0) }, arguments: arguments, environment: [bytes("PATH=/bin:/usr/bin")],
        keptDescriptors: kept, closedStandardDescriptors: closed, landlockRuleset: floor.descriptor), reply: reply, embedded: nil)
  }

  private static func serve(notify: CInt, signal: CInt, ptrace: CInt, _ behaviour: Behaviour) throws {
    let first = try accept(ptrace)
    try first.socket.sendAll(HandshakeReply.accepted.frame)
    let second = try accept(signal)
    try second.socket.sendAll(HandshakeReply.accepted.frame)
    let third = try accept(notify)
    if behaviour == .refuses {
      try third.socket.sendAll(HandshakeReply.refused(reason: "this test refuses").frame)
      return
    }
    try third.socket.sendAll(HandshakeReply.acceptedWithNonce(nonce).frame)
    let listener = SeccompListener(third.descriptor)
    guard case .call(let call) = listener.receive() else { throw SyscallError("test", .badMessage, "no nonce") }
    let isRight = call.arguments.1 == nonce & 0xFFFF_FFFF && call.arguments.2 == nonce >> 32
    if behaviour == .deniesNonce || !isRight {
      listener.answer(call.id, errno: EPERM)
    } else {
      listener.answer(call.id, value: 0)
    }
    if behaviour == .leavesAfterStart { return }
    let launcher = second.socket
    let target = Pidfd(second.descriptor)
    while let frame = try launcher.receiveFrame(limit: MessageFramer.sessionLimit) {
      switch try LauncherMessage.decode(frame.bytes) {
      case .signal(let number): try target.sendSignal(number)
      case .used: break
      case .ended(let status):
        let summary = SessionSummary(refused: 0, audited: 0, allowed: 0, durationMilliseconds: 1, ending: TargetEnding(waitStatus: status))
        try launcher.sendAll(SupervisorMessage.summary(summary).frame)
      }
    }
  }

  /// A connection with what came by its first message.
  private struct Peer: ~Copyable {
    let socket: UnixSocket
    let descriptor: OwnedDescriptor
  }

  private static func accept(_ listening: CInt) throws -> Peer {
    guard try waitForAny([listening], deadline: .after(milliseconds: 20_000)).first == true else { throw SyscallError("accept", .timedOut) }
    let raw = try syscall("accept") { Glibc.accept(listening, nil, nil) }
    let socket = UnixSocket(owning: OwnedDescriptor(owning: raw))
    guard var frame = try socket.receiveFrame(limit: MessageFramer.sessionLimit, deadline: .after(milliseconds: 20_000)),
      let descriptor = frame.descriptors.takeFirst()
    else { throw SyscallError("recv", .badMessage) }
    return Peer(socket: socket, descriptor: descriptor)
  }

  /// struct sock_filter[]: traps prctl(ASH1, …) and nothing else. See linux/filter.h, linux/seccomp.h.
  static let filter: [UInt8] = {
    #if arch(x86_64)
      let prctl: UInt32 = 157
    #else
      let prctl: UInt32 = 167
    #endif
    let program: [(code: UInt16, yes: UInt8, no: UInt8, k: UInt32)] = [
      (0x20, 0, 0, 0),  // load the call's number
      (0x15, 0, 3, prctl),
      (0x20, 0, 0, 16),  // load the low half of its first argument
      (0x15, 0, 1, 0x4153_4831),
      (0x06, 0, 0, 0x7FC0_0000),  // SECCOMP_RET_USER_NOTIF
      (0x06, 0, 0, 0x7FFF_0000),  // SECCOMP_RET_ALLOW
    ]
    return program.flatMap { instruction -> [UInt8] in
      let k = instruction.k
      return [
        UInt8(truncatingIfNeeded: instruction.code), UInt8(truncatingIfNeeded: instruction.code >> 8), instruction.yes, instruction.no,
        UInt8(truncatingIfNeeded: k), UInt8(truncatingIfNeeded: k >> 8), UInt8(truncatingIfNeeded: k >> 16), UInt8(truncatingIfNeeded: k >> 24),
      ]
    }
  }()
}
