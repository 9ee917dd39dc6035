import Glibc
import SystemPackage

/// The control group hierarchy in which sessions get a group each: version 2 where this process may make groups in it, else the
/// freezer or pids hierarchy of version 1. See cgroups(7) and the kernel's cgroup-v2.rst.
public struct CgroupHierarchy: Sendable, Equatable {
  public enum Version: Sendable, Equatable {
    case v2
    case v1(controller: String)
  }

  public let version: Version
  /// Directory under which the groups of sessions lie: `agentsh` in this process's own group.
  public let directory: [UInt8]
  /// The same as /proc/PID/cgroup names it.
  public let path: [UInt8]

  /// Where processes of this server's sessions live, or nil where no hierarchy can be written. The directory exists afterwards.
  public static func find() throws(SyscallError) -> CgroupHierarchy? { try mounted().first { $0.canMakeGroups() } }

  /// Those that are mounted, the best first, whether or not this process may make groups in them.
  static func mounted() throws(SyscallError) -> [CgroupHierarchy] {
    let mounts = MountEntry.all(in: try readSmallFile(at: AT_FDCWD, Array("/proc/self/mountinfo".utf8), limit: 4 << 20))
    let membership = try readSmallFile(at: AT_FDCWD, Array("/proc/self/cgroup".utf8))
    var found: [CgroupHierarchy] = []
    for version in [Version.v2, .v1(controller: "freezer"), .v1(controller: "pids")] {
      guard let own = Self.membership(of: version, in: membership) else { continue }
      for mount in mounts where mount.hasGroups(of: version) {
        let directory = mount.directory(of: own) + Array("/agentsh".utf8)
        found.append(CgroupHierarchy(version: version, directory: directory, path: (own == [slash] ? [] : own) + Array("/agentsh".utf8)))
      }
    }
    return found
  }

  /// Found out by making one: the directory may be there already, on what is mounted read-only by now.
  private func canMakeGroups() -> Bool {
    // By a name of its own each time: several threads may try at once, and processes of several PID namespaces share numbers.
    guard makeDirectory(directory), let name = try? randomBytes(8) else { return false }
    let trial = directory + Array("/trial-\(name.map { String($0, radix: 16) }.joined(separator: "."))".utf8)
    guard (try? makeNewDirectory(trial)) != nil else { return false }
    removeDirectory(trial)
    return true
  }

  /// The name of the session's group that a process lives in, given its /proc/PID/cgroup; nil when it lives in none of ours. Of a session inside another
  /// the outer one's name.
  public func session(inMembership text: [UInt8]) -> [UInt8]? { sessions(inMembership: text).first }

  /// The names of the groups of sessions that a process lives in, the outermost first: a session inside another has its group in the other's.
  public func sessions(inMembership text: [UInt8]) -> [[UInt8]] {
    guard let group = Self.membership(of: version, in: text), group.starts(with: path + [slash]) else { return [] }
    return group.dropFirst(path.count + 1).split(separator: slash).map { Array($0) }
  }

  /// Makes the group of a session. Throws EEXIST when there is one already.
  /// - Parameter parent: the session whose group it is to lie in.
  public func create(_ session: [UInt8], in parent: [UInt8]? = nil) throws(SyscallError) -> Cgroup {
    let place = place(of: session, in: parent)
    if !makeDirectory(directory) { throw SyscallError("mkdir", currentErrno, displayedPath(directory)) }
    try makeNewDirectory(place)
    do {
      return try Cgroup(opening: place, version: version)
    } catch {
      removeDirectory(place)
      throw error
    }
  }

  /// The group of a session that somebody else made. Throws ENOENT when there is none.
  public func open(_ session: [UInt8], in parent: [UInt8]? = nil) throws(SyscallError) -> Cgroup {
    try Cgroup(opening: place(of: session, in: parent), version: version)
  }

  /// The directory of a session's group.
  public func place(of session: [UInt8], in parent: [UInt8]? = nil) -> [UInt8] {
    directory + [slash] + (parent.map { $0 + [slash] } ?? []) + session
  }

  /// The `cgroup.procs` file of this process's own group, for `CgroupReadiness`.
  var ownProcesses: [UInt8] { Array(directory.dropLast("/agentsh".utf8.count)) + Array("/cgroup.procs".utf8) }

  /// The group that /proc/PID/cgroup names for this hierarchy.
  static func membership(of version: Version, in text: [UInt8]) -> [UInt8]? {
    for line in text.split(separator: UInt8(ascii: "\n")) {
      let fields = line.split(separator: UInt8(ascii: ":"), maxSplits: 2, omittingEmptySubsequences: false)
      guard fields.count == 3 else { continue }
      switch version {
      case .v2:
        if fields[0].elementsEqual("0".utf8), fields[1].isEmpty { return Array(fields[2]) }
      case .v1(let controller):
        let controllers = fields[1].split(separator: UInt8(ascii: ","))
        if controllers.contains(where: { $0.elementsEqual(controller.utf8) }) { return Array(fields[2]) }
      }
    }
    return nil
  }
}

