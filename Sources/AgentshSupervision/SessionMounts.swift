import AgentshAudit
import AgentshPolicy
import AgentshSystem
import CAgentshSystem
import Glibc
import Synchronization
import SystemPackage

/// Names of objects in other mount namespaces than the one that the session began in.
///
/// Into those of the same user's other programs (sandboxes, containers) lead `/proc/PID/root` and `/proc/PID/cwd`. The path that the kernel has for what lies
/// there is one of that namespace and says nothing here: it is refused.
///
/// Where the policy permits mounts, it speaks of those that were there when the session began. A process that may mount can give any directory any name: under a mount of
/// its own, the path that the kernel has for a descriptor says where the process put it, and not what it is. So what lies on such a mount is named by
/// its place in its file system, which no mount changes, and by the name that this place has through the session's first mounts. What
/// has no such name is either a file system that holds nothing but what the session put there, or it is refused.
final class SessionMounts: Sendable {
  /// In front of names on file systems that the session made for itself: no rule about paths matches such a name, and none has to.
  static let ownPrefix: [UInt8] = Array("session-mount:".utf8)

  /// The mounts when the session began, as its root target had them.
  private let first: MountTable
  /// Whether the supervisor's own mounts are the session's first ones, and nobody but root can have changed them since.
  private let followsOwn: Bool
  private let isRoot: Bool
  /// What was read last, since mounts change seldom.
  private let last = Mutex<[Int32: (text: [UInt8], table: MountTable)]>([:])

  /// Whether processes of the session may mount, or live in a mount namespace of their own.
  private let mayDiffer: Bool
  private let isShared: Bool
  /// Unique numbers of mounts of the session's namespace, as far as they were met.
  private let known = Mutex<Set<UInt64>>([])
  /// The one of them that was met last: most calls in a row are about one mount. No mount has the number 0.
  private let usual = Atomic<UInt64>(0)

  private let aliases = Mutex(MountAliases())
  private let hasAliases = Atomic<Bool>(false)
  /// Changes whenever what has several names does.
  private let changes = Atomic<Int>(0)

  /// - Parameters:
  ///   - rootTarget: the process that the launcher started, and that has not run yet.
  ///   - isShared: whether its mount namespace is the supervisor's own.
  ///   - mayDiffer: whether the policy permits processes to leave it, or to change it.
  init(rootTarget: Int32, isShared: Bool, mayDiffer: Bool) {
    first = mayDiffer ? MountTable(of: rootTarget) ?? MountTable([]) : MountTable([])
    isRoot = geteuid() == 0
    followsOwn = isShared && !isRoot
    self.isShared = isShared
    self.mayDiffer = mayDiffer
    noteAliases(mayDiffer ? first : MountTable(of: rootTarget) ?? MountTable([]))
  }

  private func noteAliases(_ table: MountTable) {
    let found = MountAliases(table)
    let isNew = aliases.withLock { aliases in
      if aliases == found { return false }
      aliases = found
      return true
    }
    guard isNew else { return }
    hasAliases.store(!found.isEmpty, ordering: .releasing)
    changes.add(1, ordering: .releasing)
  }

  /// Other names of what a path leads to, by the mounts of the session's beginning and those that root has made since, as far as they were met.
  func otherNames(of path: [UInt8]) -> [[UInt8]] {
    guard hasAliases.load(ordering: .acquiring) else { return [] }
    return aliases.withLock { $0.names(of: path) }
  }

  /// A number for the state of `otherNames`.
  var version: Int { changes.load(ordering: .acquiring) }

