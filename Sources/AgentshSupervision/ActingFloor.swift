import AgentshSystem
import Glibc

/// What Landlock holds of the calls that the supervisor performs for its targets.
///
/// A thread under a ruleset can't look into a target, which is not below it: the workers stay outside, and hand the last call, the one that opens or
/// changes something, to a companion that is inside. A verdict that is wrong lets nothing through alone then.
final class ActingFloor: Sendable {
  /// nil: nothing is held, and every worker acts itself.
  private let ruleset: HeldRuleset?
  private let rules: LandlockRules
  /// Rights on files that are held back somewhere.
  private let rights: LandlockRights
  let holdsConnecting: Bool
  let holdsBinding: Bool
  /// Whether the kernel lets no signal of the session's processes out of it: Landlock's scope, which the targets are in.
  let keepsSignalsInside: Bool
  /// The floor of the session around: a thread is put under that one as well.
  private let around: ActingFloor?

  private final class HeldRuleset: Sendable {
    let ruleset: LandlockRuleset
    init(_ ruleset: consuming LandlockRuleset) { self.ruleset = ruleset }
  }

  /// Nothing is held.
  init() {
    ruleset = nil
    rules = LandlockRules(grants: [LandlockRules.Grant(path: [UInt8(ascii: "/")], rights: .all)])
    rights = []
    holdsConnecting = false
    holdsBinding = false
    keepsSignalsInside = false
    around = nil
  }

  /// Of a process that has put itself under a ruleset of its own on top of a floor (`OwnDomain`). What it
  /// handles can't be asked, so whatever can be held is taken to be, and nothing is known to be granted.
  init(opaqueAbove around: ActingFloor) {
    self.around = around
    ruleset = nil
    rules = LandlockRules(grants: [])
    rights = .all
    holdsConnecting = true
    holdsBinding = true
    keepsSignalsInside = around.keepsSignalsInside
  }

  /// Without the scopes: whom the supervisor signals and connects to on behalf of a target is a matter of the target's own domain, which this one
  /// isn't.
  /// - Parameter around: the floor of the session that this one's lies inside of. Rulesets stack: what one refuses the other can't grant.
  init(_ floor: LandlockRules, around: ActingFloor? = nil, abi: LandlockABI = .running) throws(SyscallError) {
    self.around = around
    keepsSignalsInside = floor.scopesSignals && abi.has(.signals)
    var rules = floor
    rules.scopesSignals = false
    rules.separates = false
    rules.scopesAbstractSockets = false
    self.rules = rules
    rights = rules.handledRights(in: abi)
    holdsConnecting = abi.has(.tcpPorts) && rules.connectPorts != nil || around?.holdsConnecting ?? false
    holdsBinding = abi.has(.tcpPorts) && rules.bindPorts != nil || around?.holdsBinding ?? false
    if let made = try LandlockRuleset.bestEffort(rules, abi: abi) { ruleset = HeldRuleset(made) } else { ruleset = nil }
  }

  /// Whether a call that takes one of these rights is held.
  func holds(_ needed: LandlockRights) -> Bool { !rights.isDisjoint(with: needed) || around?.holds(needed) ?? false }

  /// Whether anything of files is held: then moving and linking are, since those depend on all rights at both places.
  var holdsFiles: Bool { !rights.isEmpty || around?.holdsFiles ?? false }

  /// Whether the floor is known to grant these rights on a path, which is the kernel's own and has no links.
  func grants(_ needed: LandlockRights, on path: [UInt8]) -> Bool {
    rules.rights(on: path).isSuperset(of: needed.intersection(rights)) && around?.grants(needed, on: path) ?? true
  }

  /// Puts the ruleset on the calling thread, and that of the session around before it.
  func restrictThread() throws(SyscallError) {
    try around?.restrictThread()
    try ruleset?.ruleset.restrictThread()
  }
}

extension LandlockRights {
  /// What opening takes: for writing also what the descriptor can be used for later.
  static func opening(reads: Bool, writes: Bool, _ type: UInt32) -> LandlockRights {
    var rights: LandlockRights = []
    if reads { rights.insert(type == S_IFDIR ? .readDir : .readFile) }
    if writes { rights.formUnion([.writeFile, .truncate]) }
    if type == S_IFCHR || type == S_IFBLK { rights.insert(.ioctlDev) }
    return rights
  }

  /// What making something of this type takes (S_IFMT of mknod(2); 0 is a regular file).
  static func making(_ type: UInt32) -> LandlockRights {
    switch type {
    case S_IFCHR: .makeChar
    case S_IFBLK: .makeBlock
    case S_IFIFO: .makeFifo
    case S_IFSOCK: .makeSock
    case S_IFDIR: .makeDir
    default: .makeReg
    }
  }
}
