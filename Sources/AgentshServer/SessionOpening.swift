internal import AgentshAudit
internal import AgentshFilter
internal import AgentshPolicy
internal import AgentshProtocol
internal import AgentshSupervision
internal import AgentshSystem
import Glibc
import SystemPackage

/// A session whose supervisor runs and has not said yet that it is ready.
final class OpenedSession: Sendable {
  let session: Session
  /// Its own supervisor; nil for a session inside another, which that one's supervisor serves.
  let supervisor: SupervisorHandle?
  /// What that supervisor is to be given; nil for a session of its own.
  let nested: NestedDescriptors?
  /// Whom the supervisor acts as.
  let identity: SpawnIdentity
  /// A plan like this session's with none of its secrets, for the caller's next.
  let rehearsal: SpareSupervisors.Rehearsal?
  let cgroup: Cgroup?
  /// The launcher.
  let caller: ControlPeer
  let program: FilterProgram
  let reply: WrapReply
  let readyDeadline: Deadline
  /// After which time its supervisor ends it; nil: never.
  let timeoutMilliseconds: Int?

  init(
    session: Session, supervisor: SupervisorHandle?, nested: NestedDescriptors? = nil, identity: SpawnIdentity,
    rehearsal: SpareSupervisors.Rehearsal? = nil,
    cgroup: consuming Cgroup?, caller: ControlPeer, program: FilterProgram, reply: WrapReply, readyDeadline: Deadline,
    timeoutMilliseconds: Int? = nil
  ) {
    self.session = session
    self.supervisor = supervisor
    self.nested = nested
    self.identity = identity
    self.rehearsal = rehearsal
    self.cgroup = cgroup
    self.caller = caller
    self.program = program
    self.reply = reply
    self.readyDeadline = readyDeadline
    self.timeoutMilliseconds = timeoutMilliseconds
  }

  /// Moves a process into the session's control group; its number has to be still its own.
  func joinGroup(_ process: Int32) throws(SyscallError) {
    switch cgroup {
    case .some(let group): try group.add(process: process)
    case .none: return
    }
  }

  func killGroup() throws(SyscallError) {
    switch cgroup {
    case .some(let group): try group.kill()
    case .none: return
    }
  }

  var hasGroup: Bool {
    switch cgroup {
    case .some: true
    case .none: false
    }
  }

  func groupIsEmpty() throws(SyscallError) -> Bool {
    switch cgroup {
    case .some(let group): return try group.isEmpty()
    case .none: return true
    }
  }

  func removeGroup() throws(SyscallError) {
    switch cgroup {
    case .some(let group): try group.remove()
    case .none: return
    }
  }

  /// The kernel's cgroup.kill descriptor, lent.
  var killDescriptor: CInt? {
    switch cgroup {
    case .some(let group): group.killDescriptor
    case .none: nil
    }
  }

  /// The kernel's cgroup.events descriptor, lent.
  var cgroupEvents: CInt? {
    switch cgroup {
    case .some(let group): group.eventsDescriptor
    case .none: nil
    }
  }
}

/// A supervisor that runs, for as long as its session.
final class SupervisorHandle: Sendable {
  let process: SpawnedProcess
  /// Our end of the channel; non-blocking.
  let channel: UnixSocket

  init(_ process: consuming SpawnedProcess, _ channel: consuming UnixSocket) {
    self.process = process
    self.channel = channel
  }
}

/// What the supervisor of the session around is given of a session inside, and the launcher's end of the connection between the two.
final class NestedDescriptors: Sendable {
  let record: OwnedDescriptor
  let plan: OwnedDescriptor
  let link: UnixSocket
  /// Goes to the launcher with the reply to Wrap.
  let launcherLink: UnixSocket

  init(record: consuming OwnedDescriptor, plan: consuming OwnedDescriptor, link: consuming UnixSocket, launcherLink: consuming UnixSocket) {
    self.record = record
    self.plan = plan
    self.link = link
    self.launcherLink = launcherLink
  }
}