  /// Whether an object lies on a mount that a session has from its beginning, or that root has made since. No system call for mounts that were met before.
  private func isUsual(_ descriptor: borrowing OwnedDescriptor, _ number: MountNumber?, process: Int32) -> Bool {
    guard !mayDiffer || followsOwn else { return false }
    if case .unique(let number)? = number {
      if number == usual.load(ordering: .relaxed) { return true }
      if known.withLock({ $0.contains(number) }) {
        usual.store(number, ordering: .relaxed)
        return true
      }
    }
    // The descriptor keeps its mount, so that the number stays this mount's.
    guard let id = Self.shownNumber(descriptor), let entry = table(of: isShared ? getpid() : process)?.entry(id), !Self.isSecondProc(entry) else {
      return false
    }
    if case .unique(let number)? = number { known.withLock { _ = $0.insert(number) } }
    return true
  }

  /// Whether it is a procfs that stands elsewhere than at /proc. Rules and built-in ones know processes by their paths below /proc, and `self` there means
  /// whoever looks.
  private static func isSecondProc(_ entry: MountEntry) -> Bool { entry.type == Array("proc".utf8) && entry.point != Array("/proc".utf8) }

  private static func shownNumber(_ descriptor: borrowing OwnedDescriptor) -> Int32? {
    if case .reused(let number)? = mountNumber(of: descriptor, asShown: true) { return Int32(exactly: number) }
    let information = try? readSmallFile(at: AT_FDCWD, Array("/proc/self/fdinfo/\(descriptor.rawValue)".utf8), limit: 4096)
    return information.flatMap { statusField("mnt_id:", in: $0) }.flatMap { Int32($0) }
  }

  private func table(of process: Int32) -> MountTable? {
    guard let text = try? readSmallFile(at: AT_FDCWD, procPath(process, "mountinfo"), limit: 16 << 20) else { return nil }
    if let known = last.withLock({ $0[process] }), known.text == text { return known.table }
    let table = MountTable(text)
    last.withLock { tables in
      if tables.count >= 16 { tables.removeAll(keepingCapacity: true) }
      tables[process] = (text, table)
    }
    // What a session has mounted itself is named by the mounts of its beginning.
    if !mayDiffer || followsOwn && process == getpid() { noteAliases(table) }
    return table
  }

  enum Name {
    /// By the session's first mounts.
    case usual([UInt8])
    /// On a file system that the session made, which holds nothing but what the session put there.
    case own([UInt8])
    /// In a procfs of the session's own, whose numbers are not the supervisor's.
    case foreignProc([UInt8])
    case none(String)
  }

  /// - Parameters:
  ///   - path: the kernel's path for the descriptor.
  ///   - mount: its `mountNumber`.
  ///   - isRemoved: whether it has no name any more, and `path` is the one that it had.
  ///   - process: one in whose mount namespace it may be.
  func name(
    of descriptor: borrowing OwnedDescriptor, _ path: [UInt8], _ status: FileStatus, _ mount: MountNumber?, isRemoved: Bool, process: Int32,
    root: borrowing OwnedDescriptor
  ) -> Name {
    if isUsual(descriptor, mount, process: process) { return .usual(path) }
    // A file in memory, which never had a name.
    if isRemoved, status.links == 0, path.starts(with: Array("/memfd:".utf8)) { return .usual(path) }
    guard mayDiffer else { return .none("it lies on another procfs than /proc, or in a mount namespace that isn't the session's") }
    guard let id = Self.shownNumber(descriptor) else { return .none("its mount can't be told") }
    let own = followsOwn ? table(of: getpid()) : nil
    if own == nil, let known = first.entry(id), known == table(of: process)?.entry(id) { return .usual(path) }
    guard let entry = table(of: process)?.entry(id) else { return .none("it lies in a mount namespace that isn't the process's own") }
    // Moved meanwhile: then the place that follows from both would be a wrong one.
    guard let again = try? kernelPath(of: descriptor), again == path || isRemoved && again == path + deletedSuffix else {
      return .none("its mount was moved")
    }
    return name(path, entry, status, isRemoved, among: own ?? first, root)
  }

