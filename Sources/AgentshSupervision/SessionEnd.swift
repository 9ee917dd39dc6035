import AgentshProtocol
import AgentshSystem
import Glibc
import SystemPackage

/// The processes of a session, to be signalled and killed: through its cgroup, or by descent from the root target and the launcher. Once the launcher is gone,
/// orphans are no longer its children: they are told by the name of the session that they were started with, as long as they have kept it.
struct SessionProcesses: ~Copyable {
  /// The cgroup's kill file; /dev/null without a cgroup.
  private let killFile: OwnedDescriptor
  /// The cgroup's directory; nil without one.
  private let directory: OwnedDescriptor?
  private let launcher: Int32
  /// `AGENTSH_SESSION_ID` as it stands in their environment.
  private let mark: [UInt8]

  /// - Parameters:
  ///   - killFile: descriptor of `cgroup.kill`, or of anything where there is no cgroup.
  ///   - isCgroup: which of both.
  init(killFile: consuming OwnedDescriptor, isCgroup: Bool, launcher: Int32, session: String) {
    mark = ProcessTree.mark(of: session)
    let path = isCgroup ? try? readLink(at: AT_FDCWD, descriptorPath(killFile.rawValue)) : nil
    if let path, let slash = path.lastIndex(of: UInt8(ascii: "/")) {
      directory = try? openAt(AT_FDCWD, Array(path[..<slash]), flags: O_RDONLY | O_DIRECTORY)
    } else {
      directory = nil
    }
    self.killFile = killFile
    self.launcher = launcher
  }

  private var directoryDescriptor: CInt? {
    switch directory {
    case .some(let opened): opened.rawValue
    case .none: nil
    }
  }

  /// SIGKILL to everything; to be called again until nothing is left.
  borrowing func kill(rootTarget: Int32?) {
    if directoryDescriptor != nil {
      _ = writeAll(killFile.rawValue, Array("1".utf8))
      return
    }
    signal(SIGKILL, rootTarget: rootTarget)
  }

  /// A signal to every process of the session.
  borrowing func signal(_ number: Int32, rootTarget: Int32?) {
    // A number could become another's after it was read: a pidfd pins it, and it must still be a member's then.
    final class Pinned {
      let process: Int32
      let pidfd: Pidfd
      init(_ process: Int32, _ pidfd: consuming Pidfd) {
        self.process = process
        self.pidfd = pidfd
      }
    }
    var pinned: [Pinned] = []
    for process in members(rootTarget: rootTarget) {
      guard let pidfd = try? Pidfd.open(process) else { continue }
      pinned.append(Pinned(process, pidfd))
    }
    let still = members(rootTarget: rootTarget)
    for member in pinned where still.contains(member.process) { try? member.pidfd.sendSignal(number) }
  }

  /// Numbers of the session's processes as they are now.
  borrowing func members(rootTarget: Int32?) -> Set<Int32> {
    if let directory = directoryDescriptor {
      guard let text = try? readSmallFile(at: directory, Array("cgroup.procs".utf8), limit: 4 << 20) else { return [] }
      return Set(text.split(separator: UInt8(ascii: "\n")).compactMap { Int32(String(decoding: $0, as: UTF8.self)) }.filter { $0 > 0 })
    }
    let descendants = ProcessTree.descendants(of: launcher, and: rootTarget, except: getpid())
    // Numbers may come round: somebody else's process is no launcher, and has no children of ours.
    guard !isLauncherThere else { return descendants }
    return descendants.union(ProcessTree.marked(mark))
  }

  /// A zombie adopts nobody.
  private var isLauncherThere: Bool { if let handle = try? Pidfd.open(launcher) { !handle.hasExited() } else { false } }

  /// Whether something still runs in the cgroup; false without one. A process gives up its filter before it has ended, so that an abandoned
  /// listener alone is too early a sign.
  borrowing func isPopulated() -> Bool {
    guard let directory = directoryDescriptor, let text = try? readSmallFile(at: directory, Array("cgroup.events".utf8)) else { return false }
    return number("populated", in: text) == 1
  }

  // MARK: What they used

  /// User and system time of all, in microseconds; nil without a cgroup.
  borrowing func cpuMicroseconds() -> Int? {
    guard let directory = directoryDescriptor, let text = try? readSmallFile(at: directory, Array("cpu.stat".utf8)) else { return nil }
    return number("usage_usec", in: text)
  }

  /// Highest memory use in KiB: of the cgroup where its memory is accounted for, else nil.
  borrowing func memoryKiB() -> Int? {
    guard let directory = directoryDescriptor, let text = try? readSmallFile(at: directory, Array("memory.peak".utf8)) else { return nil }
    return text.split(separator: UInt8(ascii: "\n")).first.flatMap { Int(String(decoding: $0, as: UTF8.self)) }.map { $0 / 1024 }
  }

  private borrowing func number(_ name: String, in text: [UInt8]) -> Int? {
    for line in text.split(separator: UInt8(ascii: "\n")) {
      let fields = line.split(separator: UInt8(ascii: " "))
      if fields.count == 2, fields[0].elementsEqual(name.utf8) { return Int(String(decoding: fields[1], as: UTF8.self)) }
    }
    return nil
  }
}
