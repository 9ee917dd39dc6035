import Glibc
import Synchronization

/// Makes a process's coming move into a group quick.
///
/// The first move after a quiet time waits for a grace period of RCU, some 10 ms, since the kernel then takes a lock for writing that everything
/// else only reads (cgroup_threadgroup_rwsem of kernel/cgroup/cgroup.c), and a percpu_rwsem stays ready for its next writer only for a while. This
/// waits for it before anybody else has to, and keeps it ready until the move is made: it moves the process to where it is already, again and again.
public final class CgroupMove: Sendable {
  /// Shorter than the time that the lock stays ready, and much longer than such a move takes then.
  private static let pauseMicroseconds: UInt32 = 4000
  /// After so many nobody is going to move any more.
  private static let mostMoves = 250

  private let isMade = Atomic<Bool>(false)

  public init() {}

  /// Starts preparing, on a thread of its own. Nothing depends on its success.
  public func prepare(in hierarchy: CgroupHierarchy) {
    guard hierarchy.version == .v2, let file = try? openAt(AT_FDCWD, hierarchy.ownProcesses, flags: O_WRONLY) else { return }
    let raw = file.release()
    do throws(SyscallError) {
      try startThread("cgroup") {
        let file = OwnedDescriptor(owning: raw)
        for _ in 0..<Self.mostMoves where !self.isMade.load(ordering: .relaxed) {
          if writeAll(file.rawValue, [UInt8(ascii: "0")]).error != nil { return }
          usleep(Self.pauseMicroseconds)
        }
      }
    } catch {
      _ = close(raw)
    }
  }

  /// The move is made, or won't be: preparing ends.
  public func finish() { isMade.store(true, ordering: .relaxed) }

}
