import AgentshSystem
import CAgentshSystem
import Glibc
import SystemPackage

/// An object that a target named, pinned: what it is can't change any more, whatever happens to the name.
struct Located: ~Copyable {
  /// O_PATH descriptor of the object itself.
  let descriptor: OwnedDescriptor
  /// The kernel's own path for that descriptor: absolute, without links. Something like `pipe:[12]` for what has no place in the file system, and with a
  /// prefix of its own what lies on a file system that the session made for itself (`SessionMounts`).
  let path: [UInt8]
  let status: FileStatus
  let mount: MountNumber?

  /// Whether it is a file in memory (memfd_create(2)): its name says nothing, and who has a descriptor of it has it.
  var isMemory: Bool { status.links == 0 && path.starts(with: memoryPrefix) }
  /// Whether `path` names a place in the file system, so that rules about paths can speak of it.
  var hasPath: Bool { path.first == UInt8(ascii: "/") || path.starts(with: SessionMounts.ownPrefix) }
}

/// A name in a pinned directory.
struct Parent: ~Copyable {
  let directory: OwnedDescriptor
  let identity: DirectoryIdentity
  let mount: MountNumber?
  let directoryPath: [UInt8]
  /// Last component as the target wrote it, trailing slashes included: the kernel gives them their meaning.
  let name: [UInt8]
  /// `directoryPath/name` without trailing slashes: what rules speak of.
  let path: [UInt8]
}

/// How a path is to be resolved.
struct ResolutionOptions {
  /// Follow a link in the last component.
  var followsLast = true
  /// The last component must be a directory.
  var mustBeDirectory = false
  /// RESOLVE_* flags that the target gave itself.
  var resolve: UInt64 = 0
}

/// Links that may be followed in one path, as the kernel counts (MAXSYMLINKS).
let mostLinks = 40

extension Worker {
  /// Reads a path argument. An empty one is ENOENT unless `mayBeEmpty`.
  func path(_ call: TrappedCall, at address: UInt64, mayBeEmpty: Bool = false) throws(CallFailure) -> [UInt8] {
    let path = try memory(call) { memory throws(TargetMemoryError) in try memory.string(at: address) }
    if path.isEmpty, !mayBeEmpty { throw .errno(ENOENT) }
    return path
  }

  /// Opens the directory that a relative path starts from, as the target sees it. Found by the thread's number: `settle` asks whether it was still the
  /// caller's.
  func openBase(_ call: TrappedCall, at directory: CInt) throws(CallFailure) -> OwnedDescriptor {
    let source = directory == AT_FDCWD ? procPath(call.thread, "cwd") : procPath(call.thread, "fd", directory)
    if directory != AT_FDCWD, directory < 0 { throw .errno(EBADF) }
    let base: OwnedDescriptor
    do throws(SyscallError) {
      base = try openOwn(source, flags: O_PATH)
    } catch {
      // The directory of its descriptors is closed to all but the process itself where that isn't dumpable (proc_pid_fd(5)).
      if directory != AT_FDCWD, error.errno == .permissionDenied { return try takeDescriptor(call, directory) }
      // The target's descriptor table is the only thing that can make such a link be missing.
      throw error.errno == .noSuchFileOrDirectory ? .errno(directory == AT_FDCWD ? ENOENT : EBADF) : .errno(error.errno.rawValue)
    }
    return base
  }

  /// Opens something of the target's own below /proc, which it could always open itself: with CAP_SYS_PTRACE in effect where it isn't dumpable.
  func openOwn(_ path: [UInt8], flags: Int32) throws(SyscallError) -> OwnedDescriptor {
    do throws(SyscallError) {
      return try openAt(AT_FDCWD, path, flags: flags)
    } catch {
      guard error.errno == .permissionDenied || error.errno == .notPermitted else { throw error }
    }
    return try openTracing(path, flags: flags)
  }

  /// The same with CAP_SYS_PTRACE in effect at once, for what opens differently without it.
  func openTracing(_ path: [UInt8], flags: Int32) throws(SyscallError) -> OwnedDescriptor {
    var raw: CInt = -1
    var failure = SyscallError("openat", .permissionDenied)
    withPtraceCapability {
      do throws(SyscallError) { raw = try openAt(AT_FDCWD, path, flags: flags).release() } catch { failure = error }
    }
    if raw < 0 { throw failure }
    return OwnedDescriptor(owning: raw)
  }

