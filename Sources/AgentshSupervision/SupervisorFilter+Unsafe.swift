import AgentshFilter
import AgentshSystem
import CAgentshSystem
import Glibc
import SystemPackage

extension SupervisorFilter {
  /// Puts the filter on every thread of the process (SECCOMP_FILTER_FLAG_TSYNC), for good. no_new_privs must be set: seccomp(2).
  static func install() throws {
    let program = try list.compile()
    try load(program)
  }

  private static func load(_ program: FilterProgram) throws(SyscallError) {
    let length = UInt16(clamping: program.count)
    let synchronised = UInt32(SECCOMP_FILTER_FLAG_TSYNC)
    try syscall("seccomp", subject: "the supervisor's own filter") {
      // SAFETY: the bytes are `length` whole instructions as the compiler exported them; the kernel copies them during the call.
      unsafe program.instructions.withUnsafeBytes { bytes in
        unsafe bytes.withMemoryRebound(to: sock_filter.self) { unsafe ash_seccomp_set_filter(synchronised, $0.baseAddress, length) }
      }
    }
  }
}
