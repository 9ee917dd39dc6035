import AgentshSystem
import Glibc

/// One mount, as proc_pid_mountinfo(5) shows it.
struct MountEntry: Sendable, Equatable {
  let id: Int32
  /// Numbers of the file system's device, `8:1`.
  let device: [UInt8]
  /// The directory of that file system that is mounted.
  let root: [UInt8]
  /// Where, from the root directory of the process whose table it is.
  let point: [UInt8]
  /// Name of the file system's type.
  let type: [UInt8]

  init?(_ line: ArraySlice<UInt8>) {
    let fields = line.split(separator: UInt8(ascii: " "))
    guard let end = fields.firstIndex(where: { $0.elementsEqual("-".utf8) }), end >= 6, fields.count > end + 1,
      let id = Int32(String(decoding: fields[0], as: UTF8.self))
    else { return nil }
    self.id = id
    device = Array(fields[2])
    root = Self.unescaped(fields[3])
    point = Self.unescaped(fields[4])
    type = Array(fields[end + 1])
  }

  /// Space, tab, newline and backslash are written as three octal digits.
  private static func unescaped(_ field: ArraySlice<UInt8>) -> [UInt8] {
    var result: [UInt8] = []
    var rest = field
    while let byte = rest.popFirst() {
      let digits = rest.prefix(3)
      if byte == UInt8(ascii: "\\"), digits.count == 3, let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 8) {
        result.append(value)
        rest = rest.dropFirst(3)
      } else {
        result.append(byte)
      }
    }
    return result
  }
}

/// The mounts of one mount namespace at one moment.
struct MountTable: Sendable {
  let entries: [MountEntry]

  init(_ text: [UInt8]) {
    entries = text.split(separator: UInt8(ascii: "\n")).compactMap { MountEntry($0) }
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