  /// Pins what a path names for the target, following links as it would; nil when the last component doesn't exist.
  func resolve(_ call: TrappedCall, at directory: CInt, path: [UInt8], following: Bool) throws(CallFailure) -> Located? {
    try resolve(call, at: directory, path: path, ResolutionOptions(followsLast: following))
  }

  func resolve(_ call: TrappedCall, at directory: CInt, path: [UInt8], _ options: ResolutionOptions) throws(CallFailure) -> Located? {
    let isAbsolute = path.first == UInt8(ascii: "/")
    let isScoped = options.resolve & UInt64(RESOLVE_BENEATH | RESOLVE_IN_ROOT) != 0
    if isAbsolute && !isScoped {
      if !usesOwnRoot(call) { return try walk(call, from: try targetRoot(call), path: path, options) }
      return try quickly(call, base: AT_FDCWD, path: path, options)
    }
    let base = try openBase(call, at: directory)
    if !usesOwnRoot(call) && !isScoped { return try walk(call, from: base, path: path, options) }
    return try quickly(call, base: base.rawValue, path: path, options)
  }

  /// One openat2(2) that refuses magic links, which is right whenever /proc/self plays no part; the slow walk otherwise.
  private func quickly(
    _ call: TrappedCall, base: CInt, path: [UInt8], _ options: ResolutionOptions
  ) throws(CallFailure) -> Located? {
    let flags = O_PATH | (options.followsLast ? 0 : O_NOFOLLOW) | (options.mustBeDirectory ? O_DIRECTORY : 0)
    let isFinal = options.resolve & UInt64(RESOLVE_BENEATH | RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS) != 0
    // Without a link on the way nothing leads through /proc/self, and what is missing is missing for everybody: one call tells then.
    var mayPassLinks = isFinal || !straight.expects(path)
    func find() throws(SyscallError) -> OwnedDescriptor {
      if !mayPassLinks {
        do throws(SyscallError) { return try openAt2(base, path, flags: flags, resolve: options.resolve | UInt64(RESOLVE_NO_SYMLINKS)) } catch {
          guard error.errno == .tooManySymbolicLinkLevels else { throw error }
        }
        straight.note(linkIn: path)
        mayPassLinks = true
      }
      return try openAt2(base, path, flags: flags, resolve: options.resolve | UInt64(RESOLVE_NO_MAGICLINKS))
    }
    let failure: Errno
    do throws(SyscallError) {
      let located = try locate(try find())
      if !isOwnProc(located.path) { return located }
      failure = .tooManySymbolicLinkLevels
    } catch {
      failure = error.errno
    }
    switch failure {
    case .tooManySymbolicLinkLevels:
      if isFinal { throw .errno(ELOOP) }
    case .noSuchFileOrDirectory:
      // A path through /proc/self is looked up as the supervisor's by the kernel: what is missing there may exist for the target.
      if isFinal || !mayPassLinks { return nil }
      let mayDiffer = try mayPassThroughProcSelf(base: base, path: path)
      if !mayDiffer { return nil }
    default:
      throw .errno(failure.rawValue)
    }
    let start: OwnedDescriptor
    do throws(SyscallError) {
      start = path.first == UInt8(ascii: "/")
        ? try supervision.root.duplicate() : OwnedDescriptor(owning: try syscall("fcntl") { fcntl(base, F_DUPFD_CLOEXEC, 0) })
    } catch {
      throw .errno(ENOMEM)
    }
    return try walk(call, from: start, path: path, options)
  }

  /// For a path that doesn't exist: whether the part that does might lead through /proc/self. Cheap for the usual cases.
  private func mayPassThroughProcSelf(base: CInt, path: [UInt8]) throws(CallFailure) -> Bool {
    // /proc/self is a link: what is missing without having come to any link at all is missing for everybody.
    do throws(SyscallError) {
      _ = try openAt2(base, path, flags: O_PATH | O_NOFOLLOW, resolve: UInt64(RESOLVE_NO_SYMLINKS))
    } catch {
      if error.errno == .noSuchFileOrDirectory { return false }
    }
    let (folder, last) = splitLast(path)
    let name = bareName(last)
    do throws(SyscallError) {
      let parent: OwnedDescriptor
      if folder.isEmpty {
        // Relative to the base itself, which is the target's own already.
        let status = try? linkStatus(at: base, name)
        return status?.isSymbolicLink ?? false
      }
      parent = try openAt2(base, folder, flags: O_PATH | O_DIRECTORY, resolve: UInt64(RESOLVE_NO_MAGICLINKS))
      if isOwnProc(try kernelPath(of: parent)) { return true }
      // A last component that is there all the same is a link that leads nowhere, for the supervisor.
      return (try? linkStatus(at: parent.rawValue, name)) != nil
    } catch {
      return true
    }
  }

