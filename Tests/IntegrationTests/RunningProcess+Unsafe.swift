import AgentshSystem
import CTestSupport
import Glibc
import Testing

/// How a process ended, and what it said.
struct Outcome: Sendable {
  /// Exit status; nil when a signal ended it.
  let status: Int32?
  let signal: Int32?
  let output: String
  let errors: String
  let milliseconds: Int
}

/// A child process with pipes to it; killed when it is forgotten.
final class RunningProcess {
  let pid: Int32
  private let began = monotonicNanoseconds()
  private var input: OwnedDescriptor?
  private let output: OwnedDescriptor
  private let errors: OwnedDescriptor
  private var said: [UInt8] = []
  private var complained: [UInt8] = []
  private var outputEnded = false
  private var errorsEnded = false
  private var waitStatus: Int32?

  /// Starts `arguments[0]` with exactly this environment, in a process group of its own.
  init(_ arguments: [String], environment: [String] = ["PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "LANG=C"]) throws {
    let toChild = try Self.pipe()
    let fromChild = try Self.pipe()
    let complaints = try Self.pipe()
    var actions = unsafe posix_spawn_file_actions_t()
    unsafe posix_spawn_file_actions_init(&actions)
    defer { unsafe posix_spawn_file_actions_destroy(&actions) }
    unsafe posix_spawn_file_actions_adddup2(&actions, toChild.read, 0)
    unsafe posix_spawn_file_actions_adddup2(&actions, fromChild.write, 1)
    unsafe posix_spawn_file_actions_adddup2(&actions, complaints.write, 2)
    var attributes = posix_spawnattr_t()
    unsafe posix_spawnattr_init(&attributes)
    defer { unsafe posix_spawnattr_destroy(&attributes) }
    // Whatever runs the tests may ignore or block signals; what they start must not.
    var all = sigset_t()
    unsafe sigfillset(&all)
    unsafe posix_spawnattr_setsigdefault(&attributes, &all)
    var none = sigset_t()
    unsafe sigemptyset(&none)
    unsafe posix_spawnattr_setsigmask(&attributes, &none)
    let flags = POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK
    unsafe posix_spawnattr_setflags(&attributes, Int16(flags))
    // SAFETY: both arrays end with a null pointer and their strings live until they are freed below, after the call.
    var argv: [UnsafeMutablePointer<CChar>?] = unsafe arguments.map { unsafe strdup($0) } + [nil]
    var envp: [UnsafeMutablePointer<CChar>?] = unsafe environment.map { unsafe strdup($0) } + [nil]
    defer { for unsafe pointer in unsafe argv + envp { unsafe free(pointer) } }
    var child: pid_t = 0
    let failure = unsafe posix_spawnp(&child, arguments[0], &actions, &attributes, &argv, &envp)
    close(toChild.read)
    close(fromChild.write)
    close(complaints.write)
    input = OwnedDescriptor(owning: toChild.write)
    output = OwnedDescriptor(owning: fromChild.read)
    errors = OwnedDescriptor(owning: complaints.read)
    pid = child
    try #require(failure == 0, "\(arguments[0]) can't be started: errno \(failure)")
  }

  deinit {
    guard waitStatus == nil, pid > 0 else { return }
    kill(-pid, SIGKILL)
    kill(pid, SIGKILL)
    waitpid(pid, nil, 0)
  }

  private static func pipe() throws -> (read: CInt, write: CInt) {
    var readEnd: CInt = -1
    var writeEnd: CInt = -1
    // Close-on-exec, so that parallel tests' children don't hold each other's pipes open.
    let failure = unsafe ct_pipe(&readEnd, &writeEnd)
    try #require(failure == 0)
    return (readEnd, writeEnd)
  }

  func write(_ text: String) {
    guard let raw = input?.rawValue else { return }
    _ = writeAll(raw, Array(text.utf8))
  }

  func closeInput() { input = nil }

  /// Everything that was written to standard output so far.
  var outputSoFar: String { String(decoding: said, as: UTF8.self) }
  var errorsSoFar: String { String(decoding: complained, as: UTF8.self) }

  /// Waits until standard output holds `text`.
  func waitFor(_ text: String, milliseconds: Int64 = 15_000, _ location: SourceLocation = #_sourceLocation) throws {
    let deadline = Deadline.after(milliseconds: milliseconds)
    while !outputSoFar.contains(text) {
      let more = read(until: deadline)
      try #require(
        more || outputSoFar.contains(text), "'\(text)' did not come; output: \(outputSoFar) errors: \(errorsSoFar)", sourceLocation: location)
    }
  }

