import AgentshPolicy
import AgentshSystem
import Glibc
import SystemPackage

extension Worker {
  /// Performs a call of libc that answers 0 or -1, and makes it the target's result.
  /// - Parameter held: whether the floor holds what it does. Modes and owners are nothing that Landlock knows of.
  private func perform(_ call: TrappedCall, held: Bool = false, _ body: () -> CInt) -> Answer {
    func attempt() -> Answer {
      while true {
        let result = body()
        if result != -1 { return .value(Int64(result)) }
        let failure = currentErrno
        if failure != .interrupted { return .failure(failure.rawValue) }
      }
    }
    guard held else { return attempt() }
    do throws(SyscallError) {
      return try acting(held: held) {
        // Answered where it was done: the target goes on before this thread is woken.
        let answer = attempt()
        send(answer, to: call)
        return .sent
      }
    } catch {
      return .failure(error.errno.rawValue)
    }
  }

  /// The same for a name that is made or removed: not while something there is being renamed.
  private func perform(_ call: TrappedCall, held: Bool, naming parent: borrowing Parent, _ body: () -> CInt) -> Answer {
    supervision.directories.naming(in: parent.identity, expectDelay: expectDelay) { perform(call, held: held, body) }
  }

  func makeDirectory(_ call: TrappedCall, _ kind: CallKind, at directory: CInt, path: UInt64, mode: UInt64) throws(CallFailure) -> Answer {
    let parent = try resolveParent(call, at: directory, path: try self.path(call, at: path))
    try checkAbsent(parent)
    try settleChange(call, kind, .fileMkdir, [FileQuestion(.mkdir, parent.path)], path: parent.path)
    try takeUmask(of: call)
    return perform(call, held: floor.holds(.makeDir), naming: parent) {
      PathCalls.makeDirectory(parent.directory.rawValue, parent.name, mode_t(truncatingIfNeeded: mode))
    }
  }

  func remove(_ call: TrappedCall, _ kind: CallKind, at directory: CInt, path: UInt64, flags: UInt64) throws(CallFailure) -> Answer {
    let flags = CInt(truncatingIfNeeded: flags)
    guard flags & ~AT_REMOVEDIR == 0 else { throw .errno(EINVAL) }
    let path = try self.path(call, at: path)
    let isDirectory = flags & AT_REMOVEDIR != 0
    if isDirectory, path.allSatisfy({ $0 == UInt8(ascii: "/") }) { throw .errno(EBUSY) }
    let parent = try resolveParent(call, at: directory, path: path)
    _ = try status(parent)
    try settleChange(
      call, kind, isDirectory ? .fileRmdir : .fileDelete, [FileQuestion(isDirectory ? .rmdir : .delete, parent.path)], path: parent.path)
    if try isOwnEntries(call, parent.directoryPath), !isNoName(parent.name) { throw .errno(isDirectory || parent.name.last == UInt8(ascii: "/") ? ENOTDIR : EPERM) }
    return perform(call, held: floor.holds(isDirectory ? .removeDir : .removeFile), naming: parent) {
      PathCalls.unlink(parent.directory.rawValue, parent.name, flags)
    }
  }

  func makeNode(
    _ call: TrappedCall, _ kind: CallKind, at directory: CInt, path: UInt64, mode: UInt64, device: UInt64
  ) throws(CallFailure) -> Answer {
    let mode = mode_t(truncatingIfNeeded: mode)
    // may_mknod() of fs/namei.c: the kind comes before the path.
    switch mode & S_IFMT {
    case 0, S_IFREG, S_IFCHR, S_IFBLK, S_IFIFO, S_IFSOCK: break
    case S_IFDIR: throw .errno(EPERM)
    default: throw .errno(EINVAL)
    }
    let parent = try resolveParent(call, at: directory, path: try self.path(call, at: path))
    try checkAbsent(parent)
    // A regular file made by mknod(2) is a created file, whatever the call is called.
    let isRegular = mode & S_IFMT == 0 || mode & S_IFMT == S_IFREG
    try settleChange(
      call, kind, isRegular ? .fileCreate : .fileMknod, [FileQuestion(isRegular ? .create : .mknod, parent.path)], path: parent.path)
    try takeUmask(of: call)
    return perform(call, held: floor.holds(.making(mode & S_IFMT)), naming: parent) {
      // The kernel's own encoding of the number is what the target passed (32 bits, MKDEV as new_decode_dev).
      PathCalls.makeNode(parent.directory.rawValue, parent.name, mode, dev_t(UInt32(truncatingIfNeeded: device)))
    }
  }