  /// Kernel path and status of an O_PATH descriptor.
  func locate(_ descriptor: consuming OwnedDescriptor) throws(SyscallError) -> Located {
    var path = try kernelPath(of: descriptor)
    let (status, mount) = try fileStatusAndMount(descriptor)
    var isRemoved = false
    if path.hasSuffix(deletedSuffix) {
      // Either the kernel's mark of a file without a name, or a name that looks like it: then the name leads to this file.
      let real = try? linkStatus(at: AT_FDCWD, path)
      if real?.inode != status.inode || real?.device != status.device {
        path.removeLast(deletedSuffix.count)
        isRemoved = status.links == 0
      }
    }
    path = try usualName(descriptor, path, status, mount, isRemoved: isRemoved)
    return Located(descriptor: descriptor, path: path, status: status, mount: mount)
  }

  /// Whether a kernel path lies in the supervisor's own part of /proc: reached through /proc/self, or named on purpose.
  func isOwnProc(_ path: [UInt8]) -> Bool {
    guard let id = procNumber(path) else { return false }
    if id == ownProcess { return true }
    // Threads have directories too, by ids that no listing shows.
    return (try? linkStatus(at: AT_FDCWD, procPath(ownProcess, "task", id))) != nil
  }

  func usesOwnRoot(_ call: TrappedCall) -> Bool {
    supervision.sharesRoot && !supervision.rootsMayDiffer
  }

  private func targetRoot(_ call: TrappedCall) throws(CallFailure) -> OwnedDescriptor {
    do throws(SyscallError) {
      if !supervision.rootsMayDiffer { return try supervision.root.duplicate() }
      let root = try openOwn(procPath(call.thread, "root"), flags: O_PATH | O_DIRECTORY)
      try? checkStillWaiting(call)
      return root
    } catch {
      throw .errno(EACCES)
    }
  }

  /// Resolves component by component, with the target's own meaning of /proc/self, /proc/thread-self and magic links.
  func walk(
    _ call: TrappedCall, from base: consuming OwnedDescriptor, path: [UInt8], _ options: ResolutionOptions
  ) throws(CallFailure) -> Located? {
    let root = try targetRoot(call)
    var current = base
    if path.first == UInt8(ascii: "/") { current = try duplicate(root) }
    // Where the path begins may lie anywhere; from there on no mount's border is crossed.
    let mount = options.resolve & UInt64(RESOLVE_NO_XDEV) == 0 ? nil : mountNumber(of: current)
    func checkMount(_ place: borrowing OwnedDescriptor) throws(CallFailure) {
      if let mount, mountNumber(of: place) != mount { throw .errno(EXDEV) }
    }
    var pending = components(path)
    // Slashes at its end follow a link, whatever was asked for; O_DIRECTORY doesn't.
    var endsInSlash = path.last == UInt8(ascii: "/")
    var links = 0
    while let component = pending.popLast() {
      let isLast = pending.isEmpty
      if component == [UInt8(ascii: ".")] {
        // Which takes the right to search it.
        if isLast { current = try open(current, component, O_PATH | O_DIRECTORY) }
        continue
      }
      if component == [UInt8(ascii: "."), UInt8(ascii: ".")] {
        if try isSame(current, root) { continue }
        current = try open(current, component, O_PATH | O_DIRECTORY)
        try checkMount(current)
        continue
      }
      let next: OwnedDescriptor
      do throws(SyscallError) {
        next = try AgentshSystem.openAt(current.rawValue, component, flags: O_PATH | O_NOFOLLOW)
      } catch {
        if error.errno == .noSuchFileOrDirectory, isLast { return nil }
        guard !isLast || options.followsLast, let entry = try ownEntry(call, component, in: current, error.errno) else { throw .errno(error.errno.rawValue) }
        links += 1
        if links > mostLinks || options.resolve & UInt64(RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS) != 0 { throw .errno(ELOOP) }
        current = OwnedDescriptor(owning: entry)
        try checkMount(current)
        continue
      }
      let status: FileStatus
      do throws(SyscallError) { status = try fileStatus(next) } catch { throw .errno(EIO) }
      if status.isSymbolicLink && (!isLast || options.followsLast || endsInSlash) {
        if options.resolve & UInt64(RESOLVE_NO_SYMLINKS) != 0 { throw .errno(ELOOP) }
        links += 1
        if links > mostLinks { throw .errno(ELOOP) }
        if StickyDirectory.refusesLink(status, in: current) { throw .errno(EACCES) }
        switch try follow(call, next, component, in: current) {
        case .text(let text):
          if text.isEmpty { throw .errno(ENOENT) }
          if text.first == UInt8(ascii: "/") {
            current = try duplicate(root)
            try checkMount(current)
          }
          if isLast, text.last == UInt8(ascii: "/") { endsInSlash = true }
          pending += components(text)
        case .jump(let raw):
          current = OwnedDescriptor(owning: raw)
          if options.resolve & UInt64(RESOLVE_NO_MAGICLINKS) != 0 { throw .errno(ELOOP) }
          try checkMount(current)
        }
        continue
      }
      try checkMount(next)
      if !isLast && !status.isDirectory { throw .errno(ENOTDIR) }
      current = next
    }
    do throws(SyscallError) {
      let located = try locate(current)
      if (options.mustBeDirectory || endsInSlash) && !located.status.isDirectory { throw SyscallError("walk", .notDirectory) }
      // What lies in the supervisor's own /proc is its memory and its descriptors: nobody's business, whatever the policy says.
      if isOwnProc(located.path) { throw SyscallError("walk", .permissionDenied) }
      return located
    } catch {
      throw .errno(error.errno.rawValue)
    }
  }

