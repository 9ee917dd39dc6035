internal import AgentshProtocol
internal import AgentshSupervision
internal import AgentshSystem
import Glibc
import Synchronization
import SystemPackage

/// A supervisor that runs, and our end of its channel (non-blocking).
struct StartedSupervisor: ~Copyable, Sendable {
  let process: SpawnedProcess
  let channel: UnixSocket
}

/// Supervisors that were started before their session, since starting one takes as long as all the rest of opening a session.
///
/// A spare has its caller's identity from its exec on, like every supervisor, and nothing of any session: it waits on its channel for the descriptors
/// that others are started with. One is started for a caller whose session has just begun, with that session's policy, and is let go of after a minute.
/// Nobody depends on it: a spare that is gone, or doesn't take its descriptors, is replaced by a supervisor started on the spot, and one
/// that has read another policy reads the right one.
final class SpareSupervisors: Sendable {
  /// How long a spare waits.
  static let patience: Int64 = 60_000

  /// What a spare reads before its session.
  struct Rehearsal: Sendable {
    /// SHA-256 of the policy's file, by which it is told from others.
    let policy: String
    /// Whether it is behind the filter of a session that knows names, which can't be exchanged.
    let isResolving: Bool
    /// A plan like the one that it will probably be given, without secrets.
    let plan: [UInt8]
  }

  private final class Spare: Sendable {
    let identity: SpawnIdentity
    let rehearsal: Rehearsal
    let end: Deadline
    private let started: Mutex<StartedSupervisor?>

    init(_ started: consuming StartedSupervisor, identity: SpawnIdentity, rehearsal: Rehearsal, end: Deadline) {
      self.identity = identity
      self.rehearsal = rehearsal
      self.end = end
      self.started = Mutex(consume started)
    }

    func take() -> StartedSupervisor? { started.withLock { $0.take() } }

    func letGo(to reaper: Reaper) {
      if let supervisor = take() { reaper.end(supervisor.process) }
    }
  }

  private struct State {
    var spares: [Spare] = []
    /// Whom spares are to be started for, and what they are to read.
    var wanted: [(identity: SpawnIdentity, rehearsal: Rehearsal)] = []
    var isStopped = false
    /// How often all were ended: one that was being started meanwhile goes too.
    var generation = 0
  }

  private let state = Mutex(State())
  private let wake: EventDescriptor
  private let program: [UInt8]
  private let reaper: Reaper
  private let most: @Sendable () -> Int

  /// - Parameters:
  ///   - program: agentsh-supervisor.
  ///   - reaper: is given those that are let go of.
  ///   - most: how many spares there may be at a time, asked anew each time.
  init(program: [UInt8], reaper: Reaper, most: @escaping @Sendable () -> Int) throws(SyscallError) {
    self.program = program
    self.reaper = reaper
    self.most = most
    wake = try EventDescriptor()
    try startThread("spares", stackBytes: 1 << 20) { [self] in run() }
  }

  /// A supervisor for a session: a spare of that identity that takes the descriptors, if possible one that has read the policy, or a new process.
  /// - Parameters:
  ///   - policy: SHA-256 of the policy's file.
  ///   - isResolving: whether the session knows names.
  ///   - descriptors: what a supervisor inherits behind its channel, borrowed; `SpareStart.descriptors` many.
  func start(_ identity: SpawnIdentity, policy: String, isResolving: Bool, descriptors: [CInt]) throws -> StartedSupervisor {
    if let spare = take(identity, policy, isResolving) {
      let packet = SpareStart.packet
      if (try? spare.channel.send(packet[...], descriptors: descriptors)) == packet.count { return spare }
      reaper.end(spare.process)
    }
    return try spawn(identity, arguments: [program], descriptors: descriptors)
  }

  /// Asks for a spare, unless there is one of that identity with that policy. Returns at once.
  func want(_ identity: SpawnIdentity, _ rehearsal: Rehearsal) {
    let isNew = state.withLock { state in
      func isSame(_ other: Rehearsal) -> Bool { other.policy == rehearsal.policy && other.isResolving == rehearsal.isResolving }
      guard !state.isStopped, !state.wanted.contains(where: { $0.identity == identity && isSame($0.rehearsal) }),
        !state.spares.contains(where: { $0.identity == identity && isSame($0.rehearsal) })
      else { return false }
      state.wanted.append((identity, rehearsal))
      return true
    }
    if isNew { wake.signal() }
  }

  /// Ends all spares: the program, or what it is told, may have changed, or somebody wants a user to have no process. Returns at once.
  func clear() {
    for spare in state.withLock({ state in
      defer { (state.spares, state.wanted) = ([], []) }
      state.generation += 1
      return state.spares
    }) { spare.letGo(to: reaper) }
  }

