import AgentshFilter
import AgentshSystem
import Glibc
import Testing

/// What `why` tells, inside a session and outside.
struct WhyTests {
  private func server() throws -> TestServer {
    let server = try TestServer()
    for uid in [server.firstUser, server.secondUser] { try write("secret\n", to: "\(server.project(uid))/.env", owner: uid) }
    return server
  }

  @Test func insideASessionItsOwnLastRefusalIsExplained() throws {
    guard isPrivileged("a server") else { return }
    let server = try server()
    let agentsh = server.program("agentsh")
    let first = try server.shell("\(agentsh) why; echo $?")
    #expect(first.output == "1\n")
    #expect(first.errors.contains("nothing was refused"))
    // Neither the control socket nor the record can be reached from there.
    let outcome = try server.shell("cat .env; AGENTSH_SERVER=/nonexistent \(agentsh) why --last")
    #expect(outcome.status == 0)
    #expect(outcome.output.contains("refused:  file.read \(server.project(server.firstUser))/.env\n"))
    #expect(outcome.output.contains("\nrule:     no-env-files\n"))
    #expect(outcome.output.contains("\nreason:   \(server.project(server.firstUser))/.env holds credentials\n"))
    #expect(outcome.output.contains("\nanswered: Permission denied\n"))
    #expect(outcome.output.contains("\ninstead:  "))
    let numbered = try server.shell("cat .env; cat .env; n=$(\(agentsh) why --json | sed 's/.*\"seq\":\\([0-9]*\\),.*/\\1/'); \(agentsh) why $n >/dev/null && \(agentsh) why 1")
    #expect(numbered.status == 1)
    #expect(numbered.errors.contains("no refusal has this number"))
    #expect(try server.shell("\(agentsh) why \(server.records[0])").errors.contains("nothing is told of others"))
  }

  @Test func insideASessionTheOtherCommandsSayThatOnlyThisOneAnswers() throws {
    guard isPrivileged("a server") else { return }
    let server = try server()
    for command in ["ps", "show x", "stop x", "events"] {
      let outcome = try server.shell("AGENTSH_SERVER=\(server.socket) \(server.program("agentsh")) \(command)")
      #expect(outcome.status == 125)
      #expect(outcome.errors.hasPrefix("agentsh: inside a session only `agentsh why` answers"), "\(outcome.errors)")
    }
  }

  @Test func withoutAServerItIsSaidHowRecordsAreFound() throws {
    guard isPrivileged("second uids") else { return }
    let server = try server()
    // Of this installation no server is set up: its programs lie in a tree of their own.
    makeDirectory("\(server.directory)/libexec")
    makeDirectory("\(server.directory)/libexec/agentsh")
    try write("\(server.directory)/nowhere\n", to: "\(server.directory)/libexec/agentsh/sysconfdir")
    let outcome = try run(server.client(["why"], environment: ["AGENTSH_SERVER="]))
    #expect(outcome.status == 1 && outcome.errors.contains("the records of embedded sessions are found by their whole id"), "\(outcome)")
  }

  @Test func outsideTheUsersOwnRefusalsAreExplainedAndNobodyElses() throws {
    guard isPrivileged("a server") else { return }
    let server = try server()
    #expect(try run(server.client(["why"])).errors.contains("nothing was refused in the sessions that are listed"))
    #expect(try server.shell("cat .env; exit 0").status == 0)
    let session = try #require(server.records.first)
    #expect(try server.shell("true").status == 0)
    for arguments in [["why"], ["why", "--last"], ["why", session], ["why", String(session.prefix(8))]] {
      let outcome = try run(server.client(arguments))
      #expect(outcome.status == 0)
      #expect(outcome.output.contains("refused:  file.read \(server.project(server.firstUser))/.env\n"), "\(arguments): \(outcome)")
    }
    #expect(try run(server.client(["why"], as: server.secondUser)).errors.contains("nothing was refused"))
    #expect(try run(server.client(["why", session], as: server.secondUser)).status != 0)
  }

