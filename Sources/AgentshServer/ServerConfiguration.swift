public import AgentshText
internal import AgentshProtocol

/// A user or group as the configuration names one.
public enum PrincipalName: Sendable, Hashable {
  /// `"*"`
  case anyone
  case number(UInt32)
  case name([UInt8])
}

/// Users and groups; one of either suffices to match.
public struct Principals: Sendable, Equatable {
  public var users: [PrincipalName]
  public var groups: [PrincipalName]

  public init(users: [PrincipalName] = [], groups: [PrincipalName] = []) {
    self.users = users
    self.groups = groups
  }
}

/// One line of `assignments`: who may use which policies.
public struct PolicyAssignment: Sendable, Equatable {
  public var who: Principals
  /// The policy used when the caller names none.
  public var defaultPolicy: String
  /// Policies that the caller may name; the default is always among them.
  public var policies: [String]
  /// `policies: ["*"]`
  public var allowsAllPolicies: Bool
  public let position: TextPosition
}

/// How many sessions there may be, and how much each may write.
public struct SessionLimits: Sendable, Equatable {
  /// Sessions of one user that are starting, running or ending.
  public var activePerUser = 5
  /// Sessions of one user that the server holds in all: the active ones and the ended ones that are kept to be listed. Ended ones make room
  /// for new ones, the oldest first, so only sessions that have not ended can use this limit up.
  public var perUser = 10
  /// Sessions of all users that are starting, running or ending.
  public var active = 1000
  /// Bytes of one session's record.
  public var recordSize: Int64 = 4 << 30
}

/// What to do where the host lacks a feature.
public enum MissingFeatureRule: String, Sendable {
  case refuse
  case warn
}

/// A feature of the host that enforcement rests on.
public enum HostFeature: String, Sendable, CaseIterable {
  /// seccomp user notification.
  case listener
  case landlock
  /// A control group per session.
  case cgroup
  /// Reading installed filters back.
  case attestation
}

/// /etc/agentsh/agentshd.yaml, read and checked.
public struct ServerConfiguration: Sendable {
  public var controlSocket: [UInt8] = Array("/run/agentsh/control.sock".utf8)
  public var runtimeDirectory: [UInt8] = Array("/run/agentsh".utf8)
  public var logDirectory: [UInt8] = Array("/var/log/agentsh".utf8)
  public var policyDirectory: [UInt8] = Array("/etc/agentsh/policies".utf8)
  /// The text is a well-formed mapping; else nothing in here is what somebody wrote.
  var isYAML = true
  /// Where the values of top-level keys stand.
  var positions: [String: TextPosition] = [:]
  /// Every user and group that is named, in the order of the text.
  var named: [NamedPrincipal] = []
  /// What is no error and has no effect either.
  var warnings: [ConfigurationProblem] = []
  public var handshakeTimeoutMilliseconds = 30_000
  /// How many supervisors may wait, started, for the next session of a caller who has just opened one.
  public var spareSupervisors = 4
  public var limits = SessionLimits()
  public var assignments: [PolicyAssignment] = []
  public var admins = Principals()
  public var onMissingFeature: [HostFeature: MissingFeatureRule] = [:]

  public func rule(for feature: HostFeature) -> MissingFeatureRule { onMissingFeature[feature] ?? .refuse }
}

/// A user or group with the place where it stands.
struct NamedPrincipal: Sendable {
  let name: [UInt8]
  let isGroup: Bool
  let position: TextPosition
}

/// Something wrong in the configuration, with its place.
public struct ConfigurationProblem: Sendable, Equatable, CustomStringConvertible {
  public let file: String
  public let line: Int
  public let column: Int
  public let message: String
  var isWarning = false

  public var description: String {
    let kind = isWarning ? "warning" : "error"
    return line > 0 ? "\(file):\(line):\(column): \(kind): \(message)" : "\(file): \(kind): \(message)"
  }
}

