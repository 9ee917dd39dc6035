internal import AgentshAudit
internal import AgentshFilter
internal import AgentshPolicy
internal import AgentshProtocol
internal import AgentshSupervision
internal import AgentshSystem
import Glibc
import SystemPackage

/// Embedded mode: what agentshd is for a session, done by the launcher itself with the caller's rights.
///
/// Same policy language, same filter, same supervisor. What is missing is what only root can give: a policy and a record that the caller
/// can't change, and a supervisor that may look into processes which don't let the caller do so.
final class EmbeddedServer {
  let reply: WrapReply
  let supervisorPID: Int32
  private let supervisor: Pidfd
  private let channel: UnixSocket
  private let directory: EmbeddedDirectory
  private let formerChildren: Set<Int32>
  private var isChannelOpen = true
  private var isSupervisorReaped = false
  private var isClosed = false

  private static let startPatience: Int64 = 10_000
  private static let endPatience: Int64 = 5_000
  private static let handshakeMilliseconds = 30_000

  static func start(_ request: WrapRequest, policyFile: [UInt8]?, context: Context) throws(CommandFailure) -> EmbeddedServer {
    guard let program = context.installation.supervisor else {
      throw CommandFailure(
        .failed, "agentsh-supervisor is not installed beside agentsh (in \(displayEscaped(context.installation.programs)))",
        "install agentsh with `make install`, or run the agentsh of a complete installation")
    }
    let policy = try EmbeddedPolicy.load(file: policyFile, name: request.policy, context: context)
    do {
      let caller = try EmbeddedCaller(context)
      return try EmbeddedServer(request, policy, caller, program)
    } catch let error as CommandFailure {
      throw error
    } catch {
      throw CommandFailure(.failed, "embedded mode can't start: \(error)")
    }
  }

