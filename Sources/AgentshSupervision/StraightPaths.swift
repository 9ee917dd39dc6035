/// Which directories hold links, as far as they were met: paths into the others are looked up without following any first. A wrong guess costs one system
/// call and changes no answer.
struct StraightPaths {
  /// A bit for each value of the hash.
  private var links: [UInt64] = Array(repeating: 0, count: 32)

  /// Whether no link was met yet on a path into the same directory.
  func expects(_ path: [UInt8]) -> Bool {
    let place = Self.place(of: path)
    return links[place >> 6] & 1 << (place & 63) == 0
  }

  mutating func note(linkIn path: [UInt8]) {
    let place = Self.place(of: path)
    links[place >> 6] |= 1 << (place & 63)
  }

  /// FNV-1a of everything before the last slash, 11 bits of it.
  private static func place(of path: [UInt8]) -> Int {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    var end = path.count
    while end > 0, path[end - 1] != UInt8(ascii: "/") { end -= 1 }
    for index in 0..<end { hash = (hash ^ UInt64(path[index])) &* 0x100_0000_01b3 }
    return Int(truncatingIfNeeded: hash >> 32) & 2047
  }
}
