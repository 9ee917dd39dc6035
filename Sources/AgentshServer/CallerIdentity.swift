internal import AgentshProtocol
internal import AgentshSystem
import Glibc
import SystemPackage

/// The process at the other end of a control connection, as the kernel pinned it when it connected.
final class ControlPeer: Sendable {
  let credentials: PeerCredentials
  let pidfd: Pidfd

  /// Takes both before any byte is read.
  init(of socket: borrowing UnixSocket) throws(SyscallError) {
    let credentials = try peerCredentials(of: socket.descriptor)
    let pidfd: OwnedDescriptor
    do {
      pidfd = try peerPidfd(of: socket.descriptor)
    } catch {
      // Before Linux 6.5 there is no such option. The number was the peer's when it connected; it has to be still.
      guard error.errno == .protocolNotAvailable else { throw error }
      let opened = try Pidfd.open(credentials.pid)
      guard try ProcessIdentity.userIDs(of: opened).contains(credentials.uid) else { throw SyscallError("pidfd_open", .noSuchProcess) }
      pidfd = try opened.descriptor.duplicate()
    }
    self.credentials = credentials
    self.pidfd = Pidfd(pidfd)
  }

  /// A process that a supervisor has let in, by its pidfd: numbers from the kernel. Throws ESRCH when it has ended, and EPERM where it has more than one
  /// uid or gid.
  init(letIn pidfd: consuming Pidfd) throws(SyscallError) {
    let users = try ProcessIdentity.userIDs(of: pidfd)
    let groups = try ProcessIdentity.groupIDs(of: pidfd)
    guard let uid = users.first, let gid = groups.first, users.allSatisfy({ $0 == uid }), groups.allSatisfy({ $0 == gid }) else {
      throw SyscallError("/proc/PID/status", .notPermitted)
    }
    credentials = PeerCredentials(pid: try ProcessIdentity.processID(of: pidfd), uid: uid, gid: gid)
    self.pidfd = pidfd
  }

  var uid: UInt32 { credentials.uid }
}

/// A caller from the moment of its first complete message on.
struct ControlCaller: Sendable {
  let peer: ControlPeer
  /// Supplementary groups when it connected.
  let groups: [UInt32]
  /// The session that it belongs to; of two, the inner one.
  let inside: String?
  /// The session whose supervisor has let it in, which permits sessions inside.
  let door: String?

  /// Nobody leaves a session's control group by their own means, so that this is looked up only when something is asked costs no safety: whoever
  /// only connects is not worth a look into /proc. Throws ESRCH when the peer has ended.
  /// - Parameter supervised: the session whose supervisor this process is, if this server started it.
  init(
    of peer: ControlPeer, socket: borrowing UnixSocket, in hierarchy: CgroupHierarchy?, supervised: (ControlPeer) -> String?
  ) throws(SyscallError) {
    self.peer = peer
    door = nil
    groups = try peerGroups(of: socket.descriptor)
    if let session = supervised(peer) {
      inside = session
      return
    }
    if Self.isSupervisor(peer) {
      // Of a server before this one, or of embedded mode.
      inside = "of supervisor \(peer.credentials.pid)"
      return
    }
    guard let hierarchy else {
      inside = nil
      return
    }
    let membership = try ProcessIdentity.read("cgroup", of: peer.pidfd)
    inside = hierarchy.sessions(inMembership: membership).last.map { String(decoding: $0, as: UTF8.self) }
  }

  /// A process that the supervisor of a session has let in. The server believes the supervisor nothing but the pidfd: it looks itself whether that process
  /// is of the session's user and lives in its control group.
  init(letIn peer: ControlPeer, by session: String, uid: UInt32, in hierarchy: CgroupHierarchy) throws(SyscallError) {
    self.peer = peer
    groups = try ProcessIdentity.supplementaryGroups(of: peer.pidfd)
    let names = hierarchy.sessions(inMembership: try ProcessIdentity.read("cgroup", of: peer.pidfd)).map { String(decoding: $0, as: UTF8.self) }
    guard peer.uid == uid, names.first == session, let innermost = names.last else { throw SyscallError("/proc/PID/cgroup", .notPermitted) }
    inside = innermost
    door = session
  }

  /// What a session's processes connect to, their supervisor connects for them: to the kernel it is the peer then, and it lives in no session's group.
  /// It is known by its program, which no target can change, and which an upgrade may have unlinked; anybody else who runs that is harmed by
  /// it no more than by asking from inside.
  private static func isSupervisor(_ peer: ControlPeer) -> Bool {
    guard let path = try? ProcessIdentity.readLink("exe", of: peer.pidfd) else {
      // Not readable without privilege, as the supervisor is not dumpable: then a server's own child is taken for one.
      return (try? ProcessIdentity.parentID(of: peer.pidfd)) == getpid()
    }
    return String(decoding: path, as: UTF8.self).split(separator: "/").last?.hasPrefix("agentsh-supervisor") ?? false
  }

  func identity() throws(SyscallError) -> CallerIdentity { try CallerIdentity(of: peer, groups: groups) }
}

/// On whose behalf something is done: the numbers, and what the user database knows about them.
struct CallerIdentity: Sendable {
  let uid: UInt32
  let gid: UInt32
  /// What the session's processes are in.
  let groups: [UInt32]
  /// What assignments and admins are compared with: the user database's groups and `gid`.
  let memberships: Set<UInt32>
  let account: UserAccount?

