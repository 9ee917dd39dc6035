internal import AgentshSystem
import Glibc
import Logging
import SystemPackage

extension ServerContext {
  /// Sessions of a server before this one, by their ids.
  struct Running {
    /// Those that have a supervisor of their own, or had one.
    var supervised: Set<String> = []
    /// Those inside others, too.
    var all: Set<String> = []
  }

  /// Removes what sessions of a server that was killed have left behind. Sessions in whose control group something still runs are enforced by their
  /// supervisors and stay as they are, as long as those live (`ControlLoop.adopt`): they are returned.
  func removeLeftovers() -> Running {
    var running = Running()
    defer { removeForgottenGroups(but: running.all) }
    guard host.cgroups != nil, let found = try? directoryNames(in: runtime.current.descriptor) else { return running }
    for name in found where name.count == 36 {
      if removeCgroup(name) {
        SessionDirectory.remove(in: runtime.current.descriptor, name: name)
      } else {
        let id = String(decoding: name, as: UTF8.self)
        running.supervised.insert(id)
        running.all.insert(id)
        // Sessions inside have a group in that one's.
        for inside in nestedCgroups(of: name) { running.all.insert(String(decoding: inside, as: UTF8.self)) }
      }
    }
    return running
  }

  /// Removes control groups of sessions whose directory is gone, if nothing lives in them. Those of other servers, which may lie beside ours, are
  /// told by their names: of ours there are records.
  private func removeForgottenGroups(but running: Set<String>) {
    guard let place = host.cgroups?.directory, let opened = try? openAt(AT_FDCWD, place, flags: O_RDONLY | O_DIRECTORY),
      let found = try? directoryNames(in: opened)
    else { return }
    let forgotten = found.map { String(decoding: $0, as: UTF8.self) }.filter { PastRecords.isID($0) && !running.contains($0) }
    let supervisors = forgotten.isEmpty ? [:] : supervisors(of: Set(forgotten))
    for id in forgotten {
      let name = Array(id.utf8)
      guard (try? linkStatus(at: records.rawValue, Array("\(id).jsonl".utf8))) != nil else { continue }
      if !removeCgroup(name) {
        log.logger.warning("session \(id): something is left in its control group, which is removed when that has ended")
        // What has no supervisor is not to run.
        lingering.withLock { $0.append(LingeringGroup(name: name, parent: nil, isKilled: supervisors[id] == nil)) }
      }
    }
  }

  var hasLingering: Bool { lingering.withLock { !$0.isEmpty } }

  /// Tries again to remove control groups of sessions that are over; whether some are left.
  func settleLingering() -> Bool {
    let groups = lingering.withLock { $0 }
    let left = groups.filter { group in
      if group.isKilled { killGroup(group) }
      return !removeCgroup(group.name, in: group.parent)
    }
    lingering.withLock { $0 = left }
    return !left.isEmpty
  }

  private func killGroup(_ group: LingeringGroup) {
    // Gone, or going: removing it tells.
    do throws(SyscallError) { try host.cgroups?.open(group.name, in: group.parent).kill() } catch { return }
  }
}

/// The control group of a session that is over, which could not be removed yet.
struct LingeringGroup: Sendable {
  let name: [UInt8]
  let parent: [UInt8]?
  /// Whatever is in it is killed again at each look. Not where it isn't sure that nobody decides on it.
  let isKilled: Bool
}