  private init(_ request: WrapRequest, _ policy: EmbeddedPolicy, _ caller: EmbeddedCaller, _ program: [UInt8]) throws {
    let variables = SessionPlan.Variables(projectRoot: request.cwd, home: try caller.canonicalHome(), user: caller.user)
    let (filter, exactRights, knowsNames) = try policy.filter(variables, network: request.network)
    let id = try Self.randomUUID()
    formerChildren = Children.current()
    try becomeSubreaper()
    directory = try EmbeddedDirectory(temporary: caller.runtimeDirectory)
    let recordPath = Paths.joined(try caller.recordDirectory(), "\(id).jsonl")
    let record = try openAt(AT_FDCWD, recordPath, flags: O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW, mode: 0o600)
    guard let token = SessionToken(bytes: try randomBytes(SessionToken.byteCount)) else { throw SyscallError("getrandom", .ioError) }
    let nonce = try randomBytes(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    var plan = SessionPlan(
      sessionID: id, token: token, callerUID: caller.identity.uid, callerGID: caller.identity.gid, groups: caller.groups,
      callerPID: getpid(), command: request.command, cwd: request.cwd, policyName: policy.name, policySource: policy.source,
      policyFile: policy.file, policySHA256: AuditDigest.sha256(policy.source), variables: variables,
      filterSHA256: AuditDigest.sha256(filter.instructions), nonce: nonce, handshakeTimeoutMilliseconds: Self.handshakeMilliseconds,
      timeoutMilliseconds: policy.policy.resourceLimits.sessionMilliseconds(asked: request.timeoutMilliseconds), name: request.name,
      sudoUID: request.sudoUID, features: ["embedded"], notEnforced: policy.policy.notEnforced, isEmbedded: true, serverChecksFilter: false,
      canKillCgroup: false, sessionDirectory: directory.path, recordPath: recordPath)
    plan.exactRights = exactRights.rawValue
    plan.network = request.network
    plan.omission = request.omission
    let resolver = knowsNames ? try ResolverSockets.open() : nil
    var resolverNumbers: [CInt]?
    var warnings: [String] = []
    switch resolver {
    case .some(let sockets):
      plan.resolver = SessionPlan.Resolver(sockets)
      resolverNumbers = [sockets.datagrams.rawValue, sockets.stream.rawValue]
      if sockets.port != ResolverSockets.service {
        warnings.append("port 53 needs root: names are looked up by programs that use the system's libc, and not by those that ask over UDP themselves")
      }
    case .none: break
    }
    // Nobody but root can make the control group that tells whose process is whose.
    if policy.policy.allowsNestedSessions { plan.notEnforced.append("allow_nested_sessions") }
    let planFile = try Memfd.sealed(plan.packet, name: "agentsh-plan")
    let null = try openAt(AT_FDCWD, Array("/dev/null".utf8), flags: O_RDWR | O_NOCTTY)
    let own = try Pidfd.open(getpid())
    let pair = try UnixSocket.pair(.sequencedPackets, nonBlocking: true)
    let started = try spawnSupervisor(
      program,
      descriptors: [
        null.rawValue, null.rawValue, STDERR_FILENO, pair.second.rawValue, directory.notify.rawValue, directory.signal.rawValue,
        directory.ptrace.rawValue, record.rawValue, own.descriptor.rawValue, planFile.rawValue, null.rawValue,
      ] + (resolverNumbers ?? [null.rawValue, null.rawValue]), identity: nil)
    _ = consume resolver
    supervisorPID = started.pid
    supervisor = started.pidfd
    channel = pair.first
    var floor = try Self.floor(of: channel, supervisor)
    // What the filter leaves to Landlock nobody else decides.
    if !exactRights.isEmpty { floor.isRequired = true }
    if LandlockABI.running == .none, !LandlockRules(floor).isEmpty(in: .scopes) {
      warnings.append("this kernel has no Landlock, or it isn't switched on: nothing holds what the supervisor lets through")
    }
    reply = WrapReply(
      session: id, policy: policy.name, notifySocket: directory.socketPath(.notify), signalSocket: directory.socketPath(.signal),
      ptraceSocket: directory.socketPath(.ptrace), token: token, filter: filter.instructions,
      environment: EnvironmentPlan(policy.policy.environment), floor: floor, warnings: warnings, record: recordPath)
  }

  /// Waits until the supervisor is ready, and what it says then that Landlock is to hold.
  private static func floor(of channel: borrowing UnixSocket, _ supervisor: borrowing Pidfd) throws(CommandFailure) -> FloorPlan {
    let deadline = Deadline.after(milliseconds: startPatience)
    do throws(SyscallError) {
      while true {
        try channel.wait(.readable, deadline: deadline)
        guard let packet = try channel.receive(atMost: MessageFramer.sessionLimit) else { continue }
        if packet.isEnd { break }
        if case .ready(let floor)? = try? SupervisorReport.decode(packet.bytes) { return floor }
      }
    } catch {
      try? supervisor.sendSignal(SIGKILL)
      throw CommandFailure(.failed, "agentsh-supervisor did not get ready: \(error.errno)")
    }
    throw CommandFailure(.failed, "agentsh-supervisor ended before it was ready; what it said stands above")
  }

  /// Readable when the supervisor asks for something; -1 when it has gone.
  var channelDescriptor: CInt { isChannelOpen ? channel.rawValue : -1 }

  /// Answers what the supervisor asks until `socket` is readable.
  func serve(whileWaitingFor socket: CInt, deadline: Deadline) throws(SyscallError) {
    while !deadline.hasPassed {
      let ready = try waitForAny([socket, channelDescriptor], deadline: deadline)
      if ready[1] { serve() }
      if ready[0] || !isChannelOpen { return }
    }
  }

  /// Answers what the supervisor asks now. Nobody but root can read a filter back, so a process is attested unseen: listener, nonce and
  /// pidfd tie it to its filter all the same.
  func serve() {
    while isChannelOpen {
      do throws(SyscallError) {
        guard let packet = try channel.receive(atMost: MessageFramer.sessionLimit) else { return }
        if packet.isEnd {
          isChannelOpen = false
        } else if case .attest? = try? SupervisorReport.decode(packet.bytes) {
          try channel.sendAll(ServerOrder.attested.packet, deadline: .after(milliseconds: 1000))
        }
      } catch {
        isChannelOpen = false
      }
    }
  }

  /// The three sockets have done their work; without names nobody else can try them.
  func removeSockets() { directory.remove() }

  /// A child of this process has ended.
  func noteEnd(of pid: Int32, _ change: ChildChange) {
    if pid == supervisorPID, CommandEnding(change) != nil { isSupervisorReaped = true }
  }

  /// Ends whatever is left of the session, and the supervisor. May be called again.
  func close() {
    guard !isClosed else { return }
    isClosed = true
    directory.remove()
    let deadline = Deadline.after(milliseconds: Self.endPatience)
    // Orphans become children of this process, so killing children until there are none gets to the last descendant.
    while !deadline.hasPassed {
      let left = Children.current().subtracting(formerChildren).subtracting([supervisorPID])
      if left.isEmpty { break }
      for pid in left { _ = kill(pid, SIGKILL) }
      reap()
    }
    channel.shutDown(reading: true, writing: true)
    if let ended = try? waitUntilReady(supervisor.descriptor, deadline: .after(milliseconds: 2000)), ended {
      reap()
    } else if !isSupervisorReaped {
      try? supervisor.sendSignal(SIGKILL)
    }
  }

  private func waitUntilReady(_ descriptor: borrowing OwnedDescriptor, deadline: Deadline) throws(SyscallError) -> Bool {
    try AgentshSystem.waitUntilReady(descriptor, deadline: deadline)
  }

  private func reap() {
    while let (pid, change) = try? nextChildChange() { noteEnd(of: pid, change) }
  }

  /// A random UUID (version 4, RFC 9562).
  private static func randomUUID() throws(SyscallError) -> String {
    var bytes = try randomBytes(16)
    bytes[6] = bytes[6] & 0x0F | 0x40
    bytes[8] = bytes[8] & 0x3F | 0x80
    let digits = Array(Hexadecimal.encode(bytes).utf8)
    let parts = [digits[0..<8], digits[8..<12], digits[12..<16], digits[16..<20], digits[20..<32]]
    return parts.map { String(decoding: $0, as: UTF8.self) }.joined(separator: "-")
  }
}

/// The directory of the three sockets in embedded mode.
final class EmbeddedDirectory {
  let path: [UInt8]
  let notify: UnixSocket
  let signal: UnixSocket
  let ptrace: UnixSocket
  private var isThere = true

