extension FloorCompiler {
  /// Which rights the policy decides by trees alone, so that Landlock, where it is installed, decides them as the policy does.
  mutating func claims(_ commands: BoundCommandRules, recordsReads: Bool) -> [PolicyFloor.Claim] {
    var claims: [PolicyFloor.Claim] = []
    func claim(_ right: FloorRights, _ trees: [[UInt8]]?) {
      // What is permitted everywhere is held by nobody.
      guard let trees, !trees.contains(Self.root), trees.allSatisfy({ stays($0) }) else { return }
      claims.append(PolicyFloor.Claim(right: right, trees: trees))
    }
    if !recordsReads {
      claim(.readFile, files.readableTrees(.read))
      claim(.readDir, files.readableTrees(.list))
    }
    claim(.execute, commands.exactTrees)
    return claims
  }

  /// Whether the session can neither take away what stands at a path nor make it, so that a rule on it holds from the first moment to the last.
  private mutating func stays(_ path: [UInt8]) -> Bool {
    anchor(path) == path && !files.verdict(.mkdir, path.span).isPermitted
  }
}

extension BoundFileRules {
  /// The trees that are all that may be read, if that is all that rules say: nothing in them is refused or recorded, and nothing beside them permitted.
  /// Nil otherwise.
  ///
  /// - Parameter operation: read or list.
  func readableTrees(_ operation: FileOperation) -> [[UInt8]]? {
    let root = FloorCompiler.root
    var trees: Set<[UInt8]> = []
    var tops: [[UInt8]] = []
    var refusing: [Glob] = []
    func isCovered(_ path: [UInt8]) -> Bool { FloorCompiler.ancestors(of: path).contains { trees.contains($0) } }
    for (rule, answer) in zip(rules, answers) where rule.mask.contains(OperationMask(operation)) {
      if answer.isPermitted {
        for glob in rule.globs {
          guard let anchor = glob.anchor, !isCovered(anchor) else { continue }
          guard answer.decision == .allow else { return nil }
          if glob.isSubtree || glob.codes == [GlobCode.deepStar] {
            if refusing.contains(where: { $0.couldMatch(in: anchor) }) { return nil }
            trees.insert(anchor)
          } else if glob.isLiteral {
            tops.append(glob.codes.map { UInt8(truncatingIfNeeded: $0) })
          } else {
            return nil
          }
        }
      } else if rule.globs.contains(where: { $0.coversDescendants(of: root) }) {
        return tops.allSatisfy(isCovered) ? Array(trees) : nil
      } else {
        refusing += rule.globs
      }
    }
    if reading.isPermitted {
      guard reading.decision == .allow, refusing.isEmpty else { return nil }
      return [root]
    }
    // A directory that is read is listed, so a rule about its own name alone says nothing that its tree doesn't.
    return tops.allSatisfy(isCovered) ? Array(trees) : nil
  }
}

extension BoundCommandRules {
  /// The trees that are all that programs may be executed from, if that is all that rules say. Nil otherwise.
  var exactTrees: [[UInt8]]? {
    var trees: [[UInt8]] = []
    var refusesByName = false
    for rule in rules {
      let namesNothing = !rule.matchesAll && rule.bases.isEmpty && rule.paths.isEmpty
      if namesNothing { continue }
      if rule.answer.isPermitted {
        // What was refused before may be a program of such a tree by another name.
        guard !refusesByName, !rule.matchesAll, rule.isUnconditional, rule.bases.isEmpty, rule.paths.allSatisfy(\.isSubtree) else { return nil }
        trees += rule.paths.compactMap(\.anchor)
      } else if rule.matchesAll, rule.isUnconditional {
        return trees
      } else {
        refusesByName = true
      }
    }
    return unmatched.isPermitted ? nil : trees
  }
}

extension Glob {
  /// Whether it could match a directory or something below it. True in doubt.
  func couldMatch(in directory: [UInt8]) -> Bool {
    if directory.count == 1 { return true }
    let prefix = codes[..<prefixCount]
    for (code, byte) in zip(prefix, directory) where code != UInt16(byte) { return false }
    // Both go on, or one has ended: what it begins with names the directory or something below it, or may still come to do so.
    if prefixCount > directory.count { return prefix[directory.count] == GlobCode.slash }
    return prefixCount == directory.count || !isLiteral
  }
}
