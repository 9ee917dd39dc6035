import CAgentshSystem
import Glibc
import SystemPackage

/// Something of the host that enforcement uses.
public struct Feature: Sendable, Equatable {
  /// A word that stays the same, for programs.
  public let name: String
  public let available: Bool
  /// What was found, for people.
  public let detail: String
  /// What is lost without it.
  public let neededFor: String
  /// Without a required feature no session is opened.
  public let required: Bool
  /// Without it a server opens no session, unless its configuration accepts that (`on_missing_feature`).
  public var isServers = false
}

/// What this host can enforce, probed by use and never by version number.
public struct HostFeatures: Sendable, Equatable {
  public let features: [Feature]

  public var missingRequired: [Feature] { features.filter { $0.required && !$0.available } }

  public subscript(name: String) -> Feature? { features.first { $0.name == name } }

  /// Tries everything. Takes a few milliseconds; changes nothing in the calling process.
  public static func probe() -> HostFeatures {
    HostFeatures(features: listenerFeatures() + processFeatures() + fileFeatures() + environmentFeatures())
  }

  private static func listenerFeatures() -> [Feature] {
    let bits = ash_probe_listener()
    let error = currentErrno
    let installed = bits > 0 && UInt32(bits) & ASH_LISTENER_INSTALLED != 0
    func has(_ bit: UInt32) -> Bool { bits > 0 && UInt32(bits) & bit != 0 }
    let found =
      installed ? "can be installed" : error == .resourceBusy ? "there is one already: this is inside a session or a container that uses it" : "\(error)"
    let killable = ash_probe_filter_flag(UInt32(SECCOMP_FILTER_FLAG_NEW_LISTENER) | SECCOMP_WAIT_KILLABLE_RECV) == 1
    return [
      Feature(
        name: "listener", available: installed, detail: found, neededFor: "any decision by the supervisor (seccomp user notification)", required: true),
      Feature(
        name: "addfd_send", available: has(ASH_LISTENER_ADDFD_SEND), detail: "handing over a descriptor and the answer in one step",
        neededFor: "opens that are performed for the target", required: true),
      Feature(
        name: "wait_killable", available: killable, detail: "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
        neededFor: "calls that signals don't restart while they are decided", required: false),
      Feature(
        name: "sync_wake_up", available: has(ASH_LISTENER_SYNC_WAKE_UP), detail: "SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP",
        neededFor: "short round trips (performance only)", required: false),
    ]
  }

  private static func processFeatures() -> [Feature] {
    let pid = getpid()
    var information = false
    var inodes = false
    var copies = false
    if let own = try? Pidfd.open(pid) {
      information = (try? own.information()) != nil
      // PID_FS_MAGIC, linux/magic.h of 6.9.
      inodes = (try? filesystemType(own.descriptor)) == 0x5049_4446
      copies = (try? own.descriptor(own.descriptor.rawValue)) != nil
    }
    // As any thread of ours: its number is that of the process too.
    let threads = (try? Pidfd.open(pid, thread: true)) != nil
    return [
      Feature(
        name: "pidfd_getfd", available: copies, detail: "copying a descriptor of another process",
        neededFor: "connecting, binding and sending on the target's own socket", required: true),
      Feature(
        name: "pidfd_thread", available: threads, detail: "PIDFD_THREAD", neededFor: "holding on to single threads of a target (the supervisor falls back)",
        required: false),
      Feature(
        name: "pidfd_inode", available: inodes, detail: "pidfds that name a process for good", neededFor: "telling processes apart without their numbers",
        required: false),
      Feature(
        name: "pidfd_info", available: information, detail: "PIDFD_GET_INFO", neededFor: "reading a process's numbers without /proc", required: false),
      peerPidfdFeature(),
    ]
  }

  private static func peerPidfdFeature() -> Feature {
    // The peer of one end of a pair is this process.
    var found = false
    if let pair = try? UnixSocket.pair(.stream) { found = (try? peerPidfd(of: pair.first.descriptor)) != nil }
    return Feature(
      name: "peer_pidfd", available: found, detail: "SO_PEERPIDFD", neededFor: "knowing which process connected, whatever happens to its number",
      required: true)
  }

