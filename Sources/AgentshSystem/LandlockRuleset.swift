import CAgentshSystem
import Glibc
import SystemPackage

/// A Landlock ruleset, ready to be put on threads: landlock(7).
public struct LandlockRuleset: ~Copyable, Sendable {
  public let descriptor: OwnedDescriptor

  /// A ruleset that holds as much of `rules` as `abi` can; nil where that is nothing. `LandlockRules.missing(in:)` tells what it can't.
  ///
  /// Places are opened with the calling thread's rights, as names only (O_PATH), and without following links: one that isn't there is granted nothing.
  /// - Parameter abi: at most the running kernel's.
  public static func bestEffort(_ rules: LandlockRules, abi: LandlockABI = .running) throws(SyscallError) -> LandlockRuleset? {
    if rules.isEmpty(in: abi) { return nil }
    return try make(rules, abi)
  }

  /// A ruleset that holds all of `rules`; nil where they hold nothing. Throws EOPNOTSUPP where `abi` lacks something of it.
  public static func required(_ rules: LandlockRules, abi: LandlockABI = .running) throws(SyscallError) -> LandlockRuleset? {
    let missing = rules.missing(in: abi)
    guard missing.isEmpty else {
      throw SyscallError("landlock_create_ruleset", .notSupportedOnSocket, missing.map(\.rawValue).joined(separator: ", "))
    }
    return try bestEffort(rules, abi: abi)
  }

  /// A ruleset that somebody else has made.
  public init(taking descriptor: consuming OwnedDescriptor) { self.descriptor = descriptor }

  private static func make(_ rules: LandlockRules, _ abi: LandlockABI) throws(SyscallError) -> LandlockRuleset {
    let separating = rules.separatingRights(in: abi)
    let files = rules.handledRights(in: abi).union(separating)
    var network: UInt64 = 0
    var scoped: UInt64 = 0
    if abi.has(.tcpPorts) {
      if rules.connectPorts != nil { network |= ASH_LANDLOCK_NET_CONNECT_TCP }
      if rules.bindPorts != nil { network |= ASH_LANDLOCK_NET_BIND_TCP }
    }
    if abi.has(.signals) {
      if rules.scopesSignals { scoped |= ASH_LANDLOCK_SCOPE_SIGNAL }
      if rules.scopesAbstractSockets { scoped |= ASH_LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET }
    }
    let raw = try syscall("landlock_create_ruleset") { ash_landlock_create(files.rawValue, network, scoped) }
    let ruleset = LandlockRuleset(taking: OwnedDescriptor(owning: raw))
    if !separating.isEmpty { try ruleset.allow(LandlockRules.Grant(path: [UInt8(ascii: "/")], rights: separating), handled: files) }
    for grant in rules.grants { try ruleset.allow(grant, handled: files) }
    for (ports, right) in [(rules.connectPorts, ASH_LANDLOCK_NET_CONNECT_TCP), (rules.bindPorts, ASH_LANDLOCK_NET_BIND_TCP)]
    where network & right != 0 {
      for port in Set(ports ?? []) {
        try syscall("landlock_add_rule", subject: "port \(port)") { ash_landlock_allow_port(raw, UInt64(port), right) }
      }
    }
    return ruleset
  }

  private func allow(_ grant: LandlockRules.Grant, handled: LandlockRights) throws(SyscallError) {
    let wanted = grant.rights.intersection(handled)
    if wanted.isEmpty { return }
    guard grant.path.first == UInt8(ascii: "/"), !grant.path.contains(0) else {
      throw SyscallError("landlock_add_rule", .invalidArgument, String(decoding: grant.path, as: UTF8.self))
    }
    guard let place = try? openPlace(grant.path) else { return }
    // EINVAL for a right that only a directory can have, on anything else.
    let rights = try fileStatus(place).isDirectory ? wanted : wanted.intersection(.ofFiles)
    if rights.isEmpty { return }
    let (ruleset, raw) = (descriptor.rawValue, place.rawValue)
    try syscall("landlock_add_rule", subject: String(decoding: grant.path, as: UTF8.self)) {
      ash_landlock_allow_beneath(ruleset, raw, rights.rawValue)
    }
  }

  /// Puts it on the calling thread and on all that this thread starts from now on, for good. no_new_privs must be set: landlock_restrict_self(2).
  /// - Parameter flags: LANDLOCK_RESTRICT_SELF_*, of which none may concern other threads.
  public func restrictThread(flags: UInt32 = 0) throws(SyscallError) {
    let raw = descriptor.rawValue
    try syscall("landlock_restrict_self") { ash_landlock_restrict_self(raw, flags) }
  }
}

/// Pins what stands at an absolute path, as a name only; ELOOP where a link is on the way or at its end.
public func openPlace(_ path: [UInt8]) throws(SyscallError) -> OwnedDescriptor {
  do throws(SyscallError) {
    return try openAt2(AT_FDCWD, path, flags: O_PATH, resolve: UInt64(RESOLVE_NO_SYMLINKS) | UInt64(RESOLVE_NO_MAGICLINKS))
  } catch {
    // In a session openat2(2) hands out no such descriptor.
    guard error.errno == .noFunction else { throw error }
  }
  let place = try openAt(AT_FDCWD, path, flags: O_PATH | O_NOFOLLOW)
  guard try readLink(at: AT_FDCWD, Array("/proc/self/fd/\(place.rawValue)".utf8)) == path else { throw SyscallError("open", .tooManySymbolicLinkLevels) }
  return place
}
