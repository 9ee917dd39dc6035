internal import CAgentshSystem
import Glibc
import SystemPackage

/// The credentials of the peer of `socket`: SO_PEERCRED, see unix(7).
public func peerCredentials(of socket: borrowing OwnedDescriptor) throws(SyscallError) -> PeerCredentials {
  try peerCredentials(ofRaw: socket.rawValue)
}

func peerCredentials(ofRaw socket: CInt) throws(SyscallError) -> PeerCredentials {
  var pid: pid_t = 0
  var uid: uid_t = 0
  var gid: gid_t = 0
  // SAFETY: three out parameters that live for the call.
  try syscall("getsockopt", subject: "SO_PEERCRED") { unsafe ash_peer_credentials(socket, &pid, &uid, &gid) }
  return PeerCredentials(pid: pid, uid: uid, gid: gid)
}

/// A pidfd of the process that connected: SO_PEERPIDFD (Linux 6.5), see unix(7). The caller owns it; it is close-on-exec.
///
/// Throws ESRCH (or EINVAL before 6.16) when that process has been reaped already, ENODATA when the socket has no peer.
public func peerPidfd(of socket: borrowing OwnedDescriptor) throws(SyscallError) -> OwnedDescriptor {
  let raw = socket.rawValue
  return OwnedDescriptor(owning: try syscall("getsockopt", subject: "SO_PEERPIDFD") { ash_peer_pidfd(raw) })
}

/// The supplementary groups the peer had when it connected: SO_PEERGROUPS (Linux 4.13).
public func peerGroups(of socket: borrowing OwnedDescriptor) throws(SyscallError) -> [UInt32] {
  let option: CInt = 59  // asm-generic/socket.h: SO_PEERGROUPS
  let raw = socket.rawValue
  var room = 64
  while true {
    var groups = [gid_t](repeating: 0, count: room)
    var length = socklen_t(groups.count * MemoryLayout<gid_t>.stride)
    do {
      try syscall("getsockopt", subject: "SO_PEERGROUPS") {
        // SAFETY: `length` is the size of the buffer in bytes, and both live for the call.
        unsafe groups.withUnsafeMutableBytes { buffer in unsafe getsockopt(raw, SOL_SOCKET, option, buffer.baseAddress, &length) }
      }
      return Array(groups.prefix(Int(length) / MemoryLayout<gid_t>.stride))
    } catch {
      // NGROUPS_MAX: no process has more.
      guard error.errno == .outOfRange, room < 65536 else { throw error }
      room = 65536
    }
  }
}
