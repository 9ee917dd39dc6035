import Glibc
import SystemPackage

/// The git repository that a directory lies in, as far as what its files say can be believed.
///
/// In linked worktrees and in submodules `.git` is a file that names another directory. It lies among files that a session writes, and what it names is
/// permitted to the next session: so it is followed only to where git itself would have put it, and only if what it names says that it belongs here, in a
/// place that a session in here doesn't write.
public struct GitRepository: Sendable, Equatable {
  /// The directory that has the `.git`.
  public let root: [UInt8]
  /// Where git keeps what belongs to this working tree alone (HEAD, the index), canonical; nil where `.git` isn't believed.
  public let directory: [UInt8]?
  /// Where git keeps what all working trees of the repository share (objects, branches), canonical; nil where `.git` isn't believed.
  public let commonDirectory: [UInt8]?

  /// The nearest repository from `directory` upwards; nil without one, and where `.git` or the directory around it belongs to somebody not in `owners`,
  /// who could make any place a part of any repository.
  ///
  /// - Parameters:
  ///   - directory: canonical.
  ///   - owners: whose files are believed: root's and the caller's.
  public static func around(_ directory: [UInt8], owners: Set<UInt32>) -> GitRepository? { around(directory, owners, depth: 0) }

  /// Submodules of submodules, that deep.
  private static let deepest = 16

  private static func around(_ directory: [UInt8], _ owners: Set<UInt32>, depth: Int) -> GitRepository? {
    var place = directory
    while place.count > 1, place.last == slash { place.removeLast() }
    while true {
      let entry = below(place, ".git")
      if let found = try? linkStatus(at: AT_FDCWD, entry) {
        guard let folder = try? linkStatus(at: AT_FDCWD, place), owners.contains(found.owner), owners.contains(folder.owner) else { return nil }
        if found.isDirectory { return GitRepository(root: place, directory: entry, commonDirectory: entry) }
        let named = found.isRegular && depth < deepest ? follow(place, owners, depth) : nil
        return GitRepository(root: place, directory: named?.directory, commonDirectory: named?.common)
      }
      guard place.count > 1 else { return nil }
      place = parent(of: place)
    }
  }

  /// What the `.git` file of a working tree leads to: gitrepository-layout(5).
  private static func follow(_ root: [UInt8], _ owners: Set<UInt32>, _ depth: Int) -> (directory: [UInt8], common: [UInt8])? {
    let start = Array("gitdir: ".utf8)
    guard let line = line(below(root, ".git"), owners), line.starts(with: start),
      let directory = canonicalDirectory(Array(line.dropFirst(start.count)), from: root, owners)
    else { return nil }
    if (try? linkStatus(at: AT_FDCWD, below(directory, "commondir"))) != nil {
      // A linked worktree. The common directory is where git always has it, so that no `commondir` names another repository.
      let worktrees = parent(of: directory)
      guard let named = self.line(below(directory, "commondir"), owners), let common = canonicalDirectory(named, from: directory, owners),
        worktrees == below(common, "worktrees"), isRepository(common, owners), isFile(below(directory, "HEAD"), owners),
        let back = self.line(below(directory, "gitdir"), owners), leads(back, from: directory, to: root, owners)
      else { return nil }
      return (directory, common)
    }
    // A submodule, whose directory lies among the modules of the repository around it.
    guard isRepository(directory, owners), root.count > 1, let outer = around(parent(of: root), owners, depth: depth + 1)?.directory,
      directory.starts(with: below(outer, "modules/")), let config = content(below(directory, "config"), owners, limit: 1 << 18),
      let worktree = coreWorktree(config), canonicalDirectory(worktree, from: directory, owners) == root
    else { return nil }
    return (directory, directory)
  }

  /// Whether a worktree's `gitdir` names the `.git` of `root`.
  private static func leads(_ back: [UInt8], from directory: [UInt8], to root: [UInt8], _ owners: Set<UInt32>) -> Bool {
    let name = Array("/.git".utf8)
    guard back.count > name.count, back.suffix(name.count).elementsEqual(name) else { return false }
    return canonicalDirectory(Array(back.dropLast(name.count)), from: directory, owners) == root
  }

