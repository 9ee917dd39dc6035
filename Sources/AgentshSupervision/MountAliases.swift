import AgentshSystem

/// Directories that stand at several places at once, since several mounts show them (bind mounts, subvolumes beside the whole file system): the kernel names an object
/// by the mount that it was reached through, and rules may speak of another one.
struct MountAliases: Sendable, Equatable {
  private static let mostGenerations = 64

  /// For a directory the other places where the same one stands.
  private var others: [[UInt8]: [[UInt8]]] = [:]
  private var points: Set<[UInt8]> = []

  var isEmpty: Bool { others.isEmpty }

  init() {}

  init(_ table: MountTable) {
    var byPlace: [[UInt8]: [[UInt8]: [MountEntry]]] = [:]
    for entry in table.entries { byPlace[entry.device, default: [:]][entry.root, default: []].append(entry) }
    for entry in table.entries {
      guard let places = byPlace[entry.device] else { continue }
      // Whatever mount shows this one's directory, as its own or somewhere below.
      for ancestor in Self.upwards(entry.root) {
        for outer in places[ancestor] ?? [] where outer != entry {
          guard let rest = rest(of: entry.root, below: ancestor) else { continue }
          let place = joined(outer.point, rest)
          if place == entry.point { continue }
          others[entry.point, default: []].append(place)
          others[place, default: []].append(entry.point)
        }
      }
    }
    if !others.isEmpty { points = Set(table.entries.map(\.point)) }
    others = others.mapValues { names in
      var seen: Set<[UInt8]> = []
      return names.filter { seen.insert($0).inserted }
    }
  }

  /// The other names of what a path leads to.
  func names(of path: [UInt8]) -> [[UInt8]] {
    if others.isEmpty { return [] }
    var names: [[UInt8]] = []
    for directory in Self.upwards(path) {
      names += (others[directory] ?? []).compactMap { other in rest(of: path, below: directory).map { joined(other, $0) } }
      // What stands above is another mount's.
      if points.contains(directory) { break }
    }
    return names
  }

  /// An absolute path, and the directories above it.
  private static func upwards(_ path: [UInt8]) -> [[UInt8]] {
    let slash = UInt8(ascii: "/")
    guard path.first == slash else { return [] }
    var result = [path]
    var end = path.count
    while end > 1, result.count < mostGenerations, let last = path[..<end].lastIndex(of: slash) {
      end = max(last, 1)
      if path.count > end { result.append(Array(path[..<end])) }
      if last == 0 { break }
    }
    return result
  }
}
