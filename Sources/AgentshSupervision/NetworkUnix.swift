import AgentshAudit
import AgentshPolicy
import AgentshSystem
import CAgentshSystem
import Glibc
import SystemPackage

extension Worker {
  /// Decides where a Unix socket is to be connected or sent to: a path by the object that it leads to, which is pinned.
  func unixDestination(
    _ call: TrappedCall, _ kind: CallKind, _ address: SocketAddress, isConnecting: Bool
  ) throws(CallFailure) -> Destination {
    let operation: UnixOperation = isConnecting ? .connect : .sendto
    let recorded: AuditOperation = isConnecting ? .unixConnect : .unixSend
    switch address.meaning {
    case .unix(.path(let path)):
      guard !path.isEmpty, let located = try resolve(call, at: AT_FDCWD, path: path, following: true) else { throw .errno(ENOENT) }
      try checkStillWaiting(call)
      let name = located.path
      try settle(call, kind, recorded, .unixAddress(name), layered { unixVerdict(operation, name, $0) })
      // What isn't a socket is refused by the kernel (ECONNREFUSED), by its descriptor as by its name.
      do throws(SyscallError) { return .pinned(try located.descriptor.duplicate().release()) } catch { throw .errno(ENOBUFS) }
    case .unix(.abstract(let name)):
      try settle(call, kind, recorded, .unixAddress([UInt8(ascii: "@")] + name), layered { $0.policy.unixSocket(operation, .abstract(name)) })
      return .address(address.bytes)
    case .unix(.unnamed), .malformed, .other, .inet:
      throw .errno(EINVAL)
    case .unspecified:
      // Dissolves the association of a datagram socket; an error for others, which the kernel knows best.
      if !isConnecting { throw .errno(EINVAL) }
      return .address(address.bytes)
    }
  }

  /// bind(2) of a Unix socket.
  func bindUnix(_ call: TrappedCall, _ socket: borrowing TargetSocket, _ address: SocketAddress) throws(CallFailure) -> Answer {
    switch address.meaning {
    case .unix(.path(let path)):
      return try bindPath(call, socket, address, path)
    case .unix(.abstract(let name)):
      try settle(call, .bind, .unixBind, .unixAddress([UInt8(ascii: "@")] + name), layered { $0.policy.unixSocket(.bind, .abstract(name)) })
    case .unix(.unnamed):
      // The kernel chooses a name that is free in the abstract namespace.
      try settle(call, .bind, .unixBind, .unixAddress([UInt8(ascii: "@")]), layered { $0.policy.unixSocket(.bind, .unnamed) })
    case .malformed, .other, .unspecified, .inet:
      throw .errno(EINVAL)
    }
    return bindSocket(socket.descriptor.rawValue, address.bytes) == 0 ? .value(0) : .failure(errno)
  }

  /// Binds a path. The kernel keeps the string as the socket's name (getsockname(2), what peers see), so it has to be used as the target wrote it,
  /// from the target's working directory, and must not lead anywhere else meanwhile.
  private func bindPath(
    _ call: TrappedCall, _ socket: borrowing TargetSocket, _ address: SocketAddress, _ path: [UInt8]
  ) throws(CallFailure) -> Answer {
    guard !path.isEmpty else { throw .errno(EINVAL) }
    let parent = try resolveParent(call, at: AT_FDCWD, path: path)
    let working = try openBase(call, at: AT_FDCWD)
    let mask = try targetUmask(call)
    try checkStillWaiting(call)
    // A socket is made in the file system too: both kinds of rule have to agree. A refusal first, then what is to be recorded.
    let name = parent.path
    let judgement = layered { layer in
      let verdict = unixVerdict(.bind, name, layer)
      if !verdict.isPermitted { return verdict }
      let file = fileVerdict(.create, name, layer)
      return !file.isPermitted || (file.isRecorded && !verdict.isRecorded) ? file : verdict
    }
    try settle(call, .bind, .unixBind, .unixAddress(name), judgement)
    if (try? linkStatus(at: parent.directory.rawValue, parent.name)) != nil { throw .errno(EADDRINUSE) }

    let raw = socket.descriptor.rawValue
    let isPlainName = !path.contains(UInt8(ascii: "/"))
    if isPlainName {
      // One component, in the very directory that is pinned: there is nothing on the way that could be exchanged.
      let failure = binding { bindIn(raw, address.bytes, parent: parent.directory.rawValue, mask: mask) }
      return failure == 0 ? .value(0) : .failure(failure)
    }
    if supervision.sharesRoot && !supervision.rootsMayDiffer {
      let failure = binding {
        bindBeneath(raw, address.bytes, directory: working.rawValue, parent: parent.directory.rawValue, mask: mask)
      }
      if failure == 0 {
        guard isBound(raw, parent) else { return misled(call, parent) }
        return .value(0)
      }
      if failure != ENOSYS { return .failure(failure) }
    }
    // Without Landlock, or under another root: race-free all the same, but the name that getsockname(2) shows is the last component alone.
    let failure = binding { bindIn(raw, [UInt8(AF_UNIX), 0] + parent.name + [0], parent: parent.directory.rawValue, mask: mask) }
    return failure == 0 ? .value(0) : .failure(failure)
  }