  @Test func theQuestionWritesToNothingButAnEmptyMemfd() throws {
    guard isPrivileged("a server") else { return }
    let server = try server()
    let script = """
      import ctypes, os, fcntl
      libc = ctypes.CDLL(None, use_errno=True)
      def ask(fd):
          r = libc.prctl(\(FilterSpecification.nonceOption), ctypes.c_ulong(\(FilterSpecification.refusalsRequest)), ctypes.c_ulong(fd), ctypes.c_ulong(0), ctypes.c_ulong(0))
          return r if r >= 0 else -ctypes.get_errno()
      try: open('.env')
      except PermissionError: pass
      good = os.memfd_create('a', os.MFD_ALLOW_SEALING)
      used = os.memfd_create('b', os.MFD_ALLOW_SEALING)
      os.write(used, b'x')
      sealed = os.memfd_create('c', os.MFD_ALLOW_SEALING)
      fcntl.fcntl(sealed, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE)
      r, w = os.pipe()
      f = os.open('file', os.O_CREAT | os.O_RDWR)
      print(ask(good), ask(used), ask(sealed), ask(w), ask(f), ask(999), os.fstat(f).st_size, os.pread(good, 100000, 0).count(b'\\n'))
      """
    let outcome = try server.wrap(["--", "python3", "-c", script])
    #expect(outcome.output == "1 -22 -22 -22 -22 -9 0 1\n", "\(outcome)")
  }

  /// strace, gdb, perf and ping say no more than "Operation not permitted": the filter refuses, and the record has the first of each.
  @Test func whatDebuggersAndProfilersAreRefusedIsExplained() throws {
    guard isPrivileged("a server") else { return }
    let server = try server()
    let agentsh = server.program("agentsh")
    let number: (String) -> UInt32 = { SyscallTable.named($0)?.number(on: .native) ?? 0 }
    let script = """
      import ctypes, errno, os, socket, subprocess
      libc = ctypes.CDLL(None, use_errno=True)
      def call(number, *arguments):
          ctypes.set_errno(0)
          return errno.errorcode.get(ctypes.get_errno(), 'none') if libc.syscall(number, *map(ctypes.c_ulong, arguments)) < 0 else 'done'
      def why():
          said = subprocess.run(['\(agentsh)', 'why'], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
          return next((line for line in said.splitlines() if line.startswith('rule:')), said)
      print(why())
      for number, arguments in [(\(number("ptrace")), (0,)), (\(number("perf_event_open")), ()), (\(number("bpf")), (0,)), (\(number("process_vm_readv")), (1,)), (\(number("keyctl")), ())]:
          print(call(number, *arguments), call(number, *arguments), why())
      for family, kind, protocol in [(2, 3, 1), (10, 0x80003, 58), (17, 3, 0), (2, 10, 0)]:
          print(call(\(number("socket")), family, kind, protocol), why())
      print(call(\(number("clone")), 0x00800000), why())
      print(call(\(number("userfaultfd")), 0), call(\(number("swapoff")), 0))
      """
    let outcome = try server.wrap(["--", "python3", "-c", script])
    let groups = ["ptrace", "perf", "bpf", "ptrace", "keyring"]
    var expected = groups.map { "EPERM EPERM rule:     builtin:\($0)" }
    expected += ["raw_sockets", "raw_sockets", "packet_sockets", "packet_sockets", "ptrace"].map { "EPERM rule:     builtin:\($0)" } + ["EPERM EPERM"]
    let lines = outcome.output.split(separator: "\n").map(String.init)
    #expect(Array(lines.suffix(expected.count)) == expected, "\(outcome)")
    // Before anything is on record, what leaves no line is named.
    #expect(lines.first?.contains("nothing was refused that is on record") == true && outcome.output.contains("userfaultfd"), "\(outcome)")
    let record = try server.record(#require(server.records.first)).filter { $0.contains("\"op\":\"syscall\"") }
    #expect(record.count == 8, "\(record)")
    let after = try run(server.client(["why"]))
    #expect(after.status == 0 && after.output.contains("\nor else:  \"Operation not permitted\" without a line"), "\(after)")
  }
}
