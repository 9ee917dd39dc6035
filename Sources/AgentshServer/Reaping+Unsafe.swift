internal import AgentshSystem
import CAgentshSystem
import Glibc

/// The wait status of a child that has ended, or nil while it runs: waitid(2) with P_PIDFD.
func reap(_ pidfd: borrowing Pidfd) -> Int32? {
  var status: CInt = 0
  // SAFETY: an out parameter that lives for the call.
  return unsafe ash_reap(pidfd.descriptor.rawValue, &status) == 1 ? status : nil
}
