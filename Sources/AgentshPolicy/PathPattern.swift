/// Gives the globs of a policy their variables, and writes them the way canonical paths are written.
struct PathCompiler {
  let variables: PolicyVariables
  static let slash = UInt8(ascii: "/")

  init(_ variables: PolicyVariables) throws(PolicyError) {
    self.variables = variables
    try Self.check("PROJECT_ROOT", variables.projectRoot)
    try Self.check("HOME", variables.home)
    if let gitRoot = variables.gitRoot { try Self.check("GIT_ROOT", gitRoot) }
    for alias in variables.aliases {
      try Self.check("alias", alias.from)
      try Self.check("alias", alias.to)
    }
    // A name that climbs would make other paths of `/srv/${USER}` than anyone reads there.
    let dot = UInt8(ascii: ".")
    guard !variables.user.contains(slash), !variables.user.contains(0), !variables.user.isEmpty, variables.user != [dot],
      variables.user != [dot, dot]
    else {
      throw .notCanonical(variable: "USER", value: variables.user)
    }
  }

  private var slash: UInt8 { Self.slash }

  private static func check(_ name: String, _ value: [UInt8]) throws(PolicyError) {
    let parts = value.dropFirst().split(separator: slash, omittingEmptySubsequences: false)
    let dots: Set<[UInt8]> = [[], [UInt8(ascii: ".")], [UInt8(ascii: "."), UInt8(ascii: ".")]]
    guard value.first == slash, !value.contains(0), value.count == 1 || !parts.contains(where: { dots.contains(Array($0)) })
    else { throw .notCanonical(variable: name, value: value) }
  }

  /// The globs that `template` stands for in this session; none when it names a repository and there is none.
  ///
  /// - Parameter refuses: whether it is a refusing rule's. Those read `/**/` as `/` too, since whoever refuses
  ///   `/srv/**/*.key` means `/srv/x.key` as well.
  func globs(_ template: GlobTemplate, rule: String, refuses: Bool, separator: UInt8? = PathCompiler.slash)
    throws(PolicyError) -> [Glob]
  {
    var results: [Glob] = []
    var seen: Set<[GlobToken]> = []
    for alternative in template.alternatives {
      guard let expanded = try expand(alternative, rule: rule) else { continue }
      var variants = [tidied(expanded)]
      if refuses { variants += Self.withoutDeepDirectories(variants[0]) }
      for variant in variants {
        for tokens in [variant] + aliased(variant) where seen.insert(tokens).inserted {
          results.append(Glob(tokens: tokens, separator: separator))
        }
      }
    }
    return results
  }

  /// The globs of something that isn't a path: neither tidied nor known by a second name.
  func plainGlobs(_ template: GlobTemplate, rule: String, separator: UInt8?) throws(PolicyError) -> [Glob] {
    var results: [Glob] = []
    for alternative in template.alternatives {
      if let tokens = try expand(alternative, rule: rule) { results.append(Glob(tokens: tokens, separator: separator)) }
    }
    return results
  }

  /// Nil when a repository is named and there is none.
  private func expand(_ tokens: [GlobToken], rule: String) throws(PolicyError) -> [GlobToken]? {
    var result: [GlobToken] = []
    for token in tokens {
      guard case .variable(let name, let fallback) = token else {
        result.append(token)
        continue
      }
      let value: [UInt8]?
      switch name {
      case "PROJECT_ROOT": value = variables.projectRoot
      case "GIT_ROOT": value = variables.gitRoot
      case "HOME": value = variables.home
      case "USER": value = variables.user
      default: value = variables.environment[Array(name.utf8)].flatMap { $0.isEmpty ? nil : $0 }
      }
      guard let bytes = value ?? fallback else {
        if name == "GIT_ROOT" { return nil }
        throw .undefinedVariable(name: name, rule: rule)
      }
      result += bytes.map { .byte($0) }
    }
    return result
  }

  /// Without doubled and trailing slashes, which `${HOME}/x` has where the home is `/`, and which no canonical path has.
  private func tidied(_ tokens: [GlobToken]) -> [GlobToken] {
    var result: [GlobToken] = []
    for token in tokens where !(token == .byte(slash) && result.last == .byte(slash)) { result.append(token) }
    if result.count > 1 && result.last == .byte(slash) { result.removeLast() }
    return result
  }

  static func withoutDeepDirectories(_ tokens: [GlobToken]) -> [[GlobToken]] {
    var results: [[GlobToken]] = []
    for index in tokens.indices.dropLast(2)
    where tokens[index] == .byte(slash) && tokens[index + 1] == .deepStar && tokens[index + 2] == .byte(slash) {
      let shorter = Array(tokens[..<index] + tokens[(index + 2)...])
      results.append(shorter)
      // Two of them in one glob may each stand for nothing; more are left alone.
      if results.count < 8 { results += withoutDeepDirectories(shorter).prefix(8) }
    }
    return results
  }

  /// The same below the canonical name of a directory that has two.
  private func aliased(_ tokens: [GlobToken]) -> [[GlobToken]] {
    var results: [[GlobToken]] = []
    for alias in variables.aliases {
      let from = alias.from.map { GlobToken.byte($0) }
      guard tokens.starts(with: from), tokens.count == from.count || tokens[from.count] == .byte(slash) else { continue }
      results.append(alias.to.map { .byte($0) } + tokens.dropFirst(from.count))
    }
    return results
  }
}
