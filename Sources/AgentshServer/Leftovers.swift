internal import AgentshSystem
import Glibc
import Logging
import SystemPackage

extension ServerContext {
  /// Removes what sessions of a server that was killed have left behind. Sessions in whose control group something still runs are enforced by their
  /// supervisors and stay as they are.
  func removeLeftovers() {
    guard let hierarchy = host.cgroups, let found = try? directoryNames(in: runtime.descriptor) else { return }
    for name in found where name.count == 36 {
      // rmdir(2) of a control group fails with EBUSY while a process lives in it: asking and removing are one step.
      do throws(SyscallError) {
        try removeName(at: AT_FDCWD, TrustedPath.joined(hierarchy.directory, name), isDirectory: true)
      } catch {
        guard error.errno == .noSuchFileOrDirectory else {
          log.logger.warning("session \(String(decoding: name, as: UTF8.self)) of a server before this one is still running; it is left to its supervisor")
          continue
        }
      }
      SessionDirectory.remove(in: runtime.descriptor, name: name)
    }
  }
}
