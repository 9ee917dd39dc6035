import AgentshSystem
import Synchronization

/// Lets renames that have a directory in common follow one another, so that what one of them has looked at is what it moves: nothing else that a session
/// does puts something with contents at a name at a stroke.
final class RenameOrder: Sendable {
  /// One lock for each value of a hash of the directory, so that a file system that hangs holds up few others.
  private let locks: [Lock] = (0..<64).map { _ in Lock() }

  private final class Lock: Sendable {
    let held = Mutex(())
  }

  func ordered<Value>(_ one: borrowing OwnedDescriptor, _ other: borrowing OwnedDescriptor, _ body: () -> Value) -> Value {
    let (first, second) = (place(of: one), place(of: other))
    // In one order for all, so that no two wait for each other.
    return locks[min(first, second)].held.withLock { _ in
      first == second ? body() : locks[max(first, second)].held.withLock { _ in body() }
    }
  }

  private func place(of directory: borrowing OwnedDescriptor) -> Int {
    guard let status = try? fileStatus(directory) else { return 0 }
    return Int(truncatingIfNeeded: (status.inode ^ status.device &* 0x9e37_79b9_7f4a_7c15) % UInt64(locks.count))
  }
}