private let slash = UInt8(ascii: "/")

extension MountEntry {
  func hasGroups(of version: CgroupHierarchy.Version) -> Bool {
    switch version {
    case .v2: type.elementsEqual("cgroup2".utf8)
    case .v1(let controller): type.elementsEqual("cgroup".utf8) && options.contains { $0.elementsEqual(controller.utf8) }
    }
  }

  /// Where control group `path` is found through this mount, which may show a part of the hierarchy only.
  func directory(of path: [UInt8]) -> [UInt8] {
    var inside = path[...]
    if root != [slash] {
      // A group that this mount does not show: use the place that it does show.
      guard path == root || path.starts(with: root + [slash]) else { return point }
      inside = path.dropFirst(root.count)
    }
    if inside.elementsEqual([slash]) || inside.starts(with: Array("/..".utf8)) { return point }
    return point + inside
  }
}

/// The control group of one session. Its owner removes it; going out of scope only closes descriptors.
public struct Cgroup: ~Copyable, Sendable {
  public let version: CgroupHierarchy.Version
  public let path: [UInt8]
  private let directory: OwnedDescriptor
  private let events: OwnedDescriptor?
  private let killFile: OwnedDescriptor?

  init(opening path: [UInt8], version: CgroupHierarchy.Version) throws(SyscallError) {
    let directory = try openDirectory(path)
    self.path = path
    self.version = version
    events = version == .v2 ? try? openAt(directory.rawValue, Array("cgroup.events".utf8), flags: O_RDONLY) : nil
    killFile = version == .v2 ? try? openAt(directory.rawValue, Array("cgroup.kill".utf8), flags: O_WRONLY) : nil
    self.directory = directory
  }

  /// Number of the open `cgroup.events`, lent: epoll tells `.priority` when its last process has gone. Version 2 only.
  public var eventsDescriptor: CInt? {
    switch events {
    case .some(let file): file.rawValue
    case .none: nil
    }
  }

  /// Number of the open `cgroup.kill` (Linux 5.14), lent: writing "1" kills everything in the group.
  public var killDescriptor: CInt? {
    switch killFile {
    case .some(let file): file.rawValue
    case .none: nil
    }
  }

  /// Moves a process in. The caller makes sure that the number is still that process's.
  public func add(process: Int32) throws(SyscallError) {
    try write("cgroup.procs", "\(process)")
  }

  /// The processes in it, as far as they can be named from here.
  public func processes() throws(SyscallError) -> [Int32] {
    let text = try readSmallFile(at: directory.rawValue, Array("cgroup.procs".utf8), limit: 4 << 20)
    return text.split(separator: UInt8(ascii: "\n")).compactMap { Int32(String(decoding: $0, as: UTF8.self)) }
  }

  public func isEmpty() throws(SyscallError) -> Bool {
    let text: [UInt8]
    switch events {
    case .none: return try processes().isEmpty
    case .some(let file):
      // Read through the descriptor that is polled: that is what makes it quiet until the next change.
      let raw = file.rawValue
      try syscall("lseek") { lseek(raw, 0, SEEK_SET) }
      text = try readAll(file, limit: 4096)
    }
    return text.split(separator: UInt8(ascii: "\n")).contains { $0.elementsEqual("populated 0".utf8) }
  }

  /// Kills everything in it: at one stroke where the kernel can; else frozen first, so that nothing forks away, then one by one.
  public func kill() throws(SyscallError) {
    if let raw = killDescriptor {
      if let failure = writeAll(raw, Array("1".utf8)).error { throw failure }
      return
    }
    let canFreeze: Bool
    switch version {
    case .v2: canFreeze = (try? write("cgroup.freeze", "1")) != nil
    case .v1(let controller): canFreeze = controller == "freezer" && (try? write("freezer.state", "FROZEN")) != nil
    }
    defer {
      switch version {
      case .v2: try? write("cgroup.freeze", "0")
      case .v1(let controller): if controller == "freezer" { try? write("freezer.state", "THAWED") }
      }
    }
    // Unfrozen processes may fork between the look and the blow: look again until nobody new is there.
    var known: Set<Int32> = []
    for _ in 0..<(canFreeze ? 2 : 64) {
      let found = try processes().filter { $0 > 0 }
      if known.isSuperset(of: found) { break }
      for process in found {
        // The number is that of a member now; a pidfd keeps it from becoming another's before the signal.
        guard let pidfd = try? Pidfd.open(process), (try? processes().contains(process)) == true else { continue }
        try? pidfd.sendSignal(SIGKILL)
        known.insert(process)
      }
    }
  }

  /// Removes it. Throws EBUSY while something lives in it.
  public func remove() throws(SyscallError) {
    try removeEmptyDirectory(path)
  }

  private func write(_ file: String, _ text: String) throws(SyscallError) {
    let opened = try openAt(directory.rawValue, Array(file.utf8), flags: O_WRONLY)
    if let failure = writeAll(opened.rawValue, Array(text.utf8)).error { throw failure }
  }
}