extension ServerConfiguration {
  /// Reads the text of a configuration; the configuration is to be used only when there are no problems.
  public static func parse(_ source: [UInt8], file: String) -> (configuration: ServerConfiguration, problems: [ConfigurationProblem]) {
    let document = YAMLDocument(parsing: source)
    var reader = ConfigurationReader(file: file)
    for problem in document.problems { reader.complain(problem.position, problem.message) }
    var configuration = ServerConfiguration()
    configuration.isYAML = document.problems.isEmpty
    if let root = document.root, !root.isNull {
      if case .mapping = root.content {} else { configuration.isYAML = false }
      configuration.read(root, &reader)
      if reader.problems.isEmpty { configuration.warn(&reader) }
    } else if configuration.isYAML {
      // What an editor or a full disk has cut off must not pass for a configuration in which nobody is assigned anything.
      configuration.isYAML = false
      reader.complain("the file says nothing: it is empty, or has comments only; `{}` stands for all defaults, with which nobody may open a session")
    }
    configuration.named = reader.named
    configuration.warnings = reader.warnings
    return (configuration, reader.problems)
  }

  private mutating func read(_ root: YAMLNode, _ reader: inout ConfigurationReader) {
    for entry in reader.entries(root, "the configuration") {
      let value = entry.value
      positions[entry.key] = value.position
      switch entry.key {
      case "control_socket": controlSocket = reader.socketPath(value, entry.key) ?? controlSocket
      case "runtime_dir": runtimeDirectory = reader.path(value, entry.key) ?? runtimeDirectory
      case "log_dir": logDirectory = reader.path(value, entry.key) ?? logDirectory
      case "policy_dir": policyDirectory = reader.path(value, entry.key) ?? policyDirectory
      case "handshake_timeout":
        handshakeTimeoutMilliseconds = reader.duration(value, entry.key) ?? handshakeTimeoutMilliseconds
      case "spare_supervisors": spareSupervisors = reader.count(value, entry.key, from: 0) ?? spareSupervisors
      case "limits": readLimits(value, &reader)
      case "assignments":
        assignments = reader.elements(value, entry.key).compactMap { Self.assignment($0, &reader) }
      case "admins": admins = Self.principals(value, entry.key, &reader)
      case "on_missing_feature": readFeatures(value, &reader)
      default: reader.unknown(entry, in: "the configuration")
      }
    }
  }

  /// What is no mistake in itself, and surely not what somebody wants.
  private func warn(_ reader: inout ConfigurationReader) {
    if assignments.isEmpty { reader.warn("there are no assignments: nobody may open a session") }
    // The first that matches decides; of users and groups one suffices.
    if let last = assignments.firstIndex(where: { $0.who.users.contains(.anyone) || $0.who.groups.contains(.anyone) }) {
      let line = assignments[last].position.line
      for assignment in assignments[(last + 1)...] {
        reader.warn(assignment.position, "this assignment is never reached: the one of line \(line) is for everybody, and the first that matches decides")
      }
    }
    if handshakeTimeoutMilliseconds < 1000, let position = positions["handshake_timeout"] {
      reader.warn(position, "handshake_timeout is less than 1s: on a busy host a session may not begin in time, and then nothing runs")
    }
    if limits.activePerUser > limits.perUser {
      reader.warn(
        "active_sessions_per_user (\(limits.activePerUser)) is more than sessions_per_user (\(limits.perUser)): a user may have \(limits.perUser) at a time")
    }
  }

  private mutating func readLimits(_ node: YAMLNode, _ reader: inout ConfigurationReader) {
    for entry in reader.entries(node, "limits") {
      switch entry.key {
      case "active_sessions_per_user": limits.activePerUser = reader.count(entry.value, entry.key) ?? limits.activePerUser
      case "sessions_per_user": limits.perUser = reader.count(entry.value, entry.key) ?? limits.perUser
      case "active_sessions": limits.active = reader.count(entry.value, entry.key) ?? limits.active
      case "record_size": limits.recordSize = reader.size(entry.value, entry.key) ?? limits.recordSize
      default: reader.unknown(entry, in: "limits")
      }
    }
  }

