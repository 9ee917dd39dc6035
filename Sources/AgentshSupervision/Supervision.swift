import AgentshAudit
import AgentshPolicy
import AgentshSystem
import Glibc
import Synchronization

/// What all threads of a session's supervisor share while it answers: immutable, or locked inside.
final class Supervision: Sendable {
  let listener: SeccompListener
  let policy: BoundPolicy
  let record: SessionRecord
  let relations: SessionRelations
  let counters: DecisionCounters
  /// Calls that may wait for long, so that death and signals of their target can interrupt them.
  let waits = WaitTable()
  let kinds: CallKinds
  let unknownCalls = UnknownCalls()
  /// What Landlock holds of what is done for targets.
  let floor: ActingFloor
  let restrictedRefusals = RestrictedRefusals()
  /// Once a connection was redirected to a Unix socket.
  let redirectRelay = Mutex<RedirectRelay?>(nil)
  /// Counts program changes, twice each (before the kernel is let to make one, and after): what is known of a thread's program holds while it stays.
  let executions = Atomic<Int>(0)
  /// The root directory that the session's processes have, opened from the root target.
  let root: OwnedDescriptor
  /// Whether that root is the supervisor's own, so that absolute paths mean the same here and there.
  let sharesRoot: Bool
  /// Whether a process of the session may have a root or a mount namespace of its own (the policy permits chroot or namespaces).
  let rootsMayDiffer: Bool
  /// Whether a program is looked at once it has been executed; not where Landlock lets nothing be executed but what the policy permits.
  let verifiesExecutions: Bool
  /// Whether processes of the session may trace each other (the policy permits ptrace): one that is traced can't be verified when it executes.
  let permitsTracing: Bool
  /// Names in other mount namespaces than the one that the session began in.
  let mounts: SessionMounts
  /// Where names are looked up and which gave which addresses; nil where the policy goes by no name.
  let names: SessionNames?
  /// The process that was started by the launcher, and what its first trapped call must carry.
  let rootTarget: Int32
  /// Ends the session with a reason; safe to call from any thread, more than once.
  let endSession: @Sendable (String) -> Void

  init(
    listener: consuming SeccompListener, policy: BoundPolicy, record: SessionRecord, relations: SessionRelations, counters: DecisionCounters,
    kinds: CallKinds, root: consuming OwnedDescriptor, sharesRoot: Bool, rootsMayDiffer: Bool, verifiesExecutions: Bool = true,
    permitsTracing: Bool = false, rootTarget: Int32, floor: ActingFloor, names: SessionNames? = nil,
    endSession: @escaping @Sendable (String) -> Void
  ) {
    self.listener = listener
    self.policy = policy
    self.record = record
    self.relations = relations
    self.counters = counters
    self.kinds = kinds
    self.root = root
    self.sharesRoot = sharesRoot
    self.rootsMayDiffer = rootsMayDiffer
    self.verifiesExecutions = verifiesExecutions
    self.permitsTracing = permitsTracing
    mounts = SessionMounts(rootTarget: rootTarget, isShared: sharesRoot, mayDiffer: rootsMayDiffer)
    self.rootTarget = rootTarget
    self.floor = floor
    self.names = names
    self.endSession = endSession
  }
}
