import AgentshPolicy
import AgentshSystem
import Glibc
import Synchronization

/// What /proc says of a process, at one moment.
struct ProcessFacts: Sendable, Equatable {
  let process: Int32
  let parent: Int32
  let group: Int32
  /// In clock ticks since the system started: tells a process from a later one with its number.
  let started: UInt64
  let isKernelThread: Bool
  let name: [UInt8]

  /// From proc_pid_stat(5); nil for a process that isn't there.
  init?(of process: Int32) {
    guard process > 0, let text = try? readSmallFile(at: AT_FDCWD, procPath(process, "stat"), limit: 4096) else { return nil }
    self.init(process, text)
  }

  init?(_ process: Int32, _ text: [UInt8]) {
    // The name may hold anything, parentheses and spaces included: what follows the last one is ours to split.
    guard let open = text.firstIndex(of: UInt8(ascii: "(")), let close = text.lastIndex(of: UInt8(ascii: ")")), open < close else { return nil }
    let fields = String(decoding: text[(close + 1)...], as: UTF8.self).split(separator: " ")
    guard fields.count > 19, let parent = Int32(fields[1]), let group = Int32(fields[2]), let flags = UInt64(fields[6]),
      let started = UInt64(fields[19])
    else { return nil }
    self.process = process
    self.parent = parent
    self.group = group
    self.started = started
    isKernelThread = flags & 0x0020_0000 != 0  // PF_KTHREAD
    name = Array(text[(open + 1)..<close])
  }
}

extension ProcessFacts {
  /// How a process ended that nobody has waited for yet, as wait(2) would tell it: exit_code of proc_pid_stat(5), in the state Z. Nil where there is no such
  /// process, or where the kernel doesn't tell this one, which it does by a zero.
  static func unreapedStatus(of process: Int32) -> Int32? {
    guard process > 0, let text = try? readSmallFile(at: AT_FDCWD, procPath(process, "stat"), limit: 4096),
      let close = text.lastIndex(of: UInt8(ascii: ")"))
    else { return nil }
    let fields = String(decoding: text[(close + 1)...], as: UTF8.self).split(whereSeparator: { $0 == " " || $0 == "\n" })
    guard fields.count > 49, fields[0] == "Z", let status = Int32(fields[49]) else { return nil }
    // Both ask for the same access, and the user namespace is one that a zombie still has.
    if status == 0, (try? readLink(at: AT_FDCWD, procPath(process, "ns/user"))) == nil { return nil }
    return status
  }
}

/// The program that a process runs: its file, and the path by which it was executed, where another file may lie since.
struct RunningProgram: Sendable {
  private let device: UInt64
  private let inode: UInt64
  private let path: [UInt8]

  /// From the link exe of proc_pid_exe(5), which wants PTRACE_MODE_READ: the supervisor's capability, for a process that isn't dumpable or another user's.
  /// Nil where the process is gone, has no program (a kernel thread), or may not be looked at.
  init?(of process: Int32) {
    let link = procPath(process, "exe")
    do throws(SyscallError) {
      try self.init(link)
    } catch {
      guard error.errno == .permissionDenied || error.errno == .notPermitted else { return nil }
      guard let program = try? withPtrace({ () throws(SyscallError) in try RunningProgram(link) }) else { return nil }
      self = program
    }
  }

  private init(_ link: [UInt8]) throws(SyscallError) {
    let status = try fileStatus(at: AT_FDCWD, link)
    let text = try readLink(at: AT_FDCWD, link)
    (device, inode) = (status.device, status.inode)
    path = text.hasSuffix(Self.deleted) ? Array(text.dropLast(Self.deleted.count)) : text
  }

  /// Whether both run the same file, or what was at the same path when they were started: a newer version is put in the place of a running one.
  func isSame(as other: RunningProgram) -> Bool { device == other.device && inode == other.inode || path == other.path }

  private static let deleted = Array(" (deleted)".utf8)
}

/// Which processes belong to the session, and how they stand to one another.
final class SessionRelations: Sendable {
  /// The process that the launcher started.
  let rootTarget: Int32
  let launcher: Int32
  /// agentshd, where there is one.
  let server: Int32?
  private let rootStarted: UInt64
  /// The line of /proc/PID/cgroup that the session's processes have and the supervisor hasn't; nil without a control group of their own.
  let membership: [UInt8]?
  private let rootHasExecuted = Atomic<Bool>(false)
  /// What agentsh's own processes run: supervisor, launcher and server, each as this session has it.
  private let programs: [RunningProgram]

  /// To be made when the root target stands in the session's control group already.
  init(rootTarget: Int32, launcher: Int32, server: Int32?) {
    self.rootTarget = rootTarget
    self.launcher = launcher
    self.server = server
    rootStarted = ProcessFacts(of: rootTarget)?.started ?? 0
    membership = Self.ownMembership(of: rootTarget, unlike: getpid())
    programs = [getpid(), launcher, server].compactMap { $0.flatMap(RunningProgram.init) }
  }

  /// Notes that the session's command has been executed: what the root target executes from now on was started by it.
  func noteRootExecution() { rootHasExecuted.store(true, ordering: .relaxed) }

