/// Gives the globs of a policy their variables, and writes them the way canonical paths are written.
struct PathCompiler {
  let variables: PolicyVariables
  static let slash = UInt8(ascii: "/")

  init(_ variables: PolicyVariables) throws(PolicyError) {
    self.variables = variables
    try Self.check("PROJECT_ROOT", variables.projectRoot)
    try Self.check("HOME", variables.home)
    if let gitRoot = variables.gitRoot { try Self.check("GIT_ROOT", gitRoot) }
    if let directory = variables.gitDirectory { try Self.check("GIT_DIR", directory) }
    if let directory = variables.gitCommonDirectory { try Self.check("GIT_COMMON_DIR", directory) }
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
    guard value.first == slash, !value.contains(0), value.count == 1 || !hasDots(value) else {
      throw .notCanonical(variable: name, value: value)
    }
  }

  /// Whether something between slashes is nothing, `.` or `..`.
  private static func hasDots(_ value: [UInt8]) -> Bool {
    var length = 0
    var dots = 0
    for index in 1...value.count {
      if index == value.count || value[index] == slash {
        if length == dots && length <= 2 { return true }
        (length, dots) = (0, 0)
      } else {
        length += 1
        if value[index] == UInt8(ascii: ".") { dots += 1 }
      }
    }
    return false
  }

  /// The globs that `template` stands for in this session; none when it names a repository and there is none.
  ///
  /// - Parameter refuses: whether it is a refusing rule's. Those read `/**/` as `/` too, since whoever refuses
  ///   `/srv/**/*.key` means `/srv/x.key` as well.
  func globs(_ template: GlobTemplate, rule: String, refuses: Bool, separator: UInt8? = PathCompiler.slash)
    throws(PolicyError) -> [Glob]
  {
    var results: [Glob] = []
    results.reserveCapacity(template.alternatives.count)
    for alternative in template.alternatives {
      guard let expanded = try expand(alternative, template, rule) else { continue }
      let codes = Self.tidied(expanded)
      add(codes, template, separator, &results)
      guard refuses else { continue }
      if let spoken = Self.spokenOut(codes) { add(spoken, template, separator, &results) }
      var known: [[UInt16]] = []
      for shorter in Self.withoutDeepDirectories(codes) where !known.contains(shorter) {
        known.append(shorter)
        add(shorter, template, separator, &results)
      }
    }
    return results
  }

  /// Links to what is each process's own, and what they lead to, whoever follows them. Paths are canonical when they are compared, so the first name stands in
  /// none.
  static let ownLinks: [(link: String, meaning: String)] = [
    ("/proc/self", "/proc/*"), ("/proc/thread-self", "/proc/*/task/*"), ("/proc/mounts", "/proc/*/mounts"), ("/proc/net", "/proc/*/net"),
    ("/dev/fd", "/proc/*/fd"), ("/etc/mtab", "/proc/*/mounts"),
  ]

  /// A glob that begins with such a link, with what it leads to in its place; nil for any other. For refusing rules: whoever refuses `/proc/self/environ` means
  /// every process's.
  private static func spokenOut(_ codes: [UInt16]) -> [UInt16]? {
    for (link, meaning) in ownLinks {
      let name = link.utf8.map { UInt16($0) }
      guard codes.starts(with: name), codes.count == name.count || codes[name.count] == GlobCode.slash else { continue }
      return meaning.utf8.map { $0 == UInt8(ascii: "*") ? GlobCode.star : UInt16($0) } + codes[name.count...]
    }
    return nil
  }

  /// Adds a glob, and the same below the canonical name of a directory that has two.
  private func add(_ codes: [UInt16], _ template: GlobTemplate, _ separator: UInt8?, _ results: inout [Glob]) {
    results.append(Glob(codes, sets: template.sets, separator: separator))
    for alias in variables.aliases {
      let count = alias.from.count
      guard codes.count == count || codes.count > count && codes[count] == GlobCode.slash else { continue }
      guard (0..<count).allSatisfy({ codes[$0] == UInt16(alias.from[$0]) }) else { continue }
      results.append(Glob(alias.to.map { UInt16($0) } + codes[count...], sets: template.sets, separator: separator))
    }
  }

