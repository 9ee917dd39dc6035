public import AgentshPolicy

/// Which names gave which addresses, and how long that counts.
///
/// A program may connect to an address long after it asked for it (a pool of connections, a list that is gone through), so an address is kept longer than its TTL:
/// at least `floor` nanoseconds, and again as long from each use. Moments are nanoseconds of any clock that only goes forward.
public struct NameMemory: Sendable {
  private struct Entry: Sendable {
    let name: [UInt8]
    var expiry: UInt64
  }

  private var entries: [IPAddress: [Entry]] = [:]
  public private(set) var count = 0
  private let most: Int
  private let mostPerAddress: Int
  private let floor: UInt64

  public static let hour: UInt64 = 3_600_000_000_000
  /// An answer that says that it holds for years.
  private static let longest: UInt64 = 24 * hour

  /// - Parameters:
  ///   - most: pairs of an address and a name that are kept; beyond that those go first that would go next.
  ///   - floor: how long a pair is kept at least, in nanoseconds.
  public init(most: Int = 16_384, mostPerAddress: Int = 64, floor: UInt64 = NameMemory.hour) {
    self.most = max(8, most)
    self.mostPerAddress = max(1, mostPerAddress)
    self.floor = floor
  }

  /// `name`, as `DomainName.text` has it, gave `address`, for `ttl` seconds.
  public mutating func remember(_ name: [UInt8], _ address: IPAddress, ttl: UInt32, now: UInt64) {
    let key = Self.key(address)
    let expiry = now &+ min(max(UInt64(ttl) * 1_000_000_000, floor), Self.longest)
    var known = entries[key] ?? []
    if let index = known.firstIndex(where: { $0.name == name }) {
      known[index].expiry = max(known[index].expiry, expiry)
    } else {
      if known.count >= mostPerAddress, let oldest = known.indices.min(by: { known[$0].expiry < known[$1].expiry }) {
        known.remove(at: oldest)
        count -= 1
      }
      known.append(Entry(name: name, expiry: expiry))
      count += 1
    }
    entries[key] = known
    if count > most { shrink(now) }
  }

  /// The names that gave `address` and still count, the latest first.
  public func names(of address: IPAddress, now: UInt64) -> [[UInt8]] {
    guard let known = entries[Self.key(address)] else { return [] }
    return known.reversed().filter { $0.expiry > now }.map(\.name)
  }

  /// `address` was used: what is known of it counts on.
  public mutating func renew(_ address: IPAddress, now: UInt64) {
    let key = Self.key(address)
    guard var known = entries[key] else { return }
    for index in known.indices where known[index].expiry > now { known[index].expiry = max(known[index].expiry, now &+ floor) }
    entries[key] = known
  }

  /// Interfaces don't matter: a name gives an address without one.
  private static func key(_ address: IPAddress) -> IPAddress { address.withoutScope }

  /// Drops what has expired, and a quarter of the rest if that isn't enough.
  private mutating func shrink(_ now: UInt64) {
    drop { $0.expiry <= now }
    guard count > most * 3 / 4 else { return }
    let moments = entries.values.flatMap { $0.map(\.expiry) }.sorted()
    let surplus = count - most * 3 / 4
    guard surplus > 0, surplus <= moments.count else { return }
    let limit = moments[surplus - 1]
    var left = surplus
    drop { entry in
      guard entry.expiry <= limit, left > 0 else { return false }
      left -= 1
      return true
    }
  }

  private mutating func drop(_ isGone: (Entry) -> Bool) {
    for (address, known) in entries {
      let kept = known.filter { !isGone($0) }
      guard kept.count < known.count else { continue }
      count -= known.count - kept.count
      entries[address] = kept.isEmpty ? nil : kept
    }
  }
}