  // MARK: Membership

  static func memberships(of process: Int32) -> [[UInt8]] {
    guard let text = try? readSmallFile(at: AT_FDCWD, procPath(process, "cgroup"), limit: 65536) else { return [] }
    return text.split(separator: UInt8(ascii: "\n")).map(Array.init)
  }

  private static func ownMembership(of process: Int32, unlike other: Int32) -> [UInt8]? {
    let others = memberships(of: other)
    return memberships(of: process).first { line in
      // Not merely another group: one for this session, with a name of its own.
      !others.contains(line) && !line.hasSuffix([UInt8(ascii: "/")])
    }
  }

  /// Whether a process is one of the session's.
  func isInSession(_ process: Int32) -> Bool {
    if process == rootTarget { return true }
    if let membership {
      let lines = Self.memberships(of: process)
      if lines.contains(where: { $0 == membership || $0.starts(with: membership + [UInt8(ascii: "/")]) }) { return true }
    }
    return isDescendant(process)
  }

  /// Whether a process descends from the root target, or was left behind by it to the launcher, which takes orphans in.
  private func isDescendant(_ process: Int32) -> Bool {
    var current = process
    for _ in 0..<4096 {
      guard let facts = ProcessFacts(of: current), facts.process != getpid() else { return false }
      if current == rootTarget { return facts.started == rootStarted }
      if facts.parent == launcher { return facts.started >= rootStarted && membership == nil }
      if facts.parent <= 1 { return false }
      current = facts.parent
    }
    return false
  }

  /// A process of the session and those above it that are, too: whoever has a child under the session's filter and is younger than its command has started that
  /// child, or was to adopt it as somebody else's in the session.
  func branch(of process: Int32) -> [Int32] {
    var branch = [process]
    while branch.count < 4096, let last = branch.last, let facts = ProcessFacts(of: last), facts.parent > 1, !standsOver(facts.parent),
      let parent = ProcessFacts(of: facts.parent), parent.started >= rootStarted
    { branch.append(facts.parent) }
    return branch
  }

  /// Generations between a process and the session's command: 0 for the command itself, nil where that can't be told.
  func depth(of process: Int32) -> Int? {
    if process == rootTarget { return rootHasExecuted.load(ordering: .relaxed) ? 1 : 0 }
    var current = process
    for generation in 1...4096 {
      guard let facts = ProcessFacts(of: current) else { return nil }
      if facts.parent == rootTarget { return generation }
      if facts.parent <= 1 || facts.parent == launcher { return nil }
      current = facts.parent
    }
    return nil
  }

  // MARK: Relations

  /// Whether a process is a part of agentsh that stands over this session.
  private func standsOver(_ process: Int32) -> Bool { process == getpid() || process == launcher || process == server }

  /// Whether signals to a process are refused whatever the policy says: it is a part of agentsh that stands over this session, or one outside: another session's
  /// supervisor or launcher, a supervisor that waits for its session, a server. What runs agentsh in the session itself is a process like others there.
  func isUntouchable(_ process: Int32) -> Bool {
    if standsOver(process) { return true }
    guard let program = RunningProgram(of: process), programs.contains(where: program.isSame) else { return false }
    return !isInSession(process)
  }

  /// How `process` stands to `sender`; nil when there is no such process.
  func relation(of process: Int32, to sender: Int32) -> SignalRelation? {
    guard let facts = ProcessFacts(of: process) else { return nil }
    return relation(of: facts, to: sender)
  }

  func relation(of facts: ProcessFacts, to sender: Int32) -> SignalRelation {
    let process = facts.process
    func known(_ relation: SignalRelation) -> SignalRelation { relation.with(pid: process, name: facts.name) }
    if process == sender { return known(.self_) }
    if process == 1 || facts.isKernelThread || isUntouchable(process) {
      if process == launcher, ProcessFacts(of: sender)?.parent == launcher { return known(.parentOutside) }
      return known(.system)
    }
    let senderFacts = ProcessFacts(of: sender)
    guard isInSession(process) else {
      if senderFacts?.parent == process { return known(.parentOutside) }
      let owner = try? linkStatus(at: AT_FDCWD, procPath(process, "")).owner
      if owner == 0, geteuid() != 0 { return known(.system) }
      return .external(sameUser: owner == geteuid(), pid: process, name: facts.name)
    }
    if facts.parent == sender { return known(.child) }
    if senderFacts?.parent == process { return known(.parent) }
    if isDescendant(facts, of: sender) { return known(.descendant) }
    if facts.parent == senderFacts?.parent { return known(.sibling) }
    return known(.session)
  }

  private func isDescendant(_ facts: ProcessFacts, of sender: Int32) -> Bool {
    var parent = facts.parent
    for _ in 0..<4096 {
      if parent == sender { return true }
      if parent <= 1 { return false }
      guard let next = ProcessFacts(of: parent) else { return false }
      parent = next.parent
    }
    return false
  }

  // MARK: Many

  /// All processes that /proc shows, at one moment.
  static func allProcesses() -> [ProcessFacts] {
    directoryNumbers(Array("/proc".utf8)).compactMap { ProcessFacts(of: $0) }
  }
}
