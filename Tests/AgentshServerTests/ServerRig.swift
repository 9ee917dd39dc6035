import AgentshProtocol
import AgentshSystem
import FoundationEssentials
import Glibc
import SystemPackage
import Testing

/// Says whether tests that need root can run; without root they are reported, and fail where they are required.
func canRunPrivileged(_ name: String = #function) -> Bool {
  if geteuid() == 0 { return true }
  if ProcessInfo.processInfo.environment["AGENTSH_REQUIRE_PRIVILEGED"] == "1" {
    Issue.record("\(name) needs root")
  } else {
    print("skipped: \(name) needs root")
  }
  return false
}

func parent(of path: String) -> String { String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)]) }

/// A directory of a test's own that goes with it.
final class Scratch: Sendable {
  let path: String

  init() throws {
    path = try #require(makeTemporaryDirectory("/tmp/agentshd-test-XXXXXX"))
    #expect(setMode(path, 0o755) == 0)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  @discardableResult func write(_ name: String, _ text: String, mode: UInt32 = 0o644) throws -> String {
    let file = "\(path)/\(name)"
    try FileManager.default.createDirectory(atPath: parent(of: file), withIntermediateDirectories: true)
    try Data(text.utf8).write(to: URL(filePath: file))
    #expect(setMode(file, mode) == 0)
    return file
  }

  func read(_ name: String) -> String { (try? String(contentsOfFile: "\(path)/\(name)", encoding: .utf8)) ?? "" }
}

/// A supervisor that does what the session's name says, so that the server can be tried without the real one.
let stubSupervisor = """
  #!/usr/bin/perl
  use strict; use warnings; use Socket; use IO::Handle; use IO::Select;
  open(my $plan, '<&=', 9) or die; local $/; my $text = <$plan>;
  my $name = $text =~ /"name":"([a-z-]+)"/ ? $1 : '';
  exit 3 if $name eq 'dies';
  open(my $channel, '+<&=', 3) or die; $channel->blocking(1); open(my $launcher, '<&=', 8) or die;
  sleep 1000 if $name eq 'silent';
  if ($name eq 'reports') {
    my ($home) = $text =~ /"home":"([^"]*)"/;
    open(my $status, '<', '/proc/self/status') or die; my $all = <$status>;
    open(my $record, '>>&=', 7) or die; $record->autoflush(1);
    opendir(my $fds, '/proc/self/fd') or die; my $numbers = join ' ', sort { $a <=> $b } grep { /^[0-9]+\\z/ } readdir $fds;
    $all =~ s/\\n/;/g; $all =~ s/\\t/ /g; print $record "$all FDS $numbers ENV @{[scalar keys %ENV]} PLAN @{[index($text, 'cwd') > 0 ? 1 : 0]} HOME $home;\\n";
  }
  if ($name eq 'writes') {
    open(my $record, '>>&=', 7) or die; $record->autoflush(1);
    print $record qq({"seq":$_,"op":"file.read","decision":"@{[$_ % 2 ? 'deny' : 'allow']}","path":"/x/$_"}\\n) for 1..2000;
  }
  send($channel, '{"ready":{"floor":{"grants":[{"path":"Lw==","rights":65535}],"scope_signals":false,"scope_abstract_sockets":false,"required":false}}}', 0);
  if ($name eq 'garbles') { send($channel, 'no message', 0); }
  if ($name eq 'rejects') {
    send($channel, '{"rejected":{"socket":"notify","reason":"wrong_uid","uid":60002,"pid":77}}', 0) for 1..500;
  }
  send($channel, '{"started":{"pid":4242}}', 0) if $name eq 'starts';
  # select(2) calls a socket readable at its end; the launcher's pidfd is readable when it has ended.
  my $ending = '"refused":2,"audited":0,"allowed":1,"decisions":{"deny":2},"duration_ms":5';
  while (1) {
    for my $ready (IO::Select->new($channel, $launcher)->can_read) {
      if ($ready == $launcher) { send($channel, qq({"ended":{"status":0,$ending}}), 0); exit 0; }
      my $sender = recv($channel, my $packet, 65536, 0);
      exit 0 if !defined $sender || $packet eq '';
      next if $name eq 'stubborn';
      if ($packet =~ /"stop":"([^"]*)"/) { send($channel, qq({"ended":{"status":0,"reason":"$1",$ending}}), 0); exit 0; }
    }
  }
  """

/// A real agentshd in a tree of its own, with the stub as supervisor.
final class ServerRig {
  let scratch: Scratch
  let process: SpawnedProcess
  var socketPath: String { "\(scratch.path)/run/control.sock" }

  static let configuration = """
    control_socket: SCRATCH/run/control.sock
    runtime_dir: SCRATCH/run
    log_dir: SCRATCH/log
    policy_dir: SCRATCH/policies
    handshake_timeout: 2s
    spare_supervisors: 0
    limits: { active_sessions_per_user: 5, sessions_per_user: 10, active_sessions: 50 }
    assignments:
      - { users: ["60001", root], default: first, policies: ["*"] }
      - { users: ["60002"], default: second }
      - { users: ["60003"], default: first }
    admins: { users: ["60003"] }

    """

  static let policy = """
    version: 1
    name: NAME
    file_rules:
      - { name: no-secrets, paths: ["**/.env"], operations: ["*"], decision: deny }
      - { name: rest, paths: ["/**"], operations: ["*"], decision: allow }

    """

