import AgentshAudit
import AgentshPolicy
import AgentshResolver
import AgentshSystem
import Glibc
import SystemPackage

extension Worker {
  /// Lets a socket of the target's reach the session's own resolver, if that is where it is to go; the address to use, nil for any other.
  ///
  /// Such a connection is plumbing: it is on record where permitted reads are. What is asked there is decided name by name.
  func resolverPlace(
    _ call: TrappedCall, _ kind: CallKind, _ operation: AuditOperation, _ socket: borrowing TargetSocket, _ address: SocketAddress,
    _ destination: IPAddress, _ port: UInt16
  ) throws(CallFailure) -> [UInt8]? {
    // The resolver decides by the policy around alone: a name that the policy inside doesn't permit must not go out.
    guard inner == nil else { return nil }
    guard let names = supervision.names, names.isResolver(destination, port) else { return nil }
    guard socket.networkProtocol == .udp || socket.networkProtocol == .tcp else { return nil }
    let verdict = Verdict(decision: .allow, rule: Self.resolverRule)
    try settle(call, kind, operation, .address(SocketAddress.text(destination, port: port)), layered { _ in verdict }, isPlainRead: true)
    let caller = describe(call)
    try checkStillWaiting(call)
    do throws(SyscallError) {
      try names.admit(
        socket.descriptor.rawValue, family: socket.domain, isStream: socket.isStream,
        SessionNames.Client(process: caller.process, executable: caller.executable))
    } catch {
      throw .errno(error.errno.rawValue)
    }
    return names.place(address.bytes)
  }

  static let resolverRule = "builtin:resolver"

  /// The refusal of DNS that is sent past the session's resolver; nil for everything else.
  func foreignResolver(_ operation: NetworkOperation, _ port: UInt16) -> Verdict? {
    guard supervision.names != nil, operation == .connect || operation == .send, SessionNames.isForeign(port) else { return nil }
    return Verdict(
      decision: .deny, rule: Self.resolverRule, message: "names are looked up by the session's own resolver (the nameserver of /etc/resolv.conf), and nowhere else")
  }

  /// The same for a Unix socket of a service that looks names up.
  func foreignResolver(socket path: [UInt8]) -> Verdict? {
    guard supervision.names != nil, SessionNames.isForeign(socket: path) else { return nil }
    return Verdict(
      decision: .deny, rule: Self.resolverRule, message: "this service looks names up past the session's own resolver; libraries ask that instead")
  }

  /// Opens what the session reads as /etc/resolv.conf, once that file's own path was decided.
  func openSettings(_ call: TrappedCall, _ names: SessionNames, _ request: OpenRequest) throws(CallFailure) -> OwnedDescriptor {
    let flags = request.flags & ~(O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_DIRECTORY | O_NOATIME | O_DIRECT)
    do throws(SyscallError) { return try names.settingsFile(flags: flags) } catch { throw .errno(error.errno.rawValue) }
  }
}