  /// Makes a socket's file: under the floor, which the threads that do it inherit. 0 or an errno.
  private func binding(_ body: () -> CInt) -> CInt {
    do throws(SyscallError) { return try acting(held: floor.holds(.makeSock), body) } catch { return error.errno.rawValue }
  }

  /// A socket on a file system that the session made for itself has nobody but the session behind it.
  func unixVerdict(_ operation: UnixOperation, _ path: [UInt8], _ layer: SessionLayer) -> Verdict {
    if operation == .connect || operation == .sendto, let refusal = foreignResolver(socket: path) { return refusal }
    return path.starts(with: SessionMounts.ownPrefix)
      ? Verdict(decision: .allow, rule: "builtin:session_mount") : layer.policy.unixSocket(operation, .path(path))
  }

  /// Whether the socket's file is the decided name. Landlock has kept it beneath the decided directory; this tells a deeper one.
  private func isBound(_ socket: CInt, _ parent: borrowing Parent) -> Bool {
    guard let status = try? linkStatus(at: parent.directory.rawValue, parent.name), status.type == S_IFSOCK else { return false }
    guard let file = unixSocketFile(socket) else { return true }
    return UInt32(truncatingIfNeeded: status.inode) == file.inode
  }

  /// The path was exchanged while it was being bound, which only a target that races on purpose brings about: a bound socket can't be unbound, so the
  /// process ends.
  private func misled(_ call: TrappedCall, _ parent: borrowing Parent) -> Answer {
    let verdict = Verdict(decision: .deny, rule: "builtin:bind_verification", message: "the socket's path was exchanged while it was bound")
    try? settle(call, .bind, .unixBind, .unixAddress(parent.path), verdict)
    if let process = try? processID(call), supervision.listener.isWaiting(call.id) { _ = Glibc.kill(process, SIGKILL) }
    return .failure(EACCES)
  }

  private func targetUmask(_ call: TrappedCall) throws(CallFailure) -> mode_t {
    guard let status = try? readSmallFile(at: AT_FDCWD, procPath(call.thread, "status"), limit: 4096),
      let mask = statusField("Umask:", in: status).flatMap({ mode_t($0, radix: 8) })
    else { throw .errno(EPERM) }
    return mask
  }

  /// Decides about listening on a Unix socket by the name that it is bound to.
  func settleUnixListen(_ call: TrappedCall, _ name: SocketAddress.UnixName) throws(CallFailure) {
    switch name {
    case .path(let path):
      // The name is a string since it was bound; where it leads now is what rules about paths speak of.
      let known = (try? resolve(call, at: AT_FDCWD, path: path, following: true))?.path ?? path
      try settle(call, .listen, .unixBind, .unixAddress(known), layered { unixVerdict(.listen, known, $0) })
    case .abstract(let name):
      try settle(
        call, .listen, .unixBind, .unixAddress([UInt8(ascii: "@")] + name), layered { $0.policy.unixSocket(.listen, .abstract(name)) })
    case .unnamed:
      try settle(call, .listen, .unixBind, .unixAddress([UInt8(ascii: "@")]), layered { $0.policy.unixSocket(.listen, .unnamed) })
    }
  }
}
