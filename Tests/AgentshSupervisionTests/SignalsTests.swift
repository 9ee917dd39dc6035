import Glibc
import Testing

@testable import AgentshSupervision

private let rules = """
  signal_rules:
    - { name: no-usr2, signals: [SIGUSR2], target: {type: session}, decision: deny }
    - { name: lost, signals: [SIGHUP], target: {type: session}, decision: absorb }
    - { name: mine, signals: ["@all"], target: {type: session}, decision: allow }
    - { name: others, signals: ["@all"], target: {type: external}, decision: deny }

  """

private let prelude = """
  import os, signal, errno, ctypes, subprocess, time, sys
  libc = ctypes.CDLL(None, use_errno=True)
  def attempt(name, body):
    try: print(name, body())
    except OSError as e: print(name, errno.errorcode.get(e.errno, e.errno))
  def call(name, number, *args):
    ctypes.set_errno(0); r = libc.syscall(number, *[ctypes.c_long(a) for a in args])
    print(name, r if r >= 0 else errno.errorcode.get(ctypes.get_errno()))

  """

private func python(_ script: String) throws -> SupervisedRun {
  try runSupervised(["python3", "-u", "-c", prelude + script], rules)
}

@Suite struct SignalsTests {
  @Test func signalsStayWithinTheSessionByEveryCall() throws {
    let outside = getpid()
    let run = try python("""
      out = \(outside); me = os.getpid()
      child = subprocess.Popen(["sleep", "100"])
      for sig in (0, 1, 10, 12, 15):
        attempt("kill out %d" % sig, lambda: os.kill(out, sig))
      attempt("kill init", lambda: os.kill(1, 15)); attempt("kill all", lambda: os.kill(-1, 15)); attempt("kill nobody", lambda: os.kill(4000000, 15))
      call("tkill out", 200, out, 15); call("tgkill out", 234, out, out, 15)
      buf = ctypes.create_string_buffer(128); ctypes.memmove(buf, (ctypes.c_int * 3)(15, 0, -1), 12)
      call("rt_sigqueueinfo out", 129, out, 15, ctypes.addressof(buf)); call("rt_tgsigqueueinfo out", 297, out, out, 15, ctypes.addressof(buf))
      fd = os.pidfd_open(out); call("pidfd out", 424, fd, 15, 0, 0)
      call("bad signal", 62, me, 65); call("bad pidfd", 424, 0, 15, 0, 0); call("no pidfd", 424, 999, 15, 0, 0)
      got = []
      for s in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP): signal.signal(s, lambda n, f: got.append(n))
      attempt("self", lambda: os.kill(me, 10)); call("thread", 234, me, me, 10); attempt("usr2", lambda: os.kill(me, 12)); attempt("hup", lambda: os.kill(me, 1))
      call("queue self", 129, me, 10, ctypes.addressof(buf))
      mine = os.pidfd_open(me); call("pidfd self", 424, mine, 10, 0, 0); call("pidfd usr2", 424, mine, 12, 0, 0)
      print("got", got)
      attempt("child", lambda: (os.kill(child.pid, 15), child.wait())[1])
      os.setpgid(0, 0)
      signal.signal(signal.SIGUSR1, signal.SIG_IGN)
      attempt("group", lambda: os.kill(0, 10)); attempt("group by number", lambda: os.killpg(me, 10)); attempt("group usr2", lambda: os.killpg(me, 12))
      """)
    let out = run.output
    for line in [
      "kill out 0 EPERM", "kill out 1 EPERM", "kill out 10 EPERM", "kill out 12 EPERM", "kill out 15 EPERM", "kill init EPERM", "kill all EPERM",
      "kill nobody ESRCH", "tkill out EPERM", "tgkill out EPERM", "rt_sigqueueinfo out EPERM", "rt_tgsigqueueinfo out EPERM", "pidfd out EPERM",
      "bad signal EINVAL", "bad pidfd EBADF", "no pidfd EBADF", "self None", "thread 0", "usr2 EPERM", "hup None", "pidfd self 0",
      "pidfd usr2 EPERM", "child -15", "group None", "group by number None", "group usr2 EPERM",
    ] { #expect(out.contains(line + "\n"), "\(line) in \(out)") }
    // The absorbed one never came, the refused ones neither.
    #expect(out.contains("got [<Signals.SIGUSR1: 10>") || out.contains("got [10"), "\(out)")
    #expect(!(out.split(separator: "\n").first { $0.hasPrefix("got") } ?? "").contains("12"), "\(out)")
    #expect(run.lines("signal.send", "\"decision\":\"absorb\"").count == 1)
    #expect(run.lines("signal.send", "\"decision\":\"deny\"", "builtin:agentsh").count >= 8)
  }
}
