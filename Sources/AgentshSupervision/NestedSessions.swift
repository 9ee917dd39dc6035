import AgentshFilter
import AgentshSystem
import Glibc
import Synchronization

/// A session that was opened inside this supervisor's own, as the workers see it.
final class NestedSession: Sendable {
  let id: [UInt8]
  let layer: SessionLayer
  /// Its floor on top of the floor of the session around.
  let floor: ActingFloor
  private let running = Atomic<Bool>(false)
  private let mailbox: Mailbox

  /// - Parameter mailbox: of its loop.
  init(id: [UInt8], layer: SessionLayer, floor: ActingFloor, mailbox: Mailbox) {
    self.id = id
    self.layer = layer
    self.floor = floor
    self.mailbox = mailbox
  }

  /// Whether calls of its processes are decided now: its first one has carried the nonce, and it isn't being killed.
  var isRunning: Bool { running.load(ordering: .acquiring) }

  func begin() { running.store(true, ordering: .releasing) }
  func end() { running.store(false, ordering: .releasing) }

  /// Leaves a call to the loop, unanswered.
  func hold(_ call: TrappedCall) { mailbox.put(.firstCall(call)) }
}

/// The sessions inside this supervisor's own, by the control groups that their processes live in.
///
/// A process can't leave its control group, which is root's, and its children begin in it. So the group says by which rules a process is held, whatever
/// it does to its parents, its process group or its session; and a process that lives in a group which nobody here knows has nothing done for it.
final class NestedSessions: Sendable {
  enum Place {
    case outer
    case inner(NestedSession)
    case unknown
  }

  /// The line of /proc/PID/cgroup that processes of the session around have.
  private let membership: [UInt8]
  private let sessions = Mutex<[[UInt8]: NestedSession]>([:])
  private let count = Atomic<Int>(0)
  private let onKnock: @Sendable (TrappedCall, Int32) -> Void

  /// - Parameter onKnock: takes a call by which a process (its number is the second argument) asks for a connection to the server, and answers it.
  init(membership: [UInt8], onKnock: @escaping @Sendable (TrappedCall, Int32) -> Void) {
    self.membership = membership
    self.onKnock = onKnock
  }

  /// Whether there are any: without, no call is looked at twice.
  var isActive: Bool { count.load(ordering: .acquiring) > 0 }

  func knock(_ call: TrappedCall, process: Int32) { onKnock(call, process) }

  func add(_ session: NestedSession) {
    sessions.withLock { $0[session.id] = session }
    count.add(1, ordering: .releasing)
  }

  /// To be called when nothing lives in its control group any more.
  func remove(_ session: NestedSession) {
    if sessions.withLock({ $0.removeValue(forKey: session.id) }) != nil { count.subtract(1, ordering: .releasing) }
  }

  /// Where a task lives. Read anew for each call: a number that was looked up before may be another's by now.
  func place(of task: Int32) -> Place {
    let below = membership + [UInt8(ascii: "/")]
    for line in SessionRelations.memberships(of: task) {
      if line == membership { return .outer }
      guard line.starts(with: below) else { continue }
      let found = sessions.withLock { $0[Array(line.dropFirst(below.count))] }
      return found.map { .inner($0) } ?? .unknown
    }
    return .unknown
  }
}

/// The mount and user namespaces of a task, as namespaces(7) names them.
struct Namespaces: Sendable, Equatable {
  let mounts: [UInt8]
  let users: [UInt8]

  /// nil where they can't be looked at.
  init?(of task: Int32) {
    guard let mounts = try? readLink(at: AT_FDCWD, procPath(task, "ns/mnt")), let users = try? readLink(at: AT_FDCWD, procPath(task, "ns/user")) else {
      return nil
    }
    self.mounts = mounts
    self.users = users
  }
}

extension Worker {
  /// The prctl(2) that the filter traps, from a process of a running session: it may ask for a connection to the server, by which it opens a session
  /// inside. The server is told which process that is, by the kernel's word.
  func knock(_ call: TrappedCall) throws(CallFailure) -> Answer {
    let a = call.arguments
    guard let nested = supervision.nested, UInt32(truncatingIfNeeded: a.0) == FilterSpecification.nonceOption, a.3 == FilterSpecification.door else {
      return .failure(EINVAL)
    }
    let process = try processID(call)
    // Rules speak of files, and the server of processes, by the names that they have for the session's own first process.
    guard try sharesView(call) else { return .failure(EXDEV) }
    try checkStillWaiting(call)
    nested.knock(call, process: process)
    return .sent
  }

  /// Whether the caller has the root directory, the mounts, the users and the process numbers that the session began with.
  private func sharesView(_ call: TrappedCall) throws(CallFailure) -> Bool {
    guard supervision.rootsMayDiffer else { return true }
    guard !livesApart(call), let first = supervision.namespaces, let own = namespaces(of: call.thread), own == first else { return false }
    guard let root = try? openOwn(procPath(call.thread, "root"), flags: O_PATH), let theirs = try? fileStatus(root),
      let beginning = try? fileStatus(supervision.root)
    else { return false }
    return theirs.inode == beginning.inode && theirs.device == beginning.device
  }

  private func namespaces(of task: Int32) -> Namespaces? {
    if let own = Namespaces(of: task) { return own }
    var found: Namespaces?
    withPtraceCapability { found = Namespaces(of: task) }
    return found
  }
}