  /// The peer itself: numbers from the kernel.
  /// - Parameter groups: the supplementary groups that it had when it connected.
  init(of peer: ControlPeer, groups: [UInt32]) throws(SyscallError) {
    uid = peer.credentials.uid
    gid = peer.credentials.gid
    self.groups = groups
    account = try UserDatabase.account(uid: uid)
    memberships = try Self.memberships(account, gid: gid, otherwise: groups)
  }

  /// A user whom a peer with uid 0 named: everything from the user database; a number that it doesn't know has its own group alone.
  init(named uid: UInt32) throws(SyscallError) {
    self.uid = uid
    account = try UserDatabase.account(uid: uid)
    if let account {
      gid = account.gid
      groups = try UserDatabase.groups(of: account)
    } else {
      gid = uid
      groups = []
    }
    memberships = Set(groups + [gid])
  }

  private static func memberships(_ account: UserAccount?, gid: UInt32, otherwise groups: [UInt32]) throws(SyscallError) -> Set<UInt32> {
    guard let account else { return Set(groups + [gid]) }
    return Set(try UserDatabase.groups(of: account) + [gid])
  }

  /// The user's name, or the number as text.
  var userName: [UInt8] { account?.name ?? Array("\(uid)".utf8) }

  /// The home directory by the kernel's name, as it is when this is asked. Who has no account is given one that isn't there.
  ///
  /// Links are followed where root or that user made them: nobody else is to choose what the rules about `${HOME}` hold.
  func home() throws(HomeDirectory.Problem) -> [UInt8] {
    guard let account else { return Array("/nonexistent".utf8) }
    return try HomeDirectory.canonical(account.home, followingLinksOf: [0, uid])
  }

  /// Whether one of the names is this user's, or one of the groups has it.
  func matches(_ who: Principals) throws(SyscallError) -> Bool {
    for user in who.users {
      switch user {
      case .anyone: return true
      case .number(let number): if number == uid { return true }
      case .name(let name):
        // By number: two names of one uid are one user to the kernel.
        if account?.name == name { return true }
        if let named = try UserDatabase.account(named: name), named.uid == uid { return true }
      }
    }
    for group in who.groups {
      switch group {
      case .anyone: return true
      case .number(let number): if memberships.contains(number) { return true }
      case .name(let name): if let number = try UserDatabase.group(named: name), memberships.contains(number) { return true }
      }
    }
    return false
  }
}

extension ServerConfiguration {
  /// Users and groups that the user database doesn't know: misspelt, or of a directory that can't be reached now, so that they are asked for again at
  /// every session.
  func unknownPrincipals(file: String) -> [ConfigurationProblem] {
    named.compactMap { principal in
      let kind = principal.isGroup ? "group" : "user"
      let message: String
      do throws(SyscallError) {
        let isKnown = try principal.isGroup ? UserDatabase.group(named: principal.name) != nil : UserDatabase.account(named: principal.name) != nil
        if isKnown { return nil }
        message = "there is no \(kind) \(displayEscaped(principal.name)) at the moment"
      } catch {
        message = "the user database can't be asked for \(kind) \(displayEscaped(principal.name)): \(error)"
      }
      return ConfigurationProblem(file: file, line: principal.position.line, column: principal.position.column, message: message, isWarning: true)
    }
  }
}

extension Ruleset {
  /// The policy that a caller gets: the first assignment that matches decides.
  func policy(for caller: CallerIdentity, wanted: String?) throws(ControlError) -> LoadedPolicy {
    let match: PolicyAssignment?
    do throws(SyscallError) {
      match = try assignment(for: caller)
    } catch {
      throw .notPermitted(reason: "the user database can't be asked: \(error)")
    }
    if let match { return try policy(of: match, wanted: wanted, caller).get() }
    throw .notPermitted(
      reason: "no assignment in agentshd.yaml names you (\(displayEscaped(caller.userName)), uid \(caller.uid)) or a group of yours; an administrator can add one")
  }

  private func assignment(for caller: CallerIdentity) throws(SyscallError) -> PolicyAssignment? {
    for assignment in configuration.assignments {
      if try caller.matches(assignment.who) { return assignment }
    }
    return nil
  }

  private func policy(of assignment: PolicyAssignment, wanted: String?, _ caller: CallerIdentity) -> Result<LoadedPolicy, ControlError> {
    var permitted = assignment.allowsAllPolicies ? policies.names : [assignment.defaultPolicy] + assignment.policies
    permitted = permitted.reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
    let name = wanted ?? assignment.defaultPolicy
    guard permitted.contains(where: { policies.policies[$0] != nil }) else {
      return .failure(
        .notPermitted(
          reason: "no policy is left that you may use (\(displayEscaped(name)) and whatever else you are assigned is missing or broken): ask an administrator; the server's log says why"))
    }
    guard permitted.contains(name) else {
      let kind = policies.policies[name] == nil && assignment.allowsAllPolicies ? "there is no policy" : "you may not use policy"
      return .failure(.notPermitted(reason: "\(kind) \(displayEscaped(name)); you may use: \(permitted.map { displayEscaped($0) }.joined(separator: ", "))"))
    }
    guard let policy = policies.policies[name] else {
      return .failure(.notPermitted(reason: "policy \(displayEscaped(name)) can't be used: it is missing or broken; the server's log says why"))
    }
    return .success(policy)
  }
}