  func symbolicLink(_ call: TrappedCall, _ kind: CallKind, text: UInt64, at directory: CInt, path: UInt64) throws(CallFailure) -> Answer {
    let content = try self.path(call, at: text)
    let parent = try resolveParent(call, at: directory, path: try self.path(call, at: path))
    try checkAbsent(parent)
    let name = parent.path
    let judgement = layered { layer in
      let verdict = strictest([FileQuestion(.symlink, name)], layer)
      return verdict.isPermitted ? protectionAgainstLink(at: name, saying: content, layer) ?? verdict : verdict
    }
    try settle(call, kind, .fileSymlink, .path(name), judgement)
    return perform(call, held: floor.holds(.makeSym), naming: parent) {
      PathCalls.makeSymbolicLink(content, parent.directory.rawValue, parent.name)
    }
  }

  /// What making a thing of this kind is called; nil for a regular file, which is created.
  private static func makingOperation(_ type: UInt32) -> FileOperation? {
    switch type {
    case S_IFDIR: .mkdir
    case S_IFLNK: .symlink
    case S_IFREG: nil
    default: .mknod
    }
  }

  func rename(
    _ call: TrappedCall, _ kind: CallKind, from oldDirectory: CInt, _ oldPath: UInt64, to newDirectory: CInt, _ newPath: UInt64, flags: UInt64,
    attempts: Int = 64
  ) throws(CallFailure) -> Answer {
    let flags = UInt32(truncatingIfNeeded: flags)
    let (noReplace, exchange, whiteout): (UInt32, UInt32, UInt32) = (1, 2, 4)
    guard flags & ~(noReplace | exchange | whiteout) == 0, flags & exchange == 0 || flags & (noReplace | whiteout) == 0 else {
      throw .errno(EINVAL)
    }
    let old = try resolveParent(call, at: oldDirectory, path: try path(call, at: oldPath))
    try checkSearchable(old)
    let new = try resolveParent(call, at: newDirectory, path: try path(call, at: newPath))
    try checkSearchable(new)
    // In the order of the kernel (do_renameat2 of fs/namei.c): another file system is another matter, which no permission changes; then names that are
    // none; then what is there.
    try checkSameMount(old.mount, old.identity.device, new)
    if isNoName(old.name) { throw .errno(EBUSY) }
    if isNoName(new.name) { throw .errno(flags & noReplace != 0 ? EEXIST : EBUSY) }
    let oldStatus = try status(old)
    let newStatus = try? linkStatus(at: new.directory.rawValue, bareName(new.name))
    // Moving a file is taking it from one name and giving it another: whoever may not read or change it under the old name must not get at it
    // under the new one, and what stands at the new name is lost.
    var questions = [
      FileQuestion(.rename, old.path), FileQuestion(.read, old.path), FileQuestion(.create, new.path), FileQuestion(.rename, new.path),
    ]
    if newStatus != nil { questions.append(FileQuestion(.write, new.path)) }
    // Whatever is moved there is something of its kind that wasn't there before.
    if let kind = Self.makingOperation(oldStatus.type) { questions.append(FileQuestion(kind, new.path)) }
    if flags & exchange != 0 {
      questions += [FileQuestion(.read, new.path), FileQuestion(.create, old.path), FileQuestion(.write, old.path)]
      if let kind = newStatus.flatMap({ Self.makingOperation($0.type) }) { questions.append(FileQuestion(kind, old.path)) }
    }
    if flags & whiteout != 0 { questions.append(FileQuestion(.mknod, old.path)) }
    let (oldName, newName) = (old.path, new.path)
    let judgement = layered { layer in
      let verdict = strictest(questions, layer)
      if !verdict.isPermitted { return verdict }
      func protection(_ status: FileStatus?, _ from: [UInt8], _ to: [UInt8]) -> Verdict? {
        guard let status else { return nil }
        switch status.type {
        case S_IFDIR: return protectionBelow(from, to, layer)
        case S_IFLNK: return protectionAgainstLink(at: to, layer)
        case S_IFSOCK: return protectionOfSocket(from, to, layer)
        default: return nil
        }
      }
      return protection(oldStatus, oldName, newName) ?? (flags & exchange != 0 ? protection(newStatus, newName, oldName) : nil) ?? verdict
    }
    try settle(call, kind, .fileRename, .paths(oldName, newName), judgement)
    // What stands at the names may have been exchanged meanwhile; from here on nobody in the session changes what is there.
    let isGuarded = oldStatus.type != S_IFDIR && isProtected(newName)
    let answer = supervision.directories.moving(from: old.identity, to: new.identity, expectDelay: expectDelay) { () -> Answer? in
      guard type(of: old) == oldStatus.type, type(of: new) == newStatus?.type else { return nil }
      if isGuarded { return renameGuarded(call, kind, old, new, flags, oldStatus.type) }
      return perform(call, held: floor.holdsFiles) {
        PathCalls.rename(old.directory.rawValue, old.name, new.directory.rawValue, new.name, flags)
      }
    }
    if let answer { return answer }
    // As if the call came now.
    guard attempts > 0 else { throw .errno(EAGAIN) }
    return try rename(call, kind, from: oldDirectory, oldPath, to: newDirectory, newPath, flags: UInt64(flags), attempts: attempts - 1)
  }

