/// A policy that answers questions: immutable, without locks, usable from any number of threads at once.
public final class BoundPolicy: Sendable {
  let files: BoundFileRules
  let commands: BoundCommandRules
  let networks: BoundNetworkRules
  let sockets: BoundUnixRules
  let signals: BoundSignalRules
  /// Directories that a policy names by variables: known to be directories.
  let directories: [[UInt8]]
  /// Whether calls are let through by which a session changes what its paths lead to.
  let changesMounts: Bool
  /// Whether permitted reads are written down.
  let recordsReads: Bool
  /// Whether processes of a session may trace others, so that nothing is gained by keeping their memory from them.
  public let permitsTracing: Bool
  /// Whether it rests on a repository that isn't known yet.
  let isTentative: Bool

  /// What has to reach the supervisor, and which rule asks for it.
  public let needs: SupervisionNeeds

  /// How far the session reaches at most.
  public let networkMode: NetworkMode

  init(
    _ rules: PolicyRules, audit: AuditSettings, allowedCalls: Set<String>, variables: PolicyVariables, network: NetworkMode
  ) throws(PolicyError) {
    networkMode = network
    directories = [variables.projectRoot, variables.home] + [variables.gitRoot, variables.gitDirectory, variables.gitCommonDirectory].compactMap { $0 }
    recordsReads = audit.logAllowed
    let templates = rules.files.flatMap(\.paths) + rules.commands.flatMap(\.commands)
    isTentative = !variables.isGitRootCertain && templates.contains { $0.variables.contains { PolicyVariables.ofRepositories.contains($0.name) } }
    changesMounts = !allowedCalls.isDisjoint(with: RestrictedCalls.changingMounts)
    permitsTracing = allowedCalls.contains("ptrace")
    let compiler = try PathCompiler(variables)
    files = try BoundFileRules(rules.files, defaults: rules.defaults, compiler: compiler, record: variables.recordDirectory)
    commands = try BoundCommandRules(rules.commands, defaults: rules.defaults, compiler: compiler)
    networks = try BoundNetworkRules(rules, mode: network, compiler: compiler)
    sockets = try BoundUnixRules(rules.sockets, defaults: rules.defaults, compiler: compiler)
    signals = BoundSignalRules(rules.signals, defaults: rules.defaults)
    // Allowed reads are recorded where the policy asks for it; allowed changes, programs, connections and signals always.
    var needs = SupervisionNeeds(
      readOpens: files.firstConcern([.read, .open, .list], recordsAllowed: audit.logAllowed)
        .map { $0 == "record" ? "audit.log_allowed" : $0 },
      writeOpens: files.firstConcern([.write, .create], recordsAllowed: true),
      changes: files.firstConcern(
        [.write, .create, .mkdir, .chmod, .chown, .rename, .delete, .rmdir, .link, .symlink, .mknod], recordsAllowed: true),
      commands: commands.firstConcern ?? "record",
      network: networks.firstConcern([.connect, .send]) ?? "record",
      listening: networks.firstConcern([.bind, .listen]) ?? "record",
      unixSockets: sockets.firstConcern ?? "record",
      signals: signals.firstConcern ?? "record")
    if networks.knowsNames {
      // The file that says where names are looked up is the session's own, and sockets of services that look them up are closed.
      needs.readOpens = needs.readOpens ?? Self.resolver
      needs.unixSockets = needs.unixSockets ?? Self.resolver
    }
    self.needs = needs
  }

  /// Stands for the rule that asks for whatever a session's own resolver needs.
  private static let resolver = "builtin:resolver"

  /// Whether opens for reading are trapped for the sake of the session's own resolver alone: no rule has anything to say about one.
  public var permitsReadsUnasked: Bool { needs.readOpens == Self.resolver }

  /// Whether an operation on a file may happen. `path` is absolute and canonical.
  public func file(_ operation: FileOperation, _ path: [UInt8]) -> Verdict { files.verdict(operation, path.span) }

  /// The refusal of an operation on a file by a rule that speaks of this very name; nil where the name is permitted, or refused by a default or by a rule about
  /// everything. For names that an object has besides the one by which it is decided. `path` is absolute and canonical.
  public func fileRefusal(of operation: FileOperation, byName path: [UInt8]) -> Verdict? { files.refusal(of: operation, byName: path) }

  /// The same, without an array.
  public func file(_ operation: FileOperation, _ path: Span<UInt8>) -> Verdict { files.verdict(operation, path) }

