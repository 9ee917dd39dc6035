import AgentshSystem
import Testing

/// What Landlock holds under a session, from the policy in /etc to the command.
@Suite(.serialized) struct FloorTests {
  private func withoutLandlock() throws -> [String] {
    let source = String(#filePath.dropLast("FloorTests.swift".count)) + "Programs/without-landlock.py"
    return ["/usr/bin/python3", source]
  }

  private func start(of session: String, _ server: TestServer) throws -> String { try #require(try server.record(session).first) }

  @Test func theRecordSaysWhatTheFloorHoldsAndWhatItCanNot() throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer()
    #expect(try server.shell("true").status == 0)
    let line = try start(of: try #require(server.records.first), server)
    #expect(line.contains("\"floor\":{\"abi\":\(LandlockABI.running.rawValue),\"held\":[\"files\""), "\(line)")
    #expect(line.contains("\"missing\":["), "\(line)")
    #expect(!line.contains("files_left_out"))
  }

  /// The filter is read back from a target that is under a ruleset already, and everything that the session needs goes on.
  @Test func aCommandUnderTheFloorWorksInItsProjectAndNowhereElse() throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer()
    let outcome = try server.shell(
      """
      mkdir a b && echo x >a/f && mv a/f b/f && ln b/f a/g && echo y >>a/g && rm b/f && cat a/g && rmdir b && mkfifo p && ln -s a s && truncate -s 1 a/g
      python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("sock")' 2>/dev/null
      exec 9</etc/hostname && cat /proc/self/fd/9 >/dev/null && cat /proc/self/environ >/dev/null && (stty -a </dev/tty >/dev/null 2>&1; true) && ls
      echo z >/tmp/agentsh-it-elsewhere; echo status $?
      """)
    #expect(outcome.output == "x\ny\na\np\ns\nstatus 2\n", "\(outcome)")
    #expect(!outcome.errors.contains("not attested"))
  }

  /// The kernel asks Landlock at mq_open(2) as at an open of a file, and no rule speaks of it; what is opened by path is decided as everywhere.
  @Test(arguments: [false, true]) func messageQueuesWorkWhereTheyAreMounted(readsAreLeftToTheFloor: Bool) throws {
    guard isPrivileged("mounting") else { return }
    let directory = try scratchDirectory()
    let user = UInt32.random(in: 100_000..<2_000_000_000)
    defer { _ = try? run(["rm", "-rf", directory]) }
    try Programs.install(into: "\(directory)/bin")
    makeDirectory("\(directory)/work", mode: 0o700, owner: user)
    let more = readsAreLeftToTheFloor ? "" : #", "/srv/*.txt""#
    try write(
      """
      version: 1
      name: test
      defaults: { file_read: deny }
      file_rules:
        - { name: looks, paths: ["**"], operations: [stat, readlink, access], decision: allow }
        - { name: reads, paths: ["/usr/**", "/etc/**", "/lib/**", "/lib64/**", "/proc/**"\(more)], operations: [read, open, list], decision: allow }
        - { name: null, paths: ["/dev/null"], operations: [write], decision: allow }
      command_rules: [{ name: all, commands: ["*"], decision: allow }]

      """, to: "\(directory)/policy.yaml")
    let script = """
      import ctypes, errno, os
      libc = ctypes.CDLL(None, use_errno=True)
      def attempt(name, body):
        try: body(); print(name, "done")
        except OSError as e: print(name, errno.errorcode[e.errno])
      def queue(flags):
        if libc.syscall(240, b"queue", flags, 0o600, None) < 0: raise OSError(ctypes.get_errno(), "")
      for name, flags in ("writing", os.O_WRONLY), ("reading", os.O_RDONLY), ("both", os.O_RDWR): attempt(name, lambda: queue(flags | os.O_CREAT))
      attempt("reading by path", lambda: os.open("/dev/mqueue/queue", os.O_RDONLY)); attempt("writing by path", lambda: os.open("/dev/mqueue/queue", os.O_WRONLY))
      """
    // Mounts and queues of its own. Where there is no such directory, the devices' file system is a copy.
    let place = """
      [ -d /dev/mqueue ] || { mkdir "$0/dev" && mount -t tmpfs none "$0/dev" && cp -a /dev/null /dev/zero /dev/urandom /dev/tty "$0/dev" && mkdir "$0/dev/mqueue" "$0/dev/shm" && mount --move "$0/dev" /dev; }
      mount -t mqueue none /dev/mqueue && cd "$0/work" && exec "$@"
      """
    let asUser = ["setpriv", "--reuid", "\(user)", "--regid", "\(user)", "--clear-groups", "env", "-i", "PATH=/usr/bin:/bin", "HOME=\(directory)/work", "XDG_STATE_HOME=\(directory)/work"]
    let outcome = try run(
      ["unshare", "--mount", "--ipc", "sh", "-c", place, directory] + asUser + ["\(directory)/bin/agentsh", "wrap", "--quiet", "--standalone", "--policy-file", "\(directory)/policy.yaml", "--", "/usr/bin/python3", "-c", script])
    let reading = readsAreLeftToTheFloor ? "EACCES" : "done"
    #expect(
      outcome.output == "writing done\nreading \(reading)\nboth \(reading)\nreading by path EACCES\nwriting by path EACCES\n", "\(outcome)")
  }

