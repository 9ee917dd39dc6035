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
    let failure: CInt
    // The name that getsockname(2) shows is the string that was bound. It is used unless it might mean something else to this process than to the target.
    if path.contains(UInt8(ascii: "/")), supervision.sharesRoot && !supervision.rootsMayDiffer, !mentionsProc(path) {
      let beneath = binding(parent) { bindBeneath(raw, address.bytes, directory: working.rawValue, parent: parent.directory.rawValue, mask: mask) }
      if beneath == 0, !isBound(raw, parent) { return misled(call, socket, parent, path, working) }
      // Without Landlock.
      failure = beneath == ENOSYS ? bindLast(raw, parent, mask) : beneath
    } else {
      failure = path.contains(UInt8(ascii: "/"))
        ? bindLast(raw, parent, mask) : binding(parent) { bindIn(raw, address.bytes, parent: parent.directory.rawValue, mask: mask) }
    }
    guard failure == 0 else { return .failure(failure) }
    if let status = try? fileStatus(socket.descriptor) { supervision.boundSockets.note(name, of: status) }
    return .value(0)
  }

  /// Binds the last component, in the very directory that is pinned: there is nothing on the way that could be exchanged.
  private func bindLast(_ socket: CInt, _ parent: borrowing Parent, _ mask: mode_t) -> CInt {
    binding(parent) { bindIn(socket, [UInt8(AF_UNIX), 0] + parent.name + [0], parent: parent.directory.rawValue, mask: mask) }
  }

  /// Whether a path says by its own words that it leads through /proc/self, or the links to it.
  private func mentionsProc(_ path: [UInt8]) -> Bool {
    components(path).contains { $0 == Array("proc".utf8) || $0 == Array("fd".utf8) || $0 == Array("self".utf8) || $0 == Array("thread-self".utf8) }
  }

  /// Makes a socket's file: under the floor, which the threads that do it inherit. 0 or an errno.
  private func binding(_ parent: borrowing Parent, _ body: () -> CInt) -> CInt {
    supervision.directories.naming(in: parent.identity, expectDelay: expectDelay) {
      do throws(SyscallError) { return try acting(held: floor.holds(.makeSock), body) } catch { return error.errno.rawValue }
    }
  }

  /// A socket on a file system that the session made for itself has nobody but the session behind it.
  func unixVerdict(_ operation: UnixOperation, _ path: [UInt8], _ layer: SessionLayer) -> Verdict {
    if operation == .connect || operation == .sendto, let refusal = foreignResolver(socket: path) { return refusal }
    if path.starts(with: SessionMounts.ownPrefix) { return Verdict(decision: .allow, rule: "builtin:session_mount") }
    let verdict = layer.policy.unixSocket(operation, .path(path))
    guard verdict.isPermitted else { return verdict }
    for name in supervision.mounts.otherNames(of: path) {
      if let refusal = layer.policy.unixRefusal(of: operation, byName: name) { return refusal }
    }
    return verdict
  }

  /// Whether the socket's file is the decided name. Landlock has kept it beneath the decided directory; this tells a deeper one.
  private func isBound(_ socket: CInt, _ parent: borrowing Parent) -> Bool {
    guard let status = try? linkStatus(at: parent.directory.rawValue, parent.name), status.type == S_IFSOCK else { return false }
    guard let file = unixSocketFile(socket) else { return true }
    return UInt32(truncatingIfNeeded: status.inode) == file.inode
  }

  /// The path was exchanged while it was being bound, which only a target that races on purpose brings about: a bound socket can't be unbound, and whoever
  /// has a copy of it could go on with it, so the session ends.
  private func misled(
    _ call: TrappedCall, _ socket: borrowing TargetSocket, _ parent: borrowing Parent, _ path: [UInt8], _ working: borrowing OwnedDescriptor
  ) -> Answer {
    removeAstray(socket, path, working)
    let verdict = Verdict(decision: .deny, rule: "builtin:bind_verification", message: "the socket's path was exchanged while it was bound")
    try? settle(call, .bind, .unixBind, .unixAddress(parent.path), verdict)
    supervision.endSession("the path of a Unix socket was exchanged while it was bound")
    return .failure(EACCES)
  }

  /// Removes the file of a socket that was bound at another place than the decided one, if the string still leads there: nothing but that very file.
  private func removeAstray(_ socket: borrowing TargetSocket, _ path: [UInt8], _ working: borrowing OwnedDescriptor) {
    guard let file = unixSocketFile(socket.descriptor.rawValue) else { return }
    // It is led back and forth: now and then it leads there.
    for _ in 0..<1000 {
      guard let found = try? openAt(working.rawValue, path, flags: O_PATH | O_NOFOLLOW), let status = try? fileStatus(found), status.type == S_IFSOCK,
        UInt32(truncatingIfNeeded: status.inode) == file.inode, let place = try? kernelPath(of: found)
      else { continue }
      let (folder, name) = splitLast(place)
      guard let directory = try? openAt(AT_FDCWD, folder, flags: O_PATH | O_DIRECTORY), let there = try? linkStatus(at: directory.rawValue, name),
        there.inode == status.inode, there.device == status.device
      else { return }
      _ = PathCalls.unlink(directory.rawValue, name, 0)
      return
    }
  }

  private func targetUmask(_ call: TrappedCall) throws(CallFailure) -> mode_t {
    guard let status = try? readSmallFile(at: AT_FDCWD, procPath(call.thread, "status"), limit: 4096),
      let mask = statusField("Umask:", in: status).flatMap({ mode_t($0, radix: 8) })
    else { throw .errno(EPERM) }
    return mask
  }

  /// Decides about listening on a Unix socket by the name that it is bound to.
  func settleUnixListen(_ call: TrappedCall, _ socket: borrowing TargetSocket, _ name: SocketAddress.UnixName) throws(CallFailure) {
    switch name {
    case .path(let path):
      // Of one that was bound before the session the string is known; where that leads now is what rules about paths speak of, if it leads to that socket's file.
      var known = (try? fileStatus(socket.descriptor)).flatMap { supervision.boundSockets.name(of: $0) }
      if known == nil, let found = try? resolve(call, at: AT_FDCWD, path: path, following: true) {
        if let file = unixSocketFile(socket.descriptor.rawValue), UInt32(truncatingIfNeeded: found.status.inode) != file.inode { throw .errno(EACCES) }
        known = found.path
      }
      let name = known ?? path
      try settle(call, .listen, .unixBind, .unixAddress(name), layered { unixVerdict(.listen, name, $0) })
    case .abstract(let name):
      try settle(
        call, .listen, .unixBind, .unixAddress([UInt8(ascii: "@")] + name), layered { $0.policy.unixSocket(.listen, .abstract(name)) })
    case .unnamed:
      try settle(call, .listen, .unixBind, .unixAddress([UInt8(ascii: "@")]), layered { $0.policy.unixSocket(.listen, .unnamed) })
    }
  }
}