  private enum Followed {
    case text([UInt8])
    /// A descriptor that the caller now owns.
    case jump(CInt)
  }

  /// What a link, pinned, means for the target.
  private func follow(
    _ call: TrappedCall, _ link: borrowing OwnedDescriptor, _ name: [UInt8], in directory: borrowing OwnedDescriptor
  ) throws(CallFailure) -> Followed {
    let text: [UInt8]
    let isProc: Bool
    do throws(SyscallError) {
      text = try readLink(at: link.rawValue, [])
      isProc = try filesystemType(directory) == procMagic
    } catch {
      if let number = numberForItself(call, link: name, in: directory) { return .text(number) }
      if let entry = try ownEntry(call, name, in: directory, error.errno) { return .jump(entry) }
      throw .errno(error.errno.rawValue)
    }
    guard isProc else { return .text(text) }
    let process = try processID(call)
    var own: [UInt8] = []
    appendDecimal(Int64(ownProcess), to: &own)
    if name == Array("self".utf8), text == own {
      var target: [UInt8] = []
      appendDecimal(Int64(process), to: &target)
      return .text(target)
    }
    if name == Array("thread-self".utf8), text.starts(with: own + Array("/task/".utf8)) {
      var target: [UInt8] = []
      appendDecimal(Int64(process), to: &target)
      target += Array("/task/".utf8)
      appendDecimal(Int64(call.thread), to: &target)
      return .text(target)
    }
    // An ordinary link of procfs (/proc/mounts, /proc/net) reads as text; a magic one leads to the object itself, wherever that is.
    do throws(SyscallError) {
      _ = try openAt2(directory.rawValue, name, flags: O_PATH, resolve: UInt64(RESOLVE_NO_MAGICLINKS))
      return .text(text)
    } catch {
      if error.errno != .tooManySymbolicLinkLevels { return .text(text) }
    }
    let owner: [UInt8]
    do throws(SyscallError) {
      let (status, mount) = try fileStatusAndMount(directory)
      owner = try usualName(directory, try kernelPath(of: directory), status, mount, isRemoved: false)
    } catch {
      throw .errno(EACCES)
    }
    if isOwnProc(owner) { throw .errno(EACCES) }
    let found: OwnedDescriptor
    do throws(SyscallError) {
      found = try AgentshSystem.openAt(directory.rawValue, name, flags: O_PATH)
    } catch {
      guard error.errno == .permissionDenied || error.errno == .notPermitted, let number = procNumber(owner), number == process || number == call.thread
      else { throw .errno(error.errno.rawValue) }
      // Its own entry, which the kernel grants a process always, dumpable or not.
      do throws(SyscallError) {
        found = try openOwn(owner + [UInt8(ascii: "/")] + name, flags: O_PATH)
      } catch {
        throw .errno(error.errno.rawValue)
      }
    }
    try settleUnnamed(call, owner, name, found)
    return .jump(found.release())
  }

