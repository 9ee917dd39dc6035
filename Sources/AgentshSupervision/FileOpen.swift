import AgentshPolicy
import AgentshSystem
import CAgentshSystem
import Glibc
import SystemPackage

/// Tries to pin, decide and create before a name that keeps appearing and vanishing is given up on.
private let mostAttempts = 64

/// Whether this kernel refuses O_CREAT together with O_DIRECTORY, as it does since 6.3.
private let refusesDirectoryCreation: Bool = {
  do throws(SyscallError) {
    _ = try openAt(AT_FDCWD, Array("/".utf8), flags: O_RDONLY | O_DIRECTORY | O_CREAT)
    return false
  } catch {
    return error.errno == .invalidArgument
  }
}()

/// Whether a path ends in slashes behind a name: something that is to be a directory.
private func namesDirectory(_ path: [UInt8]) -> Bool {
  guard path.last == UInt8(ascii: "/"), let end = path.lastIndex(where: { $0 != UInt8(ascii: "/") }) else { return false }
  let start = path[...end].lastIndex(of: UInt8(ascii: "/")).map { $0 + 1 } ?? 0
  return !path[start...end].allSatisfy { $0 == UInt8(ascii: ".") } || end - start > 1
}

extension Worker {
  func open(_ call: TrappedCall, _ kind: CallKind, at directory: CInt, path: UInt64, flags: UInt64, mode: UInt64) throws(CallFailure) -> Answer {
    var request = OpenRequest(flags: CInt(truncatingIfNeeded: flags) & knownOpenFlags, mode: UInt32(truncatingIfNeeded: mode) & 0o7777)
    // The filter lets these pass, since their flags are a register; one that arrives here all the same can't be answered.
    if request.isPathOnly { throw .errno(ENOSYS) }
    if !request.creates && !request.isTemporary { request.mode = 0 }
    try checkFlags(request)
    let path = try self.path(call, at: path)
    // Not a decision: there is none to be made about a read, and what stands at the name by the time that the kernel looks doesn't matter.
    if supervision.permitsReadsUnasked, request.isPlainRead, let names = supervision.names, !names.mayBeSettings(path) { return .proceed }
    if let answer = try openKnown(call, kind, path, request) { return answer }
    return try open(call, kind, at: directory, path: path, request)
  }

  func openExtended(_ call: TrappedCall, at directory: CInt, path: UInt64, how: UInt64, size: UInt64) throws(CallFailure) -> Answer {
    guard size >= OpenRequest.smallestHow else { throw .errno(EINVAL) }
    guard size <= OpenRequest.largestHow else { throw .errno(E2BIG) }
    let request = try OpenRequest(how: try memory(call) { memory throws(TargetMemoryError) in try memory.bytes(at: how, count: Int(size)) })
    // The kernel hands nobody a descriptor that was opened with O_PATH (SECCOMP_IOCTL_NOTIF_ADDFD: EBADF), and the flags are in memory, so it can't be
    // let pass either. Programs fall back to openat(2), where O_PATH is a register and passes.
    if request.isPathOnly { throw .errno(ENOSYS) }
    if request.contradictsItself { throw .errno(EINVAL) }
    if request.resolve & UInt64(RESOLVE_CACHED) != 0, request.flags & (O_TRUNC | O_CREAT | O_TMPFILE_BIT) != 0 { throw .errno(EAGAIN) }
    try checkFlags(request)
    let path = try self.path(call, at: path)
    // Before the descriptor is looked at, which such a path doesn't need (nd_jump_root() of fs/namei.c).
    if request.resolve & UInt64(RESOLVE_BENEATH) != 0, path.first == UInt8(ascii: "/") { throw .errno(EXDEV) }
    return try open(call, .openat2, at: directory, path: path, request)
  }

  /// What the kernel says of the flags alone, before it reads the path.
  private func checkFlags(_ request: OpenRequest) throws(CallFailure) {
    if request.creates, request.flags & O_DIRECTORY != 0, refusesDirectoryCreation { throw .errno(EINVAL) }
    if request.isTemporary {
      guard request.flags & O_DIRECTORY != 0, request.flags & O_ACCMODE != O_RDONLY, !request.creates else { throw .errno(EINVAL) }
    }
  }

