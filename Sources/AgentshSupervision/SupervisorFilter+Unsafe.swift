import AgentshFilter
import AgentshSystem
import CAgentshSystem
import Glibc
import SystemPackage

extension SupervisorFilter {
  /// Puts the filter on every thread of the process (SECCOMP_FILTER_FLAG_TSYNC), for good. no_new_privs must be set: seccomp(2).
  /// - Parameter program: instructions that the plan brought, or none: then they are compiled here.
  static func install(_ program: [UInt8] = [], resolving: Bool = false) throws {
    try load(program.isEmpty ? compiled(resolving: resolving).instructions : program)
  }

  private static func load(_ instructions: [UInt8]) throws(SyscallError) {
    let length = UInt16(clamping: instructions.count / FilterProgram.instructionSize)
    let synchronised = UInt32(SECCOMP_FILTER_FLAG_TSYNC)
    try syscall("seccomp", subject: "the supervisor's own filter") {
      // SAFETY: the bytes are `length` whole instructions as the compiler exported them; the kernel copies them during the call.
      unsafe instructions.withUnsafeBytes { bytes in
        unsafe bytes.withMemoryRebound(to: sock_filter.self) { unsafe ash_seccomp_set_filter(synchronised, $0.baseAddress, length) }
      }
    }
  }
}