  @Test func whereMountsMayBeChangedTheFloorLeavesFilesOutAndSaysSo() throws {
    guard isPrivileged("a server") else { return }
    // Unmatched writes are refused, so that there would be something to hold; what unshare(1) writes is permitted.
    let policy = """
      version: 1
      name: test
      syscalls: { allow: [namespaces, mount] }
      file_rules: [{ name: maps, paths: ["/proc/**", "/dev/null"], operations: ["*"], decision: allow }]
      command_rules: [{ name: all, commands: ["*"], decision: allow }]

      """
    let server = try TestServer(policies: ["test": policy])
    let script = "unshare -Urm sh -c 'mount -t tmpfs none /mnt && echo mounted'"
    // Where the host itself lets no user make namespaces there is nothing to see.
    let alone = try run(server.asUser(server.firstUser) + ["sh", "-c", script])
    let outcome = try server.shell(script)
    #expect(outcome.output == alone.output, "\(outcome) \(alone)")
    let line = try start(of: try #require(server.records.first), server)
    #expect(line.contains("\"files_left_out\":\"the policy permits mount, namespaces"), "\(line)")
    #expect(!line.contains("\"files\""), "\(line)")
    // Without that permission the same is refused, by the filter.
    let other = try TestServer()
    #expect(try other.shell(script).output == "")
  }

  @Test func withoutLandlockNoSessionIsOpened() throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer(onMissingFeature: "{ attestation: warn }", under: try withoutLandlock())
    let outcome = try server.shell("echo ran")
    #expect(outcome.status == 125)
    #expect(outcome.output == "")
    #expect(outcome.errors.contains("landlock: ") && outcome.errors.contains("on_missing_feature"), "\(outcome.errors)")
  }

  @Test func withoutLandlockASessionThatMayGoOnSaysWhatIsMissing() throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer(onMissingFeature: "{ attestation: warn, landlock: warn }", under: try withoutLandlock())
    let command = server.client(["wrap", "--", "sh", "-c", "echo x >f && cat f; cat .env; echo $?"])
    try write("secret", to: "\(server.project(server.firstUser))/.env", owner: server.firstUser)
    let outcome = try run(try withoutLandlock() + command)
    // What the supervisor decides holds without it.
    #expect(outcome.output == "x\n1\n", "\(outcome)")
    #expect(outcome.errors.contains("warning: landlock: "), "\(outcome.errors)")
    let line = try start(of: try #require(server.records.first), server)
    #expect(line.contains("\"floor\":{\"abi\":0,\"held\":[],\"missing\":[\"files\""), "\(line)")
  }

  /// A server that knows Landlock and wants it, and a launcher that can't use it: nothing runs.
  @Test func aLauncherWithoutLandlockStartsNothingWhereItIsRequired() throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer()
    let outcome = try run(try withoutLandlock() + server.client(["wrap", "--", "sh", "-c", "echo ran"]))
    #expect(outcome.status == 125)
    #expect(outcome.output == "")
    #expect(outcome.errors.contains("Landlock"), "\(outcome.errors)")
  }
}