  private func open(
    _ call: TrappedCall, _ kind: CallKind, at directory: CInt, path: [UInt8], _ request: OpenRequest
  ) throws(CallFailure) -> Answer {
    if request.creates, namesDirectory(path) {
      // The kernel comes to the last component first, and says then that it can't be made.
      let (folder, _) = splitLast(path)
      let scope = folder.isEmpty ? [UInt8(ascii: ".")] : folder
      guard let found = try resolve(call, at: directory, path: scope, ResolutionOptions(mustBeDirectory: true, resolve: request.resolve)) else {
        throw .errno(ENOENT)
      }
      let raw = found.descriptor.rawValue
      throw .errno(PathCalls.mayAccess(raw, X_OK) ? EISDIR : errno)
    }
    let mayNotFollow = request.flags & O_NOFOLLOW != 0 || (request.creates && request.flags & O_EXCL != 0)
    let options = ResolutionOptions(
      followsLast: !mayNotFollow, mustBeDirectory: request.flags & O_DIRECTORY != 0 && !request.creates, resolve: request.resolve)
    for _ in 0..<mostAttempts {
      let found: Located?
      do throws(CallFailure) { found = try resolve(call, at: directory, path: path, options) } catch {
        guard error == .errno(ENOTDIR), request.creates, !mayNotFollow, (try? linksToDirectory(call, at: directory, path: path)) ?? false else { throw error }
        throw .errno(EISDIR)
      }
      if let located = found {
        if request.creates && request.flags & O_EXCL != 0 { throw .errno(EEXIST) }
        let answer = try openExisting(call, kind, located, request, named: path)
        if request.isSimpleRead, located.status.isRegular, located.path == path, !(supervision.names?.mayBeSettings(path) ?? false) { known.insert(path) }
        return answer
      }
      if let names = supervision.names, !request.writes, !request.creates, SessionNames.isSettingsName(path), request.flags & O_DIRECTORY == 0 {
        // A host without the file: libc would ask a server on this machine then.
        try settle(call, kind, .fileRead, .path(path), layered { fileVerdict(.read, path, $0) }, isPlainRead: true)
        return try inject(call, try openSettings(call, names, request), request, isPlain: true)
      }
      guard request.creates else { throw .errno(ENOENT) }
      guard let parent = try resolveCreation(call, at: directory, path: path, request) else { continue }
      if let answer = try openNew(call, kind, parent, request) { return answer }
    }
    throw .errno(EAGAIN)
  }

  /// Whether a path's last component is a link whose text ends in slashes, or leads to one: where a file may be created the kernel comes to that before
  /// it looks at what is there. Tells two failures apart, and nothing else.
  private func linksToDirectory(_ call: TrappedCall, at directory: CInt, path: [UInt8]) throws(CallFailure) -> Bool {
    var (base, next) = (directory, path)
    for _ in 0..<mostLinks {
      let parent = try resolveParent(call, at: base, path: next)
      guard let text = try? readLink(at: parent.directory.rawValue, parent.name), let first = text.first else { return false }
      if namesDirectory(text) { return true }
      (base, next) = (AT_FDCWD, first == UInt8(ascii: "/") ? text : parent.directoryPath + [UInt8(ascii: "/")] + text)
    }
    return false
  }

  /// Where a file that doesn't exist is to be created; nil when something exists there by now.
  private func resolveCreation(
    _ call: TrappedCall, at directory: CInt, path: [UInt8], _ request: OpenRequest, links: Int = 0
  ) throws(CallFailure) -> Parent? {
    if request.resolve & UInt64(RESOLVE_BENEATH | RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV) == 0 {
      if request.flags & (O_EXCL | O_NOFOLLOW) != 0 { return try resolveParent(call, at: directory, path: path) }
      return try resolveDangling(call, at: directory, path: path)
    }
    // With a scope of its own the parent is resolved inside that scope, and so is what a last link to nowhere says.
    let (folder, name) = splitLast(path)
    let options = ResolutionOptions(mustBeDirectory: true, resolve: request.resolve)
    let scope = folder.isEmpty ? [UInt8(ascii: ".")] : folder
    guard let located = try resolve(call, at: directory, path: scope, options) else { throw .errno(ENOENT) }
    if let link = try? openAt(located.descriptor.rawValue, name, flags: O_PATH | O_NOFOLLOW) {
      guard let status = try? fileStatus(link), status.isSymbolicLink else { return nil }
      // It may have been put there since the name was resolved.
      if StickyDirectory.refusesLink(status, in: located.descriptor) { throw .errno(EACCES) }
      guard links < mostLinks, request.flags & (O_EXCL | O_NOFOLLOW) == 0, request.resolve & UInt64(RESOLVE_NO_SYMLINKS) == 0, procNumber(located.path) == nil,
        let text = try? readLink(at: link.rawValue, []), let first = text.first
      else { throw .errno(ELOOP) }
      if first == UInt8(ascii: "/"), request.resolve & UInt64(RESOLVE_BENEATH) != 0 { throw .errno(EXDEV) }
      return try resolveCreation(call, at: directory, path: first == UInt8(ascii: "/") ? text : folder + text, request, links: links + 1)
    }
    var full = located.path
    if full != [UInt8(ascii: "/")] { full.append(UInt8(ascii: "/")) }
    full += name
    let directoryPath = located.path
    let (identity, mount) = (DirectoryIdentity(located.status), located.mount)
    return Parent(directory: located.descriptor, identity: identity, mount: mount, directoryPath: directoryPath, name: name, path: full)
  }

