import AgentshAudit
import AgentshPolicy
import AgentshSystem
import Glibc
import Synchronization

/// What all threads of a session's supervisor share while it answers: immutable, or locked inside.
final class Supervision: Sendable {
  let listener: SeccompListener
  let wakeUp = WakeUp()
  /// The session of this supervisor. Sessions inside it are asked as well, for calls of their own processes.
  let layer: SessionLayer
  /// Those; nil where the policy permits none.
  let nested: NestedSessions?
  /// What the session began in; nil where that could not be looked at.
  let namespaces: Namespaces?
  /// Calls that may wait for long, so that death and signals of their target can interrupt them.
  let waits = WaitTable()
  let kinds: CallKinds
  let unknownCalls = UnknownCalls()
  /// What Landlock holds of what is done for targets.
  let floor: ActingFloor
  let restrictedRefusals = RestrictedRefusals()
  let directories = DirectoryOrder()
  let boundSockets = BoundSockets()
  let ownDomains = OwnDomains()
  /// How long connecting takes.
  let destinations = Destinations()
  /// Descriptors of targets that are held while messages that pass them on wait to be sent.
  let descriptorsPassed = Atomic<Int>(0)
  /// Half of what this process may have open.
  static let mostDescriptorsPassed = 2048
  /// Once a connection was redirected to a Unix socket.
  let redirectRelay = Mutex<RedirectRelay?>(nil)
  /// Counts program changes, twice each (before the kernel is let to make one, and after): what is known of a thread's program holds while it stays.
  let executions = Atomic<Int>(0)
  /// Everything in the session is being killed: who calls still is, too.
  let isEnding = Atomic<Bool>(false)
  /// The root directory that the session's processes have, opened from the root target.
  let root: OwnedDescriptor
  /// Whether that root is the supervisor's own, so that absolute paths mean the same here and there.
  let sharesRoot: Bool
  /// Whether a process of the session may have a root or a mount namespace of its own (the policy permits chroot or namespaces).
  let rootsMayDiffer: Bool
  /// Whether a program is looked at once it has been executed; not where Landlock lets nothing be executed but what the policy permits.
  let verifiesExecutions: Bool
  /// Names in other mount namespaces than the one that the session began in.
  let mounts: SessionMounts
  /// Where names are looked up and which gave which addresses; nil where the policy goes by no name.
  let names: SessionNames?
  /// Whether opens for reading are trapped for the sake of `names` alone, so that every other one may be made by the kernel as if it weren't.
  let permitsReadsUnasked: Bool
  /// The process that was started by the launcher, and what its first trapped call must carry.
  let rootTarget: Int32
  /// Ends the session with a reason; safe to call from any thread, more than once.
  let endSession: @Sendable (String) -> Void

  init(
    listener: consuming SeccompListener, policy: BoundPolicy, record: SessionRecord, relations: SessionRelations, counters: DecisionCounters,
    kinds: CallKinds, root: consuming OwnedDescriptor, sharesRoot: Bool, rootsMayDiffer: Bool, verifiesExecutions: Bool = true,
    permitsTracing: Bool = false, rootTarget: Int32, floor: ActingFloor, names: SessionNames? = nil, nested: NestedSessions? = nil,
    namespaces: Namespaces? = nil,
    endSession: @escaping @Sendable (String) -> Void
  ) {
    self.listener = listener
    layer = SessionLayer(policy: policy, record: record, relations: relations, counters: counters, permitsTracing: permitsTracing)
    self.nested = nested
    self.namespaces = namespaces
    self.kinds = kinds
    self.root = root
    self.sharesRoot = sharesRoot
    self.rootsMayDiffer = rootsMayDiffer
    self.verifiesExecutions = verifiesExecutions
    mounts = SessionMounts(rootTarget: rootTarget, isShared: sharesRoot, mayDiffer: rootsMayDiffer)
    self.rootTarget = rootTarget
    self.floor = floor
    self.names = names
    permitsReadsUnasked = policy.permitsReadsUnasked && nested == nil
    self.endSession = endSession
  }

  var policy: BoundPolicy { layer.policy }
}
