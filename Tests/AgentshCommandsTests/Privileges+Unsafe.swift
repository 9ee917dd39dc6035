import AgentshSystem
import CAgentshSystem
import Glibc
import Testing

enum Privileges {
  /// Whether ids can be set up as a test wants them; says so where they can't, and fails where they have to be.
  static func canChangeIDs() -> Bool {
    if geteuid() == 0 { return true }
    // SAFETY: no other thread changes the environment; only whether there is a value matters.
    if unsafe getenv("AGENTSH_REQUIRE_PRIVILEGED") != nil { Issue.record("this test needs root") }
    print("skipped: this test needs root")
    return false
  }

  /// Keeps the permitted capabilities over a change of uid, for the calling thread: prctl(PR_SET_KEEPCAPS).
  static func keepCapabilities() throws(SyscallError) {
    try syscall("prctl") { ash_prctl(8, 1, 0, 0, 0) }
  }
}