  /// Whether git would take a directory for a repository, none of it a link to elsewhere.
  private static func isRepository(_ directory: [UInt8], _ owners: Set<UInt32>) -> Bool {
    guard isFile(below(directory, "HEAD"), owners), isFile(below(directory, "config"), owners) else { return false }
    return [below(directory, "objects"), below(directory, "refs")].allSatisfy { path in
      guard let status = try? linkStatus(at: AT_FDCWD, path) else { return false }
      return status.isDirectory && owners.contains(status.owner)
    }
  }

  private static func isFile(_ path: [UInt8], _ owners: Set<UInt32>) -> Bool {
    guard let status = try? linkStatus(at: AT_FDCWD, path) else { return false }
    return status.isRegular && owners.contains(status.owner)
  }

  /// `core.worktree` of a configuration; nil where it is missing, or written in a way that git itself doesn't write (quoted, continued, included).
  static func coreWorktree(_ config: [UInt8]) -> [UInt8]? {
    var isCore = false
    var value: [UInt8]?
    for raw in config.split(whereSeparator: { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") }) {
      let line = trimmed(raw)
      if line.first == UInt8(ascii: "[") {
        isCore = line.elementsEqual(Array("[core]".utf8))
      } else if isCore, let equals = line.firstIndex(of: UInt8(ascii: "=")), trimmed(line[..<equals]).elementsEqual(Array("worktree".utf8)) {
        let text = trimmed(line[line.index(after: equals)...])
        // Two of them, or what has to be read before it means anything.
        guard value == nil, !text.isEmpty, !text.contains(where: { "\"\\#;".utf8.contains($0) }) else { return nil }
        value = Array(text)
      }
    }
    return value
  }

  private static func trimmed(_ text: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    var text = text
    while let first = text.first, first == 0x20 || first == 0x09 { text = text.dropFirst() }
    while let last = text.last, last == 0x20 || last == 0x09 { text = text.dropLast() }
    return text
  }

  /// The one line of a file, as git reads it: without what ends it.
  private static func line(_ path: [UInt8], _ owners: Set<UInt32>) -> [UInt8]? {
    guard var text = content(path, owners, limit: Int(PATH_MAX) + 16) else { return nil }
    while let last = text.last, last == UInt8(ascii: "\n") || last == UInt8(ascii: "\r") { text.removeLast() }
    return text.isEmpty || text.contains(UInt8(ascii: "\n")) || text.contains(0) ? nil : text
  }

  /// A file's content. Nobody is waited for (a FIFO), and no link is followed.
  private static func content(_ path: [UInt8], _ owners: Set<UInt32>, limit: Int) -> [UInt8]? {
    do throws(SyscallError) {
      let file = try openAt(AT_FDCWD, path, flags: O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY)
      let status = try fileStatus(file)
      guard status.isRegular, owners.contains(status.owner) else { return nil }
      let text = try readAll(file, limit: limit + 1)
      return text.count <= limit ? text : nil
    } catch {
      return nil
    }
  }

  /// A directory under the name that the kernel has for it, which is what rules are compared with.
  private static func canonicalDirectory(_ path: [UInt8], from base: [UInt8], _ owners: Set<UInt32>) -> [UInt8]? {
    guard !path.isEmpty, !path.contains(0) else { return nil }
    do throws(SyscallError) {
      let place = try openAt(AT_FDCWD, path.first == slash ? path : base + [slash] + path, flags: O_PATH | O_DIRECTORY)
      let status = try fileStatus(place)
      let name = try readLink(at: AT_FDCWD, Array("/proc/self/fd/\(place.rawValue)".utf8))
      let named = try linkStatus(at: AT_FDCWD, name)
      // Removed, or reached in a mount that has no name here.
      guard name.first == slash, owners.contains(status.owner), named.device == status.device, named.inode == status.inode else { return nil }
      return name
    } catch {
      return nil
    }
  }

  private static let slash = UInt8(ascii: "/")

  private static func below(_ directory: [UInt8], _ name: StaticString) -> [UInt8] {
    (directory == [slash] ? [] : directory) + [slash] + Array("\(name)".utf8)
  }

  /// Of an absolute path.
  private static func parent(of path: [UInt8]) -> [UInt8] {
    guard let last = path.lastIndex(of: slash), last > 0 else { return [slash] }
    return Array(path[..<last])
  }
}
