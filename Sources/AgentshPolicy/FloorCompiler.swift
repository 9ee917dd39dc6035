extension BoundPolicy {
  /// The static part of this policy as Landlock can hold it: whatever the policy permits, now or at any later moment of the session, the floor
  /// permits too.
  ///
  /// Rules of Landlock hang on objects, so each grant stands on a directory that the session may neither remove nor rename nor have replaced:
  /// `${HOME}/.cache{,/**}` on `${HOME}`, where the cache itself may be made anew. Computed at every call.
  public var floor: PolicyFloor {
    var floor = PolicyFloor.everything
    floor.tcpConnectPorts = networks.ports(.connect)
    floor.tcpBindPorts = networks.ports(.bind)
    floor.scopesSignals = !signals.permitsOutside
    floor.scopesAbstractSockets = !sockets.permitsAbstractNames
    if changesMounts { return floor }
    var compiler = FloorCompiler(files: files, directories: directories)
    compiler.addFiles()
    compiler.addPrograms(commands)
    floor.grants = compiler.grants
    floor.loaderDirectories = compiler.loaders
    if !isTentative { floor.claims = compiler.claims(commands, recordsReads: recordsReads || knowsNames) }
    return floor
  }
}

extension PolicyFloor {
  /// The rights that a ruleset has to handle so that the grants mean something. What is granted on the root is not among them, so that nothing is
  /// paid for it: a ruleset that handles no right at all is none.
  public var handledRights: FloorRights {
    let onRoot = grants.first { $0.path == [PathCompiler.slash] }?.rights ?? []
    let handled = FloorRights.all.subtracting(onRoot)
    // Moving between directories is refused under every ruleset for files that doesn't grant it.
    return handled.isEmpty ? handled : handled.union(.refer)
  }
}

/// Makes grants of rules about files and programs.
struct FloorCompiler {
  let files: BoundFileRules
  private let directories: Set<[UInt8]>
  private var rights: [[UInt8]: FloorRights] = [:]
  private var removable: [[UInt8]: Bool] = [:]
  private(set) var loaders: [[UInt8]] = []

  static let root = [PathCompiler.slash]
  /// What the supervisor takes for the system's own, too.
  static let loaderDirectories: [[UInt8]] = [
    "/usr/lib", "/usr/lib64", "/usr/lib32", "/usr/libx32", "/lib", "/lib64", "/lib32", "/libx32", "/nix/store", "/gnu/store",
  ].map { Array($0.utf8) }

  init(files: BoundFileRules, directories: [[UInt8]]) {
    self.files = files
    var known = Set(directories)
    for rule in files.rules { for glob in rule.globs where !glob.isLiteral { if let anchor = glob.anchor { known.insert(anchor) } } }
    self.directories = known
  }

  /// All that was added, as few grants as say it.
  var grants: [PolicyFloor.Grant] {
    PolicyFloor.merged(PolicyFloor.closedUnderMoves(rights.map { PolicyFloor.Grant(path: $0.key, rights: $0.value) }))
  }

  private mutating func add(_ path: [UInt8], _ new: FloorRights) {
    if !new.isEmpty { rights[path, default: []].formUnion(new) }
  }

  // MARK: Files

  /// What each operation needs, on the object and, for names that come and go, on its directory.
  private static let needs: [(operation: FileOperation, object: FloorRights, directory: FloorRights)] = [
    (.read, [.readFile, .ioctlDev], []),
    (.list, [.readDir], []),
    (.write, [.writeFile, .truncate, .ioctlDev], []),
    // A new file is opened with whatever access is asked for, a bound socket is one too, and what was made without a name is linked anywhere.
    (.create, [.readFile, .writeFile, .truncate], [.makeReg, .makeSock, .refer]),
    (.mkdir, [], .makeDir),
    (.mknod, [], [.makeChar, .makeBlock, .makeFifo, .makeSock]),
    (.symlink, [], .makeSym),
    (.link, [], FloorRights.makesFiles.union(.refer)),
    (.delete, [], .removeFile),
    (.rmdir, [], .removeDir),
    (.rename, [], FloorRights.makesFiles.union([.makeDir, .removeFile, .removeDir, .refer])),
  ]
  private static let asked = OperationMask(needs.map(\.operation))