  private static func fileFeatures() -> [Feature] {
    let abi = LandlockABI.running
    return [
      Feature(
        name: "openat2", available: ash_probe_call(ash_probe_number_openat2()) == 1, detail: "openat2(2)",
        neededFor: "resolving a target's paths without being led astray", required: true),
      Feature(
        name: "fchmodat2", available: ash_probe_call(ash_probe_number_fchmodat2()) == 1, detail: "fchmodat2(2)",
        neededFor: "changing permissions through a pinned name (the supervisor falls back to /proc)", required: false),
      Feature(
        name: "landlock", available: abi > .none, detail: landlockDetail(abi),
        neededFor: "a floor under the supervisor that holds without it", required: false, isServers: true),
    ]
  }

  private static func landlockDetail(_ abi: LandlockABI) -> String {
    guard abi > .none else { return "not in this kernel, or not switched on" }
    let lacking = LandlockAbility.allCases.filter { !abi.has($0) }.map(\.rawValue)
    return "ABI \(abi.rawValue): \(abi.summary)\(lacking.isEmpty ? "" : "; without \(lacking.joined(separator: ", "))")"
  }

  private static func environmentFeatures() -> [Feature] {
    let scope = (try? readSmallFile(at: AT_FDCWD, Array("/proc/sys/kernel/yama/ptrace_scope".utf8), limit: 16)).flatMap { text in
      Int32(String(decoding: text.filter { $0 != 10 }, as: UTF8.self))
    }
    let capabilities = (try? ThreadCapabilities.current())?.effective ?? 0
    let mayTrace = capabilities & ThreadCapabilities.sysPtrace != 0
    return [
      cgroupFeature(), attestationFeature(capabilities),
      Feature(
        name: "ptrace", available: mayTrace || (scope ?? 0) < 2,
        detail: scope.map { "Yama scope \($0)\(mayTrace ? ", CAP_SYS_PTRACE held" : "")" } ?? "no Yama",
        neededFor: "reading a target's arguments and verifying what it executes (a scope of 2 or 3 wants the root server)", required: true),
      Feature(
        name: "root", available: geteuid() == 0, detail: geteuid() == 0 ? "running as root" : "running as uid \(geteuid())",
        neededFor: "a server whose policy users can't change; without it only embedded mode (--standalone)", required: false),
    ]
  }

  /// As root: the hierarchy that a server would use, by making a group in it. Others can't, and are told what is mounted.
  private static func cgroupFeature() -> Feature {
    let mounted = (try? CgroupHierarchy.mounted()) ?? []
    let found = geteuid() == 0 ? (try? CgroupHierarchy.find()) ?? nil : mounted.first
    let detail: String
    switch found?.version {
    case .v2: detail = "version 2 (cgroup.kill)"
    case .v1(let controller): detail = "version 1 (\(controller))"
    case nil: detail = mounted.isEmpty ? "none mounted" : "mounted, and no group can be made there"
    }
    return Feature(
      name: "cgroup", available: found != nil, detail: detail,
      neededFor: "ending all processes of a session at once (without it they are found one by one)", required: false, isServers: true)
  }

  /// What PTRACE_SECCOMP_GET_FILTER takes; see ptrace(2).
  private static func attestationFeature(_ capabilities: UInt64) -> Feature {
    let status = (try? readSmallFile(at: AT_FDCWD, Array("/proc/self/status".utf8))) ?? []
    let isUnfiltered = status.split(separator: UInt8(ascii: "\n")).contains { $0.elementsEqual("Seccomp:\t0".utf8) }
    var lacking: [String] = []
    if capabilities & ThreadCapabilities.sysAdmin == 0 { lacking.append("no CAP_SYS_ADMIN") }
    if capabilities & ThreadCapabilities.sysPtrace == 0 { lacking.append("no CAP_SYS_PTRACE") }
    if !isUnfiltered { lacking.append("this process has a seccomp filter itself") }
    let detail = lacking.isEmpty ? "filters can be read back" : geteuid() == 0 ? lacking.joined(separator: ", ") : "only root can"
    return Feature(
      name: "attestation", available: lacking.isEmpty, detail: detail,
      neededFor: "a server that compares the installed filter with what it compiled", required: false, isServers: true)
  }
}

private let SECCOMP_WAIT_KILLABLE_RECV: UInt32 = 1 << 5
