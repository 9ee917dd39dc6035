/// Names about which something is known: as many as there are places, each in its own, from which another one may push it out.
struct NameCache {
  private static let places = 256
  private static let longest = 256

  private var names: [[UInt8]] = []

  func contains(_ name: [UInt8]) -> Bool { !names.isEmpty && names[Self.place(of: name)] == name }

  mutating func insert(_ name: [UInt8]) {
    guard !name.isEmpty, name.count <= Self.longest else { return }
    if names.isEmpty { names = Array(repeating: [], count: Self.places) }
    names[Self.place(of: name)] = name
  }

  mutating func remove(_ name: [UInt8]) {
    if contains(name) { names[Self.place(of: name)] = [] }
  }

  /// FNV-1a, folded: what stands last in a name moves the lowest bits alone.
  private static func place(of name: [UInt8]) -> Int {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in name { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    return Int(truncatingIfNeeded: hash ^ hash >> 32 ^ hash >> 16) & (places - 1)
  }
}
