import CAgentshSystem
import Glibc
import SystemPackage

/// Looks whether this process has a seccomp listener above it: seccomp(2), EBUSY.
public enum ListenerProbe {
  /// Whether another listener keeps this process from having one: it runs in a session, or in a sandbox or container that uses one. The kernel is asked by
  /// trying, on a thread that ends; a process without any filter is known by its status.
  public static func isTaken() -> Bool {
    guard let status = try? readSmallFile(at: AT_FDCWD, Array("/proc/self/status".utf8)),
      // SECCOMP_MODE_FILTER.
      ProcessIdentity.statusField("Seccomp", in: status) == "2"
    else { return false }
    return ash_probe_listener() <= 0 && currentErrno == .resourceBusy
  }
}