  /// The globs of something that isn't a path: neither tidied nor known by a second name.
  func plainGlobs(_ template: GlobTemplate, rule: String, separator: UInt8?) throws(PolicyError) -> [Glob] {
    var results: [Glob] = []
    for alternative in template.alternatives {
      guard let codes = try expand(alternative, template, rule) else { continue }
      results.append(Glob(codes, sets: template.sets, separator: separator))
    }
    return results
  }

  /// Globs over names of hosts, where `*` stops at a dot and letters are small, those of a variable's value too.
  func names(_ template: GlobTemplate, rule: String) throws(PolicyError) -> [Glob] {
    var results: [Glob] = []
    for alternative in template.alternatives {
      guard let codes = try expand(alternative, template, rule) else { continue }
      results.append(Glob(codes.map { (0x41...0x5a).contains($0) ? $0 | 0x20 : $0 }, sets: template.sets, separator: UInt8(ascii: ".")))
    }
    return results
  }

  /// Nil when a repository is named and there is none.
  private func expand(_ codes: [UInt16], _ template: GlobTemplate, _ rule: String) throws(PolicyError) -> [UInt16]? {
    if template.variables.isEmpty { return codes }
    var result: [UInt16] = []
    result.reserveCapacity(codes.count + 64)
    for code in codes {
      guard GlobCode.variables.contains(code) else {
        result.append(code)
        continue
      }
      let variable = template.variables[Int(code - GlobCode.variables.lowerBound)]
      let value: [UInt8]?
      switch variable.name {
      case "HOME": value = variables.home
      case "PROJECT_ROOT": value = variables.projectRoot
      case "GIT_ROOT": value = variables.gitRoot
      case "GIT_DIR": value = variables.gitDirectory
      case "GIT_COMMON_DIR": value = variables.gitCommonDirectory
      case "USER": value = variables.user
      default: value = variables.environment[Array(variable.name.utf8)].flatMap { $0.isEmpty ? nil : $0 }
      }
      guard let bytes = value ?? variable.fallback else {
        if PolicyVariables.ofRepositories.contains(variable.name) { return nil }
        throw .undefinedVariable(name: variable.name, rule: rule)
      }
      for byte in bytes { result.append(UInt16(byte)) }
    }
    return result
  }

  /// Without doubled and trailing slashes, which `${HOME}/x` has where the home is `/`, and which no canonical path has.
  private static func tidied(_ codes: [UInt16]) -> [UInt16] {
    let slash = GlobCode.slash
    var isTidy = codes.count <= 1 || codes[codes.count - 1] != slash
    var index = 1
    while isTidy && index < codes.count {
      isTidy = codes[index] != slash || codes[index - 1] != slash
      index += 1
    }
    if isTidy { return codes }
    var result: [UInt16] = []
    for code in codes where !(code == slash && result.last == slash) { result.append(code) }
    if result.count > 1 && result.last == slash { result.removeLast() }
    return result
  }

  static func withoutDeepDirectories(_ codes: [UInt16]) -> [[UInt16]] {
    guard codes.count > 2 else { return [] }
    let places = (0..<(codes.count - 2)).filter { codes[$0] == GlobCode.slash && codes[$0 + 1] == GlobCode.deepStar && codes[$0 + 2] == GlobCode.slash }
    guard !places.isEmpty else { return [] }
    // Each of them may stand for nothing, alone and with others.
    let counted = places.suffix(mostDeepDirectories)
    return (1..<(1 << counted.count)).map { mask in
      var shorter = codes
      // From the end, so that the places before stay where they are.
      for (bit, place) in counted.reversed().enumerated() where mask & 1 << bit != 0 { shorter.removeSubrange(place..<(place + 2)) }
      return shorter
    }
  }

  /// So many `/**/` of one pattern are read as `/`, too.
  private static let mostDeepDirectories = 8
}