/// Opens sessions: identity, assignment, limits, then directory, record, control group and supervisor. Runs on a worker.
struct SessionOpening {
  let context: ServerContext
  let caller: ControlCaller
  let request: WrapRequest

  private var peer: ControlPeer { caller.peer }

  func open() throws(ControlError) -> OpenedSession {
    let rules = context.rules.ruleset
    let around = try caller.door.map { id throws(ControlError) in try sessionAround(id) }
    let owner = try identity()
    let policy = try rules.policy(for: owner, wanted: request.policy)
    let warnings = try checkHost(rules.configuration)
    let cwd = try workingDirectory()
    let variables = SessionPlan.Variables(projectRoot: cwd, home: try home(of: owner), user: owner.userName)
    let filter = try filter(policy, variables, isNested: around != nil)
    let id: String
    do throws(SyscallError) { id = try randomUUID() } catch { throw Self.failed("choosing an id", error) }
    context.settleUnwatched()
    let session = try context.sessions.reserve(rules.configuration.limits, uid: owner.uid, isInside: caller.inside != nil) { order in
      Session.Facts(
        id: id, name: request.name, uid: owner.uid, user: displayEscaped(owner.userName), policy: policy.name,
        command: Session.kept(command: request.command, isWhole: request.omission == nil), cwd: Session.kept(cwd), started: auditClock().text,
        record: TrustedPath.joined(context.recordsPath, Array("\(id).jsonl".utf8)), order: order, parent: around?.facts.id,
        permitsNested: around == nil && policy.policy.allowsNestedSessions)
    }
    do throws(ControlError) {
      return try start(session, rules.configuration, owner, policy, variables, filter, warnings)
    } catch {
      context.sessions.cancel(session)
      throw error
    }
  }

  /// The session that this one is to lie inside of, whose supervisor has let the caller in.
  private func sessionAround(_ id: String) throws(ControlError) -> Session {
    guard let session = context.sessions.session(id), session.current.phase == .running, session.facts.permitsNested else {
      throw .notPermitted(reason: "session \(displayEscaped(id)) takes no other inside")
    }
    guard caller.inside == id else {
      throw .notPermitted(
        reason: "already inside session \(caller.inside ?? ""), which lies inside another: no third can be opened in there. Run the command as it is: it is under the policies of both")
    }
    return session
  }

  private func identity() throws(ControlError) -> CallerIdentity {
    do throws(SyscallError) {
      guard let named = request.callerUID, named != peer.uid else { return try caller.identity() }
      if peer.uid == 0 { return try CallerIdentity(named: named) }
    } catch {
      throw .notPermitted(reason: "the user database can't be asked who uid \(request.callerUID ?? peer.uid) is: \(error)")
    }
    throw .notPermitted(
      reason: "caller_uid \(request.callerUID ?? peer.uid) is not you (uid \(peer.uid)): only uid 0 may act for another user")
  }

  private func home(of owner: CallerIdentity) throws(ControlError) -> [UInt8] {
    do throws(HomeDirectory.Problem) { return try owner.home() } catch {
      throw .hostCannotEnforce(
        reason: "rules about ${HOME} would not hold for \(displayEscaped(owner.userName)): \(displayEscaped("\(error)")); an administrator can give the account another one with `usermod --home`", ofServer: true)
    }
  }

  /// What is missing and may be, in words for the user.
  private func checkHost(_ configuration: ServerConfiguration) throws(ControlError) -> [String] {
    var warnings: [String] = []
    for feature in HostFeature.allCases where !context.host.has(feature) {
      let explanation = context.host.explanation(feature)
      guard configuration.rule(for: feature) == .warn else {
        throw .hostCannotEnforce(
          reason: "\(feature.rawValue): \(explanation); an administrator can accept that in on_missing_feature", ofServer: feature != .landlock)
      }
      warnings.append("\(feature.rawValue): \(explanation)")
    }
    return warnings
  }

