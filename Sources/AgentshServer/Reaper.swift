internal import AgentshSystem
import Glibc
import Synchronization

/// Takes the ends of processes that were killed and that nobody else waits for.
///
/// SIGKILL takes a moment, but for a process in an uninterruptible wait, on a FUSE mount say, or one that somebody traces: whoever waited for it
/// would wait as long as its user likes. What has not ended is looked at again, less and less often, until it has.
final class Reaper: Sendable {
  private final class Child: Sendable {
    let process: SpawnedProcess

    init(_ process: consuming SpawnedProcess) { self.process = process }
  }

  private enum Remainder: Sendable {
    case child(Child)
    /// Ours until it is collected, so that its number can't become another's.
    case tracee(Int32)

    var isGone: Bool {
      switch self {
      case .child(let child): hasBeenReaped(child.process.pidfd)
      case .tracee(let number): hasBeenCollected(number)
      }
    }
  }

  private let remainders = Mutex<[Remainder]>([])
  private let wake: EventDescriptor

  private static let shortestPause: Int64 = 5
  private static let longestPause: Int64 = 1000

  init() throws(SyscallError) {
    wake = try EventDescriptor()
    try startThread("reaper") { [self] in run() }
  }

  /// Kills a child that is not wanted after all. Returns at once.
  func end(_ process: consuming SpawnedProcess) {
    try? process.pidfd.sendSignal(SIGKILL)
    let child = Child(process)
    add(.child(child))
  }

  /// Collects a tracee of this process that was killed. Returns at once.
  func collect(tracee: Int32) { add(.tracee(tracee)) }

  /// Waits until all have ended, or the deadline has passed.
  func finish(deadline: Deadline) {
    let children = remainders.withLock { $0 }
    for case .child(let child) in children { _ = try? waitUntilReady(child.process.pidfd.descriptor, deadline: deadline) }
    _ = look()
  }

  private func add(_ remainder: Remainder) {
    remainders.withLock { $0.append(remainder) }
    wake.signal()
  }

  /// Whether some are left.
  private func look() -> Bool {
    remainders.withLock { remainders in
      remainders.removeAll(where: \.isGone)
      return !remainders.isEmpty
    }
  }

  private func run() {
    var pause = Self.shortestPause
    var isWaiting = false
    while true {
      let isNew = (try? waitUntilReady(wake.descriptor, deadline: isWaiting ? .after(milliseconds: pause) : .never)) == true
      wake.clear()
      pause = isNew ? Self.shortestPause : min(2 * pause, Self.longestPause)
      isWaiting = look()
    }
  }
}
