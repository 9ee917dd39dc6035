/// What stands at a path when a floor is installed.
public enum FloorPlace: Sendable, Hashable {
  case directory
  /// The directory of all POSIX message queues (mq_overview(7)): the root of the file system that they live in, mounted.
  case messageQueues
  /// Anything but a directory and a link.
  case file
  /// A symbolic link, or one on the way: no canonical path leads there.
  case link
  /// Nothing, or nothing that can be reached.
  case missing

  var isDirectory: Bool { self == .directory || self == .messageQueues }
}

extension PolicyFloor {
  private static let nowhere = Array("/nonexistent".utf8)
  private static let messageQueues = Array("/dev/mqueue".utf8)

  /// The same floor, with grants on nothing but what is there.
  ///
  /// A ruleset names objects. What isn't there yet can come, so its rights are given on the nearest directory above it that is there; a right that the
  /// policy decides by trees alone isn't given then, so that the floor goes on saying exactly what the policy says. (The session itself can't make such
  /// a tree. One that someone else makes while the session runs stays closed to it.)
  ///
  /// The floor holds mq_open(2) like an open of a file below the mounted queues, which no rule speaks of: it is granted, where they are mounted. Not where the policy's
  /// reads are left to the floor alone, though: by path the queues would be read there, too.
  ///
  /// - Parameters:
  ///   - place: asked once about each path.
  ///   - holding: rights that somebody else, who found the floor exact in them, leaves to it already. They are given on the policy's trees and nowhere
  ///     else, whatever it takes; `exactRights` lacks those of them of which the policy can't be held so.
  public func placed(holding: FloorRights = [], _ place: ([UInt8]) -> FloorPlace) -> PolicyFloor {
    var known: [[UInt8]: FloorPlace] = [[PathCompiler.slash]: .directory]
    func find(_ path: [UInt8]) -> FloorPlace {
      if let answer = known[path] { return answer }
      let answer = place(path)
      known[path] = answer
      return answer
    }
    var result = self
    result.loaderDirectories = []
    var held = claims
    while true {
      let exact = held.reduce(FloorRights()) { $0.union($1.right) }
      var placed: [Grant] = []
      for grant in grants {
        switch find(grant.path) {
        case .directory, .messageQueues: placed.append(grant)
        case .link: continue
        case .file: placed.append(Grant(path: grant.path, rights: grant.rights.intersection(.ofFiles).subtracting(exact)))
        case .missing:
          // The home of users without an account, which is there for nobody: what is above it is the root, and everything would be granted there.
          if grant.path.starts(with: Self.nowhere) { continue }
          let above = FloorCompiler.ancestors(of: grant.path).last { find($0).isDirectory } ?? [PathCompiler.slash]
          placed.append(Grant(path: above, rights: grant.rights.subtracting(exact)))
        }
      }
      for path in loaderDirectories where find(path).isDirectory { placed.append(Grant(path: path, rights: .execute)) }
      if find(Self.messageQueues) == .messageQueues { placed.append(Grant(path: Self.messageQueues, rights: FloorRights([.readFile, .writeFile]).subtracting(exact))) }
      result.grants = Self.merged(Self.closedUnderMoves(placed))
      let broken = held.filter { claim in
        let trees = Self.merged(claim.trees.filter { find($0).isDirectory }.map { Grant(path: $0, rights: claim.right) })
        return trees.map(\.path) != result.grants.filter { $0.rights.contains(claim.right) }.map(\.path)
      }
      result.exactRights = exact
      if broken.isEmpty { break }
      held.removeAll { broken.contains($0) }
    }
    for claim in claims where holding.contains(claim.right) && !result.exactRights.contains(claim.right) {
      let others = result.grants.map { Grant(path: $0.path, rights: $0.rights.subtracting(claim.right)) }
      result.grants = Self.merged(others + claim.trees.filter { find($0).isDirectory }.map { Grant(path: $0, rights: claim.right) })
      result.exactRights.formUnion(claim.right)
    }
    return result
  }
}
