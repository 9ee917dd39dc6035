/// Who is at the other end of a Unix socket, as the kernel noted it when the peer called connect(2), listen(2) or socketpair(2).
///
/// The numbers are snapshots: the peer may have changed its ids or exited since. Only the pidfd of `peerPidfd(of:)` names the process for good.
public struct PeerCredentials: Sendable, Hashable {
  /// Thread group id in our pid namespace; 0 when it lies outside of it.
  public let pid: Int32
  /// Effective uid at that moment.
  public let uid: UInt32
  /// Effective gid at that moment.
  public let gid: UInt32

  public init(pid: Int32, uid: UInt32, gid: UInt32) {
    self.pid = pid
    self.uid = uid
    self.gid = gid
  }
}