  /// Lays out everything without starting it.
  static func prepare(configuration: String = configuration) throws -> Scratch {
    let scratch = try Scratch()
    try scratch.write("agentshd.yaml", configuration.replacing("SCRATCH", with: scratch.path))
    try scratch.write("policies/first.yaml", policy.replacing("NAME", with: "first"))
    try scratch.write("policies/second.yaml", policy.replacing("NAME", with: "second"))
    // By another process: what this one writes stays open in every child that another test forks meanwhile, and can't be executed as long (ETXTBSY).
    let stub = try scratch.write("stub", stubSupervisor)
    let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    for (from, to) in [(stub, "libexec/agentsh/agentsh-supervisor"), (parent(of: own) + "/agentshd", "sbin/agentshd")] {
      #expect(try run("/usr/bin/install", "-D", "-m", "755", from, "\(scratch.path)/\(to)", in: scratch) == "")
    }
    return scratch
  }

  /// Starts agentshd with its stderr in `server.err`; `through` are the words before its own.
  static func start(_ scratch: Scratch, through: [String] = [], arguments: [String] = [], identity: SpawnIdentity? = nil, extra: [CInt] = [])
    throws -> SpawnedProcess
  {
    let null = try openAt(AT_FDCWD, Array("/dev/null".utf8), flags: O_RDWR)
    let output = try openAt(AT_FDCWD, Array("\(scratch.path)/server.err".utf8), flags: O_WRONLY | O_CREAT | O_APPEND, mode: 0o644)
    let words = through + ["\(scratch.path)/sbin/agentshd", "--config", "\(scratch.path)/agentshd.yaml"] + arguments
    return try spawnSupervisor(
      Array((words.first ?? "").utf8), arguments: words.map { Array($0.utf8) }, descriptors: [null.rawValue, output.rawValue, output.rawValue] + extra,
      openFiles: 8192, identity: identity)
  }

  init(_ prepared: Scratch? = nil, through: [String] = [], identity: SpawnIdentity? = nil) throws {
    scratch = try prepared ?? Self.prepare()
    process = try Self.start(scratch, through: through, identity: identity)
    try waitFor("agentshd listens: \(scratch.read("server.err"))") { (try? self.client().call("Ping")) != nil }
  }

  deinit {
    try? process.pidfd.sendSignal(SIGTERM)
    if (try? waitUntilReady(process.pidfd.descriptor, deadline: .after(milliseconds: 15_000))) != true {
      try? process.pidfd.sendSignal(SIGKILL)
      Issue.record("agentshd did not stop")
    }
    reapChild(process.pid)
  }

  func client(uid: UInt32 = 0) throws -> Client { try Client(socketPath, uid: uid) }

  /// Records of server.jsonl with this operation.
  func records(_ operation: String) -> [String] {
    scratch.read("log/server.jsonl").split(separator: "\n").map { String($0) }.filter { $0.contains("\"op\":\"\(operation)\"") }
  }
}

/// Waits until something holds that somebody else brings about, for which there is no event here.
func waitFor(_ what: @autoclosure () -> String, seconds: Double = 10, _ condition: () throws -> Bool) throws {
  let deadline = Deadline.after(milliseconds: Int64(seconds * 1000))
  while try !condition() {
    if deadline.hasPassed {
      Issue.record("did not come about: \(what())")
      return
    }
    usleep(2000)
  }
}

/// What a call was answered with.
enum Answer {
  case parameters(JSONObject)
  case error(String, reason: String, ofServer: Bool = false)

  var error: String? { if case .error(let name, _, _) = self { String(name.split(separator: ".").last ?? "") } else { nil } }
  var reason: String { if case .error(_, let reason, _) = self { reason } else { "" } }
  var isOfServer: Bool { if case .error(_, _, true) = self { true } else { false } }
  var object: JSONObject { if case .parameters(let object) = self { object } else { [:] } }

  func text(_ field: String) -> String { if case .string(let text)? = object[field] { text } else { "" } }
  var sessions: [String] {
    guard case .array(let elements)? = object["sessions"] else { return [] }
    return elements.compactMap { if case .object(let session) = $0, case .string(let id)? = session["session"] { id } else { nil } }
  }
}

/// A client of the control socket, with the uid that it is to have there.
final class Client {
  let socket: UnixSocket

  init(_ path: String, uid: UInt32) throws {
    let raw = uid == 0 && geteuid() == 0 ? -1 : connectAs(uid, path)
    socket = raw >= 0 ? UnixSocket(owning: OwnedDescriptor(owning: raw)) : try UnixSocket.connect(to: Array(path.utf8))
  }

  func send(_ method: String, _ parameters: JSONObject = [:], more: Bool = false) throws {
    try socket.sendFrame(VarlinkCall(method: "org.agentsh.Control.\(method)", parameters: parameters, more: more).packet)
  }

  func receive(seconds: Int64 = 20) throws -> (answer: Answer, continues: Bool)? {
    guard let received = try socket.receiveFrame(limit: 4 << 20, deadline: .after(milliseconds: seconds * 1000)) else { return nil }
    let reply = try VarlinkReply.decode(received.bytes)
    guard let error = reply.error else { return (.parameters(reply.parameters), reply.continues) }
    guard case .string(let reason)? = reply.parameters["reason"] else { return (.error(error, reason: ""), false) }
    return (.error(error, reason: reason, ofServer: reply.parameters["of_server"] == .bool(true)), false)
  }

  func call(_ method: String, _ parameters: JSONObject = [:], more: Bool = false) throws -> Answer {
    try send(method, parameters, more: more)
    return try #require(try receive()).answer
  }

  func wrap(_ more: JSONObject = [:]) throws -> Answer {
    var parameters: JSONObject = ["command": .array([.string("/bin/true"), .string("x")]), "cwd": .string("/")]
    for member in more.members { parameters[member.name] = member.value }
    return try call("Wrap", parameters)
  }
}
