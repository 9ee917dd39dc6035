import Testing

/// Everything is permitted, and everything is asked about: what is refused is refused by agentsh itself.
private let open = """
  version: 1
  name: test
  file_rules:
    - { name: never, paths: ["/never/**"], decision: deny }
    - { name: files, paths: ["/**"], decision: allow }
  command_rules:
    - { name: programs, commands: ["*"], decision: allow }
  unix_socket_rules:
    - { name: sockets, paths: ["*"], decision: allow }

  """

private let prelude = """
  import errno, os, sys
  def attempt(name, body):
    try: body(); print(name, "done", flush=True)
    except OSError as e: print(name, errno.errorcode[e.errno], flush=True)

  """

@Suite struct OtherProcessesTests {
  /// Who opens `/proc/PID/fd/N` joins a pipe of somebody else, and who opens `/proc/PID/mem` is that process.
  @Test func aProcessOutsideKeepsItsMemoryAndItsPipes() throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer(policies: ["test": open, "agent-default": content("policies/agent-default.yaml")])
    let victim = "import os; r, w = os.pipe(); os.dup2(w, 77); os.dup2(os.memfd_create('m'), 78); print('ready', flush=True); os.read(0, 1)"
    let outside = try RunningProcess(server.asUser(server.firstUser) + ["/usr/bin/python3", "-c", victim])
    try outside.waitFor("ready")
    let script =
      prelude + """
        p = "/proc/\(outside.pid)/"
        attempt("write", lambda: os.open(p + "fd/77", os.O_WRONLY)); attempt("read", lambda: os.open(p + "fd/77", os.O_RDONLY | os.O_NONBLOCK))
        attempt("thread", lambda: os.open(p + "task/\(outside.pid)/fd/77", os.O_WRONLY))
        attempt("again", lambda: os.open("/proc/self/fd/%d" % os.open(p + "fd/77", os.O_PATH), os.O_WRONLY))
        attempt("folder", lambda: os.open("77", os.O_WRONLY, dir_fd=os.open(p + "fd", os.O_PATH)))
        attempt("mode", lambda: os.chmod(p + "fd/77", 0o600)); attempt("file", lambda: os.open(p + "fd/78", os.O_RDWR))
        attempt("mem", lambda: os.open(p + "mem", os.O_RDWR)); attempt("mem2", lambda: os.open(p + "task/\(outside.pid)/mem", os.O_RDONLY))
        attempt("mem3", lambda: os.open("/proc/self/fd/%d" % os.open(p + "mem", os.O_PATH), os.O_RDONLY))
        attempt("killed-first", lambda: open(p + "oom_score_adj", "w").write("1000")); attempt("core", lambda: open(p + "coredump_filter", "w").write("0"))
        """
    let wanted = ["write", "read", "thread", "again", "folder", "mode", "file", "mem", "mem2", "mem3", "killed-first", "core"]
    // As anybody may who is the same user and in no session.
    let alone = try run(server.asUser(server.firstUser) + ["/usr/bin/python3", "-c", script])
    #expect(alone.output == wanted.map { "\($0) done\n" }.joined(), "\(alone.errors)")
    let inside = try server.wrap(["/usr/bin/python3", "-c", script])
    #expect(inside.output == wanted.map { "\($0) EACCES\n" }.joined(), "\(inside.errors)")
    let lines = try server.record(#require(server.records.first))
    #expect(lines.filter { $0.contains("builtin:process_descriptor") }.count >= 5)
    #expect(lines.filter { $0.contains("builtin:process_memory") }.count >= 4)
    // Its own are its own, under the policy that is shipped too.
    for policy in ["test", "agent-default"] {
      let own = try server.wrap(
        ["--policy", policy, "--", "/usr/bin/python3", "-c", prelude + "for f in ('oom_score_adj', 'coredump_filter', 'timerslack_ns'): attempt(f, lambda: open('/proc/self/' + f, 'r+').write('500'))\n"])
      #expect(own.output == "oom_score_adj done\ncoredump_filter done\ntimerslack_ns done\n", "\(policy): \(own)")
    }
  }

