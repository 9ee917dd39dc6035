import AgentshAudit
import AgentshPolicy
import AgentshSystem
import Glibc
import Synchronization
import SystemPackage

/// AT_EXECVE_CHECK of 6.14: asks whether it could be executed, and executes nothing.
private let checksOnly: CInt = 0x10000
/// exec_binprm() of fs/exec.c: so many interpreters may follow one another.
private let mostInterpreters = 5

/// What will be the image of a process once its exec has happened, as far as it can be told before.
struct ExpectedImage: ~Copyable {
  /// O_PATH descriptor of the program that the kernel maps: the last interpreter of a `#!` chain.
  let program: OwnedDescriptor
  let status: FileStatus
  let path: [UInt8]
  /// The arguments as the kernel hands them over, rewritten by every `#!` on the way.
  let arguments: [[UInt8]]
  /// The program's own PT_INTERP.
  let loader: [UInt8]?
  /// The file behind `loader`, which must be the one that is mapped; nil where that name can lead to nothing but the system's own.
  let loaderFile: ExpectedFile?
  /// Whether its format is known: an ELF program, looked at before it was permitted.
  let isKnown: Bool
  /// What nobody could read: where it is a script, its interpreter shows at the stop alone, and is decided there.
  var unread: UnreadFile?
}

/// What the kernel hands to the interpreter of a file that nobody but the kernel could read, if it has one.
struct UnreadFile {
  /// The file's name as its interpreter gets it, and the arguments behind it.
  let name: [UInt8]
  let rest: [[UInt8]]
  /// How many interpreters may follow one another from there on.
  let interpreters: Int
  let depth: Layered<Int?>
}

/// A file that must be mapped: a number alone is not enough, since another file system may have the same one.
struct ExpectedFile {
  /// The kernel's own path.
  let path: [UInt8]
  let inode: UInt64
}

/// One program of an exec: what the policy was asked about it, and what it answered.
struct DecidedProgram {
  let path: [UInt8]
  let arguments: [[UInt8]]
  let judgement: Judgement
}

extension Worker {
  /// execve(2), execveat(2): decided on everything that would run, and verified once it does.
  func execute(
    _ call: TrappedCall, _ kind: CallKind, at directory: CInt, path address: UInt64, arguments: UInt64, flags: UInt64
  ) throws(CallFailure) -> Answer {
    let flags = CInt(truncatingIfNeeded: flags)
    guard flags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | checksOnly) == 0 else { throw .errno(EINVAL) }
    let path = try self.path(call, at: address, mayBeEmpty: flags & AT_EMPTY_PATH != 0)
    // In the kernel's order: what is to be executed is opened before the arguments are looked at.
    let located = try executable(call, at: directory, path: path, follows: flags & AT_SYMLINK_NOFOLLOW == 0)
    var vector = try argumentVector(call, at: arguments)
    // Since 5.18 the kernel itself puts an empty name in front of nothing.
    if vector.isEmpty { vector = [[]] }
    try checkStillWaiting(call)
    var decided: [DecidedProgram] = []
    let image = try decideChain(call, located, at: directory, path: path, arguments: vector, &decided)
    let chosen = strictest(decided)
    try settle(call, kind, .exec, .command(path: chosen.path, arguments: [chosen.path] + chosen.arguments.dropFirst()), chosen.judgement)

