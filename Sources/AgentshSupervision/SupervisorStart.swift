import AgentshPolicy
import AgentshProtocol
import AgentshSystem
import CAgentshSystem
import Glibc
import SystemPackage

/// Why a supervisor did not start; one line on stderr, and the server sees the channel close.
enum StartError: Error, CustomStringConvertible {
  case missingDescriptor(CInt, String)
  case call(SyscallError)
  case plan(ProtocolError)
  case policy(String)
  /// The process is not what the plan says it has to be.
  case identity(String)
  case filter(String)

  var description: String {
    switch self {
    case .missingDescriptor(let number, let what): "descriptor \(number) (\(what)) is not open: only agentshd or agentsh wrap can start this program"
    case .call(let error): error.description
    case .plan(let error): "the session's plan is wrong: \(error)"
    case .policy(let reason): "the session's policy can't be used: \(reason)"
    case .identity(let reason): "this process is not what the session needs: \(reason)"
    case .filter(let reason): "the supervisor's own filter: \(reason)"
    }
  }
}

/// The descriptors that a supervisor inherits.
enum Inherited {
  static let channel: CInt = 3
  static let notify: CInt = 4
  static let signal: CInt = 5
  static let ptrace: CInt = 6
  static let record: CInt = 7
  static let launcher: CInt = 8
  static let plan: CInt = 9
  static let kill: CInt = 10
  /// The resolver's sockets for datagrams and for streams; anything where the plan has no resolver.
  static let resolverDatagrams: CInt = 11
  static let resolverStream: CInt = 12

  private static let all: [(CInt, String)] = [
    (channel, "the server's channel"), (notify, "notify.sock"), (signal, "signal.sock"), (ptrace, "ptrace.sock"), (record, "the record"),
    (launcher, "the launcher's pidfd"), (plan, "the plan"), (kill, "the cgroup's kill file"),
    (resolverDatagrams, "the resolver's socket for datagrams"), (resolverStream, "the resolver's socket for streams"),
  ]

  /// Checks that all are open, and makes them close-on-exec, although nothing is ever exec'ed.
  static func check() throws(StartError) {
    for (number, what) in all {
      guard fcntl(number, F_SETFD, FD_CLOEXEC) == 0 else { throw .missingDescriptor(number, what) }
    }
  }
}

/// A policy that has been read, and what it was read from.
struct PreparedPolicy {
  let source: [UInt8]
  let variables: PolicyVariables
  let policy: Policy
  let bound: BoundPolicy
  /// What the policy lets Landlock hold, wherever that is.
  let floor: PolicyFloor

  init(source: [UInt8], variables: PolicyVariables, policy: Policy, bound: BoundPolicy) {
    self.source = source
    self.variables = variables
    self.policy = policy
    self.bound = bound
    floor = bound.floor
  }
}

/// What a supervisor does before it speaks to anybody.
enum SupervisorStart {
  /// Longest plan: a policy of some megabytes in base 64, and a command line.
  private static let planLimit = 16 << 20

  /// Closes the process to others and gives up what it doesn't need. First of all: until then the user's other processes can look inside.
  static func seal() throws(StartError) {
    do throws(SyscallError) {
      try syscall("prctl", subject: "PR_SET_DUMPABLE") { ash_prctl(4, 0, 0, 0, 0) }
      try syscall("prctl", subject: "PR_SET_NO_NEW_PRIVS") { ash_prctl(38, 1, 0, 0, 0) }
      let isSet = try syscall("prctl", subject: "PR_GET_NO_NEW_PRIVS") { ash_prctl(39, 0, 0, 0, 0) }
      guard isSet == 1 else { throw SyscallError("prctl", .notPermitted, "PR_GET_NO_NEW_PRIVS") }
      // PR_CAP_AMBIENT_CLEAR_ALL, then this thread's sets, which all later threads inherit.
      try syscall("prctl", subject: "PR_CAP_AMBIENT") { ash_prctl(47, 4, 0, 0, 0) }
      let held = try ThreadCapabilities.current().permitted
      try ThreadCapabilities.set(effective: 0, permitted: held & ThreadCapabilities.sysPtrace)
      let left = try ThreadCapabilities.current()
      guard left.effective == 0, left.inheritable == 0, left.permitted & ~ThreadCapabilities.sysPtrace == 0 else {
        throw SyscallError("capset", .notPermitted)
      }
    } catch {
      throw .call(error)
    }
    ignoreSignals()
    _ = umask(0o077)
  }

  /// The plan, from its sealed file.
  static func readPlan(_ file: borrowing OwnedDescriptor) throws(StartError) -> SessionPlan {
    let bytes: [UInt8]
    do throws(SyscallError) { bytes = try Memfd.readSealed(file, limit: planLimit) } catch { throw .call(error) }
    do throws(ProtocolError) { return try SessionPlan.decode(bytes) } catch { throw .plan(error) }
  }

