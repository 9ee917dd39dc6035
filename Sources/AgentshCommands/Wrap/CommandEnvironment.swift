internal import AgentshPolicy
internal import AgentshProtocol

/// The environment that the command is given: the caller's, with `--env`, less what the policy drops, with what it sets.
struct CommandEnvironment: Equatable {
  /// `NAME=VALUE` each.
  var entries: [[UInt8]]
  /// For the user: what was asked for by `--env` and is dropped all the same.
  var notes: [String]
  /// Names of the caller's variables that the policy drops.
  var dropped: [[UInt8]]

  /// One `--env`.
  enum Request: Equatable {
    case set(name: [UInt8], value: [UInt8])
    /// Pass on what the caller's environment has.
    case pass(name: [UInt8])

    init?(_ argument: [UInt8]) {
      guard let equals = argument.firstIndex(of: UInt8(ascii: "=")) else {
        if argument.isEmpty { return nil }
        self = .pass(name: argument)
        return
      }
      guard equals > 0 else { return nil }
      self = .set(name: Array(argument[..<equals]), value: Array(argument[(equals + 1)...]))
    }

    var name: [UInt8] {
      switch self {
      case .set(let name, _), .pass(let name): name
      }
    }
  }

  init(inherited: [[UInt8]], requests: [Request], policy: EnvironmentPlan, session: String) throws(CommandFailure) {
    var variables: [EnvironmentPolicy.Variable] = []
    var notes: [String] = []
    for entry in inherited {
      // What has no "=" is no variable, and no program sees it as one.
      guard let equals = entry.firstIndex(of: UInt8(ascii: "=")) else { continue }
      variables.append((Array(entry[..<equals]), Array(entry[(equals + 1)...])))
    }
    for request in requests {
      switch request {
      case .set(let name, let value):
        variables.removeAll { $0.name == name }
        variables.append((name, value))
      case .pass(let name):
        if !variables.contains(where: { $0.name == name }) { notes.append("--env \(displayEscaped(name)): there is no such variable") }
      }
    }
    let asked = Set(requests.map(\.name))
    let sessionName = Array("AGENTSH_SESSION_ID".utf8)
    variables.removeAll { $0.name == sessionName }
    let selection = EnvironmentPolicy(policy).filtered(variables)
    if let violation = selection.violation { throw CommandFailure(.failed, violation, "run it with a smaller environment: env -i … agentsh wrap …") }
    for name in selection.dropped where asked.contains(name) {
      notes.append("--env \(displayEscaped(name)): the policy's env_policy drops it")
    }
    dropped = selection.dropped
    // A server of another version may take such a policy: the session's own name stands all the same.
    entries = selection.kept.filter { $0.name != sessionName }.map { $0.name + [UInt8(ascii: "=")] + $0.value }
    entries.append(sessionName + [UInt8(ascii: "=")] + Array(session.utf8))
    self.notes = notes
  }

  /// The value of a variable that the command will have.
  subscript(name: String) -> [UInt8]? {
    let prefix = Array("\(name)=".utf8)
    return entries.first { $0.starts(with: prefix) }.map { Array($0.dropFirst(prefix.count)) }
  }
}

extension EnvironmentPolicy {
  init(_ plan: EnvironmentPlan) {
    self.init(
      allow: plan.allow, deny: plan.deny, inject: Dictionary(plan.inject.map { ($0.name, $0.value) }, uniquingKeysWith: { _, last in last }),
      maxBytes: plan.maxBytes ?? 0, maxKeys: plan.maxKeys ?? 0, blockIteration: plan.blockIteration)
  }
}