  // MARK: Existing objects

  /// Opens at once what was opened before by the same name, and decides about what that gave; nil when that isn't so simple this time.
  private func openKnown(_ call: TrappedCall, _ kind: CallKind, _ path: [UInt8], _ request: OpenRequest) throws(CallFailure) -> Answer? {
    guard request.isSimpleRead, known.contains(path), inner == nil, usesOwnRoot(call),
      !floor.holds(LandlockRights.opening(reads: true, writes: false, S_IFREG))
    else { return nil }
    let located: Located
    do throws(SyscallError) {
      // O_NONBLOCK: it may be a FIFO by now.
      located = try locate(try openAt2(AT_FDCWD, path, flags: O_RDONLY | O_NONBLOCK | O_NOCTTY | O_LARGEFILE, resolve: UInt64(RESOLVE_NO_SYMLINKS)))
    } catch {
      known.remove(path)
      return nil
    }
    guard located.status.isRegular, located.path == path else {
      known.remove(path)
      return nil
    }
    try settleOpen(call, kind, located, request)
    if request.flags & O_NONBLOCK == 0 { _ = fcntl(located.descriptor.rawValue, F_SETFL, 0) }
    return try inject(call, located.descriptor, request, isPlain: true)
  }

  private func openExisting(
    _ call: TrappedCall, _ kind: CallKind, _ located: borrowing Located, _ request: OpenRequest, named name: [UInt8]
  ) throws(CallFailure) -> Answer {
    if located.status.isSymbolicLink { throw .errno(request.flags & O_DIRECTORY != 0 ? ENOTDIR : ELOOP) }
    if request.isTemporary { return try openTemporary(call, kind, located, request) }
    if located.status.isDirectory, request.writes || request.creates { throw .errno(EISDIR) }
    try settleOpen(call, kind, located, request)
    if request.creates, StickyDirectory.refuses(located.path, located.status) { throw .errno(EACCES) }
    if let names = supervision.names, !request.writes, located.status.isRegular, names.isSettingsFile(located.path, named: name) {
      return try inject(call, try openSettings(call, names, request), request, isPlain: true)
    }
    // The object is pinned: opening its entry in /proc/self/fd opens exactly it, with the caller's own rights. A terminal must not become the
    // supervisor's.
    let flags = request.flags & ~(O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC) | O_NOCTTY
    if let terminal = try terminalOfTarget(call, located) { return try openTerminal(call, terminal, flags, request) }
    let opened: OwnedDescriptor
    let isPlain = located.status.isRegular || located.status.isDirectory
    switch located.status.type {
    case S_IFREG, S_IFDIR:
      let rights = LandlockRights.opening(reads: request.reads, writes: request.writes, located.status.type)
      if located.status.isDirectory, request.flags & O_NOFOLLOW != 0 {
        // By a name that is no link, so that the target reads the flag back (F_GETFL). That takes the right to search the directory.
        let raw = located.descriptor.rawValue
        if case .success(let injected) = openAndInject(call, request, held: floor.holds(rights), raw, [UInt8(ascii: ".")], flags: flags | O_NOFOLLOW) { return try injected.get() }
      }
      if request.writes, try isOwnAttribute(call, located), floor.grants(rights, on: located.path) {
        do throws(SyscallError) { opened = try openTracing(descriptorPath(located.descriptor.rawValue), flags: flags) } catch { throw .errno(error.errno.rawValue) }
        break
      }
      let entry = descriptorEntry(located.descriptor.rawValue)
      // A regular file may be waited for: whoever has a lease on it gives it up first (F_SETLEASE of fcntl(2)).
      switch openAndInject(call, request, held: floor.holds(rights), entry.directory, entry.name, flags: flags, mayWait: located.status.isRegular) {
      case .success(let injected): return try injected.get()
      case .failure(let error):
        if error.errno == .interrupted { throw try interruption(call) }
        opened = try openOwnAgain(call, located, flags, rights, error)
      }
    default:
      // FIFOs wait for their other end, devices for whatever they like.
      let rights = LandlockRights.opening(reads: request.reads, writes: request.writes, located.status.type)
      opened = try openWaiting(call, descriptorPath(located.descriptor.rawValue), flags, rights)
    }
    return try inject(call, opened, request, isPlain: isPlain)
  }

