import AgentshSystem
import Glibc

/// What proc_sys_fs(5) calls protected_regular and protected_fifos: an open that would create a file doesn't open one that somebody else has put into a
/// directory for everybody. The kernel asks it of opens with O_CREAT alone, which a pinned file isn't opened with.
enum StickyDirectory {
  /// may_create_in_sticky() of fs/namei.c.
  /// - Parameters:
  ///   - level: 0, 1 or 2.
  ///   - caller: the file system uid.
  static func refuses(directoryMode: UInt32, directoryOwner: UInt32, fileOwner: UInt32, caller: UInt32, level: Int) -> Bool {
    guard level > 0, directoryMode & UInt32(S_ISVTX) != 0, fileOwner != directoryOwner, fileOwner != caller else { return false }
    return directoryMode & 0o002 != 0 || level > 1 && directoryMode & 0o020 != 0
  }

  /// may_follow_link() of fs/namei.c, protected_symlinks: which the kernel doesn't ask where a link is read and its text gone on with.
  static func refusesLink(_ link: FileStatus, in directory: borrowing OwnedDescriptor) -> Bool {
    guard protectsSymlinks, link.owner != geteuid(), let folder = try? fileStatus(directory) else { return false }
    return folder.mode & UInt32(S_ISVTX) != 0 && folder.mode & 0o002 != 0 && folder.owner != link.owner
  }

  /// What can't be read counts as on.
  private static let protectsSymlinks =
    (try? readSmallFile(at: AT_FDCWD, Array("/proc/sys/fs/protected_symlinks".utf8), limit: 16))?.first != UInt8(ascii: "0")

  /// - Parameter path: the file's own, canonical.
  static func refuses(_ path: [UInt8], _ file: FileStatus) -> Bool {
    let name: StaticString
    switch file.type {
    case S_IFREG: name = "protected_regular"
    case S_IFIFO: name = "protected_fifos"
    default: return false
    }
    guard file.owner != geteuid() else { return false }
    // What can't be read counts as on.
    let text = try? readSmallFile(at: AT_FDCWD, Array("/proc/sys/fs/\(name)".utf8), limit: 16)
    let level = text.flatMap { Int(String(decoding: $0.prefix { $0 > 0x20 }, as: UTF8.self)) } ?? 2
    let folder = splitLast(path).folder
    guard level > 0, let directory = try? fileStatus(at: AT_FDCWD, folder.isEmpty ? [UInt8(ascii: "/")] : folder) else { return level > 0 }
    return refuses(directoryMode: directory.mode, directoryOwner: directory.owner, fileOwner: file.owner, caller: geteuid(), level: level)
  }
}