  mutating func addFiles() {
    var open = Self.asked
    // Operations that some rule decides for all that lies below a directory: later rules say nothing about them there.
    var decided: [[UInt8]: OperationMask] = [:]
    for (rule, answer) in zip(files.rules, files.answers) {
      let common = rule.mask.intersection(open)
      if common.isEmpty { continue }
      var covered: [[UInt8]] = []
      for glob in rule.globs {
        guard let anchor = glob.anchor else { continue }
        if answer.isPermitted { add(glob, anchor, common.subtracting(Self.mask(decided, above: anchor))) }
        if glob.isSubtree || glob.codes == [GlobCode.deepStar] { covered.append(anchor) }
      }
      for anchor in covered {
        // `**` and `/**` match the root itself, too.
        if anchor == Self.root { open.subtract(common) } else { decided[anchor, default: []].formUnion(common) }
      }
      if open.isEmpty { return }
    }
    let (reading, writing) = open.splitByDefault
    if files.reading.isPermitted { add(Self.root, Self.rights(reading)) }
    if files.writing.isPermitted { add(Self.root, Self.rights(writing)) }
  }

  private static func mask(_ decided: [[UInt8]: OperationMask], above directory: [UInt8]) -> OperationMask {
    if decided.isEmpty { return [] }
    return ancestors(of: directory).reduce(OperationMask(rawValue: 0)) { $0.union(decided[$1] ?? []) }
  }

  private static func rights(_ operations: OperationMask) -> FloorRights {
    needs.reduce(FloorRights()) { operations.contains(OperationMask($1.operation)) ? $0.union($1.object).union($1.directory) : $0 }
  }

  private mutating func add(_ glob: Glob, _ anchor: [UInt8], _ operations: OperationMask) {
    if operations.isEmpty { return }
    guard glob.isLiteral else { return add(self.anchor(anchor), Self.rights(operations)) }
    let path = glob.codes.map { UInt8(truncatingIfNeeded: $0) }
    for need in Self.needs where operations.contains(OperationMask(need.operation)) {
      add(self.anchor(anchor), need.directory)
      // A file can be replaced by another of its name, and by others than the session, so it is held by its directory. A directory and a device stay.
      let stays = directories.contains(path) || anchor == Array("/dev".utf8)
      if !need.object.isEmpty { add(stays ? self.anchor(path) : self.anchor(anchor), need.object) }
    }
    // Who opens the terminal by this name opens, for the kernel, the terminal itself.
    if path == Array("/dev/tty".utf8) { add(Array("/dev/pts".utf8), Self.rights(operations.intersection([.init(.read), .init(.write)]))) }
  }

  /// The nearest directory, itself or above, that stays where it is whatever the session does.
  mutating func anchor(_ path: [UInt8]) -> [UInt8] {
    var last = Self.root
    for directory in Self.ancestors(of: path).dropFirst() {
      if isRemovable(directory) { break }
      last = directory
      // What lies below is made anew whenever the kernel likes.
      if directory == Array("/proc".utf8) { break }
    }
    return last
  }

  private mutating func isRemovable(_ path: [UInt8]) -> Bool {
    if let known = removable[path] { return known }
    let answer = [FileOperation.rename, .rmdir, .delete].contains { files.verdict($0, path.span).isPermitted }
    removable[path] = answer
    return answer
  }

  /// From the root down to the path itself.
  static func ancestors(of path: [UInt8]) -> [[UInt8]] {
    var result = [root]
    for index in path.indices.dropFirst() where path[index] == PathCompiler.slash { result.append(Array(path[..<index])) }
    if path.count > 1 { result.append(path) }
    return result
  }

  // MARK: Programs

  mutating func addPrograms(_ commands: BoundCommandRules) {
    guard let trees = commands.permittedTrees else { return add(Self.root, .execute) }
    if trees.isEmpty { return }
    for tree in trees { add(anchor(tree), .execute) }
    loaders = Self.loaderDirectories
  }
}

extension OperationMask {
  /// What the default for reading, and what that for writing, is about.
  fileprivate var splitByDefault: (reading: OperationMask, writing: OperationMask) {
    let reading = OperationMask(FileOperation.allCases.filter(\.isReading))
    return (intersection(reading), subtracting(reading))
  }
}

extension BoundCommandRules {
  /// The directories below which all programs lie that could be permitted; nil where a program anywhere could be.
  ///
  /// A rule that goes by a name can permit what lies anywhere, since a link of root's by that name can lead anywhere.
  var permittedTrees: [[UInt8]]? {
    var trees: [[UInt8]] = []
    for rule in rules {
      if rule.answer.isPermitted {
        guard !rule.matchesAll, rule.bases.isEmpty, rule.paths.allSatisfy(\.isSubtree) else { return nil }
        trees += rule.paths.compactMap(\.anchor)
      } else if rule.matchesAll, rule.isUnconditional {
        return trees
      }
    }
    return unmatched.isPermitted ? nil : trees
  }
}