  /// Whether it is a file of `/proc/self/attr` of a process that isn't dumpable: whom it takes writes from is settled when it is opened, by the right to trace its process,
  /// which that process has itself (proc_pid_attr_open() of fs/proc/base.c).
  private func isOwnAttribute(_ call: TrappedCall, _ located: borrowing Located) throws(CallFailure) -> Bool {
    guard let number = procNumber(located.path), located.status.owner != geteuid(), splitLast(located.path).folder.hasSuffix(Array("/attr/".utf8)) else { return false }
    if number == call.thread { return true }
    return try processID(call) == number
  }

  /// A target's own entries below /proc are open to it even where it isn't dumpable, and those of the session's other processes even though a thread
  /// under a floor can't look into them: what the floor says of their paths holds all the same.
  private func openOwnAgain(
    _ call: TrappedCall, _ located: borrowing Located, _ flags: CInt, _ rights: LandlockRights, _ failure: SyscallError
  ) throws(CallFailure) -> OwnedDescriptor {
    guard failure.errno == .permissionDenied || failure.errno == .notPermitted, let number = procNumber(located.path),
      floor.grants(rights, on: located.path) || ownDomainGrants(located.path, flags: flags)
    else { throw .errno(failure.errno.rawValue) }
    let process = try processID(call)
    guard number == call.thread || number == process else {
      guard floor.holds(rights), innermost.relations.isInSession(number) else { throw .errno(failure.errno.rawValue) }
      do throws(SyscallError) { return try openAt(AT_FDCWD, descriptorPath(located.descriptor.rawValue), flags: flags) } catch {
        throw .errno(error.errno.rawValue)
      }
    }
    do throws(SyscallError) { return try openOwn(descriptorPath(located.descriptor.rawValue), flags: flags) } catch {
      throw .errno(error.errno.rawValue)
    }
  }

  private func settleOpen(_ call: TrappedCall, _ kind: CallKind, _ located: borrowing Located, _ request: OpenRequest) throws(CallFailure) {
    // Pipes, sockets and anonymous inodes are reached through descriptors only: who names one has it (`settleUnnamed`).
    guard located.hasPath else { return }
    try settleMemory(call, kind, located, writes: request.writes)
    try settleTerminal(call, kind, located, writes: request.writes)
    let path = located.path
    let version = supervision.mounts.version
    if version != readableVersion { (readable, readableVersion) = (NameCache(), version) }
    if !request.writes, !located.status.isDirectory, inner == nil, readable.contains(path) {
      supervision.layer.counters.count(.allow)
      return
    }
    let main: FileOperation
    let judgement: Judgement
    if request.writes {
      main = .write
      // Truncated and readable is both: what others write to it later could be read.
      judgement = request.reads
        ? strictest([FileQuestion(.write, path), FileQuestion(.read, path)]) : layered { fileVerdict(.write, path, $0) }
    } else {
      main = located.status.isDirectory ? .list : .read
      judgement = layered { fileVerdict(main, path, $0) }
    }
    try settle(call, kind, recordName(main), .path(path), judgement, isPlainRead: main != .write)
    // A policy never changes in a session, and says of a name what it said before.
    if main == .read, inner == nil, judgement.outer.decision == .allow, !mustRecord(judgement.outer, in: supervision.layer, isPlainRead: true) {
      readable.insert(path)
    }
  }

  private struct Terminal {
    let path: [UInt8]
    let device: UInt64
  }

