import AgentshAudit
import AgentshPolicy
import AgentshProtocol
import AgentshSystem
import Glibc
import SystemPackage

/// A supervisor that is started before its session: it does what needs no session, and waits on its channel for the descriptors that others inherit.
public enum SpareStart {
  /// The argument that makes it one.
  public static let argument: [UInt8] = Array("--spare".utf8)
  /// What the server sends, with the descriptors; the rest is in the plan, which is among them.
  public static let packet: [UInt8] = Array("session".utf8)
  /// notify.sock, signal.sock, ptrace.sock, the record, the launcher's pidfd, the plan, the cgroup's kill file: 4 to 10, in this order.
  public static let descriptors = 7
  /// Received numbers are moved behind this one first, so that none is overwritten by another.
  private static let aside: CInt = 64

  /// Comes back with the descriptors in their places; ends the process when the server lets go of it.
  static func wait() throws(StartError) {
    warm()
    let channel = UnixSocket(owning: OwnedDescriptor(owning: Inherited.channel))
    do throws(SyscallError) {
      try channel.wait(.readable, deadline: .never)
      guard var received = try channel.receive(atMost: packet.count + 1), !received.isEnd else { exit(0) }
      guard received.bytes == packet, received.descriptors.count == descriptors, !received.isTruncated else {
        throw SyscallError("recvmsg", .protocolError, "the session's descriptors")
      }
      var moved: [CInt] = []
      while let descriptor = received.descriptors.takeFirst() {
        let raw = descriptor.rawValue
        moved.append(try syscall("fcntl") { fcntl(raw, F_DUPFD_CLOEXEC, aside) })
      }
      for (index, raw) in moved.enumerated() {
        let place = Inherited.notify + CInt(index)
        // dup2(2) leaves it open across an exec; `Inherited.check` closes that, and nothing is ever exec'ed.
        try syscall("dup2") { dup2(raw, place) }
        _ = close(raw)
      }
    } catch {
      throw .call(error)
    }
    _ = channel.release().release()
  }

  /// Does once what a session does at its start, on a policy of its own, so that code is read in and types are made before somebody waits for it.
  private static func warm() {
    guard let policy = Policy.parse(Array(sample.utf8), file: "spare", isChecked: true).policy,
      let bound = try? policy.bound(to: PolicyVariables(projectRoot: Array("/x".utf8), gitRoot: nil, home: Array("/y".utf8), user: Array("z".utf8)))
    else { return }
    _ = bound.file(.read, Array("/x/.env".utf8))
    _ = bound.command(
      CommandSubject(canonicalPath: Array("/usr/bin/z".utf8), trustedNames: [], untrustedNames: [], arguments: [Array("z".utf8)], depth: 1))
    _ = try? SessionPlan.decode(Array("{\"session\":\"\",\"groups\":[1],\"nothing\":{\"a\":[null,true,\"b\"]}}".utf8))
    _ = AuditDigest.sha256([])
    _ = CallKinds()
  }

  private static let sample = """
    version: 1
    name: spare
    file_rules:
      - {name: a, paths: ["**/.env", "${PROJECT_ROOT}/**", "${HOME}/.{b,c}{,/**}"], operations: [read, open], decision: deny, message: "{{.Path}}"}
      - {name: b, paths: ["**"], decision: allow}
    command_rules:
      - {name: c, commands: [z, "/usr/bin/{a,b}*"], args_patterns: ["^a(b|c)*$"], decision: deny, message: m}
      - {name: d, commands: ["*"], decision: allow}
    network_rules:
      - {name: e, cidrs: [127.0.0.0/8, "::1/128"], ports: [22], decision: deny}
    unix_socket_rules:
      - {name: f, paths: ["@x", "/run/*"], operations: [connect], decision: allow}
    signal_rules:
      - {name: g, signals: ["@all"], target: {type: session}, decision: allow}
    env_policy: {deny: ["*_TOKEN"]}
    audit: {log_allowed: false}
    """
}
