/// Names under which a regular file was opened for reading before, with permission and without a link on the way: such a name is opened at once, and what
/// was got is decided about. Everything else is pinned first, since opening it may do something by itself (a FIFO, a device).
///
/// A name that is here and has become something else since is one that the session may read all the same: the policy speaks of names. Nothing
/// is kept below /dev, /proc and /sys.
struct KnownFiles {
  private var names = NameCache()

  func contains(_ path: [UInt8]) -> Bool { names.contains(path) }

  mutating func insert(_ path: [UInt8]) {
    guard path.first == UInt8(ascii: "/"), !["/dev/", "/proc/", "/sys/"].contains(where: { path.starts(with: $0.utf8) }) else { return }
    names.insert(path)
  }

  mutating func remove(_ path: [UInt8]) { names.remove(path) }
}