  /// `/dev/tty` is the target's controlling terminal, which the supervisor doesn't have: the terminal's own device is opened in its place.
  private func terminalOfTarget(_ call: TrappedCall, _ located: borrowing Located) throws(CallFailure) -> Terminal? {
    guard located.status.isCharacterDevice, located.status.specialDevice == ash_makedev(5, 0) else { return nil }
    guard let stat = try? readSmallFile(at: AT_FDCWD, procPath(call.thread, "stat"), limit: 4096), let number = terminalNumber(in: stat), number != 0 else {
      throw .errno(ENXIO)
    }
    let (major, minor) = (UInt32(number) >> 8 & 0xfff, UInt32(number) & 0xff | UInt32(number) >> 12 & 0xfff00)
    var path: [UInt8]
    switch major {
    case 136...143:
      path = Array("/dev/pts/".utf8)
      appendDecimal(Int64((major - 136) << 8 | minor), to: &path)
    case 4:
      path = minor < 64 ? Array("/dev/tty".utf8) : Array("/dev/ttyS".utf8)
      appendDecimal(Int64(minor < 64 ? minor : minor - 64), to: &path)
    default:
      throw .errno(ENXIO)
    }
    return Terminal(path: path, device: ash_makedev(major, minor))
  }

  /// Opens the terminal by its own name; where that is someone else's (after su(1)), which `/dev/tty` doesn't ask, hands on one of the target's own
  /// descriptors of it.
  private func openTerminal(_ call: TrappedCall, _ terminal: Terminal, _ flags: CInt, _ request: OpenRequest) throws(CallFailure) -> Answer {
    let failure: CallFailure
    if let status = try? linkStatus(at: AT_FDCWD, terminal.path), status.isCharacterDevice, status.specialDevice == terminal.device {
      do throws(CallFailure) {
        // It is /dev/tty that was asked for and decided, and the floor speaks of that name too.
        let rights = LandlockRights.opening(reads: request.reads, writes: request.writes, S_IFCHR)
        let isGranted = floor.grants(rights, on: Array("/dev/tty".utf8))
        let opened = try openWaiting(call, terminal.path, flags, isGranted ? [] : rights)
        // As long as it is the caller's, nobody else's terminal gets its number.
        guard controllingTerminal(call) == terminal.device else { throw .errno(ENXIO) }
        return try inject(call, opened, request)
      } catch {
        guard error == .errno(EACCES) else { throw error }
        failure = error
      }
    } else {
      failure = .errno(ENXIO)
    }
    for number: CInt in [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 255] {
      guard let held = try? takeDescriptor(call, number), let status = try? fileStatus(held), status.isCharacterDevice,
        status.specialDevice == terminal.device
      else { continue }
      let mode = fcntl(held.rawValue, F_GETFL) & O_ACCMODE
      if mode == O_RDWR || mode == request.flags & O_ACCMODE { return try inject(call, held, request) }
    }
    throw failure
  }

  private func openWaiting(_ call: TrappedCall, _ name: [UInt8], _ flags: CInt, _ rights: LandlockRights) throws(CallFailure) -> OwnedDescriptor {
    func open() -> Result<CInt, SyscallError> {
      do throws(SyscallError) { return .success(try waitingOpen(call, AT_FDCWD, name, flags).release()) } catch { return .failure(error) }
    }
    do throws(SyscallError) { return OwnedDescriptor(owning: try acting(held: floor.holds(rights), open).get()) } catch {
      if error.errno == .interrupted { throw try interruption(call) }
      throw .errno(error.errno.rawValue)
    }
  }

  // MARK: New files

  /// Creates and opens; nil when another process was faster and the name has to be looked at again.
  private func openNew(_ call: TrappedCall, _ kind: CallKind, _ parent: borrowing Parent, _ request: OpenRequest) throws(CallFailure) -> Answer? {
    try settleChange(call, kind, .fileCreate, [FileQuestion(.create, parent.path)], path: parent.path)
    try takeUmask(of: call)
    // O_EXCL follows no link. (O_NOFOLLOW would show in what the target reads back by F_GETFL.)
    let flags = (request.flags | O_CREAT | O_EXCL | O_NOCTTY) & ~O_CLOEXEC
    let rights = LandlockRights.opening(reads: request.reads, writes: request.writes, S_IFREG).union(.makeReg)
    // Waited for by this thread, not by the one under the floor: a thread that is started meanwhile would be under it, too.
    let (directory, name) = (parent.directory.rawValue, parent.name)
    let outcome = supervision.directories.naming(in: parent.identity, expectDelay: expectDelay) {
      openAndInject(call, request, held: floor.holds(rights), directory, name, flags: flags, mode: request.mode)
    }
    switch outcome {
    case .success(let injected): return try injected.get()
    case .failure(let error):
      if error.errno == .fileExists, request.flags & O_EXCL == 0 { return nil }
      throw .errno(error.errno.rawValue)
    }
  }

