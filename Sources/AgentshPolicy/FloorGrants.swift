extension PolicyFloor {
  /// Grants of which none repeats what another gives above it, in the order of their paths.
  static func merged(_ grants: [Grant]) -> [Grant] {
    var rights: [[UInt8]: FloorRights] = [:]
    for grant in grants { rights[grant.path, default: []].formUnion(grant.rights) }
    var result: [Grant] = []
    for path in rights.keys.sorted(by: { $0.lexicographicallyPrecedes($1) }) {
      let above = FloorCompiler.ancestors(of: path).dropLast().reduce(FloorRights()) { $0.union(rights[$1] ?? []) }
      let own = (rights[path] ?? []).subtracting(above)
      if !own.isEmpty { result.append(Grant(path: path, rights: own)) }
    }
    return result
  }

  /// The same grants, and as many rights more as it takes so that moving from one to another is never held back.
  ///
  /// Landlock lets nothing be moved or linked to where it would gain a right: EXDEV. So wherever names may be given and taken, the rights have to be
  /// the same, with all that such a place has from above and that lies below it.
  static func closedUnderMoves(_ grants: [Grant]) -> [Grant] {
    let moving = grants.filter { $0.rights.contains(.refer) }.map(\.path)
    guard moving.count > 1 || grants.count > moving.count else { return grants }
    func isWithin(_ path: [UInt8], _ directory: [UInt8]) -> Bool {
      directory.count == 1 || path.starts(with: directory) && (path.count == directory.count || path[directory.count] == PathCompiler.slash)
    }
    var union = FloorRights()
    for grant in grants where moving.contains(where: { isWithin($0, grant.path) || isWithin(grant.path, $0) }) { union.formUnion(grant.rights) }
    return grants.map { $0.rights.contains(.refer) ? Grant(path: $0.path, rights: $0.rights.union(union)) : $0 }
  }
}
