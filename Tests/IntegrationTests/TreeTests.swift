import AgentshSystem
import Testing

/// Policies that say nothing but which trees may be read and executed from: Landlock decides them, and nobody is asked.
@Suite(.serialized) struct TreeTests {
  private static let policy = """
    version: 1
    name: test
    defaults: {file_read: deny}
    file_rules:
      - {name: project, paths: ["${PROJECT_ROOT}/**"], decision: allow}
      - {name: system, paths: ["/usr/**", "/lib/**", "/lib64/**", "/etc/**", "/proc/**", "/sys/**", "/dev/**"], operations: [read], decision: allow}
      - {name: devices, paths: ["/dev/{null,tty}", "/dev/pts/*"], operations: [write], decision: allow}
    command_rules:
      - {name: installed, commands: ["/usr/**"], decision: allow}

    """

  private static let script = """
    echo hello >f && cat f && ls && head -c 4 /etc/hostname >/dev/null && echo read
    cat "$0"; echo $?
    ls /var; echo $?
    cp /usr/bin/true own && ./own; echo $?
    mkdir d && mv f d/g && ln d/g h && cat h
    """

  private static let answers = "hello\nf\nread\n1\n2\n126\nhello\n"

  private func outside(_ server: TestServer) throws -> String {
    let path = "\(server.directory)/outside"
    try write("not for the session\n", to: path)
    return path
  }

  @Test func theyAreDecidedByLandlockAlone() throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer(policies: ["test": Self.policy])
    let outcome = try server.wrap(["sh", "-c", Self.script, try outside(server)])
    #expect(outcome.output == Self.answers, "\(outcome)")
    let record = try server.record(try #require(server.records.first))
    #expect(record.first?.contains("\"decides_alone\":[\"reading\",\"executing\"]") == true, "\(record.first ?? "")")
    // Nobody was asked about reading, and executing is recorded all the same.
    #expect(!record.contains { $0.contains("\"op\":\"file.read\"") })
    #expect(record.contains { $0.contains("\"op\":\"exec\"") && $0.contains("/usr/bin/cat") && $0.contains("\"rule\":\"installed\"") })
    #expect(record.contains { $0.contains("\"op\":\"exec\"") && $0.contains("/own\"") && $0.contains("\"decision\":\"deny\"") }, "\(record)")
  }

  /// The same answers from the supervisor, where one rule more has every read looked at and every program verified.
  @Test func theSupervisorGivesTheSameAnswers() throws {
    guard isPrivileged("a server") else { return }
    let policy = Self.policy.replacing("file_rules:\n", with: "file_rules:\n  - {name: carved, paths: [\"**/.secret\"], decision: deny}\n")
      .replacing("command_rules:\n", with: "command_rules:\n  - {name: no-sudo, commands: [sudo], decision: deny}\n")
    let server = try TestServer(policies: ["test": policy])
    let outcome = try server.wrap(["sh", "-c", Self.script, try outside(server)])
    #expect(outcome.output == Self.answers, "\(outcome)")
    let record = try server.record(try #require(server.records.first))
    #expect(record.first?.contains("\"decides_alone\":[]") == true, "\(record.first ?? "")")
    #expect(record.contains { $0.contains("\"op\":\"file.read\"") && $0.contains("/outside") && $0.contains("\"decision\":\"deny\"") })
  }

  @Test func embeddedSessionsToo() throws {
    guard isPrivileged("second uids") else { return }
    let server = try TestServer()
    let file = "\(server.directory)/trees.yaml"
    try write(Self.policy, to: file)
    let path = try outside(server)
    let outcome = try run(
      server.client(["wrap", "--quiet", "--standalone", "--policy-file", file, "--", "sh", "-c", Self.script, path], environment: ["XDG_STATE_HOME=\(server.project(server.firstUser))/.state"]))
    #expect(outcome.output == Self.answers, "\(outcome)")
  }

  /// A thread exchanges the program's name while the supervisor decides; nobody looks again afterwards. Attempts that the supervisor permitted and the
  /// kernel refused show that the race was won, and lost to Landlock.
  @Test func aProgramOutsideTheTreesIsNotExecutedWhateverIsExchanged() throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer(policies: ["test": Self.policy])
    let script = """
      import ctypes, os, shutil, threading
      libc = ctypes.CDLL(None, use_errno=True)
      shutil.copy("/usr/bin/touch", "own")
      good, bad = [p.encode().ljust(200, bytes(1)) for p in ("/usr/bin/true", os.getcwd() + "/own")]
      path = ctypes.create_string_buffer(good, 200)
      arguments = (ctypes.c_char_p * 3)(b"x", b"marker", None); environment = (ctypes.c_char_p * 1)(None)
      def exchange():
        while True:
          ctypes.memmove(path, bad, 200); ctypes.memmove(path, good, 200)
      def attempt():
        child = os.fork()
        if child == 0:
          threading.Thread(target=exchange, daemon=True).start()
          libc.execve(path, arguments, environment)
          os._exit(ctypes.get_errno())
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
      found = [attempt() for _ in range(150)]
      print(found.count(0), found.count(13), os.path.exists("marker"))
      """
    let outcome = try server.wrap(["python3", "-c", script])
    let numbers = outcome.output.split(separator: " ")
    try #require(numbers.count == 3, "\(outcome)")
    let refused = try #require(Int(numbers[1]))
    #expect(numbers[2] == "False\n")
    let record = try server.record(try #require(server.records.first))
    #expect(record.first?.contains("\"executing\"") == true)
    let denied = record.filter { $0.contains("\"op\":\"exec\"") && $0.contains("/own\"") && $0.contains("\"decision\":\"deny\"") }.count
    #expect(refused > denied, "\(numbers), and \(denied) refused by the supervisor: nobody raced")
    #expect(numbers[0] != "0")
  }

  /// A policy with rules about the caller's repository is bound twice, by the server without knowing it: nothing is left to Landlock then.
  @Test func aRepositoryThatTheServerDoesNotKnowClaimsNothing() throws {
    guard isPrivileged("a server") else { return }
    let policy = Self.policy.replacing("${PROJECT_ROOT}/**", with: "${GIT_ROOT:-/nowhere}/**\", \"${PROJECT_ROOT}/**")
    let server = try TestServer(policies: ["test": policy])
    #expect(try server.wrap(["sh", "-c", Self.script, try outside(server)]).output == Self.answers)
    let record = try server.record(try #require(server.records.first))
    #expect(record.first?.contains("\"decides_alone\":[]") == true, "\(record.first ?? "")")
  }
}
