import AgentshSystem

/// A directory, whatever its names are.
struct DirectoryIdentity: Hashable, Sendable {
  let device: UInt64
  let inode: UInt64

  init(_ status: FileStatus) { (device, inode) = (status.device, status.inode) }
}

/// Keeps what a rename has looked at as it is until it is moved: whoever makes or removes a name in a directory waits for renames there, and they for it.
///
/// The kernel orders them, too, and only from the moment on at which it moves something: a target can hold that moment off for as long as it likes (by reading a
/// large directory, which holds the directory's lock), and what was judged as a file would be a directory by then. Each directory is by itself, since one on a file
/// system that hangs must hold up nobody elsewhere.
final class DirectoryOrder: Sendable {
  private struct Use {
    /// Calls that make or remove names.
    var sharers = 0
    var isMoving = false
    /// Renames that wait: no more sharers are let in before them.
    var wanted = 0

    var isIdle: Bool { sharers == 0 && !isMoving && wanted == 0 }
  }

  private struct Table {
    var uses: [DirectoryIdentity: Use] = [:]
    var waiting = 0

    mutating func change(_ directory: DirectoryIdentity, _ body: (inout Use) -> Void) {
      var use = uses[directory] ?? Use()
      body(&use)
      uses[directory] = use.isIdle ? nil : use
    }

    mutating func share(_ directory: DirectoryIdentity) -> Bool {
      if let use = uses[directory], use.isMoving || use.wanted > 0 { return false }
      change(directory) { $0.sharers += 1 }
      return true
    }

    /// All of them or none, so that no two renames wait for each other.
    mutating func move(_ directories: Set<DirectoryIdentity>) -> Bool {
      guard directories.allSatisfy({ uses[$0].map { !$0.isMoving && $0.sharers == 0 } ?? true }) else { return false }
      for directory in directories { change(directory) { $0.isMoving = true } }
      return true
    }
  }

  private let gate = Gate(Table())

  /// Makes or removes a name.
  /// - Parameter expectDelay: called when it has to wait.
  func naming<Value>(in directory: DirectoryIdentity, expectDelay: () -> Void, _ body: () -> Value) -> Value {
    if !gate.withLock({ $0.share(directory) }) {
      expectDelay()
      wait({ _ in }) { $0.share(directory) }
    }
    defer { release { $0.change(directory) { $0.sharers -= 1 } } }
    return body()
  }

  /// Looks at what is to be moved, and moves it.
  func moving<Value>(
    from one: DirectoryIdentity, to other: DirectoryIdentity, expectDelay: () -> Void, _ body: () -> Value
  ) -> Value {
    let directories: Set = [one, other]
    if !gate.withLock({ $0.move(directories) }) {
      expectDelay()
      wait({ table in for directory in directories { table.change(directory) { $0.wanted += 1 } } }) { table in
        guard table.move(directories) else { return false }
        for directory in directories { table.change(directory) { $0.wanted -= 1 } }
        return true
      }
    }
    defer { release { table in for directory in directories { table.change(directory) { $0.isMoving = false } } } }
    return body()
  }

  private func wait(_ announce: (inout Table) -> Void, _ take: (inout Table) -> Bool) {
    gate.withLock {
      $0.waiting += 1
      announce(&$0)
    }
    _ = gate.wait { table -> Bool? in take(&table) ? true : nil }
    gate.withLock { $0.waiting -= 1 }
  }

  private func release(_ body: (inout Table) -> Void) {
    let mustWake = gate.withLock { table in
      body(&table)
      return table.waiting > 0
    }
    if mustWake { gate.wakeAll() }
  }
}