  /// Where the launcher is, by the kernel's word; nothing is looked up by the name.
  private func workingDirectory() throws(ControlError) -> [UInt8] {
    let path: [UInt8]
    do throws(SyscallError) { path = try ProcessIdentity.readLink("cwd", of: peer.pidfd) } catch {
      throw .invalidParameter(reason: "the working directory of the calling process can't be found out: \(error)")
    }
    guard path.first == UInt8(ascii: "/"), path.count < Int(PATH_MAX) else {
      throw .invalidParameter(reason: "the working directory \(displayEscaped(path)) can't be reached from the server's root directory")
    }
    guard !path.ends(with: " (deleted)") else {
      throw .invalidParameter(reason: "the working directory \(displayEscaped(path)) has been removed; change to one that exists")
    }
    return path
  }

  private func filter(_ policy: LoadedPolicy, _ variables: SessionPlan.Variables, isNested: Bool) throws(ControlError) -> SessionFilter {
    do {
      return try policy.filter(
        projectRoot: variables.projectRoot, home: variables.home, user: variables.user,
        network: request.network.flatMap { NetworkMode(rawValue: $0) } ?? .full, isNested: isNested)
    } catch {
      throw .hostCannotEnforce(reason: "policy \(policy.name) can't be used here: \(error)")
    }
  }

  private func start(
    _ session: Session, _ configuration: ServerConfiguration, _ owner: CallerIdentity, _ policy: LoadedPolicy,
    _ variables: SessionPlan.Variables, _ filter: SessionFilter, _ warnings: [String]
  ) throws(ControlError) -> OpenedSession {
    if session.facts.parent != nil { return try startNested(session, configuration, owner, policy, variables, filter, warnings) }
    let name = Array(session.facts.id.utf8)
    var undo = Undo(context: context, name: name)
    do {
      let directory = try newDirectory(name, owner)
      undo.hasDirectory = true
      let record = try newRecord(session)
      undo.hasRecord = true
      let cgroup = try context.host.cgroups?.create(name)
      undo.hasCgroup = true
      // The target's move into its group comes some milliseconds later.
      context.cgroupReadiness?.keep()
      let killNumber: CInt? =
        switch cgroup {
        case .some(let group): group.killDescriptor
        case .none: nil
        }
      let token = try newToken()
      let resolver = filter.knowsNames ? try ResolverSockets.open() : nil
      var plan = try plan(session, configuration, owner, policy, variables, filter, directory.path, token, hasKillFile: killNumber != nil)
      var resolverNumbers: [CInt]?
      switch resolver {
      case .some(let sockets):
        plan.resolver = SessionPlan.Resolver(sockets)
        resolverNumbers = [sockets.datagrams.rawValue, sockets.stream.rawValue]
      case .none: break
      }
      let planFile = try Memfd.sealed(plan.packet, name: "agentsh-plan")
      var rehearsal = plan
      (rehearsal.token, rehearsal.nonce, rehearsal.command, rehearsal.omission) = (try newToken(), 0, [[]], nil)
      let null = try openAt(AT_FDCWD, Array("/dev/null".utf8), flags: O_RDWR | O_NOCTTY)
      _ = try TrustedPath.file(context.supervisor)
      let identity = SpawnIdentity(uid: owner.uid, gid: owner.gid, groups: owner.groups, capabilities: ThreadCapabilities.sysPtrace)
      let supervisor = try context.spares.start(
        identity, policy: policy.sha256, isResolving: filter.knowsNames,
        descriptors: [
          directory.notify.rawValue, directory.signal.rawValue, directory.ptrace.rawValue, record.rawValue, peer.pidfd.descriptor.rawValue,
          planFile.rawValue, killNumber ?? null.rawValue,
        ] + (resolverNumbers ?? [null.rawValue, null.rawValue]))
      _ = consume resolver
      // On record before the caller hears of it: a log that can't be written opens no session.
      do throws(SyscallError) {
        try context.log.require(opened(session, policy))
      } catch {
        context.reaper.end(supervisor.process)
        throw error
      }
      // What it is to hold comes from the supervisor, which finds the caller's repository.
      var floor = FloorPlan()
      // What the filter leaves to Landlock nobody else decides.
      floor.isRequired = configuration.rule(for: .landlock) == .refuse || !filter.exactRights.isEmpty
      var reply = WrapReply(
        session: session.facts.id, policy: policy.name, notifySocket: directory.socketPath(.notify),
        signalSocket: directory.socketPath(.signal), ptraceSocket: directory.socketPath(.ptrace), token: token,
        filter: filter.program.instructions, environment: EnvironmentPlan(policy.policy.environment), floor: floor, warnings: warnings,
        record: session.facts.record)
      reply.handshakeMilliseconds = configuration.handshakeTimeoutMilliseconds
      undo.isDone = true
      return OpenedSession(
        session: session, supervisor: SupervisorHandle(supervisor.process, supervisor.channel), identity: identity,
        rehearsal: SpareSupervisors.Rehearsal(policy: policy.sha256, isResolving: filter.knowsNames, plan: rehearsal.packet), cgroup: cgroup, caller: peer,
        program: filter.program, reply: reply,
        readyDeadline: .after(milliseconds: Int64(min(configuration.handshakeTimeoutMilliseconds, 10_000))),
        timeoutMilliseconds: plan.timeoutMilliseconds)
    } catch {
      undo.run()
      throw Self.failed(error)
    }
  }

