import AgentshSystem
import CAgentshSystem
import Glibc
import Synchronization
import SystemPackage

/// A Landlock domain that a process of the session has put itself into (landlock_restrict_self(2)), as far as it holds of what is performed for that process.
///
/// The kernel holds it of what the process does itself. What the supervisor does in its place is done by a thread that was put under the same rulesets, at the
/// moment at which the process was: rules that are added to a ruleset later change no domain.
final class OwnDomain: Sendable {
  let floor: ActingFloor
  /// Acts for nobody: threads that it starts begin in its domain.
  private let first: Mutex<Companion>

  /// - Parameters:
  ///   - ruleset: taken from the process.
  ///   - base: the domain that the process was in before; nil where that was the session's floor alone.
  ///   - floor: that one.
  ///   - flags: of landlock_restrict_self(2), for this thread alone.
  /// - Throws: what landlock_restrict_self(2) says of the ruleset.
  init(_ ruleset: consuming LandlockRuleset, above base: OwnDomain?, floor: ActingFloor, flags: UInt32) throws(SyscallError) {
    // Given up as soon as it is put on the thread.
    final class Held: Sendable {
      private let ruleset: Mutex<LandlockRuleset?>
      let failure = Mutex<SyscallError?>(nil)

      init(_ ruleset: consuming LandlockRuleset) { self.ruleset = Mutex(ruleset) }

      func restrictThread(flags: UInt32) throws(SyscallError) {
        try ruleset.withLock { ruleset throws(SyscallError) in try ruleset.take()?.restrictThread(flags: flags) }
      }
    }
    let held = Held(ruleset)
    func restrict(_ floor: ActingFloor?) throws(SyscallError) -> Companion {
      try Companion(hasOwnView: true) { () throws(SyscallError) in
        do throws(SyscallError) {
          try floor?.restrictThread()
          try held.restrictThread(flags: flags)
        } catch {
          held.failure.withLock { $0 = error }
          throw error
        }
      }
    }
    let companion = if let base { try base.starting { () throws(SyscallError) in try restrict(nil) } } else { try restrict(floor) }
    guard companion.run({}) else { throw held.failure.withLock { $0 } ?? SyscallError("landlock_restrict_self", .notPermitted) }
    first = Mutex(companion)
    self.floor = ActingFloor(opaqueAbove: base?.floor ?? floor)
  }

  /// A thread in this domain, for one worker, and under the floor of a session inside where the caller lives in one.
  func companion(under inner: ActingFloor?) throws(SyscallError) -> Companion {
    try starting { () throws(SyscallError) in try Companion(hasOwnView: true) { () throws(SyscallError) in try inner?.restrictThread() } }
  }

  private func starting(_ start: () throws(SyscallError) -> Companion) throws(SyscallError) -> Companion {
    try first.withLock { first throws(SyscallError) in
      var result: Result<Companion, SyscallError> = .failure(SyscallError("landlock_restrict_self", .notPermitted))
      _ = first.run {
        do throws(SyscallError) { result = .success(try start()) } catch { result = .failure(error) }
      }
      return try result.get()
    }
  }
}

/// Which processes have put themselves into Landlock domains of their own. Their children are in the same, like threads that theirs start.
///
/// The kernel tells nobody in which domain a task is, so descent tells. Threads and children that are there when a thread restricts itself are noted as being where they
/// were; whatever comes later is in the domain of its process or parent, and is noted with the first call that is performed for it. A process whose
/// parent is gone before that is taken for one without.
final class OwnDomains: Sendable {
  private struct Stage {
    /// The thread that is in the domain; 0 for whatever is started from then on.
    let thread: Int32
    /// nil: in none of its own.
    let domain: OwnDomain?
  }

  private struct Member {
    /// In clock ticks since the system started: tells a process from a later one with its number.
    let started: UInt64
    var stages: [Stage]

    func domain(ofThread thread: Int32) -> OwnDomain? { stages.last { $0.thread == thread || $0.thread == 0 }?.domain }
    var latest: OwnDomain? { stages.last { $0.thread == 0 }?.domain }
  }

  private static let mostGenerations = 4096
  private static let mostMembers = 4096

  private let members = Mutex<[Int32: Member]>([:])
  private let changes = Atomic<Int>(0)

  /// Changes with every domain that comes; 0 as long as there is none.
  var version: Int { changes.load(ordering: .acquiring) }

  /// Notes that a thread restricts itself, which it hasn't done yet: it waits.
  /// - Parameter isForAll: all threads of its process will be in the same domain (LANDLOCK_RESTRICT_SELF_TSYNC).
  func add(_ domain: OwnDomain, thread: Int32, process: Int32, isForAll: Bool) throws(SyscallError) {
    guard let facts = ProcessFacts(of: process) else { throw SyscallError("read", .noSuchProcess, "/proc/\(process)/stat") }
    let threads = isForAll ? [] : directoryNumbers(procPath(process, "task"))
    let children = SessionRelations.allProcesses().filter { $0.parent == process }
    members.withLock { members in
      // Those that have ended keep a thread each.
      members = members.filter { ProcessFacts(of: $0.key)?.started == $0.value.started }
      var member = members[process].flatMap { $0.started == facts.started ? $0 : nil } ?? Member(started: facts.started, stages: [])
      for child in children where members[child.process]?.started != child.started {
        members[child.process] = Member(started: child.started, stages: [Stage(thread: 0, domain: member.latest)])
      }
      var stages: [Stage] = threads.filter { $0 != thread }.map { Stage(thread: $0, domain: member.domain(ofThread: $0)) }
      stages.append(Stage(thread: thread, domain: domain))
      stages.insert(Stage(thread: 0, domain: domain), at: 0)
      member.stages = stages
      members[process] = member
    }
    changes.add(1, ordering: .releasing)
  }