  /// Proves that the process runs as the caller and can't become root again.
  static func checkIdentity(_ plan: SessionPlan) throws(StartError) {
    let status: [UInt8]
    do throws(SyscallError) { status = try readSmallFile(at: AT_FDCWD, Array("/proc/self/status".utf8)) } catch { throw .call(error) }
    func numbers(_ name: StaticString) -> [UInt32] {
      (statusField(name, in: status) ?? "").split(whereSeparator: { $0 == " " || $0 == "\t" }).compactMap { UInt32($0) }
    }
    guard numbers("Uid:") == Array(repeating: plan.callerUID, count: 4) else { throw .identity("its uid is not \(plan.callerUID)") }
    guard numbers("Gid:") == Array(repeating: plan.callerGID, count: 4) else { throw .identity("its gid is not \(plan.callerGID)") }
    // The kernel's list may or may not name the primary group too.
    guard Set(numbers("Groups:")).union([plan.callerGID]) == Set(plan.groups).union([plan.callerGID]) else {
      throw .identity("its supplementary groups are not the caller's")
    }
    // Whatever is found out about a process by its number would be another's.
    guard (try? readLink(at: AT_FDCWD, Array("/proc/self".utf8))) == Array("\(getpid())".utf8) else {
      throw .identity("/proc shows another pid namespace than its own: a sandbox with a pid namespace needs its own /proc (bwrap --proc /proc)")
    }
    guard numbers("NoNewPrivs:") == [1] else { throw .identity("no_new_privs is not set") }
    guard plan.callerUID != 0 else { return }
    guard setuid(0) == -1, seteuid(0) == -1, geteuid() == plan.callerUID else { throw .identity("uid 0 could be taken up again") }
  }

  /// Makes sure of the identity, bounds the process, reads the policy and closes the process's own filter behind it: before any other thread exists, and
  /// before anybody but the server is spoken to.
  /// - Parameter rehearsed: what of it has been done, for a plan like this one.
  static func confine(_ plan: SessionPlan, rehearsed: SpareStart.Rehearsed?) throws(StartError) -> PreparedPolicy {
    if let rehearsed {
      // Whoever starts spares keeps them apart by this; behind the filter nothing of it can be changed.
      guard rehearsed.isFor(plan) else { throw .identity("it was started for another caller") }
      return try policy(plan, prepared: rehearsed.prepared)
    }
    try checkIdentity(plan)
    limitResources(descriptors: 4096)
    ash_share_memory_arenas()
    let prepared = try policy(plan, prepared: nil)
    // What reading the policy needed is not needed any more, and there is one such process for each session.
    ash_trim_memory()
    do { try SupervisorFilter.install(plan.supervisorFilter, resolving: prepared.bound.knowsNames) } catch { throw .filter("\(error)") }
    return prepared
  }

  /// Where the record lies, if it belongs to the caller, as in embedded mode, or where the caller is root.
  private static func ownRecordDirectory() -> [UInt8]? {
    guard let status = try? fileStatus(at: AT_FDCWD, descriptorPath(Inherited.record)), status.isRegular, status.owner == geteuid(),
      let path = try? readLink(at: AT_FDCWD, descriptorPath(Inherited.record)), path.hasSuffix(Array(".jsonl".utf8))
    else { return nil }
    let folder = Array(splitLast(path).folder.dropLast())
    return folder.count > 1 ? folder : nil
  }

  /// The policy, which whoever made the plan has checked, with its variables bound. The repository is looked for here, with the caller's own rights.
  /// - Parameter prepared: what was read before; used as far as it is the same.
  static func policy(_ plan: SessionPlan, prepared: PreparedPolicy?) throws(StartError) -> PreparedPolicy {
    let repository = GitRepository.around(plan.variables.gitRoot ?? plan.variables.projectRoot, owners: [0, geteuid()])
    var variables = PolicyVariables(
      projectRoot: plan.variables.projectRoot, gitRoot: plan.variables.gitRoot ?? repository?.root, gitDirectory: repository?.directory,
      gitCommonDirectory: repository?.commonDirectory, home: plan.variables.home, user: plan.variables.user)
    variables.recordDirectory = ownRecordDirectory()
    let network = plan.network.flatMap { NetworkMode(rawValue: $0) } ?? .full
    let policy: Policy
    if let prepared, prepared.source == plan.policySource {
      if prepared.variables == variables, prepared.bound.networkMode == min(network, prepared.policy.networkMode) { return prepared }
      policy = prepared.policy
    } else {
      let parsed = Policy.parse(plan.policySource, file: plan.policyFile, isChecked: true)
      guard let read = parsed.policy else { throw .policy(parsed.diagnostics.first?.description ?? plan.policyFile) }
      policy = read
    }
    do throws(PolicyError) {
      return PreparedPolicy(source: plan.policySource, variables: variables, policy: policy, bound: try policy.bound(to: variables, network: network))
    } catch {
      throw .policy(error.description)
    }
  }
}