  /// A session inside another: everything of its own but sockets and supervisor. That of the session around is given what it needs by the loop.
  private func startNested(
    _ session: Session, _ configuration: ServerConfiguration, _ owner: CallerIdentity, _ policy: LoadedPolicy,
    _ variables: SessionPlan.Variables, _ filter: SessionFilter, _ warnings: [String]
  ) throws(ControlError) -> OpenedSession {
    let name = Array(session.facts.id.utf8)
    let parent = session.facts.parent.map { Array($0.utf8) }
    var undo = Undo(context: context, name: name, parent: parent)
    do {
      let record = try newRecord(session)
      undo.hasRecord = true
      guard let cgroups = context.host.cgroups else { throw Self.failed("making a control group", SyscallError("mkdir", .notSupported)) }
      let cgroup = try cgroups.create(name, in: parent)
      undo.hasCgroup = true
      guard cgroup.killDescriptor != nil else { throw Self.failed("making a control group", SyscallError("cgroup.kill", .notSupported)) }
      let token = try newToken()
      let plan = try plan(session, configuration, owner, policy, variables, filter, [], token, hasKillFile: true)
      let planFile = try Memfd.sealed(plan.packet, name: "agentsh-plan")
      let pair = try UnixSocket.pair(.stream, nonBlocking: true)
      try context.log.require(opened(session, policy))
      var floor = FloorPlan()
      floor.isRequired = configuration.rule(for: .landlock) == .refuse
      var reply = WrapReply(
        session: session.facts.id, policy: policy.name, notifySocket: [], signalSocket: [], ptraceSocket: [], token: token,
        filter: filter.program.instructions, environment: EnvironmentPlan(policy.policy.environment), floor: floor, warnings: warnings,
        record: session.facts.record)
      reply.isNested = true
      reply.handshakeMilliseconds = configuration.handshakeTimeoutMilliseconds
      undo.isDone = true
      return OpenedSession(
        session: session, supervisor: nil,
        nested: NestedDescriptors(record: record, plan: planFile, link: pair.first, launcherLink: pair.second),
        identity: SpawnIdentity(uid: owner.uid, gid: owner.gid, groups: owner.groups, capabilities: 0), cgroup: cgroup, caller: peer, program: filter.program,
        reply: reply, readyDeadline: .after(milliseconds: Int64(min(configuration.handshakeTimeoutMilliseconds, 10_000))),
        timeoutMilliseconds: plan.timeoutMilliseconds)
    } catch {
      undo.run()
      throw Self.failed(error)
    }
  }
}