  /// The verdict of the first refusing rule that could match something below `directory` for one of `operations`, and
  /// would no longer match it there once the directory has another name; nil if none can.
  ///
  /// A directory that holds protected names must not be moved away, nor one be moved to where they would be.
  ///
  /// - Parameter asksRulesOnly: defaults refuse nothing: whether rules say that something below this name is protected.
  public func refusalBelow(_ directory: [UInt8], _ operations: Set<FileOperation>, asksRulesOnly: Bool = false) -> Verdict? {
    files.refusalBelow(directory, operations, asksRulesOnly: asksRulesOnly)
  }

  /// The verdict that keeps a symbolic link from standing at a name because of what rules say about files below that name; nil where none does.
  ///
  /// Whoever comes by the name outside would find what the session has put where the link leads. A link to another name in its own directory, below which every rule
  /// decides alike, leads to nothing that the session could not have put there by the name itself: git tries in its directory whether it can make one.
  ///
  /// - Parameter text: what the link says; nil where that isn't known.
  public func refusalOfLink(at name: [UInt8], saying text: [UInt8]? = nil) -> Verdict? {
    guard let refusal = refusalBelow(name, [.write, .create, .rename, .symlink], asksRulesOnly: true) else { return nil }
    let slash = UInt8(ascii: "/")
    if let text, !text.isEmpty, !text.contains(slash), text != [UInt8(ascii: ".")], text != Array("..".utf8), let end = name.lastIndex(of: slash),
      files.decidesAlike(below: name, and: name[...end] + text)
    {
      return nil
    }
    return refusal
  }

  /// The verdict of a refusing rule that what lies below a directory may be held by, and that would no longer hold it once the directory lies where
  /// an exception above that rule permits everything; nil if none.
  public func refusalLost(movingFrom old: [UInt8], to new: [UInt8], _ operations: Set<FileOperation>) -> Verdict? {
    files.refusalLost(movingFrom: old, to: new, operations)
  }

  /// Whether it matters for some program how deep it stands below the session's command.
  public var asksCommandDepth: Bool { commands.asksDepth }

  /// Whether a program may be executed.
  public func command(_ subject: CommandSubject) -> Verdict { commands.verdict(subject) }

  /// Whether an internet address may be used.
  public func network(_ subject: NetworkSubject) -> Verdict { networks.verdict(subject) }

  /// The verdict that there would be without `connect_redirects`: where one fails and is to fail open.
  public func networkWithoutRedirection(_ subject: NetworkSubject) -> Verdict { networks.verdictWithoutRedirection(subject) }

  /// Whether the policy itself says that a name has another address than this one (`dns_redirects`).
  public func leads(_ host: [UInt8], elsewhereThan address: IPAddress) -> Bool { networks.leads(HostName.folded(host), elsewhereThan: address) }

  /// Whether a name may be looked up: whether some rule could permit a connection to an address of it. In any spelling.
  public func name(_ host: [UInt8]) -> NameVerdict { networks.name(HostName.folded(host)) }

  /// Whether names matter: a rule goes by one, or something is redirected. A session then needs to know which name has which address.
  public var knowsNames: Bool { networks.knowsNames }

  /// The verdict of the first rule that refuses sockets below a directory, as `refusalBelow` for files.
  public func unixRefusalBelow(_ directory: [UInt8]) -> Verdict? { sockets.refusalBelow(directory) }

  /// The verdict that keeps a symbolic link from standing at a name, since sockets that none may be bound below it would stand where it leads; nil where none does.
  public func unixRefusalOfLink(at name: [UInt8]) -> Verdict? { sockets.ruleRefusal(.bind, name) ?? sockets.refusalBelow(name, [.bind]) }

  /// The refusal of a Unix socket by a rule that speaks of this very path; as `fileRefusal(of:byName:)`.
  public func unixRefusal(of operation: UnixOperation, byName path: [UInt8]) -> Verdict? { sockets.ruleRefusal(operation, path) }

  /// Whether a Unix domain socket may be used.
  public func unixSocket(_ operation: UnixOperation, _ address: UnixAddress) -> Verdict {
    sockets.verdict(operation, address)
  }

  /// Whether a signal may be sent; `number` 0 asks whether the receiver exists (kill(2)).
  public func signal(_ number: Int32, _ target: SignalRelation) -> Verdict { signals.verdict(number, target) }
}

/// All that a policy decides by, as read.
struct PolicyRules: Sendable {
  var files: [FileRule] = []
  var commands: [CommandRule] = []
  var networks: [NetworkRule] = []
  var sockets: [UnixRule] = []
  var signals: [SignalRule] = []
  var connectRedirects: [ConnectRedirect] = []
  var nameRedirects: [NameRedirect] = []
  var defaults = Defaults()
}
