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
    let server = try TestServer(policies: ["test": open])
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
        """
    let wanted = ["write", "read", "thread", "again", "folder", "mode", "file", "mem", "mem2", "mem3"]
    // As anybody may who is the same user and in no session.
    let alone = try run(server.asUser(server.firstUser) + ["/usr/bin/python3", "-c", script])
    #expect(alone.output == wanted.map { "\($0) done\n" }.joined(), "\(alone.errors)")
    let inside = try server.wrap(["/usr/bin/python3", "-c", script])
    #expect(inside.output == wanted.map { "\($0) EACCES\n" }.joined(), "\(inside.errors)")
    let lines = try server.record(#require(server.records.first))
    #expect(lines.filter { $0.contains("builtin:process_descriptor") }.count >= 5)
    #expect(lines.filter { $0.contains("builtin:process_memory") }.count >= 2)
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
}
