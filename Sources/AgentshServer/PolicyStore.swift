internal import AgentshAudit
internal import AgentshFilter
internal import AgentshPolicy
internal import AgentshProtocol
internal import AgentshSupervision
internal import AgentshSystem
internal import AgentshText
import Synchronization

/// A policy as one file had it when it was read.
final class LoadedPolicy: Sendable {
  /// The file's name without `.yaml`: what assignments and callers say.
  let name: String
  let file: String
  let source: [UInt8]
  let sha256: String
  let policy: Policy
  private let filters: Mutex<[FilterSpecification: FilterProgram]> = Mutex([:])

  init(name: String, file: String, source: [UInt8], policy: Policy) {
    self.name = name
    self.file = file
    self.source = source
    self.policy = policy
    sha256 = AuditDigest.sha256(source)
  }

  /// What the values of the variables decide: which rules there are, and so what has to be trapped.
  private struct Place: Hashable {
    let projectRoot: [UInt8]
    let home: [UInt8]
    let user: [UInt8]
    let network: NetworkMode
    let isNested: Bool
  }

  private let places: Mutex<[Place: SessionFilter]> = Mutex([:])

  /// The program for a session of this policy with these variables.
  ///
  /// People start the same thing in the same place again and again, and binding a policy of two thousand rules takes its time, so the last few
  /// answers are kept. The repository is looked for by the supervisor, as the caller; whatever it finds, no more is trapped than with the project
  /// itself in its place.
  ///
  /// - Parameters:
  ///   - network: how far the session is to reach at most, beside what the policy says.
  ///   - isNested: for a session inside another, whose filter is put on top of that one's.
  func filter(projectRoot: [UInt8], home: [UInt8], user: [UInt8], network: NetworkMode = .full, isNested: Bool = false) throws -> SessionFilter {
    let place = Place(projectRoot: projectRoot, home: home, user: user, network: network, isNested: isNested)
    if let known = places.withLock({ $0[place] }) { return known }
    let variables = PolicyVariables.unknownRepository(projectRoot: projectRoot, home: home, user: user)
    let bound = try policy.bound(to: variables, network: network)
    let exactRights = isNested ? [] : SessionFloor.exactRights(bound, policy)
    let specification = isNested
      ? FilterSpecification(nested: policy, bound: bound) : FilterSpecification(policy: policy, bound: bound, exactRights: exactRights)
    let known = filters.withLock { $0[specification] }
    let program = try known ?? FilterCompiler.compile(specification)
    filters.withLock { $0[specification] = program }
    let filter = SessionFilter(program: program, exactRights: exactRights, knowsNames: bound.knowsNames)
    places.withLock { places in
      if places.count >= Self.mostPlaces { places = [:] }
      places[place] = filter
    }
    return filter
  }

  private static let mostPlaces = 256
}

/// The filter of a session, and what it leaves to Landlock.
struct SessionFilter: Sendable {
  let program: FilterProgram
  let exactRights: FloorRights
  /// Whether the session needs a resolver.
  let knowsNames: Bool
}

/// All policies that can be used, and what is wrong with the rest.
struct PolicySet: Sendable {
  var policies: [String: LoadedPolicy] = [:]
  /// One line each, ready to be printed.
  var problems: [String] = []
  var warnings: [String] = []

  var names: [String] { policies.keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) } }

  /// Reads every `*.yaml` of a directory. A file that can't be used leaves the version of it that `previous` has, where it has one.
  static func load(_ directory: [UInt8], keeping previous: PolicySet?) -> PolicySet {
    var set = PolicySet()
    let suffix = Array(".yaml".utf8)
    let place: [UInt8]
    let files: [[UInt8]]
    let similar = Array(".yml".utf8)
    do {
      let opened = try TrustedPath.directory(directory)
      place = opened.path
      let names = try directoryNames(in: opened.descriptor)
      files = names.filter { $0.count > suffix.count && $0.suffix(suffix.count).elementsEqual(suffix) }
      for name in names where name.first != UInt8(ascii: ".") && name.count > similar.count && name.suffix(similar.count).elementsEqual(similar) {
        set.warnings.append("\(displayEscaped(TrustedPath.joined(place, name))): warning: is not read: only files whose names end in .yaml are")
      }
    } catch {
      set.problems.append("policy_dir \(error)")
      set.policies = previous?.policies ?? [:]
      return set
    }
    for file in files where file.first != UInt8(ascii: ".") {
      guard let name = String(validating: file.dropLast(suffix.count), as: UTF8.self) else {
        set.problems.append("\(displayEscaped(TrustedPath.joined(place, file))): error: the name is not UTF-8")
        continue
      }
      switch read(TrustedPath.joined(place, file), name) {
      case .success(let policy, let warnings):
        set.policies[name] = policy
        set.warnings += warnings
        if policy.policy.name != name {
          set.warnings.append(
            "\(policy.file): warning: name is \(displayEscaped(policy.policy.name)), and the policy is known as \(displayEscaped(name)), as its file is")
        }
      case .failure(let problems):
        set.problems += problems
        if let kept = previous?.policies[name] {
          set.policies[name] = kept
          set.problems.append("\(displayEscaped(kept.file)): its last good version stays in use")
        }
      }
    }
    return set
  }

  private enum Reading {
    case success(LoadedPolicy, warnings: [String])
    case failure([String])
  }

  /// More than any policy has; a device or an endless file is not read to its end.
  private static let largest = 4 << 20

  private static func read(_ path: [UInt8], _ name: String) -> Reading {
    let file = displayEscaped(path)
    let source: [UInt8]
    do throws(TrustError) {
      let opened = try TrustedPath.file(path)
      do throws(SyscallError) { source = try readAll(opened.descriptor, limit: largest + 1) } catch {
        return .failure(["\(file): error: can't be read: \(error.errno)"])
      }
    } catch {
      return .failure(["\(error)"])
    }
    guard source.count <= largest else { return .failure(["\(file): error: is larger than \(largest) bytes"]) }
    let result = Policy.parse(source, file: file)
    guard let policy = result.policy else { return .failure(result.errors.map(\.description)) }
    let loaded = LoadedPolicy(name: name, file: file, source: source, policy: policy)
    // What can't be compiled for anybody is wrong now, not at the first Wrap.
    do {
      let root = [UInt8(ascii: "/")]
      _ = try loaded.filter(projectRoot: root, home: root, user: Array("root".utf8))
    } catch {
      return .failure(["\(file): error: \(error)"])
    }
    return .success(loaded, warnings: result.warnings.map(\.description))
  }
}

extension ServerConfiguration {
  /// Assignments that name a policy which is not there.
  func problems(with set: PolicySet, file: String) -> [String] {
    var problems: [String] = []
    for assignment in assignments {
      for name in [assignment.defaultPolicy] + assignment.policies where set.policies[name] == nil {
        let problem = ConfigurationProblem(
          file: file, line: assignment.position.line, column: assignment.position.column,
          message: "there is no usable policy \(displayEscaped(name)) in \(displayEscaped(policyDirectory))")
        if !problems.contains(problem.description) { problems.append(problem.description) }
      }
    }
    return problems
  }
}