  /// O_TMPFILE: a file without a name, which linkat(2) may give one later (that is decided then).
  private func openTemporary(_ call: TrappedCall, _ kind: CallKind, _ located: borrowing Located, _ request: OpenRequest) throws(CallFailure) -> Answer {
    guard located.status.isDirectory else { throw .errno(ENOTDIR) }
    let path = located.path + Array("/#tmpfile".utf8)
    try settleChange(call, kind, .fileCreate, [FileQuestion(.create, path)], path: path)
    try takeUmask(of: call)
    let rights = LandlockRights.opening(reads: request.reads, writes: request.writes, S_IFREG)
    let outcome = openAndInject(
      call, request, held: floor.holds(rights), located.descriptor.rawValue, [UInt8(ascii: ".")], flags: request.flags & ~O_CLOEXEC,
      mode: request.mode)
    switch outcome {
    case .success(let injected): return try injected.get()
    case .failure(let error):
      if error.errno == .permissionDenied, try isOwnEntries(call, located.path) { throw .errno(EOPNOTSUPP) }
      throw .errno(error.errno.rawValue)
    }
  }

  /// Opens for a target and hands the descriptor over, on whichever thread opens: the target goes on before anybody else is woken.
  ///
  /// Fails with what openat(2) says; what comes of the hand-over is inside.
  private func openAndInject(
    _ call: TrappedCall, _ request: OpenRequest, held: Bool, _ directory: CInt, _ name: [UInt8], flags: CInt, mode: UInt32 = 0, mayWait: Bool = false
  ) -> Result<Result<Answer, CallFailure>, SyscallError> {
    func open() -> Result<Result<Answer, CallFailure>, SyscallError> {
      do throws(SyscallError) {
        let opened = mayWait
          ? try waitingOpen(call, directory, name, flags) : try openAt(directory, name, flags: flags, mode: mode)
        do throws(CallFailure) { return .success(.success(try inject(call, opened, request, isPlain: true))) } catch { return .success(.failure(error)) }
      } catch {
        return .failure(error)
      }
    }
    do throws(SyscallError) { return try acting(held: held, open) } catch { return .failure(error) }
  }

  /// Opens what may have to be waited for, as a call that the watch interrupts; EINTR when it did.
  private func waitingOpen(_ call: TrappedCall, _ directory: CInt, _ name: [UInt8], _ flags: CInt) throws(SyscallError) -> OwnedDescriptor {
    var failure = SyscallError("openat", .interrupted)
    let raw = supervision.waits.waiting(call) { () -> CInt? in
      do throws(SyscallError) { return try openAt(directory, name, flags: flags, interruptible: true).release() } catch {
        if error.errno == .interrupted { return nil }
        failure = error
        return -1
      }
    }
    guard let raw, raw >= 0 else { throw failure }
    return OwnedDescriptor(owning: raw)
  }

  /// Hands the open file over as the call's result.
  ///
  /// In one step where it is only read; the supervisor's own reference to it is gone a moment later then. Whatever hangs on the last reference (the end of
  /// file of a FIFO, a file that is being written and can't be executed, a lock) must be the target's alone when it goes on: such a file is
  /// put into its table first, closed here, and its number sent after that.
  private func inject(
    _ call: TrappedCall, _ descriptor: consuming OwnedDescriptor, _ request: OpenRequest, isPlain: Bool = false
  ) throws(CallFailure) -> Answer {
    let inSteps = !isPlain || request.writes || request.creates
    do throws(SyscallError) {
      if inSteps {
        let number = try supervision.listener.inject(call.id, descriptor, closeOnExec: request.closesOnExec)
        _ = consume descriptor
        send(.value(Int64(number)), to: call)
      } else {
        try supervision.listener.answer(call.id, injecting: descriptor, closeOnExec: request.closesOnExec)
      }
      return .sent
    } catch {
      switch error.errno {
      case .nowInProgress where !inSteps: throw .lost(isCertain: true)
      case .noSuchFileOrDirectory: throw inSteps ? .gone : .lost(isCertain: false)
      // EMFILE and the like are the target's own.
      default: throw .errno(error.errno.rawValue)
      }
    }
  }
}
