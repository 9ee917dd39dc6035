import AgentshPolicy
import AgentshProtocol
import AgentshSystem
import Glibc
import Testing

@testable import AgentshSupervision

private func grant(_ path: String, _ rights: LandlockRights) -> LandlockRules.Grant { .init(path: Array(path.utf8), rights: rights) }

/// What the rules of a wrong verdict let through: everything. Each line that the script prints is a deed and what came of it.
private let script = """
  import os, errno, ctypes, socket, stat, sys
  libc = ctypes.CDLL(None, use_errno=True)
  top = sys.argv[1]; os.chdir(top)
  def attempt(name, body):
    try: body(); print(name, "done")
    except OSError as e: print(name, errno.errorcode.get(e.errno, e.errno))
  def raw(number, *arguments):
    if libc.syscall(number, *arguments) < 0: raise OSError(ctypes.get_errno(), "")
  AT = ctypes.c_long(-100)
  def openat2(path, flags, mode=0):
    how = (ctypes.c_uint64 * 3)(flags, mode, 0)
    fd = libc.syscall(437, AT, path, ctypes.byref(how), 24)
    if fd < 0: raise OSError(ctypes.get_errno(), "")
    os.close(fd)
  def opened(path, flags): os.close(os.open(path, flags, 0o644))
  attempt("open", lambda: opened("kept", os.O_WRONLY))
  attempt("open both", lambda: opened("kept", os.O_RDWR | os.O_APPEND))
  attempt("open truncating", lambda: opened("kept", os.O_WRONLY | os.O_TRUNC))
  attempt("openat2", lambda: openat2(b"kept", os.O_WRONLY))
  attempt("create", lambda: opened("made", os.O_WRONLY | os.O_CREAT))
  attempt("create exclusively", lambda: opened("made2", os.O_RDWR | os.O_CREAT | os.O_EXCL))
  attempt("creat", lambda: raw(85, b"made3", 0o644))
  attempt("openat2 creating", lambda: openat2(b"made4", os.O_WRONLY | os.O_CREAT, 0o644))
  attempt("temporary", lambda: opened(".", os.O_WRONLY | os.O_TMPFILE))
  attempt("fifo", lambda: opened("pipe", os.O_RDWR))
  attempt("mkdir", lambda: os.mkdir("madedir"))
  attempt("mkdirat", lambda: raw(258, AT, b"madedir2", 0o755))
  attempt("rmdir", lambda: os.rmdir("empty"))
  attempt("unlink", lambda: os.unlink("gone"))
  attempt("unlinkat", lambda: raw(263, AT, b"gone2", 0))
  attempt("rename", lambda: os.rename("old", "new"))
  attempt("rename across", lambda: os.rename("old2", "dir/new2"))
  attempt("exchange", lambda: raw(316, AT, b"left", AT, b"dir/right", 2))
  attempt("link", lambda: os.link("kept", "second"))
  attempt("link across", lambda: os.link("kept", "dir/second"))
  attempt("symlink", lambda: os.symlink("kept", "soft"))
  attempt("mkfifo", lambda: os.mkfifo("newpipe"))
  attempt("mknod", lambda: os.mknod("node", 0o644 | stat.S_IFREG))
  attempt("truncate", lambda: os.truncate("cut", 1))
  attempt("bind path", lambda: socket.socket(socket.AF_UNIX).bind("sock"))
  attempt("bind long path", lambda: socket.socket(socket.AF_UNIX).bind(top + "/dir/sock"))
  server = socket.socket(); port = int(sys.argv[2])
  attempt("bind", lambda: server.bind(("127.0.0.1", port)))
  attempt("connect", lambda: socket.socket().connect(("127.0.0.1", 9)))
  # What Landlock knows nothing of.
  attempt("chmod", lambda: os.chmod("kept", 0o600))
  attempt("read", lambda: opened("kept", os.O_RDONLY))
  attempt("list", lambda: os.listdir("."))
  """

private let everything = """
  file_rules: [{ name: all, paths: ["**"], operations: ["*"], decision: allow }]
  network_rules: [{ name: all, cidrs: [0.0.0.0/0], decision: allow }]
  unix_socket_rules: [{ name: all, paths: ["**"], operations: [connect, bind, listen, sendto], decision: allow }]

  """

private let changing = [
  "open", "open both", "open truncating", "openat2", "create", "create exclusively", "creat", "openat2 creating", "temporary", "fifo", "mkdir", "mkdirat",
  "rmdir", "unlink", "unlinkat", "rename", "rename across", "exchange", "link", "link across", "symlink", "mkfifo", "mknod", "truncate", "bind path",
  "bind long path",
]

@Suite struct FloorTests {
  private func prepared() throws -> String {
    let top = try temporaryDirectory()
    for name in ["kept", "gone", "gone2", "old", "old2", "left", "cut"] { try write("text", to: "\(top)/\(name)") }
    for name in ["empty", "dir"] { makeDirectory("\(top)/\(name)") }
    try write("text", to: "\(top)/dir/right")
    makeFIFO("\(top)/pipe", owner: geteuid())
    return top
  }

