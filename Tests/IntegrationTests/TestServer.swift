import AgentshSystem
import Glibc
import Testing

/// An agentshd of its own, run as root from copies of the built programs, with two users who have a directory each. Their numbers are nobody
/// else's, so that all processes of a number are this test's.
final class TestServer {
  let directory: String
  private(set) var process: RunningProcess
  private let command: [String]
  /// The test ends agentshd itself.
  var mayHaveEnded = false
  let firstUser: UInt32
  let secondUser: UInt32

  var socket: String { "\(directory)/run/control.sock" }
  var sessionsDirectory: String { "\(directory)/run/sessions" }
  var recordsDirectory: String { "\(directory)/log/sessions" }
  func project(_ uid: UInt32) -> String { "\(directory)/project-\(uid)" }
  func program(_ name: String) -> String { "\(directory)/bin/\(name)" }

  /// - Parameters:
  ///   - policies: file name without `.yaml` to text; "test" is the default of every user.
  ///   - limits: the configuration's line.
  ///   - onMissingFeature: the configuration's value.
  ///   - under: what agentshd is started by.
  ///   - withoutCapabilities: dropped from agentshd's bounding set: `chown`.
  init(
    policies: [String: String] = ["test": TestServer.policy],
    limits: String = "{ active_sessions_per_user: 100, sessions_per_user: 1000, active_sessions: 1000 }", withoutCapabilities: [String] = [],
    handshakeTimeout: String = "10s", spareSupervisors: Int = 0, onMissingFeature: String? = nil, under prefix: [String] = []
  ) throws {
    directory = try scratchDirectory()
    firstUser = UInt32.random(in: 100_000..<2_000_000_000)
    secondUser = firstUser + 1
    try Programs.install(into: "\(directory)/bin")
    for name in ["etc", "etc/policies", "run", "log"] { makeDirectory("\(directory)/\(name)") }
    for (name, text) in policies { try write(text, to: "\(directory)/etc/policies/\(name).yaml") }
    let configuration = """
      control_socket: \(directory)/run/control.sock
      runtime_dir: \(directory)/run
      log_dir: \(directory)/log
      policy_dir: \(directory)/etc/policies
      handshake_timeout: \(handshakeTimeout)
      spare_supervisors: \(spareSupervisors)
      limits: \(limits)
      assignments:
        - { users: ["*"], default: test, policies: ["*"] }
      admins: { users: [root], groups: [] }
      \(onMissingFeature.map { "on_missing_feature: \($0)" } ?? "")

      """
    try write(configuration, to: "\(directory)/etc/agentshd.yaml")
    for uid in [firstUser, secondUser] {
      makeDirectory("\(directory)/project-\(uid)", mode: 0o700, owner: uid)
    }
    let command = prefix + ["\(directory)/bin/agentshd", "--config", "\(directory)/etc/agentshd.yaml"]
    let without = withoutCapabilities.map { "-\($0)" }.joined(separator: ",")
    // Its messages go to a file: nobody reads a pipe while the test is busy.
    let redirected = ["sh", "-c", "exec \"$@\" 2>>\(directory)/stderr", "sh"]
    self.command = redirected + (without.isEmpty ? [] : ["setpriv", "--bounding-set", without, "--inh-caps", without]) + command
    process = try RunningProcess(self.command)
    try awaitReady()
  }

  /// A mount namespace of agentshd's own, in which no control group can be made.
  static let withoutCgroups = [
    "unshare", "-m", "sh", "-c",
    "for m in $(awk '$3 ~ /^cgroup/ { print $2 }' /proc/mounts); do mount --bind $m $m; mount -o remount,ro,bind $m; done; exec \"$@\"", "sh",
  ]

  /// Ends agentshd, with SIGKILL or by asking, and starts it again.
  func restart(_ signal: Int32 = SIGTERM) throws {
    kill(process.pid, signal)
    _ = try process.finish(milliseconds: 15_000)
    process = try RunningProcess(command)
    try awaitReady()
  }

  /// Ready when it takes connections.
  private func awaitReady() throws {
    let deadline = Deadline.after(milliseconds: 10_000)
    let path = Array("\(directory)/run/control.sock".utf8)
    while (try? UnixSocket.connect(to: path)) == nil {
      try #require(!deadline.hasPassed && kill(process.pid, 0) == 0, "agentshd did not start: \((try? content("\(directory)/stderr")) ?? "")")
      pause(milliseconds: 5)
    }
  }