extension SessionOpening {
  /// Removes what was made when the rest could not be.
  private struct Undo {
    let context: ServerContext
    let name: [UInt8]
    var parent: [UInt8]?
    var hasDirectory = false
    var hasRecord = false
    var hasCgroup = false
    var isDone = false

    func run() {
      guard !isDone else { return }
      if hasCgroup { context.removeCgroup(name, in: parent) }
      if hasRecord { try? removeName(at: context.records.rawValue, name + Array(".jsonl".utf8)) }
      if hasDirectory { SessionDirectory.remove(in: context.runtime.current.descriptor, name: name) }
    }
  }

  private func newDirectory(_ name: [UInt8], _ owner: CallerIdentity) throws -> SessionDirectory {
    func make(in parent: SharedDescriptor) throws(SessionSetupError) -> SessionDirectory {
      try SessionDirectory(
        in: parent.descriptor, path: context.runtime.path, name: name, uid: owner.uid, gid: owner.gid, canChangeOwner: context.host.canChangeOwner)
    }
    let parent = context.runtime.current
    do throws(SessionSetupError) { return try make(in: parent) } catch {
      guard error.errno == .noSuchFileOrDirectory, try context.runtime.renew(parent, context.log.logger) else { throw error }
    }
    return try make(in: context.runtime.current)
  }

  private func newRecord(_ session: Session) throws(SyscallError) -> OwnedDescriptor {
    do throws(SyscallError) {
      return try openAt(
        context.records.rawValue, Array("\(session.facts.id).jsonl".utf8), flags: O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW, mode: 0o640)
    } catch {
      throw SyscallError(error.call, error.errno, displayEscaped(session.facts.record))
    }
  }

  private func newToken() throws(SyscallError) -> SessionToken {
    guard let token = SessionToken(bytes: try randomBytes(SessionToken.byteCount)) else { throw SyscallError("getrandom", .ioError) }
    return token
  }