  /// Whether standard output holds `text` before it ends or the time is over.
  func says(_ text: String, milliseconds: Int64) -> Bool {
    let deadline = Deadline.after(milliseconds: milliseconds)
    while !outputSoFar.contains(text) {
      if !read(until: deadline) { return outputSoFar.contains(text) }
    }
    return true
  }

  /// Reads what comes next from either pipe; false when both have ended or the deadline passed.
  private func read(until deadline: Deadline) -> Bool {
    guard !(outputEnded && errorsEnded) else { return false }
    var requests = [
      pollfd(fd: outputEnded ? -1 : output.rawValue, events: Int16(POLLIN), revents: 0),
      pollfd(fd: errorsEnded ? -1 : errors.rawValue, events: Int16(POLLIN), revents: 0),
    ]
    guard unsafe poll(&requests, 2, deadline.pollTimeout) > 0 else { return false }
    if requests[0].revents != 0 { outputEnded = !Self.take(output.rawValue, &said) }
    if requests[1].revents != 0 { errorsEnded = !Self.take(errors.rawValue, &complained) }
    return true
  }

  private static func take(_ raw: CInt, _ bytes: inout [UInt8]) -> Bool {
    var room = [UInt8](repeating: 0, count: 65536)
    // SAFETY: the buffer is as long as said.
    let count = unsafe room.withUnsafeMutableBytes { unsafe Glibc.read(raw, $0.baseAddress, $0.count) }
    if count > 0 { bytes += room.prefix(count) }
    return count > 0
  }

  /// Closes its input and waits for its end.
  func finish(milliseconds: Int64 = 30_000, _ location: SourceLocation = #_sourceLocation) throws -> Outcome {
    closeInput()
    let deadline = Deadline.after(milliseconds: milliseconds)
    let pidfd = try Pidfd.open(pid)
    while read(until: deadline) {}
    let ended = try waitUntilReady(pidfd.descriptor, deadline: deadline)
    try #require(ended, "it did not end; output: \(outputSoFar) errors: \(errorsSoFar)", sourceLocation: location)
    var status: CInt = 0
    unsafe waitpid(pid, &status, 0)
    waitStatus = status
    let signal = status & 0x7F
    return Outcome(
      status: signal == 0 ? status >> 8 & 0xFF : nil, signal: signal == 0 ? nil : signal, output: outputSoFar, errors: errorsSoFar,
      milliseconds: Int((monotonicNanoseconds() - began) / 1_000_000))
  }
}

/// Runs a program to its end.
func run(_ arguments: [String], input: String = "", milliseconds: Int64 = 30_000, _ location: SourceLocation = #_sourceLocation) throws -> Outcome {
  let process = try RunningProcess(arguments)
  process.write(input)
  return try process.finish(milliseconds: milliseconds, location)
}

func environmentVariable(_ name: String) -> String? {
  guard let value = unsafe getenv(name) else { return nil }
  return unsafe String(cString: value)
}

/// A new directory that everybody may pass through.
func scratchDirectory() throws -> String {
  var template = Array("/tmp/agentsh-it-XXXXXX".utf8CString)
  let made = unsafe template.withUnsafeMutableBufferPointer { buffer in
    // SAFETY: the template is not empty.
    unsafe mkdtemp(buffer.baseAddress.unsafelyUnwrapped) != nil
  }
  try #require(made)
  let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  changeMode(path, 0o755)
  return path
}

/// The program that runs this test: its directory is the build's.
func ownProgram() throws -> String { String(decoding: try readLink(at: AT_FDCWD, Array("/proc/self/exe".utf8)), as: UTF8.self) }

/// Names in a directory, sorted; empty when it isn't there.
func names(in directory: String) -> [String] {
  guard let stream = unsafe opendir(directory) else { return [] }
  defer { unsafe closedir(stream) }
  var names: [String] = []
  while let entry = unsafe readdir(stream) {
    // SAFETY: d_name ends with a NUL inside the entry, which lives until the next call.
    let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { pointer in
      unsafe pointer.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
    }
    if name != ".", name != ".." { names.append(name) }
  }
  return names.sorted()
}

/// Between two looks at something that tells of no event.
func pause(milliseconds: Int32) { poll(nil, 0, milliseconds) }

/// Whether a child has ended; it stays to be reaped.
func childHasEnded(_ process: Int32) -> Bool {
  var information = unsafe siginfo_t()
  return unsafe waitid(P_PID, id_t(process), &information, WEXITED | WNOHANG | WNOWAIT) == 0 && information.si_signo == SIGCHLD
}