  /// Whether no directory and no link may come to stand at a name, because of what rules say about what would lie below it.
  private func isProtected(_ name: [UInt8]) -> Bool {
    func isProtected(_ layer: SessionLayer) -> Bool {
      !name.starts(with: SessionMounts.ownPrefix)
        && (layer.policy.refusalBelow(name, FileOperation.moved) != nil || layer.policy.refusalOfLink(at: name) != nil || layer.policy.unixRefusalBelow(name) != nil
          || layer.policy.unixRefusalOfLink(at: name) != nil)
    }
    return isProtected(supervision.layer) || inner.map { isProtected($0.layer) } ?? false
  }

  /// Renames to such a name, and looks afterwards whether it was what had been looked at: another session of the same user has a supervisor of its own, which
  /// doesn't wait for this one. What was moved in its place goes back.
  private func renameGuarded(
    _ call: TrappedCall, _ kind: CallKind, _ old: borrowing Parent, _ new: borrowing Parent, _ flags: UInt32, _ expected: UInt32
  ) -> Answer {
    let result = actingCall(held: floor.holdsFiles) { PathCalls.rename(old.directory.rawValue, old.name, new.directory.rawValue, new.name, flags) }
    guard result == 0 else { return .failure(errno) }
    // Gone again, or another file by now, is nothing that was moved here unlooked at.
    guard let moved = type(of: new), moved != expected, [S_IFDIR, S_IFLNK, S_IFSOCK].contains(moved) else { return .value(0) }
    let (noReplace, exchange): (UInt32, UInt32) = (1, 2)
    func back(to name: [UInt8], _ flags: UInt32) -> Bool {
      actingCall(held: floor.holdsFiles) { PathCalls.rename(new.directory.rawValue, bareName(new.name), old.directory.rawValue, name, flags) } == 0
    }
    var isBack = back(to: bareName(old.name), flags & exchange != 0 ? exchange : noReplace)
    // Something else has its name by now: then under one that nobody can have taken.
    for _ in 0..<8 where !isBack {
      guard let random = try? randomBytes(12) else { break }
      isBack = back(to: Array(".moved-".utf8) + random.flatMap { Array(String($0, radix: 16).utf8) }, noReplace)
    }
    if !isBack { supervision.endSession("what was exchanged for the source of a rename could not be moved back") }
    let verdict = Verdict(decision: .deny, rule: "builtin:rename_verification", message: "what was to be renamed was exchanged meanwhile")
    try? settle(call, kind, .fileRename, .paths(old.path, new.path), verdict)
    if let process = try? processID(call), supervision.listener.isWaiting(call.id) { _ = Glibc.kill(process, SIGKILL) }
    return .failure(EACCES)
  }

  private func type(of parent: borrowing Parent) -> UInt32? {
    (try? linkStatus(at: parent.directory.rawValue, bareName(parent.name)))?.type
  }

