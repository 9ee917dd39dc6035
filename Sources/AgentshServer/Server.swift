internal import AgentshAudit
internal import AgentshProtocol
internal import AgentshSystem
public import Logging
import Glibc
import SystemPackage

/// Why the server does not run; the sentence is for the administrator.
public struct ServerError: Error, Sendable, CustomStringConvertible {
  public let description: String

  init(_ description: String) { self.description = description }
}

/// agentshd: reads the configuration, sets up its places, and runs until it is told to stop.
public enum Server {
  public static let version = "0.1.0"
  public static let url = "https://github.com/agentsh/agentsh"

  /// Everything that is wrong with the configuration and the policies, and what is to be warned of.
  public static func check(_ file: [UInt8]) -> (problems: [String], warnings: [String]) {
    let (ruleset, problems) = Ruleset.load(file, keeping: nil)
    guard let ruleset else { return (problems, []) }
    return (problems + ruleset.configuration.problemsOfPlaces(file: displayEscaped(file)), ruleset.warnings)
  }

  /// Runs. Must be called before any other thread exists.
  /// - Parameters:
  ///   - file: the configuration.
  ///   - supervisor: the program that is started for each session; nil for the one that is installed with this.
  public static func run(_ file: [UInt8], supervisor: [UInt8]? = nil, logger: Logger) throws(ServerError) {
    guard geteuid() == 0 else {
      throw ServerError("agentshd has to run as root: it decides for all users. Without a server, `agentsh wrap --standalone` needs no root")
    }
    let notifier = ServiceManager()
    umask(0o022)
    // Closed peers and a closed stderr are errors of the call that finds out, not the end of the server.
    ignoreSignal(SIGPIPE)
    do {
      let signals = try SignalDescriptor([SIGHUP, SIGTERM, SIGINT])
      let descriptorLimit = raiseDescriptorLimit()
      let (ruleset, problems) = Ruleset.load(file, keeping: nil)
      for problem in problems { logger.error("\(problem)") }
      guard let ruleset else { throw ServerError("the configuration \(displayEscaped(file)) can't be used") }
      // Policies that are broken are not there; the rest is served. A directory of nothing usable is a mistake.
      guard !ruleset.policies.policies.isEmpty else {
        throw ServerError("there is no usable policy in \(displayEscaped(ruleset.configuration.policyDirectory))")
      }
      for warning in ruleset.warnings { logger.warning("\(warning)") }
      let context = try prepare(ruleset, supervisor: supervisor, logger)
      let listener = try ControlSocket.open(notifier, ruleset.configuration, logger)
      // Only now is it sure that no other server has this place.
      let running = context.removeLeftovers()
      let uncounted = context.adoptRecords(running: running.all)
      let loop = try ControlLoop(
        context: context, configurationFile: file, place: listener.place, listener: listener.socket, signals: signals, notifier: notifier,
        descriptorLimit: descriptorLimit)
      loop.adopt(running.supervised)
      loop.countLater(uncounted)
      if context.hasLingering { loop.lookAtLingeringLater() }
      try context.log.require(started(context, problems))
      loop.closeForgottenLater(running: running.all)
      logger.notice("agentshd \(version) decides on \(displayEscaped(ruleset.configuration.controlSocket)) with \(ruleset.policies.policies.count) policies")
      notifier.ready()
      defer { context.spares.stop() }
      try loop.run()
      loop.place.remove()
      context.log.note(AuditRecord(operation: .serverStop))
      logger.notice("stopped")
    } catch let error as ServerError {
      throw error
    } catch {
      throw ServerError("\(error)")
    }
  }

  private static func prepare(_ ruleset: Ruleset, supervisor: [UInt8]?, _ logger: Logger) throws -> ServerContext {
    let configuration = ruleset.configuration
    let program = try supervisor ?? installedSupervisor()
    _ = try TrustedPath.file(program)
    let runtime = try TrustedPath.makeDirectory(configuration.runtimeDirectory, mode: 0o755)
    let sessions = try RuntimeDirectory(at: TrustedPath.joined(runtime.path, Array("sessions".utf8)))
    let logs = try TrustedPath.makeDirectory(configuration.logDirectory, mode: 0o750)
    let recordsPath = TrustedPath.joined(logs.path, Array("sessions".utf8))
    let records = try TrustedPath.makeDirectory(recordsPath, mode: 0o750)
    let logDirectory = try openAt(AT_FDCWD, logs.path, flags: O_RDONLY | O_DIRECTORY)
    let host = HostAbilities.probe()
    for feature in HostFeature.allCases where !host.has(feature) {
      logger.warning("this host lacks \(feature.rawValue): \(host.explanation(feature))")
    }
    let recordsDescriptor = try openAt(AT_FDCWD, records.path, flags: O_RDONLY | O_DIRECTORY)
    let log = try ServerLog(in: logDirectory, at: logs.path, logger: logger)
    // Also where server.jsonl was moved away under a server that goes on writing to it.
    try ExclusiveUse.take(recordsDescriptor, "log_dir \(displayEscaped(logs.path))")
    return try ServerContext(
      rules: CurrentRuleset(ruleset), log: log,
      runtime: sessions, records: SharedDescriptor(recordsDescriptor),
      recordsPath: records.path, supervisor: program, host: host)
  }

  /// `../libexec/agentsh/agentsh-supervisor` beside this program's directory, or, in a directory of builds, in the same one.
  private static func installedSupervisor() throws -> [UInt8] {
    let slash = UInt8(ascii: "/")
    let own = try readLink(at: AT_FDCWD, Array("/proc/self/exe".utf8))
    let directory = Array(own[..<(own.lastIndex(of: slash) ?? own.startIndex)])
    let prefix = Array(directory[..<(directory.lastIndex(of: slash) ?? directory.startIndex)])
    let candidates = [
      prefix + Array("/libexec/agentsh/agentsh-supervisor".utf8), directory + Array("/agentsh-supervisor".utf8),
    ]
    for candidate in candidates where (try? linkStatus(at: AT_FDCWD, candidate)) != nil { return candidate }
    throw ServerError("agentsh-supervisor is not installed: there is no \(candidates.map { displayEscaped($0) }.joined(separator: " and no "))")
  }

  /// The configuration of the installation that this program is part of, as `agentsh` finds it.
  static func installedConfiguration() -> [UInt8] {
    let slash = UInt8(ascii: "/")
    let own = (try? readLink(at: AT_FDCWD, Array("/proc/self/exe".utf8))) ?? []
    let note = Array(own[..<(own.lastIndex(of: slash) ?? own.startIndex)]) + Array("/../libexec/agentsh/sysconfdir".utf8)
    let line = Array(((try? readSmallFile(at: AT_FDCWD, note)) ?? []).prefix { $0 != UInt8(ascii: "\n") })
    return (line.first == slash ? line : Array("/etc".utf8)) + Array("/agentsh/agentshd.yaml".utf8)
  }

  private static func started(_ context: ServerContext, _ problems: [String]) -> AuditRecord {
    var fields = [
      AuditField("version", .text(version)), AuditField("features", .list(context.host.names.map { .text($0) })),
      AuditField("policies", .list(context.rules.ruleset.policies.names.map { .text($0) })),
    ]
    if !problems.isEmpty { fields.append(AuditField("problems", .list(problems.prefix(100).map { .text($0) }))) }
    return AuditRecord(operation: .serverStart, pid: getpid(), fields: fields)
  }
}
