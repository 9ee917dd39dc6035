import AgentshSystem
import CAgentshSystem
import Glibc
import Synchronization
import Testing

@testable import AgentshSupervision

/// One system call on paths, as a thread under a ruleset makes it.
enum KernelCall: Sendable {
  case read(String)
  case write(String)
  case truncate(String)
  case create(String)
  case makeDirectory(String)
  case remove(String)
  case removeDirectory(String)
  case makeLink(String)
  case makeFIFO(String)
  case link(String, String)
  case rename(String, String)

  /// 0 or an errno.
  func run() -> Int32 {
    func answer(_ value: Int32) -> Int32 { value < 0 ? errno : 0 }
    func open(_ path: String, _ flags: Int32) -> Int32 {
      // SAFETY: a text that lives for the call; the descriptor is closed at once.
      let descriptor = unsafe Glibc.open(path, flags | O_CLOEXEC, 0o644)
      if descriptor < 0 { return errno }
      close(descriptor)
      return 0
    }
    // SAFETY: texts that live for the calls.
    return switch self {
    case .read(let path): open(path, O_RDONLY)
    case .write(let path): open(path, O_WRONLY)
    case .truncate(let path): answer(unsafe Glibc.truncate(path, 0))
    case .create(let path): open(path, O_WRONLY | O_CREAT | O_EXCL)
    case .makeDirectory(let path): answer(unsafe mkdir(path, 0o755))
    case .remove(let path): answer(unsafe unlink(path))
    case .removeDirectory(let path): answer(unsafe rmdir(path))
    case .makeLink(let path): answer(unsafe symlink("nowhere", path))
    case .makeFIFO(let path): answer(unsafe mkfifo(path, 0o644))
    case .link(let old, let new): answer(unsafe Glibc.link(old, new))
    case .rename(let old, let new): answer(unsafe Glibc.rename(old, new))
    }
  }
}

private final class Answers: Sendable {
  let values = Mutex<[Int32]?>(nil)
}

/// Makes `calls` one after the other on a thread of its own under `rules`: what each answers.
func answers(of calls: [KernelCall], under rules: LandlockRules) throws -> [Int32] {
  let answers = Answers()
  let done = try EventDescriptor()
  let raw = done.descriptor.rawValue
  try startThread("ruled") {
    var values: [Int32] = []
    do throws(SyscallError) {
      // PR_SET_NO_NEW_PRIVS
      try syscall("prctl") { ash_prctl(38, 1, 0, 0, 0) }
      if let ruleset = try LandlockRuleset.bestEffort(rules) { try ruleset.restrictThread() }
      values = calls.map { $0.run() }
    } catch {
      print("a thread under a ruleset: \(error)")
    }
    answers.values.withLock { $0 = values }
    var one: UInt64 = 1
    // SAFETY: eight bytes that live for the call.
    _ = unsafe write(raw, &one, 8)
  }
  try #require(try waitUntilReady(done.descriptor, deadline: .after(milliseconds: 60_000)))
  return try #require(answers.values.withLock { $0 })
}
