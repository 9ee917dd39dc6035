import CAgentshSystem
import Glibc
import Synchronization
import Testing

@testable import AgentshSystem

/// What another thread takes, and the number that it leaves.
private final class Slot: Sendable {
  let value = Mutex<Int32?>(nil)
  let body: Mutex<(@Sendable () -> Int32)?>
  init(_ body: @escaping @Sendable () -> Int32) { self.body = Mutex(body) }
}

struct LandlockRigFailure: Error {
  let reason: String
}

/// Runs `body` on a thread of its own under `rules`, as `abi` can hold them, and gives what it answers: an errno, or 0.
func under(_ rules: LandlockRules, abi: LandlockABI = .running, _ body: @escaping @Sendable () -> Int32) throws -> Int32 {
  let slot = Slot(body)
  let done = try EventDescriptor()
  let raw = done.descriptor.rawValue
  try startThread("landlocked") {
    var answer: Int32 = -1
    do throws(SyscallError) {
      try syscall("prctl") { ash_prctl(38, 1, 0, 0, 0) }
      if let ruleset = try LandlockRuleset.bestEffort(rules, abi: abi) { try ruleset.restrictThread() }
      // Taken, so that what belongs to it is not given up last on a thread that may remove nothing.
      var taken = slot.body.withLock { $0.take() }
      answer = taken?() ?? -3
      taken = nil
    } catch {
      print("landlocked thread: \(error)")
      answer = -2
    }
    slot.value.withLock { $0 = answer }
    var one: UInt64 = 1
    // SAFETY: eight bytes that live for the call.
    _ = unsafe write(raw, &one, 8)
  }
  guard try waitUntilReady(done.descriptor, deadline: .after(milliseconds: 20_000)), let answer = slot.value.withLock({ $0 }) else {
    throw LandlockRigFailure(reason: "the thread under the ruleset did not answer")
  }
  return answer
}

/// A directory of the test's own, removed with all that is in it.
final class Scratch: Sendable {
  let path: String

  init() throws {
    var template = Array("/tmp/agentsh-landlock-XXXXXX".utf8CString)
    let made = unsafe template.withUnsafeMutableBufferPointer { buffer in
      // SAFETY: the template is not empty.
      unsafe mkdtemp(buffer.baseAddress.unsafelyUnwrapped) != nil
    }
    try #require(made)
    path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  deinit { _ = Calls.run("/bin/rm", "-rf", path) }

  func callAsFunction(_ name: String) -> String { "\(path)/\(name)" }

  func make(_ name: String, _ text: String = "text") {
    _ = Calls.open("\(path)/\(name)", O_WRONLY | O_CREAT | O_TRUNC)
    if let descriptor = try? openAt(AT_FDCWD, Array("\(path)/\(name)".utf8), flags: O_WRONLY) { _ = writeAll(descriptor.rawValue, Array(text.utf8)) }
  }

  func makeDirectory(_ name: String) { _ = Calls.mkdir("\(path)/\(name)") }
}

/// System calls on paths as text: 0 or an errno.
enum Calls {
  private static func result(_ value: Int32) -> Int32 { value < 0 ? errno : 0 }

  static func open(_ path: String, _ flags: Int32) -> Int32 {
    let descriptor = unsafe Glibc.open(path, flags | O_CLOEXEC, 0o644)
    if descriptor < 0 { return errno }
    close(descriptor)
    return 0
  }

  static func mkdir(_ path: String) -> Int32 { result(unsafe Glibc.mkdir(path, 0o755)) }
  static func rmdir(_ path: String) -> Int32 { result(unsafe Glibc.rmdir(path)) }
  static func unlink(_ path: String) -> Int32 { result(unsafe Glibc.unlink(path)) }
  static func symlink(_ text: String, _ path: String) -> Int32 { result(unsafe Glibc.symlink(text, path)) }
  static func rename(_ old: String, _ new: String) -> Int32 { result(unsafe Glibc.rename(old, new)) }
  static func link(_ old: String, _ new: String) -> Int32 { result(unsafe Glibc.link(old, new)) }
  static func truncate(_ path: String) -> Int32 { result(unsafe Glibc.truncate(path, 0)) }
  static func mknod(_ path: String, _ type: UInt32, _ device: UInt64 = 0) -> Int32 { result(unsafe Glibc.mknod(path, type | 0o644, dev_t(device))) }
  static func chown(_ path: String, _ owner: UInt32) -> Int32 { result(unsafe Glibc.lchown(path, owner, owner)) }
  static func exists(_ path: String) -> Bool { unsafe access(path, F_OK) == 0 }
  static func signal(_ process: Int32) -> Int32 { result(kill(process, 0)) }