  deinit {
    if !mayHaveEnded, childHasEnded(process.pid) { Issue.record("agentshd ended by itself: \((try? content("\(directory)/stderr")) ?? "")") }
    kill(process.pid, SIGTERM)
    _ = try? process.finish(milliseconds: 10_000)
    // What a server that was killed leaves behind, where control groups usually are.
    if mayHaveEnded {
      for session in records { for place in ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"] { removeDirectory("\(place)/agentsh/\(session)") } }
    }
    _ = try? run(["rm", "-rf", directory])
  }

  // MARK: Running something for a user

  /// The command line of `agentsh` as a user, in that user's project.
  func client(_ arguments: [String], as uid: UInt32? = nil, environment: [String] = []) -> [String] {
    let uid = uid ?? firstUser
    return asUser(uid) + [
      "env", "-C", project(uid), "-i", "PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C", "HOME=\(project(uid))", "AGENTSH_SERVER=\(socket)",
    ] + Self.sanitizing(in: project(uid)) + environment + [program("agentsh")] + arguments
  }

  /// Where the thread sanitizer's runtime makes a file of its own at every start: in a session that has to be a permitted place.
  private static func sanitizing(in project: String) -> [String] {
    #if AGENTSH_SANITIZED
      return ["TMPDIR=\(project)"]
    #else
      return []
    #endif
  }

  /// What makes the rest of a command line run as a user.
  func asUser(_ uid: UInt32) -> [String] { ["setpriv", "--reuid", "\(uid)", "--regid", "\(uid)", "--clear-groups"] }

  /// Starts `agentsh wrap`; its first arguments may be options, up to `--`.
  func start(_ arguments: [String], as uid: UInt32? = nil, environment: [String] = []) throws -> RunningProcess {
    try RunningProcess(client(["wrap"] + (arguments.contains("--") ? arguments : ["--"] + arguments), as: uid, environment: environment))
  }

  func wrap(
    _ arguments: [String], as uid: UInt32? = nil, input: String = "", milliseconds: Int64 = 30_000,
    _ location: SourceLocation = #_sourceLocation
  ) throws -> Outcome {
    let process = try start(arguments, as: uid)
    process.write(input)
    return try process.finish(milliseconds: milliseconds, location)
  }

  func shell(_ script: String, as uid: UInt32? = nil, _ location: SourceLocation = #_sourceLocation) throws -> Outcome {
    try wrap(["sh", "-c", script], as: uid, location)
  }

  /// Compiles a program of Programs/ into the server's directory.
  func compile(_ source: String, as name: String? = nil) throws -> String {
    let folder = String(#filePath.dropLast("TestServer.swift".count)) + "Programs/"
    let place = "\(directory)/\(name ?? source)"
    let outcome = try run(
      ["cc", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-pthread", "-o", place, "\(folder)\(source).c"], milliseconds: 60_000)
    try #require(outcome.status == 0, "\(outcome.errors)")
    changeMode(place, 0o755)
    return place
  }

  // MARK: Looking

  /// Ids of the sessions that have a directory now.
  var sessions: [String] { names(in: sessionsDirectory) }

  /// Waits for the only session to be there.
  func onlySession() throws -> String {
    try eventually("a session") { self.sessions.count == 1 }
    return try #require(sessions.first)
  }

  /// Ids of all records.
  var records: [String] { names(in: recordsDirectory).map { String($0.dropLast(".jsonl".count)) } }

  /// The lines of a record.
  func record(_ session: String) throws -> [String] {
    let bytes = try readSmallFile(at: AT_FDCWD, Array("\(recordsDirectory)/\(session).jsonl".utf8), limit: 64 << 20)
    return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
  }

  /// The lines of the server's own log.
  func log() throws -> [String] {
    let bytes = try readSmallFile(at: AT_FDCWD, Array("\(directory)/log/server.jsonl".utf8), limit: 64 << 20)
    return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
  }

  /// The supervisor's number: the only child of agentshd.
  func supervisor() throws -> Int32 {
    let found = childProcesses(of: process.pid).filter { commandName($0) == "agentsh-supervi" }
    return try #require(found.first)
  }

  static let policy = """
    version: 1
    name: test
    description: what the integration tests run under
    file_rules:
      - name: no-env-files
        paths: ["**/.env"]
        operations: ["*"]
        decision: deny
        message: "{{.Path}} holds credentials"
      - name: protected
        paths: ["${PROJECT_ROOT}/protected", "${PROJECT_ROOT}/protected/**"]
        operations: [write, create, delete, rename, mkdir, rmdir, chmod, chown, link, symlink, mknod]
        decision: deny
        message: "protected"
      - name: watched
        paths: ["${PROJECT_ROOT}/watched"]
        operations: ["*"]
        decision: audit
      - name: project
        paths: ["${PROJECT_ROOT}", "${PROJECT_ROOT}/**", "/dev/null", "/dev/tty", "/tmp/agentsh-it-*/shared/**"]
        operations: ["*"]
        decision: allow
    command_rules:
      - name: no-id
        commands: [id]
        decision: deny
        message: "not here"
      - name: others
        commands: ["*"]
        decision: allow
    network_rules:
      - name: local
        cidrs: ["127.0.0.0/8"]
        ports: [45871]
        decision: allow

    """
}

/// Copies of the built programs that every user may execute.
enum Programs {
  static let all = ["agentsh", "agentshd", "agentsh-supervisor"]

  static func install(into directory: String) throws {
    makeDirectory(directory)
    let source = try buildDirectory()
    for name in all {
      let copied = try run(["install", "-m", "755", "\(source)/\(name)", "\(directory)/\(name)"])
      try #require(copied.status == 0, "\(copied.errors)")
    }
  }

  /// AGENTSH_BIN_DIR, or where this test was built.
  static func buildDirectory() throws -> String {
    if let chosen = environmentVariable("AGENTSH_BIN_DIR") { return chosen }
    var directory = try ownProgram()[...]
    // The test bundle may be run by a program of the toolchain: the bundle's own path is among its arguments then.
    if !isExecutable("\(directory.prefix(upTo: directory.lastIndex(of: "/") ?? directory.startIndex))/agentshd") {
      for argument in CommandLine.arguments where argument.hasSuffix(".xctest") { directory = argument[...] }
    }
    let found = String(directory.prefix(upTo: directory.lastIndex(of: "/") ?? directory.startIndex))
    try #require(all.allSatisfy { isExecutable("\(found)/\($0)") }, "the programs are not built in \(found): set AGENTSH_BIN_DIR")
    return found
  }
}

// MARK: - Small things

/// Whether this test may go on. What needs root says so, and counts as failed where the environment asks for everything to run.
func isPrivileged(_ need: String, _ location: SourceLocation = #_sourceLocation) -> Bool {
  if geteuid() == 0 { return true }
  if environmentVariable("AGENTSH_REQUIRE_PRIVILEGED") == "1" {
    Issue.record("needs root: \(need)", sourceLocation: location)
  } else {
    print("skipped, needs root: \(need)")
  }
  return false
}

/// Waits for something that another process does and that there is no event for.
func eventually(
  _ what: String, milliseconds: Int64 = 10_000, _ location: SourceLocation = #_sourceLocation, _ condition: () throws -> Bool
) throws {
  let deadline = Deadline.after(milliseconds: milliseconds)
  while try !condition() {
    try #require(!deadline.hasPassed, "did not happen: \(what)", sourceLocation: location)
    pause(milliseconds: 2)
  }
}

func write(_ text: String, to path: String, mode: UInt32 = 0o644, owner: UInt32? = nil) throws {
  let file = try openAt(AT_FDCWD, Array(path.utf8), flags: O_WRONLY | O_CREAT | O_TRUNC, mode: mode)
  if let error = writeAll(file.rawValue, Array(text.utf8)).error { throw error }
  changeMode(path, mode)
  if let owner { changeOwner(path, owner) }
}

func content(_ path: String) throws -> String { String(decoding: try readSmallFile(at: AT_FDCWD, Array(path.utf8)), as: UTF8.self) }

/// Numbers of processes whose parent is `parent`.
func childProcesses(of parent: Int32) -> [Int32] { processes { statusField("PPid", of: $0) == "\(parent)" } }

/// Numbers of living processes whose real uid is `uid`. One that has ended and waits for init to notice does nothing any more.
func processes(of uid: UInt32) -> [Int32] {
  processes { process in
    statusField("Uid", of: process)?.split(separator: "\t").first == Substring("\(uid)")
      && statusField("State", of: process)?.hasPrefix("Z") == false
  }
}

func processes(where condition: (Int32) -> Bool) -> [Int32] { names(in: "/proc").compactMap { Int32($0) }.filter(condition) }

func commandName(_ process: Int32) -> String? { statusField("Name", of: process) }

func statusField(_ name: String, of process: Int32) -> String? {
  guard let text = try? content("/proc/\(process)/status") else { return nil }
  for line in text.split(separator: "\n") where line.hasPrefix("\(name):") {
    return String(line.dropFirst(name.count + 1).drop(while: { $0 == "\t" || $0 == " " }))
  }
  return nil
}
