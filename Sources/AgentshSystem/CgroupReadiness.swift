import Glibc
import Synchronization

/// Keeps moves into control groups quick while sessions are being opened.
///
/// The first move after a quiet time waits for a grace period of RCU, 10 to 15 ms on an idle machine, since the kernel then takes a lock for writing that
/// everything else only reads (cgroup_threadgroup_rwsem of kernel/cgroup/cgroup.c), and a percpu_rwsem stays ready for its next writer only for a while.
/// This waits for it before anybody else has to, and keeps it ready for a second more: it moves this process to where it is already, again and again.
/// Hosts that mount cgroup2 with `favordynmods` have no such wait.
public final class CgroupReadiness: Sendable {
  /// Shorter than the time that the lock stays ready, and much longer than such a move takes then.
  private static let pauseMicroseconds: UInt32 = 4000
  private static let keptNanoseconds: UInt64 = 1_000_000_000

  /// Until when it is to be kept ready, CLOCK_MONOTONIC in nanoseconds.
  private let end = Atomic<UInt64>(0)
  private let wake: EventDescriptor

  /// Starts the thread that does it. nil where the hierarchy is none of version 2, whose groups are the only ones that are moved to.
  public init?(_ hierarchy: CgroupHierarchy) {
    guard hierarchy.version == .v2, let file = try? openAt(AT_FDCWD, hierarchy.ownProcesses, flags: O_WRONLY), let wake = try? EventDescriptor() else {
      return nil
    }
    self.wake = wake
    let raw = file.release()
    do throws(SyscallError) {
      try startThread("cgroup") { [self] in run(OwnedDescriptor(owning: raw)) }
    } catch {
      _ = close(raw)
      return nil
    }
  }

  /// Makes ready, and keeps so for a second from now. Returns at once; whoever makes a group does that first, since both take the same lock.
  public func keep() {
    let (before, now) = (end.load(ordering: .relaxed), monotonicNanoseconds())
    end.store(now + Self.keptNanoseconds, ordering: .relaxed)
    if before < now { wake.signal() }
  }

  private func run(_ file: consuming OwnedDescriptor) {
    while true {
      _ = try? waitUntilReady(wake.descriptor, deadline: .never)
      wake.clear()
      while monotonicNanoseconds() < end.load(ordering: .relaxed) {
        if writeAll(file.rawValue, [UInt8(ascii: "0")]).error != nil { return }
        usleep(Self.pauseMicroseconds)
      }
    }
  }
}
