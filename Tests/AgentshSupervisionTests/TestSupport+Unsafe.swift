import AgentshSystem
import Glibc
import Testing

/// Keeps a descriptor open in an array.
final class HeldDescriptor {
  let descriptor: OwnedDescriptor
  init(_ descriptor: consuming OwnedDescriptor) { self.descriptor = descriptor }
}

/// Whether this test may go on. What needs root says so, and counts as failed where the environment asks for everything to run.
func isPrivileged(_ need: String, _ location: SourceLocation = #_sourceLocation) -> Bool {
  if geteuid() == 0 { return true }
  if let wanted = unsafe getenv("AGENTSH_REQUIRE_PRIVILEGED"), unsafe String(cString: wanted) == "1" {
    Issue.record("needs root: \(need)", sourceLocation: location)
  } else {
    print("skipped, needs root: \(need)")
  }
  return false
}

/// A new directory, for the test to remove.
func temporaryDirectory() throws -> String {
  var template = Array("/tmp/agentsh-test-XXXXXX".utf8CString)
  let made = unsafe template.withUnsafeMutableBufferPointer { buffer in
    // SAFETY: the template is not empty.
    unsafe mkdtemp(buffer.baseAddress.unsafelyUnwrapped) != nil
  }
  try #require(made)
  return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
}

/// A child that does nothing for an hour; for the test to kill and reap.
func startSleeper() throws -> Int32 {
  var child: pid_t = 0
  var arguments: [UnsafeMutablePointer<CChar>?] = unsafe [strdup("sleep"), strdup("3600"), nil]
  defer { for unsafe argument in unsafe arguments { unsafe free(argument) } }
  let failure = unsafe posix_spawn(&child, "/bin/sleep", nil, nil, &arguments, nil)
  try #require(failure == 0)
  return child
}

/// Kills and reaps a child.
func endSleeper(_ child: Int32) {
  kill(child, SIGKILL)
  waitpid(child, nil, 0)
}