  /// What a link in a process's own part of /proc leads to, where only the process itself may follow it, since it isn't dumpable: a descriptor that the caller
  /// then owns; nil where it is something else that failed.
  private func ownEntry(
    _ call: TrappedCall, _ name: [UInt8], in directory: borrowing OwnedDescriptor, _ failure: Errno
  ) throws(CallFailure) -> CInt? {
    guard failure == .permissionDenied || failure == .notPermitted, (try? filesystemType(directory)) == procMagic,
      let folder = try? kernelPath(of: directory), let owner = procNumber(folder)
    else { return nil }
    let process = try processID(call)
    guard owner == process || owner == call.thread else { return nil }
    if folder.hasSuffix(Array("/fd".utf8)) {
      guard let number = Int32(String(decoding: name, as: UTF8.self)), number >= 0 else { return nil }
      let taken: OwnedDescriptor
      do throws(CallFailure) { taken = try takeDescriptor(call, number) } catch { throw error == .errno(EBADF) ? .errno(ENOENT) : error }
      try settleUnnamed(call, folder, name, taken)
      return taken.release()
    }
    guard let found = try? openOwn(folder + [UInt8(ascii: "/")] + name, flags: O_PATH) else { return nil }
    return found.release()
  }

  /// What `self` and `thread-self` mean in a procfs of another pid namespace, where the supervisor is nobody and they lead nowhere for it.
  private func numberForItself(_ call: TrappedCall, link name: [UInt8], in directory: borrowing OwnedDescriptor) -> [UInt8]? {
    let isThread = name == Array("thread-self".utf8)
    guard supervision.rootsMayDiffer, isThread || name == Array("self".utf8), (try? filesystemType(directory)) == procMagic,
      let process = try? processID(call), let number = numberInside(directory, process)
    else { return nil }
    var text: [UInt8] = []
    appendDecimal(Int64(number), to: &text)
    guard isThread else { return text }
    guard let thread = numberInside(directory, call.thread) else { return nil }
    text += Array("/task/".utf8)
    appendDecimal(Int64(thread), to: &text)
    return text
  }

  /// The process that a calling thread belongs to.
  func processID(_ call: TrappedCall) throws(CallFailure) -> Int32 {
    if let handle = try? Pidfd.open(call.thread, thread: true), let information = try? handle.information() { return information.process }
    guard let status = try? readSmallFile(at: AT_FDCWD, procPath(call.thread, "status"), limit: 4096),
      let process = statusField("Tgid:", in: status).flatMap({ Int32($0) })
    else { throw .gone }
    return process
  }

  // MARK: Parents

  /// Pins the directory in which a path's last component is (or is to be).
  func resolveParent(_ call: TrappedCall, at directory: CInt, path: [UInt8]) throws(CallFailure) -> Parent {
    let (folder, name) = splitLast(path)
    let located: Located?
    if folder.isEmpty {
      let base = try openBase(call, at: directory)
      do throws(SyscallError) { located = try locate(base) } catch { throw .errno(error.errno.rawValue) }
    } else {
      located = try resolve(call, at: directory, path: folder, ResolutionOptions(mustBeDirectory: true))
    }
    guard let located else { throw .errno(ENOENT) }
    guard located.status.isDirectory else { throw .errno(ENOTDIR) }
    return parent(consume located, name)
  }

  private func parent(_ located: consuming Located, _ name: [UInt8]) -> Parent {
    var path = located.path
    let bare = bareName(name)
    if bare == [UInt8(ascii: "/")] || bare == [UInt8(ascii: ".")] {
      // The directory itself.
    } else {
      if path != [UInt8(ascii: "/")] { path.append(UInt8(ascii: "/")) }
      path += bare
    }
    let directoryPath = located.path
    let (identity, mount) = (DirectoryIdentity(located.status), located.mount)
    return Parent(directory: located.descriptor, identity: identity, mount: mount, directoryPath: directoryPath, name: name, path: path)
  }

