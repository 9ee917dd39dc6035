import AgentshFilter
import AgentshServer

@testable import AgentshPolicy
@testable import AgentshSupervision

private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

private let variables = PolicyVariables(
  projectRoot: bytes("/home/ann/shop"), gitRoot: bytes("/home/ann/shop"), home: bytes("/home/ann"), user: bytes("ann"))

/// What a policy is asked once it is bound; one line for each answer.
private func answers(_ policy: BoundPolicy) -> [String] {
  var answers: [String] = []
  for path in ["/home/ann/shop/.env", "/", "/home/ann/shop/src/main.c", "/etc/passwd", "/home/ann/\u{fffd}\u{1}"] {
    for operation in [FileOperation.read, .write, .create, .delete, .rename] {
      answers.append("\(operation) \(path): \(policy.file(operation, bytes(path)).isPermitted)")
    }
  }
  _ = policy.refusalBelow(bytes("/home/ann/shop"), [.rename, .delete])
  answers.append("\(policy.command(CommandSubject(canonicalPath: bytes("/usr/bin/git"), arguments: [bytes("push"), [0xff]])).isPermitted)")
  answers.append("\(policy.network(NetworkSubject(operation: .connect, address: IPAddress("192.0.2.1"), port: 443)).isPermitted)")
  answers.append("\(policy.unixSocket(.connect, .abstract(bytes("x"))).isPermitted)")
  answers.append("\(policy.signal(9, .session).isPermitted)")
  return answers
}

extension FuzzTarget {
  /// A policy's text: read to an end, with errors that have a place; what loads is bound, decides, and is explained.
  static let policy = FuzzTarget(
    "policy",
    dictionary: [
      "version: 1\\x0aname: x\\x0a", "file_rules:", "command_rules:", "network_rules:", "signal_rules:", "unix_socket_rules:", "- {name: r, ", "paths: [", "operations: [",
      "decision: deny", "decision: allow", "commands: [", "args_patterns: [", "domains: [", "cidrs: [", "ports: [", "signals: [", "${PROJECT_ROOT}",
      "${X:-y}", "**/", "[!a-z]", "{a,b}", "defaults: {", "env_policy:", "env_inject:", "syscalls: {allow: [", "&a", "*a", "!!str", "<<: ", "@all", "...\\x0a---\\x0a",
    ]
  ) { source in
    let result = Policy.parse(source, file: "fuzz")
    guard let policy = result.policy else {
      guard !result.errors.isEmpty else { return .wrong("no policy, and no error") }
      return result.errors.allSatisfy { $0.line >= 1 && $0.column >= 1 } ? .refused : .wrong("an error without a place")
    }
    guard result.errors.isEmpty else { return .wrong("a policy with errors") }
    // A variable without a value, or with one that is no canonical path, is an error of the session.
    guard let bound = try? policy.bound(to: variables) else { return .taken }
    guard (try? FilterSpecification(policy: policy, bound: bound).explain()) != nil else { return .wrong("a policy that can't be explained") }
    let checked = Policy.parse(source, file: "fuzz", isChecked: true).policy
    guard let again = try? checked?.bound(to: variables) else { return .wrong("a checked policy that doesn't load") }
    return answers(bound) == answers(again) ? .taken : .wrong("a checked policy decides otherwise")
  }

  /// agentshd.yaml.
  static let configuration = FuzzTarget(
    "configuration",
    dictionary: [
      "control_socket: /", "runtime_dir: /", "log_dir: /", "policy_dir: /", "handshake_timeout: 30s", "limits: {", "active_sessions: ", "assignments:", "users: [",
      "groups: [", "default: ", "policies: [\\x22*\\x22]", "admins: {", "on_missing_feature: ", "refuse", "warn", "landlock: ",
    ]
  ) { source in
    let result = ServerConfiguration.parse(source, file: "fuzz")
    return .of(result.problems.isEmpty)
  }

  /// A glob, a NUL, and a text: every way of matching agrees with the plainest one.
  static let glob = FuzzTarget(
    "glob", dictionary: ["**", "*", "?", "[a-z]", "[!a]", "{a,b}", "{,x}", "\\\\*", "/**/", "${HOME}", "\\x00", "\\xc3\\xa4", "\\x80", "**/*.x", "*/"]
  ) { input in
    let pattern = input.prefix { $0 != 0 }.prefix(256)
    let text = Array(input.dropFirst(pattern.count + 1).prefix(256))
    let separator: UInt8? = pattern.first == UInt8(ascii: "|") ? nil : UInt8(ascii: "/")
    guard let template = try? GlobTemplate(String(decoding: pattern, as: UTF8.self), separator: separator) else { return .refused }
    guard template.variables.isEmpty else { return .taken }
    for codes in template.alternatives.prefix(32) {
      let plain = codes.map { GlobCode.token($0, template.sets) }
      let expected = matchesPlainly(plain, text, separator: separator)
      let glob = Glob(codes, sets: template.sets, separator: separator)
      guard glob.matches(text) == expected else { return .wrong("the glob says \(!expected)") }
      let folded = glob.codes.map { GlobCode.token($0, template.sets) }
      guard GlobAutomaton(folded, separator: separator).matches(text.span, from: 0) == expected else { return .wrong("the automaton says \(!expected)") }
      // What it matches below a directory concerns that directory's descendants, unless it would under any name.
      if separator != nil, expected, glob.coversDescendants(of: text), !glob.matches(text + Array("/x".utf8)) {
        return .wrong("it covers what is below, and doesn't match it")
      }
    }
    return .taken
  }

  /// An address as text, or a block: written and read again it is the same.
  static let address = FuzzTarget("address", dictionary: ["::", "ffff:", "127.0.0.1", "%", "/64", "2001:db8", "0x", "255"]) { input in
    let text = String(decoding: input, as: UTF8.self)
    var taken = false
    if let address = IPAddress(text) {
      guard IPAddress(address.description) == address else { return .wrong("\(address) is not read as itself") }
      taken = true
    }
    if let block = CIDR(text) {
      guard block.contains(block.base) else { return .wrong("a block without its own base") }
      guard CIDR("\(block.base)/\(block.bits)") == block else { return .wrong("\(block) is not read as itself") }
      taken = true
    }
    return .of(taken)
  }
}

/// Whether steps match a text, by trying everything: row by row over the text, one cell for each step.
private func matchesPlainly(_ tokens: [GlobToken], _ text: [UInt8], separator: UInt8?) -> Bool {
  func close(_ row: inout [Bool]) {
    for (index, token) in tokens.enumerated() where row[index] && (token == .star || token == .deepStar) { row[index + 1] = true }
  }
  var row = [Bool](repeating: false, count: tokens.count + 1)
  row[0] = true
  close(&row)
  for byte in text {
    var next = [Bool](repeating: false, count: tokens.count + 1)
    for (index, token) in tokens.enumerated() {
      if row[index] {
        switch token {
        case .byte(let wanted): if byte == wanted { next[index + 1] = true }
        case .star: if byte != separator { next[index] = true }
        case .deepStar: next[index] = true
        case .one(let members, let wide): if members.contains(byte), wide || byte < 0x80 { next[index + 1] = true }
        case .variable: break
        }
      }
      // One character beyond ASCII is its first byte and whatever continuation bytes follow.
      if row[index + 1], case .one(_, wide: true) = token, byte & 0xc0 == 0x80 { next[index + 1] = true }
    }
    row = next
    close(&row)
  }
  return row[tokens.count]
}
