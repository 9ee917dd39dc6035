import AgentshPolicy
import AgentshSystem
import Glibc

/// The names by which a program was reached, besides the one that the kernel has for it.
struct ExecutableNames {
  /// Links that only root can make or change.
  var trusted: [[UInt8]] = []
  /// What the target could have made up.
  var untrusted: [[UInt8]] = []
}

extension Worker {
  /// Follows the links that a path's last component is, one by one, and tells which of their names can be believed.
  ///
  /// The names are only ever used to decide: what is executed is verified against the pinned file, however the names change meanwhile. None of them is
  /// believed unless they lead to that very file: this is another look at names that the target can exchange, and root's link to one program must
  /// not speak for another. The path itself always counts as untrusted.
  func executableNames(_ call: TrappedCall, at directory: CInt, path: [UInt8], canonical: [UInt8]) -> ExecutableNames {
    var names = linkNames(call, at: directory, path: path, canonical: canonical)
    // What refuses it by another name that mounts give it refuses it; nothing is permitted by one.
    names.found.untrusted += supervision.mounts.otherNames(of: canonical)
    if !names.reachesProgram {
      names.found.untrusted += names.found.trusted
      names.found.trusted = []
    }
    return names.found
  }

  private func linkNames(
    _ call: TrappedCall, at directory: CInt, path: [UInt8], canonical: [UInt8]
  ) -> (found: ExecutableNames, reachesProgram: Bool) {
    var names = ExecutableNames()
    guard path != canonical, !path.isEmpty else { return (names, true) }
    names.untrusted.append(path)
    var next = path
    var base = directory
    for _ in 0..<40 {
      do throws(CallFailure) {
        let parent = try resolveParent(call, at: base, path: next)
        if parent.path == canonical { return (names, true) }
        guard let status = try? linkStatus(at: parent.directory.rawValue, parent.name), status.isSymbolicLink,
          let text = try? readLink(at: parent.directory.rawValue, parent.name), !text.isEmpty
        else { return (names, false) }
        if isRootsOwn(parent, status) { names.trusted.append(parent.path) } else { names.untrusted.append(parent.path) }
        next = text.first == UInt8(ascii: "/") ? text : parent.directoryPath + [UInt8(ascii: "/")] + text
        base = AT_FDCWD
      } catch {
        return (names, false)
      }
    }
    return (names, false)
  }

  /// Whether only root can have made this link and can change it. Where the caller is root, nobody but the policy can keep it from doing so.
  private func isRootsOwn(_ parent: borrowing Parent, _ link: FileStatus) -> Bool {
    let path = parent.path
    guard isRoots(link.owner, at: path), let folder = try? fileStatus(parent.directory), isRoots(folder.owner, at: path), folder.mode & 0o022 == 0 else {
      return false
    }
    if geteuid() != 0 { return true }
    return [FileOperation.symlink, .create, .rename].allSatisfy { !supervision.policy.file($0, path).isPermitted }
  }
}

/// Whether an owner's number stands for root, as far as that can be told from here.
///
/// In a user namespace without a root of its own (user_namespaces(7): a sandbox that agentsh was started in) the files of the system's root show as the
/// overflow uid's, like those of everybody else who isn't mapped. Below the directories that only an installation writes those are root's, too.
func isRoots(_ owner: UInt32, at path: [UInt8]) -> Bool {
  if owner == 0 { return true }
  guard let overflow = unmappedOwner, owner == overflow else { return false }
  return ["/usr/", "/etc/", "/bin/", "/sbin/", "/lib/", "/lib32/", "/lib64/", "/libx32/", "/nix/store/", "/gnu/store/"]
    .contains { path.starts(with: Array($0.utf8)) }
}

/// The overflow uid where this process's user namespace has no uid 0; nil where it has.
private let unmappedOwner: UInt32? = {
  func text(_ path: StaticString) -> String? {
    (try? readSmallFile(at: AT_FDCWD, Array("\(path)".utf8), limit: 1 << 16)).map { String(decoding: $0, as: UTF8.self) }
  }
  // proc_pid_uid_map(5): first uid inside, first outside, how many. What can't be read leaves everything as it is.
  guard let map = text("/proc/self/uid_map") else { return nil }
  let starts = map.split(separator: "\n").compactMap { $0.split(separator: " ").first.flatMap { UInt32($0) } }
  if starts.isEmpty || starts.contains(0) { return nil }
  return text("/proc/sys/kernel/overflowuid").flatMap { $0.split(separator: "\n").first }.flatMap { UInt32($0) }
}()
