internal import AgentshAudit
internal import AgentshProtocol
internal import AgentshSystem
import Glibc
import Synchronization

/// What every part of the server shares; made once at start.
final class ServerContext: Sendable {
  let rules: CurrentRuleset
  let sessions = SessionTable()
  let log: ServerLog
  let runtime: RuntimeDirectory
  /// Directory of the sessions' records.
  let records: SharedDescriptor
  let recordsPath: [UInt8]
  let supervisor: [UInt8]
  let host: HostAbilities
  let refusals = RejectionCounter()
  let reaper: Reaper
  let spares: SpareSupervisors
  /// Control groups of sessions that are over, which could not be removed.
  let lingering = Mutex<[LingeringGroup]>([])
  let cgroupReadiness: CgroupReadiness?

  init(
    rules: CurrentRuleset, log: ServerLog, runtime: RuntimeDirectory, records: SharedDescriptor, recordsPath: [UInt8],
    supervisor: [UInt8], host: HostAbilities
  ) throws(SyscallError) {
    self.rules = rules
    self.log = log
    self.runtime = runtime
    self.records = records
    self.recordsPath = recordsPath
    self.supervisor = supervisor
    self.host = host
    cgroupReadiness = host.cgroups.flatMap { CgroupReadiness($0) }
    reaper = try Reaper()
    spares = try SpareSupervisors(program: supervisor, reaper: reaper) { rules.ruleset.configuration.spareSupervisors }
  }
}

/// What this host lets the server do, found out by trying.
struct HostAbilities: Sendable {
  var cgroups: CgroupHierarchy?
  var canChangeOwner: Bool
  /// Reading the filter of another process back: CAP_SYS_ADMIN, CAP_SYS_PTRACE, and no filter of our own (ptrace(2)).
  var canReadFilters: Bool { lackingForAttestation.isEmpty }
  /// What stands in the way of that: "lacks CAP_SYS_ADMIN", ….
  var lackingForAttestation: [String]
  var landlock: LandlockABI

  static func probe() -> HostAbilities {
    let effective = (try? ThreadCapabilities.current().effective) ?? 0
    func has(_ capability: UInt64) -> Bool { effective >> capability & 1 == 1 }
    let status = (try? readSmallFile(at: AT_FDCWD, Array("/proc/self/status".utf8))) ?? []
    let isUnfiltered = status.split(separator: UInt8(ascii: "\n")).contains { $0.elementsEqual("Seccomp:\t0".utf8) }
    var lacking: [String] = []
    if !has(21) { lacking.append("lacks CAP_SYS_ADMIN") }
    if !has(19) { lacking.append("lacks CAP_SYS_PTRACE") }
    if !isUnfiltered { lacking.append("has a seccomp filter") }
    return HostAbilities(
      cgroups: (try? CgroupHierarchy.find()) ?? nil, canChangeOwner: has(0), lackingForAttestation: lacking,
      landlock: .running)
  }

  func has(_ feature: HostFeature) -> Bool {
    switch feature {
    case .cgroup: cgroups != nil
    case .attestation: canReadFilters
    case .landlock: landlock > .none
    // The client finds out by use, in the process that is to be enforced.
    case .listener: true
    }
  }

  func explanation(_ feature: HostFeature) -> String {
    switch feature {
    case .cgroup: "no cgroup hierarchy is writable here (mount cgroup2, or give the service Delegate=yes)"
    case .attestation:
      "installed filters can't be read back (agentshd needs CAP_SYS_ADMIN and CAP_SYS_PTRACE for it and no seccomp filter on itself; it \(lackingForAttestation.joined(separator: ", ")))"
    case .listener: "no seccomp listener can be installed"
    case .landlock: "the kernel has no Landlock, or it isn't switched on (lsm= of the kernel's command line): nothing holds what the supervisor lets through"
    }
  }

  /// For the record of a session.
  var names: [String] {
    var names: [String] = []
    switch cgroups?.version {
    case .v2: names.append("cgroup2")
    case .v1(let controller): names.append("cgroup1:\(controller)")
    case nil: break
    }
    if canReadFilters { names.append("attestation") }
    if landlock > .none { names.append("landlock") }
    return names
  }
}