  /// Ends all spares for good.
  func stop() {
    state.withLock { $0.isStopped = true }
    wake.signal()
    clear()
    reaper.finish(deadline: .after(milliseconds: 5000))
  }

  private func take(_ identity: SpawnIdentity, _ policy: String, _ isResolving: Bool) -> StartedSupervisor? {
    let found = state.withLock { state in
      func fits(_ spare: Spare) -> Bool { spare.identity == identity && spare.rehearsal.isResolving == isResolving }
      let index = state.spares.firstIndex { fits($0) && $0.rehearsal.policy == policy } ?? state.spares.firstIndex(where: fits)
      return index.map { state.spares.remove(at: $0) }
    }
    guard let supervisor = found?.take() else { return nil }
    setRunsInBackground(supervisor.process.pid, false)
    // Its user can kill it, or stop it, as any process of theirs.
    if (try? waitUntilReady(supervisor.process.pidfd.descriptor, deadline: .after(milliseconds: 0))) == false, !Self.isStopped(supervisor.process) {
      return supervisor
    }
    reaper.end(supervisor.process)
    return nil
  }

  /// Whether it is stopped, or is to be stopped or killed as soon as it runs: State, SigPnd and ShdPnd of proc_pid_status(5). Our own child: its number is
  /// its own until it is waited for.
  private static func isStopped(_ process: borrowing SpawnedProcess) -> Bool {
    guard let status = try? readSmallFile(at: AT_FDCWD, Array("/proc/\(process.pid)/status".utf8), limit: 4096),
      let state = ProcessIdentity.statusField("State", in: status), !state.hasPrefix("T"), !state.hasPrefix("t")
    else { return true }
    let unwanted = UInt64(1) << UInt64(SIGKILL - 1) | UInt64(1) << UInt64(SIGSTOP - 1)
    return ["SigPnd", "ShdPnd"].contains { name in
      ProcessIdentity.statusField(name, in: status).flatMap { UInt64($0, radix: 16) }.map { $0 & unwanted != 0 } ?? true
    }
  }

  private func run() {
    while true {
      let (next, isStopped) = state.withLock { ($0.spares.first?.end, $0.isStopped) }
      if isStopped { return }
      _ = try? waitUntilReady(wake.descriptor, deadline: next ?? .never)
      wake.clear()
      let (old, wanted, generation) = state.withLock { state in
        let old = state.spares.filter(\.end.hasPassed)
        state.spares.removeAll(where: \.end.hasPassed)
        defer { state.wanted = [] }
        return (old, state.wanted, state.generation)
      }
      for spare in old { spare.letGo(to: reaper) }
      for entry in wanted { add(entry.identity, entry.rehearsal, generation) }
    }
  }

  private func add(_ identity: SpawnIdentity, _ rehearsal: Rehearsal, _ generation: Int) {
    let most = most()
    guard most > 0, (try? TrustedPath.file(program)) != nil,
      let started = try? spawn(identity, arguments: [program, SpareStart.argument], descriptors: [])
    else { return }
    // Nobody waits for it, and the command of the session that it is started beside should not wait for it either.
    setRunsInBackground(started.process.pid, true)
    if let plan = try? Memfd.sealed(rehearsal.plan, name: "agentsh-plan") {
      _ = try? started.channel.send(SpareStart.rehearsal[...], descriptors: [plan.rawValue])
    }
    let spare = Spare(started, identity: identity, rehearsal: rehearsal, end: .after(milliseconds: Self.patience))
    let surplus = state.withLock { state in
      if state.isStopped || state.generation != generation { return [spare] }
      state.spares.append(spare)
      let count = max(0, state.spares.count - most)
      defer { state.spares.removeFirst(count) }
      return Array(state.spares.prefix(count))
    }
    for spare in surplus { spare.letGo(to: reaper) }
  }

  private func spawn(_ identity: SpawnIdentity, arguments: [[UInt8]], descriptors: [CInt]) throws -> StartedSupervisor {
    let null = try openAt(AT_FDCWD, Array("/dev/null".utf8), flags: O_RDWR | O_NOCTTY)
    let pair = try UnixSocket.pair(.sequencedPackets, nonBlocking: true)
    let process = try spawnSupervisor(
      program, arguments: arguments, descriptors: [null.rawValue, null.rawValue, STDERR_FILENO, pair.second.rawValue] + descriptors,
      identity: identity)
    return StartedSupervisor(process: process, channel: pair.first)
  }
}