  init(temporary: [UInt8]) throws(SyscallError) {
    path = try makeTemporaryDirectory(Paths.joined(temporary, "agentsh.XXXXXX"))
    notify = try UnixSocket.listen(at: Paths.joined(path, "notify.sock"))
    signal = try UnixSocket.listen(at: Paths.joined(path, "signal.sock"))
    ptrace = try UnixSocket.listen(at: Paths.joined(path, "ptrace.sock"))
  }

  func socketPath(_ socket: SessionSocket) -> [UInt8] { Paths.joined(path, "\(socket.rawValue).sock") }

  func remove() {
    guard isThere else { return }
    isThere = false
    for socket in SessionSocket.allCases { try? removeName(socketPath(socket)) }
    try? removeName(path, isDirectory: true)
  }

  deinit { remove() }
}

/// The policy of an embedded session.
struct EmbeddedPolicy {
  let name: String
  let file: String
  let source: [UInt8]
  let policy: Policy

  static func load(file: [UInt8]?, name: String?, context: Context) throws(CommandFailure) -> EmbeddedPolicy {
    if let file { return try read(file) }
    let name = name ?? "agent-default"
    guard !name.utf8.contains(UInt8(ascii: "/")), name != "", name != ".." else {
      throw CommandFailure(.failed, "--policy \(displayEscaped(name)): a name, not a path", "name a file with --policy-file")
    }
    for directory in context.installation.policyDirectories {
      let path = Paths.joined(directory, "\(name).yaml")
      if Paths.exists(path) { return try read(path) }
    }
    throw CommandFailure(
      .failed,
      "there is no policy \(displayEscaped(name)) in \(context.installation.policyDirectories.map { displayEscaped($0) }.joined(separator: " or "))",
      "name a policy file with --policy-file")
  }

  private static func read(_ path: [UInt8]) throws(CommandFailure) -> EmbeddedPolicy {
    do throws(CommandFailure) {
      let (policy, source, _) = try PolicyFile.load(path)
      return EmbeddedPolicy(name: policy.name, file: displayEscaped(path), source: source, policy: policy)
    } catch {
      // Not the "no" of `policy check`: whoever looks at the status of a wrapped command must be able to tell that nothing ran.
      throw CommandFailure(.failed, lines: error.lines)
    }
  }

  /// The compiled filter. The repository is looked for by the supervisor; whatever it finds, no more is trapped than with the project itself.
  func filter(
    _ variables: SessionPlan.Variables, network: String?
  ) throws(CommandFailure) -> (program: FilterProgram, exactRights: FloorRights, knowsNames: Bool) {
    do {
      let guess = PolicyVariables.unknownRepository(projectRoot: variables.projectRoot, home: variables.home, user: variables.user)
      let bound = try policy.bound(to: guess, network: network.flatMap { NetworkMode(rawValue: $0) } ?? .full)
      let exactRights = SessionFloor.exactRights(bound, policy)
      return (try FilterCompiler.compile(FilterSpecification(policy: policy, bound: bound, exactRights: exactRights)), exactRights, bound.knowsNames)
    } catch {
      throw CommandFailure(.failed, "policy \(name) can't be used here: \(error)")
    }
  }
}

extension EnvironmentPlan {
  init(_ policy: EnvironmentPolicy) {
    self.init(
      allow: policy.allow, deny: policy.deny,
      inject: policy.inject.keys.sorted().map { ($0, policy.inject[$0] ?? "") }, maxBytes: policy.maxBytes > 0 ? policy.maxBytes : nil,
      maxKeys: policy.maxKeys > 0 ? policy.maxKeys : nil, blockIteration: policy.blockIteration)
  }
}

/// Who runs an embedded session, and where that user's records and sockets are kept.
struct EmbeddedCaller {
  let identity: CallerIdentity
  let groups: [UInt32]
  let user: [UInt8]
  /// Where temporary sockets go.
  let runtimeDirectory: [UInt8]
  private let account: UserAccount?
  private let stateDirectory: [UInt8]
  private let temporaryState: [UInt8]