  private func tree(_ top: String) throws -> String {
    try runSupervised(["sh", "-c", "cd '\(top)' && find . -printf '%p %y %s %n %i\\n' | sort"], "").output
  }

  private func run(_ top: String, _ floor: LandlockRules, port: Int) throws -> SupervisedRun {
    try runSupervised(
      ["python3", "-u", "-c", script, top, "\(port)"], everything, trapping: [.readOpens, .writeOpens, .fileChanges], floor: floor)
  }

  @Test func aWrongVerdictAloneLetsNothingThrough() throws {
    let top = try prepared()
    defer { _ = try? runSupervised(["rm", "-rf", top], "") }
    let before = try tree(top)
    let strict = LandlockRules(
      grants: [grant("/", [.readFile, .readDir, .execute]), grant("/dev", .all)], connectPorts: [443], bindPorts: [])
    let run = try run(top, strict, port: 47_211)
    for deed in changing {
      let isRefused = run.output.contains("\n\(deed) EACCES\n") || run.output.hasPrefix("\(deed) EACCES\n") || run.output.contains("\n\(deed) EXDEV\n")
      #expect(isRefused, "\(deed) in \(run.output)")
    }
    for line in ["bind EACCES", "connect EACCES", "chmod done", "read done", "list done"] { #expect(run.output.contains("\n\(line)\n"), "\(line) in \(run.output)") }
    // The verdicts were to let it through, and are on record so.
    #expect(run.lines("\"op\":\"file.delete\"", "\"decision\":\"allow\"").count == 2, "\(run.record)")
    #expect(run.lines("\"decision\":\"deny\"").isEmpty)
    #expect(try tree(top) == before)
  }

  @Test func theSameVerdictsAreCarriedOutWhereTheFloorHoldsNothing() throws {
    let top = try prepared()
    defer { _ = try? runSupervised(["rm", "-rf", top], "") }
    let run = try run(top, LandlockRules(grants: [grant("/", .all)]), port: 47_212)
    for deed in changing + ["bind", "chmod", "read", "list"] { #expect("\n\(run.output)".contains("\n\(deed) done\n"), "\(deed) in \(run.output)") }
    #expect(run.output.contains("connect ECONNREFUSED"), "\(run.output)")
  }

  /// Companions act where the floor grants what is asked for: the same deeds succeed, with the target's umask.
  @Test func whatTheFloorGrantsIsDoneUnderIt() throws {
    let top = try prepared()
    defer { _ = try? runSupervised(["rm", "-rf", top], "") }
    let floor = LandlockRules(
      grants: [grant("/", [.readFile, .readDir, .execute]), grant("/dev", .all), grant(top, .all)], connectPorts: [9], bindPorts: [47_213])
    let run = try run(top, floor, port: 47_213)
    for deed in changing + ["bind", "chmod", "read", "list"] { #expect("\n\(run.output)".contains("\n\(deed) done\n"), "\(deed) in \(run.output)") }
    #expect(run.output.contains("connect ECONNREFUSED"), "\(run.output)")
    let umask = try runSupervised(
      ["sh", "-c", "cd '\(top)'; umask 027; echo x >a; mkdir b; umask 077; echo x >c; stat -c %a a b c"], everything,
      trapping: [.readOpens, .writeOpens, .fileChanges], floor: floor)
    #expect(umask.output == "640\n750\n600\n", "\(umask.output)")
  }

  /// A floor that holds reading as well: what isn't granted can't be read, whatever the verdict is.
  @Test func aWrongVerdictAloneLetsNothingBeRead() throws {
    let top = try prepared()
    defer { _ = try? runSupervised(["rm", "-rf", top], "") }
    let floor = LandlockRules(
      grants: ["/usr", "/lib", "/lib64", "/bin", "/etc", "/dev", "/proc"].map { grant($0, .all) } + [grant("\(top)/dir", [.readFile, .readDir])])
    let run = try runSupervised(
      ["sh", "-c", "cd '\(top)'; for f in kept . dir/right dir; do if [ -d $f ]; then ls $f; else cat $f; fi >/dev/null 2>&1; echo $f $?; done"], everything,
      trapping: [.readOpens], floor: floor)
    #expect(run.output == "kept 1\n. 2\ndir/right 0\ndir 0\n", "\(run.output)")
  }

  /// Entries of /proc that only a thread outside the floor may open are open to the session all the same, where the floor grants their path.
  @Test(arguments: ["self", "$CHILD"]) func theSessionReadsItsOwnProcessesUnderAFloor(_ process: String) throws {
    let floor = LandlockRules(grants: [grant("/usr", .all), grant("/lib", .all), grant("/lib64", .all), grant("/etc", .all), grant("/dev", .all), grant("/proc", .all)])
    let run = try runSupervised(
      ["sh", "-c", "sleep 100 & CHILD=$!; cat /proc/\(process)/environ | tr '\\0' '\\n' | grep -c ^PATH; head -c 4 /proc/\(process)/maps | wc -c; kill $CHILD"],
      everything, trapping: [.readOpens], floor: floor)
    #expect(run.output == "1\n4\n", "\(run.output)")
  }

  /// An open that waits on the companion's thread can be interrupted, and holds up nobody else's.
  @Test func anOpenThatWaitsUnderAFloorIsInterruptedAndDelaysNoOther() throws {
    let top = try prepared()
    defer { _ = try? runSupervised(["rm", "-rf", top], "") }
    let floor = LandlockRules(grants: [grant("/", [.readFile, .readDir, .execute]), grant("/dev", .all), grant(top, .all)])
    let run = try runSupervised(
      ["sh", "-c", "cd '\(top)'; timeout -s TERM 100 sh -c 'exec 9>pipe' & W=$!; for i in 1 2 3 4 5; do echo x >f$i; done; ls f? | wc -l; kill $W; wait $W; echo $?"],
      everything, trapping: [.readOpens, .writeOpens, .fileChanges], floor: floor)
    #expect(run.output.hasPrefix("5\n"), "\(run.output)")
    #expect(run.output.hasSuffix("143\n"), "\(run.output)")
  }

  // MARK: From the policy

  /// What a policy permits to be made during the session is permitted, below what was there at its start.
  @Test func whatIsMadeLaterIsUnderItsNearestAncestor() throws {
    let top = try prepared()
    defer { _ = try? runSupervised(["rm", "-rf", top], "") }
    let text = """
      version: 1
      name: later
      file_rules:
        - { name: later, paths: ["\(top)/dir/a/b/c", "\(top)/dir/a/b/c/**", "\(top)/dir/a", "\(top)/dir/a/b"], operations: ["*"], decision: allow }
        - { name: devices, paths: ["/dev/null", "/dev/tty"], operations: ["*"], decision: allow }
        - { name: read, paths: ["**"], operations: [read, open, stat, list, readlink, access], decision: allow }
      """
    let policy = try #require(Policy.parse(Array(text.utf8), file: "later.yaml").policy)
    let place = Array(top.utf8)
    let bound = try policy.bound(to: PolicyVariables(projectRoot: place, home: place, user: Array("rig".utf8)))
    let floor = SessionFloor(bound, policy)
    let run = try runSupervised(
      ["sh", "-c", "cd '\(top)'; mkdir dir/a && mkdir dir/a/b && mkdir dir/a/b/c && echo x >dir/a/b/c/f && cat dir/a/b/c/f; mkdir new; echo >made"],
      everything, trapping: [.writeOpens, .fileChanges], floor: floor.rules)
    #expect(run.output.hasPrefix("x\n"), "\(run.output)")
    #expect(!exists("\(top)/new") && !exists("\(top)/made"))
  }

  @Test func whereMountsMayBeChangedNoFileIsHeldAndTheReasonIsSaid() {
    var floor = PolicyFloor(grants: [PolicyFloor.Grant(path: Array("/tmp".utf8), rights: [.readFile])], tcpConnectPorts: [443])
    floor.scopesSignals = true
    for call in ["mount", "namespaces", "setns", "move_mount"] {
      let session = SessionFloor(floor, allowedCalls: [call])
      #expect(session.filesLeftOut?.contains(call) == true)
      #expect(session.rules.heldRights.isEmpty)
      // What has nothing to do with mounts is held.
      #expect(session.rules.connectPorts == [443] && session.rules.scopesSignals)
    }
    let session = SessionFloor(floor, allowedCalls: ["ptrace", "chroot"])
    #expect(session.filesLeftOut == nil)
    #expect(session.rules.heldRights.contains(.writeFile))
  }

  @Test func aFloorOfTooManyPlacesGrantsMoreAndNeverLess() throws {
    let grants = (0..<3000).map { PolicyFloor.Grant(path: Array("/srv/group\($0 % 50)/project-with-a-long-name-\($0)".utf8), rights: [.writeFile]) }
    let session = SessionFloor(PolicyFloor(grants: grants), allowedCalls: [])
    #expect(SupervisorReport.ready(session.plan).packet.count < MessageFramer.sessionLimit)
    for grant in grants { #expect(session.rules.rights(on: grant.path).contains(.writeFile)) }
    #expect(!session.rules.rights(on: Array("/home".utf8)).contains(.writeFile))
    #expect(LandlockRules(try FloorPlan.decode(session.plan.packet)) == session.rules)
  }
}

private func write(_ text: String, to path: String) throws {
  let file = try openAt(AT_FDCWD, Array(path.utf8), flags: O_WRONLY | O_CREAT | O_TRUNC, mode: 0o644)
  try #require(writeAll(file.rawValue, Array(text.utf8)).error == nil)
}
