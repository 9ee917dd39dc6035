import AgentshSystem
import Glibc

/// The mounts of one mount namespace at one moment.
struct MountTable: Sendable {
  let entries: [MountEntry]

  init(_ text: [UInt8]) {
    entries = MountEntry.all(in: text)
  }

  /// Of a process; nil when it can't be read.
  init?(of process: Int32) {
    guard let text = try? readSmallFile(at: AT_FDCWD, procPath(process, "mountinfo"), limit: 16 << 20) else { return nil }
    self.init(text)
  }

  func entry(_ id: Int32) -> MountEntry? { entries.first { $0.id == id } }

  /// Names that a place of a file system has through these mounts, the most special mount first.
  func names(of place: [UInt8], on device: [UInt8]) -> [[UInt8]] {
    entries.filter { $0.device == device }.sorted { $0.root.count > $1.root.count }
      .compactMap { entry in rest(of: place, below: entry.root).map { joined(entry.point, $0) } }
  }

  func has(device: [UInt8]) -> Bool { entries.contains { $0.device == device } }
}

/// What follows `directory` in `path`, without a leading slash; nil when `path` is neither the directory nor below it.
func rest(of path: [UInt8], below directory: [UInt8]) -> [UInt8]? {
  let slash = UInt8(ascii: "/")
  if directory == [slash] { return path.first == slash ? Array(path.dropFirst()) : nil }
  guard path.starts(with: directory) else { return nil }
  if path.count == directory.count { return [] }
  return path[directory.count] == slash ? Array(path[(directory.count + 1)...]) : nil
}

/// `directory/rest`; the directory itself when there is no rest.
func joined(_ directory: [UInt8], _ rest: [UInt8]) -> [UInt8] {
  if rest.isEmpty { return directory }
  return directory == [UInt8(ascii: "/")] ? directory + rest : directory + [UInt8(ascii: "/")] + rest
}
