public import AgentshPolicy
public import AgentshProtocol
public import AgentshSystem

/// What Landlock holds of a policy in a session: under the target, and under the threads of the supervisor that act for it.
///
/// The server's supervisors, the embedded one and `policy explain` ask here and nowhere else.
public struct SessionFloor: Sendable, Equatable {
  /// Why nothing is held of files, in words for people; nil where they are held.
  public let filesLeftOut: String?
  public let rules: LandlockRules
  /// The policy's floor on what is there.
  public let floor: PolicyFloor

  /// Calls by which a session changes what paths lead to, or opens what has none.
  private static let mountCalls: Set<String> = [
    "mount", "namespaces", "umount2", "fsopen", "fsconfig", "fsmount", "fspick", "move_mount", "open_tree", "open_tree_attr", "mount_setattr",
    "pivot_root", "setns", "open_by_handle", "open_by_handle_at",
  ]

  /// - Parameters:
  ///   - floor: of the policy with its variables bound, placed.
  ///   - allowedCalls: the policy's `syscalls: {allow: […]}`. Where they let mounts be changed, no file is held: landlock(7) forbids that to everybody
  ///     under a ruleset about files, and what is mounted elsewhere isn't beneath any place that was granted.
  public init(_ floor: PolicyFloor, allowedCalls: Set<String>) {
    let moving = allowedCalls.intersection(Self.mountCalls).sorted()
    filesLeftOut = moving.isEmpty ? nil : "the policy permits \(moving.joined(separator: ", ")), which goes together with no ruleset about files"
    let grants = (moving.isEmpty ? floor : .everything).grants.map { LandlockRules.Grant(path: $0.path, rights: LandlockRights(rawValue: $0.rights.rawValue)) }
    let bounded = Self.bounded(grants)
    self.floor = floor
    isExact = moving.isEmpty && Set(bounded) == Set(grants)
    rules = LandlockRules(
      grants: bounded,
      connectPorts: floor.tcpConnectPorts, bindPorts: floor.tcpBindPorts, scopesSignals: floor.scopesSignals,
      scopesAbstractSockets: floor.scopesAbstractSockets, separates: moving.isEmpty)
  }

  /// The floor of a session, on what the calling process finds in the file system now.
  ///
  /// - Parameter holding: what the session's filter leaves to it; see `PolicyFloor.placed`.
  public init(_ bound: BoundPolicy, _ policy: Policy, holding: FloorRights = []) {
    self.init(bound.floor, policy, holding: holding)
  }

  /// The same for a floor that was made before.
  init(_ floor: PolicyFloor, _ policy: Policy, holding: FloorRights) {
    self.init(floor.placed(holding: holding, FloorPlace.init), allowedCalls: policy.allowedRestrictedCalls)
  }

  /// What the filter of a session under this policy can leave to Landlock. The file system is looked at only where that matters.
  public static func exactRights(_ bound: BoundPolicy, _ policy: Policy) -> FloorRights {
    // A session inside this one has to have everything decided that it is refused, and recorded.
    guard bound.floor.mayBeExact, !policy.allowsNestedSessions else { return [] }
    let rights = SessionFloor(bound, policy).exactRights()
    // Files and directories are opened by the same calls.
    return rights.intersection(.execute).union(rights.isSuperset(of: .reading) ? .reading : [])
  }

  /// Whether all grants are as they were asked for.
  private let isExact: Bool

  /// Rights of which this floor, once it is installed on a kernel with this version, says exactly what the policy says: what needs no other can be left
  /// to it alone.
  public func exactRights(in abi: LandlockABI = .running) -> FloorRights {
    isExact ? floor.exactRights.intersection(FloorRights(rawValue: rules.handledRights(in: abi).rawValue)) : []
  }

  /// For the launcher.
  public var plan: FloorPlan {
    FloorPlan(
      grants: rules.grants.map { FloorPlan.Grant(path: $0.path, rights: $0.rights.rawValue) }, connectPorts: rules.connectPorts,
      bindPorts: rules.bindPorts, scopesSignals: rules.scopesSignals, scopesAbstractSockets: rules.scopesAbstractSockets, separates: rules.separates)
  }

  /// What is held, by name.
  public func held(in abi: LandlockABI = .running) -> [String] { rules.held(in: abi).map(\.rawValue) }

  /// What would be held if the kernel's version of Landlock could, by name.
  public func missing(in abi: LandlockABI = .running) -> [String] { rules.missing(in: abi).map(\.rawValue) }

  /// A message has to hold them all: where there are too many, the deepest are taken together at the directory above, which grants more.
  private static func bounded(_ grants: [LandlockRules.Grant]) -> [LandlockRules.Grant] {
    var grants = merged(grants)
    if size(of: grants) <= FloorPlan.mostBytes { return grants }
    let slash = UInt8(ascii: "/")
    func depth(_ path: [UInt8]) -> Int { path.count(where: { $0 == slash }) }
    while size(of: grants) > FloorPlan.mostBytes, let deepest = grants.map({ depth($0.path) }).max(), deepest > 0 {
      grants = merged(
        grants.map { grant in
          guard depth(grant.path) == deepest, let last = grant.path.lastIndex(of: slash) else { return grant }
          return LandlockRules.Grant(path: last == 0 ? [slash] : Array(grant.path[..<last]), rights: grant.rights)
        })
      if deepest == 1 { break }
    }
    // Nothing may be moved or linked to where it would gain a right (EXDEV): what was taken together has to be level again.
    let rules = LandlockRules(grants: grants)
    let union = grants.filter { $0.rights.contains(.refer) }.reduce(LandlockRights()) { $0.union(rules.rights(on: $1.path)) }
    return grants.map { $0.rights.contains(.refer) ? LandlockRules.Grant(path: $0.path, rights: $0.rights.union(union)) : $0 }
  }

  /// About what base 64, the names of the fields and the number take.
  private static func size(of grants: [LandlockRules.Grant]) -> Int { grants.reduce(0) { $0 + $1.path.count * 4 / 3 + 40 } }

  private static func merged(_ grants: [LandlockRules.Grant]) -> [LandlockRules.Grant] {
    var places: [[UInt8]: Int] = [:]
    var merged: [LandlockRules.Grant] = []
    for grant in grants {
      if let index = places[grant.path] {
        merged[index].rights.formUnion(grant.rights)
      } else {
        places[grant.path] = merged.count
        merged.append(grant)
      }
    }
    return merged
  }
}

extension FloorPlace {
  /// What stands at an absolute path for the calling process.
  init(_ path: [UInt8]) {
    do throws(SyscallError) {
      let opened = try openPlace(path)
      guard try fileStatus(opened).isDirectory else {
        self = .file
        return
      }
      // MQUEUE_MAGIC of ipc/mqueue.c, whose file system has one directory.
      self = (try? filesystemType(opened)) == 0x1980_0202 ? .messageQueues : .directory
    } catch {
      self = error.errno == .tooManySymbolicLinkLevels ? .link : .missing
    }
  }
}

extension LandlockRules {
  public init(_ plan: FloorPlan) {
    self.init(
      grants: plan.grants.map { Grant(path: $0.path, rights: LandlockRights(rawValue: $0.rights)) }, connectPorts: plan.connectPorts,
      bindPorts: plan.bindPorts, scopesSignals: plan.scopesSignals, scopesAbstractSockets: plan.scopesAbstractSockets,
      separates: plan.separates)
  }
}