  /// Notes that a thread has executed a program: it alone is left of its process, by the process's number (execve(2)).
  func noteExecution(of thread: Int32, as process: Int32) {
    guard version > 0 else { return }
    members.withLock { members in
      guard let member = members[process] else { return }
      members[process]?.stages = [Stage(thread: 0, domain: member.domain(ofThread: thread))]
    }
    changes.add(1, ordering: .releasing)
  }

  /// The domain that a task of the session is in; nil for one that is in none of its own. Throws where that can't be told: for want of descriptors, or since a process is gone.
  func domain(ofThread thread: Int32, in process: Int32) throws(CallFailure) -> OwnDomain? {
    guard let own = ProcessFacts(of: process) else { throw .gone }
    return try members.withLock { members throws(CallFailure) in
      if let member = members[process], member.started == own.started { return member.domain(ofThread: thread) }
      var facts = own
      for _ in 0..<Self.mostGenerations {
        guard facts.parent > 1 else { return nil }
        guard let parent = ProcessFacts(of: facts.parent) else {
          // It has ended meanwhile, and its child has another parent; or nothing can be read just now.
          guard let again = ProcessFacts(of: facts.process), again.parent != facts.parent else { throw .gone }
          facts = again
          continue
        }
        if let member = members[parent.process], member.started == parent.started {
          let domain = member.latest
          if members.count < Self.mostMembers { members[process] = Member(started: own.started, stages: [Stage(thread: 0, domain: domain)]) }
          return domain
        }
        facts = parent
      }
      return nil
    }
  }
}

extension Worker {
  /// LANDLOCK_RESTRICT_SELF_LOG_* (6.15).
  private static let loggingFlags: UInt32 = 0b111
  /// LANDLOCK_RESTRICT_SELF_TSYNC, of the eighth version.
  private static let allThreads: UInt32 = 0b1000

  /// landlock_restrict_self(2): the kernel restricts the caller, and what is performed for it from then on is restricted in the same way.
  func restrictItself(_ call: TrappedCall) throws(CallFailure) -> Answer {
    let number = descriptor(call.arguments.0)
    let flags = UInt32(truncatingIfNeeded: call.arguments.1)
    let isForAll = flags & Self.allThreads != 0
    // Without a ruleset it is about what is logged. What this kernel doesn't know, or nobody here does, it answers itself.
    guard number >= 0, flags & ~(Self.loggingFlags | Self.allThreads) == 0, !isForAll || LandlockABI.running.rawValue >= 8, let taken = try? fetchDescriptor(call, number),
      (try? readLink(at: AT_FDCWD, descriptorPath(taken.rawValue))) == Array("anon_inode:[landlock-ruleset]".utf8)
    else { return .proceed }
    let process = try processID(call)
    let base = try supervision.ownDomains.domain(ofThread: call.thread, in: process)
    try checkStillWaiting(call)
    do throws(SyscallError) {
      let domain = try OwnDomain(LandlockRuleset(taking: taken), above: base, floor: inner?.floor ?? supervision.floor, flags: flags & Self.loggingFlags)
      try supervision.ownDomains.add(domain, thread: call.thread, process: process, isForAll: isForAll)
    } catch {
      throw .errno(error.errno.rawValue)
    }
    return .proceed
  }

  /// Finds out whether the caller is in a domain of its own, where processes of the session are.
  func findOwnDomain(_ call: TrappedCall) throws(CallFailure) {
    let version = supervision.ownDomains.version
    if version == 0 { return }
    if let lastDomain, lastDomain.task.thread == call.thread, lastDomain.version == version, !lastDomain.task.pidfd.hasExited() {
      return ownDomain = lastDomain.domain
    }
    let pidfd = try? Pidfd.open(call.thread, thread: true)
    let found = try supervision.ownDomains.domain(ofThread: call.thread, in: try processID(call))
    try checkStillWaiting(call)
    // A thread that isn't pinned (before 6.9) is looked up at every call.
    if let pidfd { lastDomain = (PinnedTask(thread: call.thread, isThread: true, pidfd), version, found) } else { lastDomain = nil }
    ownDomain = found
  }

  /// Whether the caller's own domain would let it open an entry of its own below /proc. A thread under another domain can't look into the caller, and asks for the same
  /// entry of itself: rules speak of directories that both lie in.
  func ownDomainGrants(_ path: [UInt8], flags: CInt) -> Bool {
    guard ownDomain != nil, let rest = entryOfProcess(path) else { return false }
    let name = Array("/proc/thread-self".utf8) + rest
    return (try? acting(held: true) { (try? openAt(AT_FDCWD, name, flags: flags)) != nil }) ?? false
  }

  /// What follows `/proc/PID` or `/proc/PID/task/TID`.
  private func entryOfProcess(_ path: [UInt8]) -> [UInt8]? {
    let parts = path.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
    guard parts.count >= 3, parts[0].isEmpty, parts[1].elementsEqual("proc".utf8) else { return nil }
    let rest = parts.count >= 5 && parts[3].elementsEqual("task".utf8) ? parts[5...] : parts[3...]
    return rest.flatMap { [UInt8(ascii: "/")] + $0 }
  }
}