  func link(
    _ call: TrappedCall, _ kind: CallKind, from oldDirectory: CInt, _ oldPath: UInt64, to newDirectory: CInt, _ newPath: UInt64, flags: UInt64
  ) throws(CallFailure) -> Answer {
    let flags = CInt(truncatingIfNeeded: flags)
    guard flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH) == 0 else { throw .errno(EINVAL) }
    let source = try path(call, at: oldPath, mayBeEmpty: flags & AT_EMPTY_PATH != 0)
    // An empty source is the descriptor itself, as since 6.10 whoever opened it may say. It is linked by /proc/self/fd, as anyone may who holds it.
    if source.isEmpty, !linksByDescriptor { throw .errno(ENOENT) }
    let old = try named(call, at: oldDirectory, path: source, following: flags & AT_SYMLINK_FOLLOW != 0)
    let new = try resolveParent(call, at: newDirectory, path: try path(call, at: newPath))
    try checkAbsent(new)
    // filename_create() of fs/namei.c comes before the question where the file lies. In procfs there is no name that could be made.
    if new.name.last == UInt8(ascii: "/") || (try? filesystemType(new.directory)) == procMagic { throw .errno(ENOENT) }
    if isReadOnly(new.directory) { throw .errno(EROFS) }
    do throws(CallFailure) { try checkSameMount(old.mount, old.status.device, new) } catch {
      // Nor is there one in a directory that has been removed.
      throw (try? fileStatus(new.directory))?.links == 0 ? .errno(ENOENT) : error
    }
    // A second name gives all that the first one gives.
    var questions = [FileQuestion(.link, new.path), FileQuestion(.create, new.path)]
    if let kind = Self.makingOperation(old.status.type) { questions.append(FileQuestion(kind, new.path)) }
    if old.hasPath && old.status.links > 0 {
      questions += [FileQuestion(.link, old.path), FileQuestion(.read, old.path), FileQuestion(.write, old.path)]
    }
    let (type, oldName, name) = (old.status.type, old.path, new.path)
    let judgement = layered { layer in
      let verdict = strictest(questions, layer)
      if !verdict.isPermitted { return verdict }
      switch type {
      case S_IFLNK: return protectionAgainstLink(at: name, layer) ?? verdict
      case S_IFSOCK: return protectionOfSocket(oldName, name, layer) ?? verdict
      default: return verdict
      }
    }
    try settle(call, kind, .fileLink, .paths(old.path, new.path), judgement)
    // The pinned object gets the name, not whatever the old path names by now.
    return perform(call, held: floor.holdsFiles, naming: new) {
      PathCalls.link(AT_FDCWD, descriptorPath(old.descriptor.rawValue), new.directory.rawValue, new.name, AT_SYMLINK_FOLLOW)
    }
  }

  func truncate(_ call: TrappedCall, _ kind: CallKind, path: UInt64, length: UInt64) throws(CallFailure) -> Answer {
    let length = Int64(bitPattern: length)
    guard length >= 0 else { throw .errno(EINVAL) }
    let located = try existing(call, at: AT_FDCWD, path: try self.path(call, at: path), following: true)
    if located.status.isDirectory { throw .errno(EISDIR) }
    // vfs_truncate() of fs/open.c.
    guard located.status.isRegular else { throw .errno(EINVAL) }
    // Something like a namespace, by its entry in /proc: no rule speaks of it, and nothing comes of it.
    if located.hasPath { try settleChange(call, kind, .fileWrite, [FileQuestion(.write, located.path)], path: located.path) }
    if length > located.status.size, try exceedsFileSizeLimit(call, length) {
      let raw = located.descriptor.rawValue
      guard PathCalls.mayAccess(raw, W_OK) else { return .failure(errno) }
      raise(SIGXFSZ, in: call)
      return .failure(EFBIG)
    }
    // Waits for whoever has a lease on the file (F_SETLEASE of fcntl(2)).
    let path = descriptorPath(located.descriptor.rawValue)
    func attempt() -> CInt? {
      supervision.waits.waiting(call) {
        if PathCalls.truncate(path, off_t(length)) == 0 { return 0 }
        return errno == EINTR ? nil : errno
      }
    }
    let failure: CInt?
    do throws(SyscallError) { failure = try acting(held: floor.holds(.truncate), attempt) } catch { return .failure(error.errno.rawValue) }
    guard let failure else { throw try interruption(call) }
    return failure == 0 ? .value(0) : .failure(failure)
  }

  /// RLIMIT_FSIZE, which the target has and the supervisor hasn't: getrlimit(2). Read from proc_pid_limits(5).
  private func exceedsFileSizeLimit(_ call: TrappedCall, _ length: Int64) throws(CallFailure) -> Bool {
    guard let text = try? readSmallFile(at: AT_FDCWD, procPath(call.thread, "limits"), limit: 4096), let value = statusField("Max file size", in: text)
    else { throw .errno(EPERM) }
    try checkStillWaiting(call)
    // "unlimited" is no number.
    return value.split(separator: " ").first.flatMap { Int64($0) }.map { length > $0 } ?? false
  }

  // MARK: Mode and owner

  func changeMode(
    _ call: TrappedCall, _ kind: CallKind, at directory: CInt, path: UInt64, mode: UInt64, flags: UInt64
  ) throws(CallFailure) -> Answer {
    let located = try attributeTarget(call, at: directory, path: path, flags: flags)
    if located.hasPath, !located.isMemory { try settleChange(call, kind, .fileChmod, [FileQuestion(.chmod, located.path)], path: located.path) }
    if located.status.isSymbolicLink { throw .errno(EOPNOTSUPP) }
    return perform(call) {
      PathCalls.changeMode(descriptorPath(located.descriptor.rawValue), mode_t(truncatingIfNeeded: mode) & 0o7777)
    }
  }

  func changeMode(_ call: TrappedCall, _ kind: CallKind, ofDescriptor number: CInt, mode: UInt64) throws(CallFailure) -> Answer {
    let located = try openFile(call, number)
    if located.hasPath, !located.isMemory { try settleChange(call, kind, .fileChmod, [FileQuestion(.chmod, located.path)], path: located.path) }
    return perform(call) { fchmod(located.descriptor.rawValue, mode_t(truncatingIfNeeded: mode) & 0o7777) }
  }

  func changeOwner(
    _ call: TrappedCall, _ kind: CallKind, at directory: CInt, path: UInt64, owner: UInt64, group: UInt64, flags: UInt64
  ) throws(CallFailure) -> Answer {
    let located = try attributeTarget(call, at: directory, path: path, flags: flags)
    if located.hasPath, !located.isMemory { try settleChange(call, kind, .fileChown, [FileQuestion(.chown, located.path)], path: located.path) }
    let (owner, group) = (uid_t(truncatingIfNeeded: owner), gid_t(truncatingIfNeeded: group))
    // An O_PATH descriptor with an empty path is the object itself, a link included.
    return perform(call) { PathCalls.changeOwner(located.descriptor.rawValue, owner, group) }
  }

  func changeOwner(_ call: TrappedCall, _ kind: CallKind, ofDescriptor number: CInt, owner: UInt64, group: UInt64) throws(CallFailure) -> Answer {
    let located = try openFile(call, number)
    if located.hasPath, !located.isMemory { try settleChange(call, kind, .fileChown, [FileQuestion(.chown, located.path)], path: located.path) }
    return perform(call) { fchown(located.descriptor.rawValue, uid_t(truncatingIfNeeded: owner), gid_t(truncatingIfNeeded: group)) }
  }

  // MARK: What is changed

  /// What stands at a name, a link itself; ENOENT when nothing does, which the target is told before anything is decided. Of a mount that can't be written the
  /// kernel says so before it looks the name up (mnt_want_write() of fs/namespace.c).
  private func status(_ parent: borrowing Parent) throws(CallFailure) -> FileStatus {
    do throws(SyscallError) { return try linkStatus(at: parent.directory.rawValue, bareName(parent.name)) } catch {
      throw .errno(isReadOnly(parent.directory) ? EROFS : error.errno.rawValue)
    }
  }

  /// EXDEV: what stands on another mount can't be renamed or linked to here, whatever is permitted and whichever file system it is.
  private func checkSameMount(_ mount: MountNumber?, _ device: UInt64, _ parent: borrowing Parent) throws(CallFailure) {
    if let mount, let own = parent.mount, mount != own { throw .errno(EXDEV) }
    if parent.identity.device == device { return }
    guard let type = try? filesystemType(parent.directory) else { throw .errno(EIO) }
    // BTRFS_SUPER_MAGIC, OVERLAYFS_SUPER_MAGIC: one file system with several device numbers. There the kernel has the only word.
    if type == 0x9123_683e || type == 0x794c_7630 { return }
    throw .errno(EXDEV)
  }

  /// Whether names may be looked up in a directory, which the kernel asks before anything about them.
  private func checkSearchable(_ parent: borrowing Parent) throws(CallFailure) {
    let raw = parent.directory.rawValue
    guard PathCalls.mayAccess(raw, X_OK) else { throw .errno(errno) }
  }

  /// EEXIST comes before any question of permission, as it does from the kernel: `mkdir -p` lives on it. So does what else keeps a name from being looked up.
  private func checkAbsent(_ parent: borrowing Parent) throws(CallFailure) {
    do throws(SyscallError) { _ = try linkStatus(at: parent.directory.rawValue, bareName(parent.name)) } catch {
      if error.errno == .noSuchFileOrDirectory { return }
      throw .errno(error.errno.rawValue)
    }
    throw .errno(EEXIST)
  }

  /// Whether a directory is one of the caller's own below /proc that are open to it whatever their mode says (proc_fd_permission() of fs/proc/fd.c): it is told what they
  /// can't do, and anybody else that they may not be used.
  func isOwnEntries(_ call: TrappedCall, _ path: [UInt8]) throws(CallFailure) -> Bool {
    guard let number = procNumber(path), path.hasSuffix(Array("/fd".utf8)) || path.hasSuffix(Array("/map_files".utf8)) else { return false }
    if number == call.thread { return true }
    return try processID(call) == number
  }

  private func existing(_ call: TrappedCall, at directory: CInt, path: [UInt8], following: Bool) throws(CallFailure) -> Located {
    guard let located = try resolve(call, at: directory, path: path, following: following) else { throw .errno(ENOENT) }
    return located
  }

  /// The object of a *at call with AT_SYMLINK_NOFOLLOW and AT_EMPTY_PATH.
  func attributeTarget(_ call: TrappedCall, at directory: CInt, path: UInt64, flags: UInt64) throws(CallFailure) -> Located {
    let flags = CInt(truncatingIfNeeded: flags)
    guard flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) == 0 else { throw .errno(EINVAL) }
    let path = try self.path(call, at: path, mayBeEmpty: flags & AT_EMPTY_PATH != 0)
    return try named(call, at: directory, path: path, following: flags & AT_SYMLINK_NOFOLLOW == 0)
  }

  /// What a path names; the descriptor itself where it is empty.
  private func named(_ call: TrappedCall, at directory: CInt, path: [UInt8], following: Bool) throws(CallFailure) -> Located {
    guard path.isEmpty else { return try existing(call, at: directory, path: path, following: following) }
    let base = try openBase(call, at: directory)
    do throws(SyscallError) { return try locate(base) } catch { throw .errno(error.errno.rawValue) }
  }

  /// The open file behind a target's descriptor, taken over by pidfd_getfd(2) so that a sibling can't exchange it.
  func openFile(_ call: TrappedCall, _ number: CInt) throws(CallFailure) -> Located {
    let taken = try takeDescriptor(call, number)
    do throws(SyscallError) { return try locate(taken) } catch { throw .errno(error.errno.rawValue) }
  }

  /// A copy of one of the target's descriptors; EBADF when it has none of that number.
  func takeDescriptor(_ call: TrappedCall, _ number: CInt) throws(CallFailure) -> OwnedDescriptor {
    let handle = try pidfd(call)
    try checkStillWaiting(call)
    do throws(SyscallError) { return try handle.descriptor(number) } catch {
      guard error.errno == .notPermitted else { throw error.errno == .noSuchProcess ? .gone : .errno(error.errno.rawValue) }
    }
    var raw: CInt = -1
    var failure = Errno.notPermitted
    withPtraceCapability {
      do throws(SyscallError) { raw = try handle.descriptor(number).release() } catch { failure = error.errno }
    }
    if raw < 0 { throw .errno(failure.rawValue) }
    return OwnedDescriptor(owning: raw)
  }

  /// A handle on the calling thread, or where the kernel has none for threads (before 6.9) on its process.
  func pidfd(_ call: TrappedCall) throws(CallFailure) -> Pidfd {
    do throws(SyscallError) { return try Pidfd.open(call.thread, thread: true) } catch {
      if error.errno == .noSuchProcess { throw .gone }
    }
    let process = try processID(call)
    do throws(SyscallError) { return try Pidfd.open(process) } catch { throw .gone }
  }
}

/// Whether this kernel lets a process link what it has opened itself (linkat(2) with AT_EMPTY_PATH, since 6.10): it comes to the new name then.
private let linksByDescriptor: Bool = {
  guard let own = try? openAt(AT_FDCWD, Array("/".utf8), flags: O_RDONLY | O_DIRECTORY) else { return false }
  return PathCalls.link(own.rawValue, [], AT_FDCWD, Array("/".utf8), AT_EMPTY_PATH) != 0 && errno == EEXIST
}()

/// Whether a last component is the directory itself or the one above: `.`, `..`, or the root's.
private func isNoName(_ name: [UInt8]) -> Bool {
  let bare = bareName(name)
  return bare.count <= 2 && bare.allSatisfy { $0 == UInt8(ascii: ".") }
}