  private func plan(
    _ session: Session, _ configuration: ServerConfiguration, _ owner: CallerIdentity, _ policy: LoadedPolicy,
    _ variables: SessionPlan.Variables, _ filter: SessionFilter, _ directory: [UInt8], _ token: SessionToken, hasKillFile: Bool
  ) throws(SyscallError) -> SessionPlan {
    let nonce = try randomBytes(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    var plan = SessionPlan(
      sessionID: session.facts.id, token: token, callerUID: owner.uid, callerGID: owner.gid, groups: owner.groups,
      callerPID: try ProcessIdentity.processID(of: peer.pidfd), command: request.command, cwd: variables.projectRoot,
      policyName: policy.name, policySource: policy.source, policyFile: policy.file, policySHA256: policy.sha256, variables: variables,
      filterSHA256: AuditDigest.sha256(filter.program.instructions), nonce: nonce,
      handshakeTimeoutMilliseconds: configuration.handshakeTimeoutMilliseconds,
      timeoutMilliseconds: policy.policy.resourceLimits.sessionMilliseconds(asked: request.timeoutMilliseconds), name: request.name,
      sudoUID: request.sudoUID, features: context.host.names, notEnforced: policy.policy.notEnforced, isEmbedded: false,
      serverChecksFilter: context.host.canReadFilters, canKillCgroup: hasKillFile, sessionDirectory: directory,
      recordPath: session.facts.record)
    plan.exactRights = filter.exactRights.rawValue
    plan.network = request.network
    plan.omission = request.omission
    plan.parent = session.facts.parent
    plan.opened = session.facts.started
    plan.recordSize = configuration.limits.recordSize
    if session.facts.permitsNested, !hasKillFile { plan.notEnforced.append("allow_nested_sessions") }
    // The supervisor of the session around has its own already.
    if plan.parent != nil { return plan }
    plan.supervisorFilter = filter.knowsNames ? Self.resolvingFilter : Self.supervisorFilter
    return plan
  }

  /// The same for every supervisor; one that is given none makes its own.
  private static let supervisorFilter = (try? SupervisorFilter.compiled().instructions) ?? []
  private static let resolvingFilter = (try? SupervisorFilter.compiled(resolving: true).instructions) ?? []

  private func opened(_ session: Session, _ policy: LoadedPolicy) -> AuditRecord {
    var fields = request.omission?.auditFields ?? []
    fields += [
      AuditField("policy", .text(policy.name)), AuditField("policy_sha256", .text(policy.sha256)), AuditField("peer_uid", .integer(Int64(peer.uid))),
    ]
    if let parent = session.facts.parent { fields.append(AuditField("parent", .text(parent))) }
    return AuditRecord(
      operation: .sessionOpened, session: session.facts.id, uid: session.facts.uid, pid: peer.credentials.pid, subject: .command(request.command),
      fields: fields)
  }

  /// What the caller is told of a failure of the server's own.
  private static func failed(_ error: any Error) -> ControlError {
    if let error = error as? ControlError { return error }
    // For people only, so that the words will do.
    let hasNoDescriptor = "\(error)".contains("\(Errno.tooManyOpenFiles)")
    let more = hasNoDescriptor ? " (agentshd has no descriptor left: its RLIMIT_NOFILE, LimitNOFILE= of its unit, is too low)" : ""
    return .hostCannotEnforce(reason: "the session can't be set up: \(error)\(more)", ofServer: true)
  }

  private static func failed(_ stage: String, _ error: any Error) -> ControlError {
    .hostCannotEnforce(reason: "the session can't be set up: \(stage): \(error)", ofServer: true)
  }

  /// A random UUID (version 4, RFC 9562), in lower case.
  private func randomUUID() throws(SyscallError) -> String {
    var bytes = try randomBytes(16)
    guard bytes.count == 16 else { throw SyscallError("getrandom", .ioError) }
    bytes[6] = bytes[6] & 0x0F | 0x40
    bytes[8] = bytes[8] & 0x3F | 0x80
    let digits = Hexadecimal.encode(bytes)
    var text = ""
    for (index, digit) in digits.enumerated() {
      if [8, 12, 16, 20].contains(index) { text.append("-") }
      text.append(digit)
    }
    return text
  }
}

extension ServerContext {
  /// Removes a session's control group; false while something lives in it: rmdir(2) asks and removes in one step. Those of sessions inside go first.
  @discardableResult func removeCgroup(_ name: [UInt8], in parent: [UInt8]? = nil) -> Bool {
    guard let cgroups = host.cgroups else { return true }
    if parent == nil { for inside in nestedCgroups(of: name) { removeCgroup(inside, in: name) } }
    do throws(SyscallError) {
      try removeName(at: AT_FDCWD, cgroups.place(of: name, in: parent), isDirectory: true)
    } catch {
      return error.errno == .noSuchFileOrDirectory
    }
    return true
  }

  /// The names of the control groups in a session's own: of sessions inside it.
  func nestedCgroups(of name: [UInt8]) -> [[UInt8]] {
    guard let place = host.cgroups?.place(of: name), let opened = try? openAt(AT_FDCWD, place, flags: O_RDONLY | O_DIRECTORY | O_NOFOLLOW) else { return [] }
    return ((try? directoryNames(in: opened)) ?? []).filter { $0.count == 36 }
  }
}

extension EnvironmentPlan {
  init(_ policy: EnvironmentPolicy) {
    self.init(
      allow: policy.allow, deny: policy.deny, inject: policy.inject.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }.map { ($0.key, $0.value) },
      maxBytes: policy.maxBytes > 0 ? policy.maxBytes : nil, maxKeys: policy.maxKeys > 0 ? policy.maxKeys : nil,
      blockIteration: policy.blockIteration)
  }
}

extension [UInt8] {
  func ends(with text: StaticString) -> Bool {
    let ending = Array("\(text)".utf8)
    return count >= ending.count && suffix(ending.count).elementsEqual(ending)
  }
}