  /// For creating: the parent and name that a path leads to when its last component is a chain of links to nowhere. nil when something exists there.
  func resolveDangling(_ call: TrappedCall, at directory: CInt, path: [UInt8]) throws(CallFailure) -> Parent? {
    var parent = try resolveParent(call, at: directory, path: path)
    var links = 0
    while true {
      guard let link = try? AgentshSystem.openAt(parent.directory.rawValue, parent.name, flags: O_PATH | O_NOFOLLOW) else { return parent }
      guard let status = try? fileStatus(link), status.isSymbolicLink else { return nil }
      // It may have been put there since the name was resolved.
      if StickyDirectory.refusesLink(status, in: parent.directory) { throw .errno(EACCES) }
      links += 1
      if links > mostLinks { throw .errno(ELOOP) }
      let text: [UInt8]
      switch try follow(call, link, parent.name, in: parent.directory) {
      case .text(let found): text = found
      case .jump(let raw):
        // There is something by now.
        _ = OwnedDescriptor(owning: raw)
        return nil
      }
      if text.isEmpty { return nil }
      let (folder, name) = splitLast(text)
      let options = ResolutionOptions(mustBeDirectory: true)
      let start = text.first == UInt8(ascii: "/") ? try targetRoot(call) : try duplicate(parent.directory)
      guard let located = try walk(call, from: start, path: folder.isEmpty ? [UInt8(ascii: ".")] : folder, options) else {
        throw .errno(ENOENT)
      }
      parent = self.parent(consume located, name)
    }
  }

  // MARK: Small things

  private func open(_ directory: borrowing OwnedDescriptor, _ name: [UInt8], _ flags: Int32) throws(CallFailure) -> OwnedDescriptor {
    do throws(SyscallError) { return try AgentshSystem.openAt(directory.rawValue, name, flags: flags) } catch {
      throw .errno(error.errno.rawValue)
    }
  }

  private func duplicate(_ descriptor: borrowing OwnedDescriptor) throws(CallFailure) -> OwnedDescriptor {
    do throws(SyscallError) { return try descriptor.duplicate() } catch { throw .errno(ENOMEM) }
  }

  private func isSame(_ one: borrowing OwnedDescriptor, _ other: borrowing OwnedDescriptor) throws(CallFailure) -> Bool {
    do throws(SyscallError) {
      let (a, b) = (try fileStatus(one), try fileStatus(other))
      return a.inode == b.inode && a.device == b.device
    } catch {
      throw .errno(EIO)
    }
  }
}

/// PROC_SUPER_MAGIC, statfs(2).
let procMagic: Int64 = 0x9fa0
private let memoryPrefix: [UInt8] = Array("/memfd:".utf8)
private let procPrefix: [UInt8] = Array("/proc/".utf8)
let deletedSuffix: [UInt8] = Array(" (deleted)".utf8)
let ownProcess: Int32 = getpid()

/// N of `/proc/N` or `/proc/N/…`.
func procNumber(_ path: [UInt8]) -> Int32? {
  // Most paths differ in the second byte already.
  guard path.count > procPrefix.count, path[1] == UInt8(ascii: "p"), path.starts(with: procPrefix) else { return nil }
  var number: Int32 = 0
  for byte in path[procPrefix.count...] {
    if byte == UInt8(ascii: "/") { break }
    guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { return nil }
    let (product, overflow) = number.multipliedReportingOverflow(by: 10)
    let (sum, carry) = product.addingReportingOverflow(Int32(byte - UInt8(ascii: "0")))
    if overflow || carry { return nil }
    number = sum
  }
  return number
}

/// Components in reverse order, ready to be popped; empty ones are left out.
func components(_ path: [UInt8]) -> [[UInt8]] {
  path.split(separator: UInt8(ascii: "/")).reversed().map(Array.init)
}

/// Everything before the last component (with its slash; empty when there is none), and the last component with its trailing slashes.
func splitLast(_ path: [UInt8]) -> (folder: [UInt8], name: [UInt8]) {
  let slash = UInt8(ascii: "/")
  var end = path.count
  while end > 0, path[end - 1] == slash { end -= 1 }
  if end == 0 { return ([slash], [UInt8(ascii: ".")]) }
  var start = end
  while start > 0, path[start - 1] != slash { start -= 1 }
  return (Array(path[..<start]), Array(path[start...]))
}

/// A name without trailing slashes.
func bareName(_ name: [UInt8]) -> [UInt8] {
  var bare = name
  while bare.count > 1, bare.last == UInt8(ascii: "/") { bare.removeLast() }
  return bare
}

extension [UInt8] {
  func hasSuffix(_ suffix: [UInt8]) -> Bool {
    count >= suffix.count && self[(count - suffix.count)...].elementsEqual(suffix)
  }
}