  @Test func whatTheSessionItselfHoldsIsReachedAsEverywhere() throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer(policies: ["test": open])
    let script =
      prelude + """
        import ctypes, threading
        r, w = os.pipe(); me = os.getpid()
        attempt("own", lambda: os.write(os.open("/proc/self/fd/%d" % w, os.O_WRONLY), b"x")); attempt("dev", lambda: os.open("/dev/fd/%d" % r, os.O_RDONLY))
        attempt("number", lambda: os.open("/proc/%d/fd/%d" % (me, w), os.O_WRONLY))
        t = threading.Thread(target=lambda: attempt("thread", lambda: os.open("/proc/self/fd/%d" % w, os.O_WRONLY))); t.start(); t.join()
        m = os.memfd_create("m"); attempt("memfd", lambda: os.open("/proc/self/fd/%d" % m, os.O_RDWR))
        f = os.open("gone", os.O_RDWR | os.O_CREAT); os.unlink("gone"); attempt("deleted", lambda: os.open("/proc/self/fd/%d" % f, os.O_RDWR))
        u = os.open(".", os.O_TMPFILE | os.O_RDWR); libc = ctypes.CDLL(None)
        print("link", "done" if libc.linkat(-100, b"/proc/self/fd/%d" % u, -100, b"named", 0x400) == 0 else "failed", flush=True)
        cell = ctypes.create_string_buffer(b"old")
        attempt("mem", lambda: os.pwrite(os.open("/proc/self/mem", os.O_RDWR), b"new", ctypes.addressof(cell))); print(cell.value.decode(), flush=True)
        child = os.fork()
        if child == 0:
          attempt("parent", lambda: os.open("/proc/%d/fd/%d" % (me, w), os.O_WRONLY)); attempt("parent's memory", lambda: os.open("/proc/%d/mem" % me, os.O_RDONLY))
          sys.stdout.flush(); os._exit(0)
        os.wait()
        """
    let expected = """
      own done
      dev done
      number done
      thread done
      memfd done
      deleted done
      link done
      mem done
      new
      parent done
      parent's memory EACCES

      """
    let inside = try server.wrap(["/usr/bin/python3", "-c", script])
    #expect(inside.output == expected, "\(inside.errors)")
  }

  @Test func tracingReachesTheSessionAndNothingOutside() throws {
    guard isPrivileged("a server") else { return }
    // Signals may go anywhere, so that no scope of Landlock stands in the way.
    let server = try TestServer(policies: ["test": open + "signal_rules:\n  - { name: all, signals: ['@all'], target: { type: user }, decision: allow }\nsyscalls: { allow: [ptrace, process_vm_readv, pidfd_getfd] }\n"])
    let outside = try RunningProcess(
      server.asUser(server.firstUser) + ["/usr/bin/python3", "-c", "import os; r, w = os.pipe(); os.dup2(w, 77); print('ready', flush=True); os.read(0, 1)"])
    try outside.waitFor("ready")
    let script =
      prelude + """
        import ctypes, platform, signal
        libc = ctypes.CDLL(None, use_errno=True)
        libc.ptrace.argtypes = [ctypes.c_long] * 4
        def ptrace(pid):
          if libc.ptrace(0x4206, pid, 0, 0): raise OSError(ctypes.get_errno(), "ptrace")
          libc.ptrace(0x4207, pid, 0, 0); os.waitpid(pid, 0x40000000); libc.ptrace(17, pid, 0, 0)
        def getfd(pid, number):
          if libc.syscall(438, os.pidfd_open(pid), number, 0) < 0: raise OSError(ctypes.get_errno(), "pidfd_getfd")
        r, w = os.pipe(); child = os.fork()
        if child == 0: os.dup2(w, 77); signal.pause()
        while not os.path.exists("/proc/%d/fd/77" % child): pass
        for name, pid in ("inside", child), ("outside", \(outside.pid)):
          attempt(name + " memory", lambda: os.open("/proc/%d/mem" % pid, os.O_RDWR)); attempt(name + " pipe", lambda: os.open("/proc/%d/fd/77" % pid, os.O_WRONLY))
          attempt(name + " descriptor", lambda: getfd(pid, 77)); attempt(name + " tracing", lambda: ptrace(pid))
        os.kill(child, 9)
        """
    let names = ["memory", "pipe", "descriptor", "tracing"]
    let alone = try run(server.asUser(server.firstUser) + ["/usr/bin/python3", "-c", script])
    #expect(alone.output == ["inside", "outside"].flatMap { side in names.map { "\(side) \($0) done\n" } }.joined(), "\(alone.errors)")
    let inside = try server.wrap(["/usr/bin/python3", "-c", script])
    #expect(
      inside.output == names.map { "inside \($0) done\n" }.joined() + "outside memory EACCES\noutside pipe EACCES\noutside descriptor EPERM\noutside tracing EPERM\n",
      "\(inside.errors)")
  }

  /// What stands over one session is out of the reach of every other of the same user, and what waits for a session too.
  @Test func agentshsOwnProcessesTakeNoSignalsFromAnySession() throws {
    guard isPrivileged("a server") else { return }
    let rules = "signal_rules:\n  - { name: all, signals: ['@all'], target: { type: external }, decision: allow }\n  - { name: inside, signals: ['@all'], target: { type: session }, decision: allow }\n"
    let server = try TestServer(policies: ["test": open + rules], spareSupervisors: 1)
    #expect(try server.shell("exit 0").status == 0)
    let victim = try server.start(["sh", "-c", "echo ready; read line; exit 5"])
    try victim.waitFor("ready")
    func own() -> [Int32] { childProcesses(of: server.process.pid).filter { commandName($0) == "agentsh-supervi" } }
    // The one of the victim, and one that waits.
    try eventually("a spare supervisor") { own().count == 2 }
    let parts = own() + [victim.pid]
    let other = try RunningProcess(server.asUser(server.firstUser) + ["sleep", "3600"])
    try eventually("it runs as the user") { statusField("Uid", of: other.pid)?.hasPrefix("\(server.firstUser)\t") == true && commandName(other.pid) == "sleep" }
    let script =
      prelude + """
        import ctypes, fcntl, signal
        libc = ctypes.CDLL(None, use_errno=True)
        information = ctypes.create_string_buffer(128); ctypes.memmove(information, (ctypes.c_int * 3)(signal.SIGURG, 0, -1), 12)
        def call(number, *arguments):
          if libc.syscall(number, *[ctypes.c_long(a) for a in arguments]) < 0: raise OSError(ctypes.get_errno(), "")
        r, w = os.pipe(); address = ctypes.addressof(information); u = signal.SIGURG
        for name, pid in [("part", p) for p in \(parts)] + [("other", \(other.pid))]:
          attempt(name + " kill", lambda: os.kill(pid, u)); attempt(name + " group", lambda: os.killpg(os.getpgid(pid), u))
          attempt(name + " tkill", lambda: call(200, pid, u)); attempt(name + " tgkill", lambda: call(234, pid, pid, u))
          attempt(name + " queue", lambda: call(129, pid, u, address)); attempt(name + " thread queue", lambda: call(297, pid, pid, u, address))
          attempt(name + " pidfd", lambda: call(424, os.pidfd_open(pid), u, 0, 0)); attempt(name + " owner", lambda: fcntl.fcntl(r, fcntl.F_SETOWN, pid))
        """
    let ways = ["kill", "group", "tkill", "tgkill", "queue", "thread queue", "pidfd", "owner"]
    func expected(_ part: String) -> String {
      (Array(repeating: part, count: parts.count).flatMap { answer in ways.map { "part \($0) \(answer)\n" } } + ways.map { "other \($0) done\n" }).joined()
    }
    let alone = try run(server.asUser(server.firstUser) + ["/usr/bin/python3", "-c", script])
    #expect(alone.output == expected("done"), "\(alone.errors)")
    // That session's own spare takes the place of the one that waited.
    let inside = try server.wrap(["/usr/bin/python3", "-c", script.replacing("\(parts)", with: "\([parts[0], parts[2]])")])
    let told = inside.output.split(separator: "\n")
    #expect(told.filter { $0.hasPrefix("part") && $0.hasSuffix(" EPERM") }.count == 2 * ways.count, "\(inside.output)\(inside.errors)")
    #expect(told.filter { $0.hasPrefix("other") && $0.hasSuffix(" done") }.count == ways.count, "\(inside.output)\(inside.errors)")
    // Those that wait, looked for from inside.
    let waiting = try server.shell("sleep 0.5; for p in $(pgrep -u \(server.firstUser) -f -- '-[-]spare'); do echo spare; kill -URG $p && echo reached; done; exit 0")
    #expect(waiting.output == "spare\n", "\(waiting.errors)")
    victim.write("go\n")
    #expect(try victim.finish().status == 5)
  }

  @Test func whatRunsAgentshInTheSessionIsAProcessLikeOthers() throws {
    guard isPrivileged("a server") else { return }
    let rules = "signal_rules:\n  - { name: inside, signals: ['@all'], target: { type: session }, decision: allow }\n"
    let server = try TestServer(policies: ["test": open + rules])
    let client = server.program("agentsh")
    let outcome = try server.shell("mkfifo f; \(client) policy check - <f & exec 3>f; until [ $(readlink /proc/$!/exe) = \(client) ]; do :; done; kill $!; wait $!; echo $?")
    #expect(outcome.output == "143\n", "\(outcome.errors)")
  }

  @Test func aTerminalOfSomebodyElseStaysClosedByEveryName() throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer(policies: ["test": open])
    let outside = try RunningProcess(
      server.asUser(server.firstUser) + ["/usr/bin/python3", "-c", "import os, pty; m, s = pty.openpty(); print(os.ttyname(s), flush=True); os.read(0, 1)"])
    try outside.waitFor("\n")
    let terminal = try #require(outside.outputSoFar.split(separator: "\n").first.map(String.init))
    let script =
      prelude + """
        import pty
        name = "\(terminal)"
        attempt("name", lambda: os.open(name, os.O_RDWR | os.O_NOCTTY))
        held = os.open(name, os.O_PATH)
        attempt("path", lambda: os.open("/proc/self/fd/%d" % held, os.O_RDWR | os.O_NOCTTY))
        attempt("name again", lambda: os.open(name, os.O_RDONLY | os.O_NOCTTY))
        attempt("relative", lambda: os.open(os.path.basename(name), os.O_RDWR | os.O_NOCTTY, dir_fd=os.open("/dev/pts", os.O_PATH)))
        master, slave = pty.openpty(); own = os.ttyname(slave)
        attempt("own", lambda: os.open(own, os.O_RDWR | os.O_NOCTTY)); os.close(slave)
        attempt("own by its other end", lambda: os.open(own, os.O_RDWR | os.O_NOCTTY))
        """
    let names = ["name", "path", "name again", "relative"]
    let own = "own done\nown by its other end done\n"
    let alone = try run(server.asUser(server.firstUser) + ["/usr/bin/python3", "-c", script])
    #expect(alone.output == names.map { "\($0) done\n" }.joined() + own, "\(alone.errors)")
    let inside = try server.wrap(["/usr/bin/python3", "-c", script])
    #expect(inside.output == names.map { "\($0) EACCES\n" }.joined() + own, "\(inside.errors)")
    #expect(try server.record(#require(server.records.first)).filter { $0.contains("builtin:terminal") }.count == names.count)
  }

  /// A socket by another name is the same socket, and a name that belongs to somebody's agent must lead to no other.
  @Test func aClosedSocketGetsNoOtherNameAndNoOtherSocketItsName() throws {
    guard isPrivileged("a server") else { return }
    let policy = open.replacing("unix_socket_rules:\n", with: "unix_socket_rules:\n  - { name: closed, paths: ['/**/keeper*{,/**}'], decision: deny }\n")
    let server = try TestServer(policies: ["test": policy])
    let user = server.firstUser
    let place = server.project(user)
    let outside = try RunningProcess(
      server.asUser(user) + ["/usr/bin/python3", "-c", """
        import os, socket
        os.chdir("\(place)"); os.makedirs("keepers/deep", exist_ok=True); held = []
        for name in "keeper.1", "keeper.2", "keeper.3", "keepers/a", "keepers/deep/b":
          s = socket.socket(socket.AF_UNIX); s.bind(name); s.listen(); held.append(s)
        print("ready", flush=True); os.read(0, 1)
        """])
    try outside.waitFor("ready")
    let script =
      prelude + """
        import socket
        os.chdir("\(place)")
        def reach(name):
          s = socket.socket(socket.AF_UNIX); s.connect(name)
        def listen(name):
          s = socket.socket(socket.AF_UNIX); s.bind(name); return s
        def then(*steps):
          for step in steps: step()
        attempt("connect", lambda: reach("keeper.1"))
        attempt("rename", lambda: then(lambda: os.rename("keeper.1", "x1"), lambda: reach("x1")))
        attempt("link", lambda: then(lambda: os.link("keeper.2", "x2"), lambda: reach("x2")))
        attempt("directory", lambda: then(lambda: os.rename("keepers", "xs"), lambda: reach("xs/a")))
        attempt("symbolic link", lambda: then(lambda: os.symlink("keeper.3", "x3"), lambda: reach("x3")))
        fake = listen("fake"); fake.listen(); fake2 = listen("fake2")
        attempt("put there", lambda: os.rename("fake", "keeper.4"))
        attempt("linked there", lambda: os.link("fake2", "keeper.5"))
        attempt("symbolic link there", lambda: os.symlink("fake2", "keeper.6"))
        attempt("link moved there", lambda: then(lambda: os.symlink("fake2", "x6"), lambda: os.rename("x6", "keeper.7")))
        os.mkdir("own"); own = listen("own/s")
        attempt("directory put there", lambda: os.rename("own", "keeper.d"))
        """
    let ways = ["connect", "rename", "link", "directory", "symbolic link", "put there", "linked there", "symbolic link there", "link moved there", "directory put there"]
    let inside = try server.wrap(["/usr/bin/python3", "-c", script])
    #expect(inside.output == ways.map { "\($0) EACCES\n" }.joined(), "\(inside.errors)")
    _ = try run(server.asUser(user) + ["/bin/sh", "-c", "cd \(place) && rm -rf fake fake2 own x6 x3"])
    let alone = try run(server.asUser(user) + ["/usr/bin/python3", "-c", script])
    #expect(alone.output == ways.map { "\($0) done\n" }.joined(), "\(alone.errors)")
  }
}