    supervision.executions.add(1, ordering: .releasing)
    // Nothing is executed; nothing has to be verified either.
    if flags & checksOnly != 0 || (supervision.policy.needs.commands == nil && inner?.layer.policy.needs.commands == nil) { return .proceed }
    // Whatever the path and the arguments are by now: only what lies in a permitted tree can be executed, and nothing else was asked.
    if !supervision.verifiesExecutions { return .proceed }
    return try proceedVerified(call, kind, image)
  }

  private func argumentVector(_ call: TrappedCall, at address: UInt64) throws(CallFailure) -> [[UInt8]] {
    do throws(CallFailure) {
      let room = ArgumentReader<TargetMemory>.room(stackLimit: stackLimit(of: call.thread))
      return try memory(call) { memory throws(TargetMemoryError) in try ArgumentReader.arguments(memory, at: address, room: room) }
    } catch {
      throw error == .errno(ENAMETOOLONG) ? .errno(E2BIG) : error
    }
  }

  /// Pins what is to be executed, or fails as the kernel would (do_open_execat of fs/exec.c).
  func executable(_ call: TrappedCall, at directory: CInt, path: [UInt8], follows: Bool) throws(CallFailure) -> Located {
    let located: Located
    if path.isEmpty {
      let object = try openBase(call, at: directory)
      do throws(SyscallError) { located = try locate(object) } catch { throw .errno(error.errno.rawValue) }
    } else {
      guard let found = try resolve(call, at: directory, path: path, following: follows) else { throw .errno(ENOENT) }
      located = found
    }
    if located.status.isSymbolicLink { throw .errno(ELOOP) }
    guard located.status.isRegular else { throw .errno(EACCES) }
    guard PathCalls.mayAccess(located.descriptor.rawValue, X_OK) else { throw .errno(EACCES) }
    return located
  }

  /// Follows `#!` from file to file as the kernel will, and asks about each.
  private func decideChain(
    _ call: TrappedCall, _ first: consuming Located, at directory: CInt, path: [UInt8], arguments: [[UInt8]],
    _ decided: inout [DecidedProgram]
  ) throws(CallFailure) -> ExpectedImage {
    let depth = depth(of: call)
    var current = first
    var names = executableNames(call, at: directory, path: path, canonical: current.path)
    var vector = arguments
    var scriptName = try scriptName(call, at: directory, path: path)
    var interpreters = 0
    while true {
      decided.append(decide(current.path, names, vector, depth))
      switch executableFormat(of: current.descriptor) {
      case .script(let interpreter, let argument)?:
        guard let inherited = scriptName else { throw .errno(ENOENT) }
        interpreters += 1
        if interpreters > mostInterpreters { throw .errno(ELOOP) }
        vector = [interpreter] + (argument.map { [$0] } ?? []) + [inherited] + vector.dropFirst()
        scriptName = interpreter
        // The kernel opens the empty path, which is the working directory: no program.
        guard !interpreter.isEmpty else { throw .errno(EACCES) }
        let next = try executable(call, at: AT_FDCWD, path: interpreter, follows: true)
        names = executableNames(call, at: AT_FDCWD, path: interpreter, canonical: next.path)
        current = next
      case .elf(let loader)?:
        let loaderFile = try decideBeside(call, current.path, path, names, loader, vector, depth, &decided)
        return image(current, vector, loader, loaderFile, isKnown: true)
      case .other?:
        return image(current, vector, nil, nil, isKnown: false)
      case nil:
        let unread = scriptName.map { UnreadFile(name: $0, rest: Array(vector.dropFirst()), interpreters: mostInterpreters - interpreters, depth: depth) }
        return image(current, vector, nil, nil, isKnown: false, unread)
      }
    }
  }

  /// Decides about what an ELF program brings along or is asked to run: its loader, and as a loader the program that it loads. Answers the loader's file if that must be
  /// the one that is mapped.
  func decideBeside(
    _ call: TrappedCall, _ program: [UInt8], _ path: [UInt8], _ names: ExecutableNames, _ loader: [UInt8]?, _ vector: [[UInt8]], _ depth: Layered<Int?>,
    _ decided: inout [DecidedProgram]
  ) throws(CallFailure) -> ExpectedFile? {
    var loaderFile: ExpectedFile?
    if let loader { loaderFile = try decideLoader(call, loader, vector, depth, &decided) }
    // musl's is a link to its libc.so.
    if ([program, path] + names.trusted + names.untrusted + vector.prefix(1)).contains(where: LoaderCommand.isLoader) { try decideLoaded(call, vector, depth, &decided) }
    return loaderFile
  }

  /// Generations between the caller and the session's command, where a rule asks for it.
  private func depth(of call: TrappedCall) -> Layered<Int?> {
    let asks = layered { $0.policy.asksCommandDepth }
    guard asks.outer || asks.inner ?? false else { return layered { _ in Int?.none } }
    let process = (try? processID(call)) ?? call.thread
    return layered { $0.relations.depth(of: process) }
  }

  func image(
    _ located: consuming Located, _ arguments: [[UInt8]], _ loader: [UInt8]?, _ loaderFile: ExpectedFile?, isKnown: Bool, _ unread: UnreadFile? = nil
  ) -> ExpectedImage {
    let status = located.status
    let path = located.path
    return ExpectedImage(
      program: located.descriptor, status: status, path: path, arguments: arguments, loader: loader, loaderFile: loaderFile, isKnown: isKnown, unread: unread)
  }

  /// What the kernel passes to an interpreter as the script's name; nil when the script can't be opened by it any more (a close-on-exec descriptor).
  private func scriptName(_ call: TrappedCall, at directory: CInt, path: [UInt8]) throws(CallFailure) -> [UInt8]? {
    // alloc_bprm() of fs/exec.c.
    if directory == AT_FDCWD || path.first == UInt8(ascii: "/") { return path }
    var name = Array("/dev/fd/".utf8)
    appendDecimal(Int64(directory), to: &name)
    if !path.isEmpty { name += [UInt8(ascii: "/")] + path }
    if let information = try? openOwn(procPath(call.thread, "fdinfo", directory), flags: O_RDONLY),
      let text = try? readAll(information, limit: 4096), let flags = statusField("flags:", in: text).flatMap({ UInt64($0, radix: 8) }),
      flags & UInt64(O_CLOEXEC) != 0
    {
      return nil
    }
    return name
  }

  /// The format of a pinned file; nil for one that may be executed and not read: what the kernel makes of that shows at the verification.
  func executableFormat(of file: borrowing OwnedDescriptor) -> ExecutableFormat? {
    guard let readable = try? reopen(file, flags: O_RDONLY | O_NONBLOCK | O_NOCTTY) else { return nil }
    let raw = readable.rawValue
    let start = readRange(raw, offset: 0, count: 1024)
    return ExecutableFormat(start: start) { offset, count in
      let part = readRange(raw, offset: offset, count: count)
      return part.count == count ? part : nil
    }
  }

  func decide(_ path: [UInt8], _ names: ExecutableNames, _ arguments: [[UInt8]], _ depth: Layered<Int?>) -> DecidedProgram {
    var untrusted = names.untrusted
    if let zero = arguments.first, !zero.isEmpty { untrusted.append(zero) }
    func subject(_ depth: Int?) -> CommandSubject {
      CommandSubject(
        canonicalPath: path, trustedNames: names.trusted, untrustedNames: untrusted, arguments: Array(arguments.dropFirst()), depth: depth)
    }
    let judgement = layered { $0.policy.command(subject($0 === supervision.layer ? depth.outer : depth.inner ?? nil)) }
    return DecidedProgram(path: path, arguments: arguments, judgement: judgement)
  }

  /// A program's loader runs before it: one that isn't the system's own is decided as a program. Answers the file that must be mapped.
  private func decideLoader(
    _ call: TrappedCall, _ loader: [UInt8], _ arguments: [[UInt8]], _ depth: Layered<Int?>, _ decided: inout [DecidedProgram]
  ) throws(CallFailure) -> ExpectedFile? {
    // Where nobody of the session can have changed it since it was found to be the system's.
    if loader == systemLoader, isRootsName(loader) { return nil }
    let located = try executable(call, at: AT_FDCWD, path: loader, follows: true)
    let path = located.path
    let file = ExpectedFile(path: path, inode: located.status.inode)
    if LoaderCommand.isLoader(path) || isRootsName(loader) && LoaderCommand.isLoader(loader), isRoots(located.status.owner, at: path), located.status.mode & 0o022 == 0, isSystemLibrary(path) {
      // The kernel follows the name again: only one that no user can redirect needs no second look.
      guard isRootsName(loader) else { return file }
      if geteuid() != 0 { systemLoader = loader }
      return nil
    }
    let names = executableNames(call, at: AT_FDCWD, path: loader, canonical: path)
    decided.append(decide(path, names, arguments, depth))
    return file
  }

  /// Whether a name, as a program states it, leads through directories that only an installation writes, in the root that everybody has.
  private func isRootsName(_ name: [UInt8]) -> Bool {
    guard supervision.sharesRoot, !supervision.rootsMayDiffer, !components(name).contains([UInt8(ascii: "."), UInt8(ascii: ".")]) else { return false }
    return ["/lib64/", "/lib/", "/usr/lib64/", "/usr/lib/"].contains { name.starts(with: Array($0.utf8)) }
  }

  /// Whether a program lies where only an installation writes, and can be changed by root alone, which the session isn't.
  func isInstalled(_ path: [UInt8], _ status: FileStatus) -> Bool {
    geteuid() != 0 && path.starts(with: Array("/usr/".utf8)) && isRoots(status.owner, at: path) && status.mode & 0o022 == 0
  }

  /// Below the directories that only an installation writes; where the caller is root the place decides, since the owner says nothing.
  func isSystemLibrary(_ path: [UInt8]) -> Bool {
    ["/usr/lib/", "/usr/lib64/", "/usr/lib32/", "/usr/libx32/", "/lib/", "/lib64/", "/lib32/", "/nix/store/", "/gnu/store/"]
      .contains { path.starts(with: Array($0.utf8)) }
  }

  /// `ld.so PROGRAM`: the program is decided as if it had been executed.
  private func decideLoaded(
    _ call: TrappedCall, _ arguments: [[UInt8]], _ depth: Layered<Int?>, _ decided: inout [DecidedProgram]
  ) throws(CallFailure) {
    let rest = Array(arguments.dropFirst())
    guard let index = LoaderCommand.program(in: rest), rest.indices.contains(index) else { return }
    let program = rest[index]
    let vector = Array(rest[index...])
    if let found = try? resolve(call, at: AT_FDCWD, path: program, following: true) {
      decided.append(decide(found.path, executableNames(call, at: AT_FDCWD, path: program, canonical: found.path), vector, depth))
    } else {
      // Looked up among the libraries, or not there (yet): its name is all there is, and the loader's open is decided like any other.
      decided.append(decide(program, ExecutableNames(), vector, depth))
    }
  }

  func strictest(_ decided: [DecidedProgram]) -> DecidedProgram {
    decided.first { !$0.judgement.isPermitted } ?? decided.first { $0.judgement.isRecorded } ?? decided.first
      ?? DecidedProgram(path: [], arguments: [], judgement: layered { _ in Verdict(decision: .deny, rule: "internal") })
  }
}
