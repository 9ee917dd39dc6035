internal import AgentshSystem
import Glibc
import Logging
import SystemPackage

extension ServerContext {
  /// Removes what sessions of a server that was killed have left behind. Sessions in whose control group something still runs are enforced by their
  /// supervisors and stay as they are: their ids are returned.
  func removeLeftovers() -> Set<String> {
    var running: Set<String> = []
    guard host.cgroups != nil, let found = try? directoryNames(in: runtime.descriptor) else { return running }
    for name in found where name.count == 36 {
      if removeCgroup(name) {
        SessionDirectory.remove(in: runtime.descriptor, name: name)
      } else {
        let id = String(decoding: name, as: UTF8.self)
        log.logger.warning("session \(id) of a server before this one is still running; it is left to its supervisor")
        running.insert(id)
        // Sessions inside have a group in that one's.
        for inside in nestedCgroups(of: name) { running.insert(String(decoding: inside, as: UTF8.self)) }
      }
    }
    return running
  }
}