  private mutating func readFeatures(_ node: YAMLNode, _ reader: inout ConfigurationReader) {
    func rule(_ node: YAMLNode, _ key: String, _ reader: inout ConfigurationReader) -> MissingFeatureRule? {
      if let text = node.string, let rule = MissingFeatureRule(rawValue: text) { return rule }
      reader.complain(node.position, "\(key) must be refuse or warn")
      return nil
    }
    if case .scalar = node.content {
      guard let all = rule(node, "on_missing_feature", &reader) else { return }
      for feature in HostFeature.allCases { onMissingFeature[feature] = all }
      return
    }
    for entry in reader.entries(node, "on_missing_feature") {
      guard let feature = HostFeature(rawValue: entry.key) else {
        reader.unknown(entry, in: "on_missing_feature")
        continue
      }
      onMissingFeature[feature] = rule(entry.value, entry.key, &reader)
      if feature == .listener, onMissingFeature[feature] == .warn {
        reader.warn(entry.keyPosition, "listener has no effect: where the kernel takes no seccomp listener, no session is opened")
      }
    }
  }

  private static func assignment(_ node: YAMLNode, _ reader: inout ConfigurationReader) -> PolicyAssignment? {
    var who = Principals()
    var defaultPolicy: String?
    var policies: [String]?
    for entry in reader.entries(node, "an assignment") {
      switch entry.key {
      case "users": who.users = reader.names(entry.value, "users")
      case "groups": who.groups = reader.names(entry.value, "groups")
      case "default": defaultPolicy = reader.label(entry.value, "default")
      case "policies": policies = reader.elements(entry.value, "policies").compactMap { reader.label($0, "policies") }
      default: reader.unknown(entry, in: "an assignment")
      }
    }
    guard let defaultPolicy else {
      reader.complain(node.position, "an assignment needs a default policy")
      return nil
    }
    if who.users.isEmpty, who.groups.isEmpty { reader.complain(node.position, "an assignment needs users or groups") }
    let allowsAll = policies?.contains("*") ?? false
    return PolicyAssignment(
      who: who, defaultPolicy: defaultPolicy, policies: (policies ?? []).filter { $0 != "*" }, allowsAllPolicies: allowsAll,
      position: node.position)
  }

  private static func principals(_ node: YAMLNode, _ what: String, _ reader: inout ConfigurationReader) -> Principals {
    var who = Principals()
    for entry in reader.entries(node, what) {
      switch entry.key {
      case "users": who.users = reader.names(entry.value, "users")
      case "groups": who.groups = reader.names(entry.value, "groups")
      default: reader.unknown(entry, in: what)
      }
    }
    return who
  }
}

/// Takes YAML values apart and collects what is wrong with them.
struct ConfigurationReader {
  let file: String
  private(set) var problems: [ConfigurationProblem] = []
  private(set) var warnings: [ConfigurationProblem] = []
  private(set) var named: [NamedPrincipal] = []

  init(file: String) { self.file = file }

  /// Something that has no place.
  mutating func complain(_ message: String) { problems.append(ConfigurationProblem(file: file, line: 0, column: 0, message: message)) }

  mutating func warn(_ message: String) {
    warnings.append(ConfigurationProblem(file: file, line: 0, column: 0, message: message, isWarning: true))
  }

  mutating func warn(_ position: TextPosition, _ message: String) {
    warnings.append(ConfigurationProblem(file: file, line: position.line, column: position.column, message: message, isWarning: true))
  }

  mutating func complain(_ position: TextPosition, _ message: String) {
    problems.append(ConfigurationProblem(file: file, line: position.line, column: position.column, message: message))
  }

  mutating func unknown(_ entry: YAMLNode.Entry, in place: String) {
    complain(entry.keyPosition, "\(place) has no key \(displayEscaped(entry.key))")
  }

  mutating func entries(_ node: YAMLNode, _ what: String) -> [YAMLNode.Entry] {
    if case .mapping(let entries) = node.content { return entries }
    complain(node.position, "\(what) must be a mapping, not \(node.kind)")
    return []
  }

  mutating func elements(_ node: YAMLNode, _ what: String) -> [YAMLNode] {
    if case .sequence(let elements) = node.content { return elements }
    complain(node.position, "\(what) must be a list, not \(node.kind)")
    return []
  }