  private func name(
    _ path: [UInt8], _ entry: MountEntry, _ status: FileStatus, _ isRemoved: Bool, among mounts: MountTable, _ root: borrowing OwnedDescriptor
  ) -> Name {
    guard let below = rest(of: path, below: entry.point) else { return .none("its mount can't be told") }
    let place = joined(entry.root, below)
    if mounts.has(device: entry.device) {
      var names = mounts.names(of: place, on: entry.device)
      if Self.isSecondProc(entry) { names.removeAll { procNumber($0) == nil && !$0.elementsEqual("/proc".utf8) && !$0.starts(with: Array("/proc/".utf8)) } }
      // The name that it is known by, where that is one of them.
      for name in names.filter({ $0 == path }) + names.filter({ $0 != path }) where leads(name, to: status, isRemoved, root) { return .usual(name) }
      return .none("no mount of this session's beginning shows it")
    }
    switch String(decoding: entry.type, as: UTF8.self) {
    case "tmpfs", "ramfs", "devpts", "mqueue": return .own(Self.ownPrefix + path)
    // To processes of another pid namespace only: in one of its own root would see everybody.
    case "proc" where !isRoot: return .foreignProc(joined(Array("/proc".utf8), Array(place.dropFirst())))
    case "sysfs": return .usual(joined(Array("/sys".utf8), Array(place.dropFirst())))
    case let type: return .none("\(type) was mounted by the session, and what such a file system shows can't be decided")
    }
  }

  /// Whether a name leads to the object, in the root directory that the session began with: nothing else may be mounted in front of it.
  private func leads(_ name: [UInt8], to status: FileStatus, _ isRemoved: Bool, _ root: borrowing OwnedDescriptor) -> Bool {
    // Of what is removed, its directory has to be on the same file system still.
    let place = isRemoved ? splitLast(name).folder : name
    let flags = O_PATH | O_NOFOLLOW
    guard let object = try? openAt2(root.rawValue, place, flags: flags, resolve: UInt64(RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS)),
      let found = try? fileStatus(object)
    else { return false }
    return found.device == status.device && (isRemoved || found.inode == status.inode)
  }
}

extension Worker {
  /// Names what was found by the mounts that the policy speaks of; an object that has no such name is refused, and on record.
  func usualName(
    _ descriptor: borrowing OwnedDescriptor, _ path: [UInt8], _ status: FileStatus, _ mount: MountNumber?, isRemoved: Bool
  ) throws(SyscallError) -> [UInt8] {
    guard path.first == UInt8(ascii: "/"), let current else { return path }
    switch supervision.mounts.name(
      of: descriptor, path, status, mount, isRemoved: isRemoved, process: current.call.thread, root: supervision.root) {
    case .usual(let name), .own(let name): return name
    case .foreignProc(let name):
      // Its numbers are those of another namespace: none of them is to be taken for a process that is known here.
      return SessionMounts.ownPrefix + name
    case .none(let reason):
      let verdict = Verdict(decision: .deny, rule: "builtin:mounts", message: "\(displayed(path)) has no name that the policy could speak of: \(reason)")
      try? settle(current.call, current.kind, .syscall, .path(path), verdict)
      throw SyscallError("mount", .permissionDenied)
    }
  }

  private func displayed(_ path: [UInt8]) -> String { String(decoding: path, as: UTF8.self) }

  /// The verdict on an operation on what a session keeps to itself; nil for paths that rules speak of.
  func ownVerdict(_ operation: FileOperation, _ path: [UInt8], _ layer: SessionLayer) -> Verdict? {
    guard path.starts(with: SessionMounts.ownPrefix) else { return nil }
    let place = Array(path[SessionMounts.ownPrefix.count...])
    // Its own view of its own processes: the rules about /proc hold there too.
    if place.starts(with: Array("/proc/".utf8)) || place == Array("/proc".utf8) { return layer.policy.file(operation, place) }
    return Verdict(decision: .allow, rule: "builtin:session_mount")
  }
}
