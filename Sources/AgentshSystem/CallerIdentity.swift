import CAgentshLaunch
import Glibc

/// Who runs this program, after every other identity has been given up.
public struct CallerIdentity: Sendable, Equatable {
  /// The real user id: who started the program.
  public let uid: UInt32
  /// The real group id.
  public let gid: UInt32
  /// The program was installed setuid or setgid, or with capabilities, and has dropped what that gave it.
  public let wasPrivileged: Bool

  public init(uid: UInt32, gid: UInt32, wasPrivileged: Bool) {
    self.uid = uid
    self.gid = gid
    self.wasPrivileged = wasPrivileged
  }

  /// Gives up the effective and saved ids and the capabilities of a setuid execution for good, and proves that they don't come back.
  ///
  /// To be called before anything is opened. Supplementary groups are the caller's own in a setuid execution, and stay.
  /// The corresponding C functions are `setresgid`, `setresuid` and `capset`.
  ///
  /// - Parameter isPrivilegedExecution: what the kernel said at the start (AT_SECURE).
  public static func dropPrivileges(isPrivilegedExecution: Bool) throws(IdentityError) -> CallerIdentity {
    let before = try ProcessIDs.current()
    let isPrivileged = isPrivilegedExecution || !before.isPlain
    let identity = CallerIdentity(uid: before.realUser, gid: before.realGroup, wasPrivileged: isPrivileged)
    guard isPrivileged else { return identity }

    // Groups first: without the user's privilege they could not be changed any more.
    try drop("setresgid") { ash_set_group_ids(before.realGroup, before.realGroup, before.realGroup) }
    try drop("setresuid") { ash_set_user_ids(before.realUser, before.realUser, before.realUser) }
    if before.realUser != 0 { try dropCapabilities() }
    try prove(before)
    return identity
  }

  private static func drop(_ call: String, _ body: () -> CInt) throws(IdentityError) {
    do { try syscall(call, body) } catch { throw .notDropped(error) }
  }

  /// An identity that can be taken up again was not dropped.
  private static func prove(_ before: ProcessIDs) throws(IdentityError) {
    let after = try ProcessIDs.current()
    guard after.isPlain, after.realUser == before.realUser, after.realGroup == before.realGroup else { throw .comesBack("getresuid") }
    guard before.realUser != 0 else { return }
    let unchanged = uid_t.max
    for former in [before.effectiveUser, before.savedUser, 0] where former != before.realUser {
      guard ash_set_user_ids(unchanged, former, unchanged) == -1, setuid(former) == -1 else { throw .comesBack("setresuid") }
    }
    for former in [before.effectiveGroup, before.savedGroup, 0] where former != before.realGroup {
      guard ash_set_group_ids(unchanged, former, unchanged) == -1, setgid(former) == -1 else { throw .comesBack("setresgid") }
    }
  }

  private static func dropCapabilities() throws(IdentityError) {
    do throws(SyscallError) {
      try ThreadCapabilities.set(effective: 0, permitted: 0)
      let left = try ThreadCapabilities.current()
      if left.effective == 0, left.permitted == 0 { return }
    } catch {
      throw .notDropped(error)
    }
    throw .comesBack("capset")
  }
}

/// Why the program has not become its caller; it must end then.
public enum IdentityError: Error, Sendable, Equatable, CustomStringConvertible {
  case notDropped(SyscallError)
  /// The call by which the former identity could still be taken up.
  case comesBack(String)

  public var description: String {
    switch self {
    case .notDropped(let error): "can't give up the privileges of a setuid installation: \(error)"
    case .comesBack(let call): "the privileges of a setuid installation could be taken back (\(call))"
    }
  }
}

/// The user and group ids of this process; see credentials(7).
struct ProcessIDs: Sendable, Equatable {
  var realUser: uid_t = 0
  var effectiveUser: uid_t = 0
  var savedUser: uid_t = 0
  var realGroup: gid_t = 0
  var effectiveGroup: gid_t = 0
  var savedGroup: gid_t = 0

  var isPlain: Bool {
    realUser == effectiveUser && realUser == savedUser && realGroup == effectiveGroup && realGroup == savedGroup
  }
}