  /// TCGETS, which a device that is no terminal answers with ENOTTY.
  static func askDevice(_ path: String) -> Int32 {
    let descriptor = unsafe Glibc.open(path, O_RDWR | O_CLOEXEC)
    if descriptor < 0 { return errno }
    defer { close(descriptor) }
    var settings = termios()
    return result(unsafe tcgetattr(descriptor, &settings))
  }

  /// Runs a program to its end: 0, its status, or the errno of the start.
  static func run(_ arguments: String...) -> Int32 {
    var child: pid_t = 0
    var pointers: [UnsafeMutablePointer<CChar>?] = unsafe arguments.map { unsafe strdup($0) } + [nil]
    defer { for unsafe pointer in unsafe pointers { unsafe free(pointer) } }
    let failure = unsafe posix_spawn(&child, arguments[0], nil, nil, &pointers, nil)
    if failure != 0 { return failure }
    var status: Int32 = 0
    while unsafe waitpid(child, &status, 0) < 0, errno == EINTR {}
    return status
  }

  /// A child that sleeps, for the test to end.
  static func startSleeper() throws -> Int32 {
    var child: pid_t = 0
    var pointers: [UnsafeMutablePointer<CChar>?] = unsafe [strdup("sleep"), strdup("3600"), nil]
    defer { for unsafe pointer in unsafe pointers { unsafe free(pointer) } }
    try #require(unsafe posix_spawn(&child, "/bin/sleep", nil, nil, &pointers, nil) == 0)
    return child
  }

  static func end(_ child: Int32) {
    kill(child, SIGKILL)
    waitpid(child, nil, 0)
  }

  private static func loopback(_ port: UInt16) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    return address
  }

  private static func withAddress(_ port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
    var address = loopback(port)
    return unsafe withUnsafePointer(to: &address) { pointer in
      // SAFETY: a sockaddr_in is given as what bind(2) and connect(2) take, with its own length.
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe body($0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
    }
  }

  static func connect(toPort port: UInt16) -> Int32 {
    let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(socket) }
    return unsafe withAddress(port) { unsafe Glibc.connect(socket, $0, $1) < 0 ? errno : 0 }
  }

  static func bind(toPort port: UInt16) -> Int32 {
    let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(socket) }
    return unsafe withAddress(port) { unsafe Glibc.bind(socket, $0, $1) < 0 ? errno : 0 }
  }

  private static func withAbstract(_ name: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
    var bytes: [UInt8] = [UInt8(AF_UNIX), 0, 0] + Array(name.utf8)
    let count = socklen_t(bytes.count)
    return unsafe bytes.withUnsafeMutableBytes { buffer in
      // SAFETY: the bytes begin with a family, as a sockaddr does, and are passed with their number.
      unsafe body(UnsafePointer(buffer.bindMemory(to: sockaddr.self).baseAddress.unsafelyUnwrapped), count)
    }
  }

  /// A listening socket of the abstract namespace, for the test to close.
  static func listen(abstract name: String) throws -> OwnedDescriptor {
    let socket = OwnedDescriptor(owning: Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0))
    let raw = socket.rawValue
    try #require(unsafe withAbstract(name) { unsafe Glibc.bind(raw, $0, $1) } == 0)
    try #require(Glibc.listen(raw, 8) == 0)
    return socket
  }

  static func connect(abstract name: String) -> Int32 {
    let socket = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(socket) }
    return unsafe withAbstract(name) { unsafe Glibc.connect(socket, $0, $1) < 0 ? errno : 0 }
  }
}
