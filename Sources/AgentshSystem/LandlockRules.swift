/// What a Landlock ruleset is to hold, whatever the kernel can.
public struct LandlockRules: Sendable, Equatable {
  public struct Grant: Sendable, Hashable {
    /// Absolute.
    public var path: [UInt8]
    /// Rights on what is there and on all below it.
    public var rights: LandlockRights

    public init(path: [UInt8], rights: LandlockRights) {
      self.path = path
      self.rights = rights
    }
  }

  public var grants: [Grant]
  /// Ports that a TCP socket may be connected to; nil: any.
  public var connectPorts: [UInt16]?
  /// Ports that a TCP socket may be bound to; nil: any.
  public var bindPorts: [UInt16]?
  /// No signal to a process outside.
  public var scopesSignals: Bool
  /// No connection to an abstract Unix socket that was made outside.
  public var scopesAbstractSockets: Bool
  /// In a domain of its own even where nothing else is held: a process under Landlock can trace none outside, nor reach the memory or the descriptors of one
  /// ("Ptrace restrictions" of the kernel's landlock.rst).
  public var separates: Bool

  public init(
    grants: [Grant], connectPorts: [UInt16]? = nil, bindPorts: [UInt16]? = nil, scopesSignals: Bool = false, scopesAbstractSockets: Bool = false,
    separates: Bool = false
  ) {
    self.separates = separates
    self.grants = grants
    self.connectPorts = connectPorts
    self.bindPorts = bindPorts
    self.scopesSignals = scopesSignals
    self.scopesAbstractSockets = scopesAbstractSockets
  }

  /// Rights that are held back somewhere: those that are not granted at the root directory.
  ///
  /// A right that is granted there need not be handled at all, which spares every call that asks for it the walk up to the root.
  public var heldRights: LandlockRights {
    grants.reduce(LandlockRights.all) { $1.path == [UInt8(ascii: "/")] ? $0.subtracting($1.rights) : $0 }
  }

  /// What a ruleset for `abi` handles of files.
  ///
  /// Moving between directories is refused by every ruleset that handles anything of files, so it is handled then, and granted by a rule. The first
  /// version can't grant it; where it is to be granted that version holds nothing of files, rather than refusing what is permitted.
  public func handledRights(in abi: LandlockABI) -> LandlockRights {
    let held = heldRights.intersection(abi.rights)
    if held.isEmpty { return [] }
    if abi < .referring { return grants.contains { $0.rights.contains(.refer) } ? [] : held }
    return held.union(.refer)
  }

  /// What these rules hold that `abi` can't.
  public func missing(in abi: LandlockABI) -> [LandlockAbility] {
    let held = heldRights
    return LandlockAbility.allCases.filter { ability in
      switch ability {
      case .files: !held.subtracting([.refer, .truncate, .ioctlDev]).isEmpty && handledRights(in: abi).isEmpty
      case .moving: !abi.has(ability) && !held.isEmpty
      case .truncation: !abi.has(ability) && held.contains(.truncate)
      case .deviceRequests: !abi.has(ability) && held.contains(.ioctlDev)
      case .tcpPorts: !abi.has(ability) && (connectPorts != nil || bindPorts != nil)
      case .signals: !abi.has(ability) && scopesSignals
      case .abstractSockets: !abi.has(ability) && scopesAbstractSockets
      }
    }
  }

  /// What a ruleset for `abi` holds.
  public func held(in abi: LandlockABI) -> [LandlockAbility] {
    let handled = handledRights(in: abi)
    return LandlockAbility.allCases.filter { ability in
      switch ability {
      case .files: !handled.subtracting([.refer, .truncate, .ioctlDev]).isEmpty
      case .moving: handled.contains(.refer)
      case .truncation: handled.contains(.truncate)
      case .deviceRequests: handled.contains(.ioctlDev)
      case .tcpPorts: abi.has(ability) && (connectPorts != nil || bindPorts != nil)
      case .signals: abi.has(ability) && scopesSignals
      case .abstractSockets: abi.has(ability) && scopesAbstractSockets
      }
    }
  }

  /// What is handled, and granted everywhere, for the sake of the domain alone. The first version can't grant moving between directories, which every ruleset
  /// about files refuses.
  public func separatingRights(in abi: LandlockABI) -> LandlockRights {
    separates && holdsNothing(in: abi) && abi >= .referring ? [.makeBlock, .refer] : []
  }

  /// Whether there is nothing that `abi` would hold.
  public func isEmpty(in abi: LandlockABI) -> Bool { holdsNothing(in: abi) && separatingRights(in: abi).isEmpty }

  private func holdsNothing(in abi: LandlockABI) -> Bool {
    handledRights(in: abi).isEmpty && !(abi.has(.tcpPorts) && (connectPorts != nil || bindPorts != nil))
      && !(abi.has(.signals) && (scopesSignals || scopesAbstractSockets))
  }

  /// Rights that the grants give on an absolute path without links.
  public func rights(on path: [UInt8]) -> LandlockRights {
    grants.reduce([]) { rights, grant in
      let root = grant.path == [UInt8(ascii: "/")]
      let isBeneath = path.starts(with: grant.path) && (root || path.count == grant.path.count || path[grant.path.count] == UInt8(ascii: "/"))
      return isBeneath ? rights.union(grant.rights) : rights
    }
  }
}
