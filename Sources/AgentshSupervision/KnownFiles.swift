/// Names under which a regular file was opened for reading before, with permission and without a link on the way: such a name is opened at once, and what
/// was got is decided about. Everything else is pinned first, since opening it may do something by itself (a FIFO, a device).
///
/// A name that is here and has become something else since is one that the session may read all the same: the policy speaks of names. Nothing
/// is kept below /dev, /proc and /sys.
struct KnownFiles {
  private static let places = 256

  private var names: [[UInt8]] = []

  func contains(_ path: [UInt8]) -> Bool { !names.isEmpty && names[Self.place(of: path)] == path }

  mutating func insert(_ path: [UInt8]) {
    guard path.first == UInt8(ascii: "/"), path.count <= 256, !["/dev/", "/proc/", "/sys/"].contains(where: { path.starts(with: $0.utf8) }) else { return }
    if names.isEmpty { names = Array(repeating: [], count: Self.places) }
    names[Self.place(of: path)] = path
  }

  mutating func remove(_ path: [UInt8]) {
    if contains(path) { names[Self.place(of: path)] = [] }
  }

  /// FNV-1a, 8 bits of it.
  private static func place(of path: [UInt8]) -> Int {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in path { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    return Int(truncatingIfNeeded: hash >> 32) & (places - 1)
  }
}
