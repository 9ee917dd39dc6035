import AgentshAudit
import AgentshPolicy
import AgentshProtocol
import AgentshSystem
import Glibc
import SystemPackage

/// A supervisor that is started before its session: it reads a plan like the one that it will probably be given, and waits on its channel for the
/// descriptors that others inherit.
public enum SpareStart {
  /// The argument that makes it one.
  public static let argument: [UInt8] = Array("--spare".utf8)
  /// What the server sends first, with the sealed file of a plan like that of the caller's last session: what is in it need not be read twice, and
  /// code is read in and types are made before somebody waits for it.
  public static let rehearsal: [UInt8] = Array("rehearsal".utf8)
  /// What the server sends then, with the descriptors; the rest is in the plan, which is among them.
  public static let packet: [UInt8] = Array("session".utf8)
  /// notify.sock, signal.sock, ptrace.sock, the record, the launcher's pidfd, the plan, the cgroup's kill file, the resolver's two sockets: 4 to 12, in this order.
  public static let descriptors = 9
  /// Received numbers are moved behind this one first, so that none is overwritten by another.
  private static let aside: CInt = 64

  /// What was done before the session was known: the process is the caller's, bounded and behind its own filter, and has read a policy.
  struct Rehearsed {
    let callerUID: UInt32
    let callerGID: UInt32
    let groups: [UInt32]
    let filter: [UInt8]
    let prepared: PreparedPolicy

    /// Whether that is what the session's plan asks for too.
    func isFor(_ plan: SessionPlan) -> Bool {
      callerUID == plan.callerUID && callerGID == plan.callerGID && groups == plan.groups && filter == plan.supervisorFilter
    }
  }

  /// Does for a plan that is only like the session's what a session starts with. Some of it is kept; the rest is done for the code that has been read in
  /// and the tables that have been made once it was.
  private static func rehearse(_ plan: SessionPlan) throws -> Rehearsed {
    let prepared = try SupervisorStart.confine(plan, rehearsed: nil)
    let floor = SessionFloor(prepared.floor, prepared.policy, holding: FloorRights(rawValue: plan.exactRights))
    _ = try ActingFloor(floor.rules)
    _ = SupervisorReport.ready(floor.plan).packet
    _ = CallKinds()
    _ = AuditDigest.sha256([])
    return Rehearsed(
      callerUID: plan.callerUID, callerGID: plan.callerGID, groups: plan.groups, filter: plan.supervisorFilter, prepared: prepared)
  }

  /// Comes back with the descriptors in their places, and with what the rehearsal left; ends the process when the server lets go of it.
  static func wait() throws(StartError) -> Rehearsed? {
    let channel = UnixSocket(owning: OwnedDescriptor(owning: Inherited.channel))
    var rehearsed: Rehearsed?
    do {
      try channel.wait(.readable, deadline: .never)
      guard var received = try channel.receive(atMost: 64), !received.isEnd else { exit(0) }
      if received.bytes == rehearsal, let file = received.descriptors.takeFirst() {
        rehearsed = try rehearse(try SupervisorStart.readPlan(file))
        try channel.wait(.readable, deadline: .never)
        guard let next = try channel.receive(atMost: 64), !next.isEnd else { exit(0) }
        received = next
      }
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
    } catch let error as StartError {
      throw error
    } catch let error as SyscallError {
      throw .call(error)
    } catch {
      throw .filter("\(error)")
    }
    _ = channel.release().release()
    return rehearsed
  }
}
