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
  /// The names are only ever used to decide: what is executed is verified against the pinned file, however the names change meanwhile. A name that
  /// can't be looked at any more is left out, which can only take a permission away that rests on it; the path itself always counts as untrusted.
  func executableNames(_ call: TrappedCall, at directory: CInt, path: [UInt8], canonical: [UInt8]) -> ExecutableNames {
    var names = ExecutableNames()
    guard path != canonical, !path.isEmpty else { return names }
    names.untrusted.append(path)
    var next = path
    var base = directory
    for _ in 0..<40 {
      do throws(CallFailure) {
        let parent = try resolveParent(call, at: base, path: next)
        if parent.path == canonical { return names }
        guard let status = try? linkStatus(at: parent.directory.rawValue, parent.name), status.isSymbolicLink,
          let text = try? readLink(at: parent.directory.rawValue, parent.name), !text.isEmpty
        else { return names }
        if isRootsOwn(parent, status) { names.trusted.append(parent.path) } else { names.untrusted.append(parent.path) }
        next = text.first == UInt8(ascii: "/") ? text : parent.directoryPath + [UInt8(ascii: "/")] + text
        base = AT_FDCWD
      } catch {
        return names
      }
    }
    return names
  }

  /// Whether only root can have made this link and can change it. Where the caller is root, nobody but the policy can keep it from doing so.
  private func isRootsOwn(_ parent: borrowing Parent, _ link: FileStatus) -> Bool {
    guard link.owner == 0, let folder = try? fileStatus(parent.directory), folder.owner == 0, folder.mode & 0o022 == 0 else { return false }
    if geteuid() != 0 { return true }
    let path = parent.path
    return [FileOperation.symlink, .create, .rename].allSatisfy { !supervision.policy.file($0, path).isPermitted }
  }
}