  mutating func path(_ node: YAMLNode, _ key: String) -> [UInt8]? {
    guard let text = node.string, text.utf8.first == UInt8(ascii: "/"), !text.utf8.contains(0), text.utf8.count < 4096 else {
      complain(node.position, "\(key) must be an absolute path")
      return nil
    }
    return Array(text.utf8)
  }

  /// The same for a socket to be made. See unix(7): an address holds 107 bytes; a longer path is shortened to a descriptor of its directory, and its last name
  /// has to fit behind that.
  mutating func socketPath(_ node: YAMLNode, _ key: String) -> [UInt8]? {
    guard let path = path(node, key) else { return nil }
    let name = path.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).last ?? []
    guard !name.isEmpty, !name.elementsEqual(".".utf8), !name.elementsEqual("..".utf8) else {
      complain(node.position, "\(key) \(displayEscaped(path)) names no file")
      return nil
    }
    let room = 107 - "/proc/self/fd/1000000/".utf8.count
    guard path.count <= 107 || name.count <= room else {
      complain(node.position, "\(key): its last name has \(name.count) bytes, and in so long a path no more than \(room) can be bound")
      return nil
    }
    return path
  }

  mutating func count(_ node: YAMLNode, _ key: String, from least: Int = 1) -> Int? {
    guard let value = node.int, (least...1_000_000).contains(value) else {
      complain(node.position, "\(key) must be a number from \(least) to 1000000")
      return nil
    }
    return value
  }

  /// `64KiB`, `100MiB`, `4GiB`, `1TiB`: in bytes, at most a PiB.
  mutating func size(_ node: YAMLNode, _ key: String) -> Int64? {
    if let text = node.string {
      for (unit, shift) in [("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40)] where text.hasSuffix(unit) {
        let digits = text.dropLast(unit.count)
        guard !digits.isEmpty, digits.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }), let value = Int64(digits)
        else { continue }
        let (bytes, overflow) = value.multipliedReportingOverflow(by: 1 << shift)
        if !overflow, (64 << 10...1 << 50).contains(bytes) { return bytes }
      }
    }
    complain(node.position, "\(key) must be a size like 64KiB, 100MiB or 4GiB, at least 64KiB")
    return nil
  }

  /// `500ms`, `30s`, `10m`, `1h`, at most a day.
  mutating func duration(_ node: YAMLNode, _ key: String) -> Int? {
    let day = 86_400_000
    if let text = node.string {
      for (unit, scale) in [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)] where text.hasSuffix(unit) {
        let digits = text.dropLast(unit.count)
        guard !digits.isEmpty, digits.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }), let value = Int(digits)
        else { continue }
        let (milliseconds, overflow) = value.multipliedReportingOverflow(by: scale)
        if !overflow, (1...day).contains(milliseconds) { return milliseconds }
      }
    }
    complain(node.position, "\(key) must be a duration like 500ms, 30s or 10m, at most 24h")
    return nil
  }

  mutating func label(_ node: YAMLNode, _ key: String) -> String? {
    guard let text = node.string, !text.isEmpty, text.utf8.count <= 255, !text.utf8.contains(UInt8(ascii: "/")) else {
      complain(node.position, "\(key) must be the name of a policy")
      return nil
    }
    return text
  }

  mutating func names(_ node: YAMLNode, _ key: String) -> [PrincipalName] {
    var names: [PrincipalName] = []
    for element in elements(node, key) {
      guard let text = element.string, !text.isEmpty, !text.utf8.contains(0) else {
        complain(element.position, "\(key) must be names or numbers")
        continue
      }
      if text == "*" {
        names.append(.anyone)
      } else if text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) || $0 == UInt8(ascii: "-") }) {
        do throws(UserIDError) {
          names.append(.number(try UserID.parse(text)))
        } catch {
          complain(element.position, "\(key): \(displayEscaped(text)) is no id: it \(error.reason)")
        }
      } else {
        names.append(.name(Array(text.utf8)))
        named.append(NamedPrincipal(name: Array(text.utf8), isGroup: key == "groups", position: element.position))
      }
    }
    return names
  }
}