  init(_ context: Context) throws(CommandFailure) {
    identity = context.identity
    // Home and name come from the user database: a policy that protects ${HOME} must not ask the environment what that is.
    do throws(SyscallError) { account = try UserDatabase.account(uid: identity.uid) } catch {
      throw CommandFailure(.failed, "the user database can't be asked who uid \(context.identity.uid) is: \(error)")
    }
    user = account?.name ?? Array(String(identity.uid).utf8)
    do throws(SyscallError) {
      let status = try readSmallFile(at: AT_FDCWD, Array("/proc/self/status".utf8))
      groups = Self.groups(inStatus: status)
    } catch {
      throw CommandFailure(.failed, "/proc is needed: \(error)")
    }
    runtimeDirectory = Self.directory(context, "XDG_RUNTIME_DIR") ?? Array("/tmp".utf8)
    // A user without an account, or without a home: what the environment says of one, and else a directory that is checked to be this user's own.
    let owner = identity.uid
    temporaryState = Paths.joined(Array("/tmp".utf8), "agentsh-\(owner)")
    let homes = [account?.home, Self.directory(context, "HOME")].compactMap { $0 }.filter(Self.isDirectory)
    stateDirectory =
      Self.directory(context, "XDG_STATE_HOME") ?? homes.first.map { Paths.joined($0, ".local/state") } ?? temporaryState
  }

  /// What `${HOME}` stands for.
  func canonicalHome() throws(CommandFailure) -> [UInt8] {
    guard let account else { return Array("/nonexistent".utf8) }
    // Whatever is followed here is followed with the caller's rights, and the caller chooses the policy, too.
    return try CanonicalPath.home(of: account, followingLinksOf: nil)
  }

  /// Where the records of this user's embedded sessions are: below XDG_STATE_HOME, else `~/.local/state` (XDG Base Directory Specification).
  var recordPlace: [UInt8] { Paths.joined(stateDirectory, "agentsh/sessions") }

  private static func directory(_ context: Context, _ variable: String) -> [UInt8]? {
    guard !context.identity.wasPrivileged, let path = context.start.variable(variable), path.first == UInt8(ascii: "/") else { return nil }
    return path
  }

  private static func isDirectory(_ path: [UInt8]) -> Bool { (try? openAt(AT_FDCWD, path, flags: O_PATH | O_DIRECTORY)) != nil }

  /// Makes the directory of records, for this user alone.
  func recordDirectory() throws(CommandFailure) -> [UInt8] {
    let place = recordPlace
    do throws(SyscallError) {
      var made: [UInt8] = []
      for part in place.split(separator: UInt8(ascii: "/")) {
        made += [UInt8(ascii: "/")] + part
        try makeDirectory(made, mode: 0o700)
        guard made == temporaryState else { continue }
        // In a directory that everybody writes to somebody else may have been faster.
        let status = try linkStatus(at: AT_FDCWD, made)
        if !status.isDirectory || status.owner != identity.uid || status.mode & 0o077 != 0 { throw SyscallError("mkdir", .notPermitted) }
      }
    } catch {
      throw CommandFailure(.failed, "the record's directory \(displayEscaped(place)) can't be made: \(error.errno)", "set XDG_STATE_HOME to a directory of yours")
    }
    return place
  }

  static func groups(inStatus status: [UInt8]) -> [UInt32] {
    let key = Array("Groups:".utf8)
    guard let line = status.split(separator: UInt8(ascii: "\n")).first(where: { $0.starts(with: key) }) else { return [] }
    return line.dropFirst(key.count).split(whereSeparator: { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") })
      .compactMap { UInt32(String(decoding: $0, as: UTF8.self)) }
  }
}

/// Children of this process.
enum Children {
  /// Their numbers: of all threads' children together, since this program has one thread. See proc_pid_task(5).
  static func current() -> Set<Int32> {
    let own = getpid()
    guard let text = try? readSmallFile(at: AT_FDCWD, Array("/proc/self/task/\(own)/children".utf8), limit: 1 << 20) else { return [] }
    return Set(text.split(separator: UInt8(ascii: " ")).compactMap { Int32(String(decoding: $0, as: UTF8.self)) })
  }
}
