internal import AgentshSystem
import CAgentshSystem
import Glibc

/// The wait status of a child that has ended, or nil while it runs: waitid(2) with P_PIDFD.
func reap(_ pidfd: borrowing Pidfd) -> Int32? {
  var status: CInt = 0
  // SAFETY: an out parameter that lives for the call.
  return unsafe ash_reap(pidfd.descriptor.rawValue, &status) == 1 ? status : nil
}

/// Reaps a child if it has ended; true when there is no such child any more.
func hasBeenReaped(_ pidfd: borrowing Pidfd) -> Bool {
  var status: CInt = 0
  // SAFETY: an out parameter that lives for the call.
  return unsafe ash_reap(pidfd.descriptor.rawValue, &status) != 0
}

/// Collects a tracee of any thread of this process if it has ended; true when there is no such tracee any more.
func hasBeenCollected(_ tracee: Int32) -> Bool {
  var status: CInt = 0
  // It may have stopped some times before it was killed.
  for _ in 0..<16 {
    // SAFETY: an out parameter that lives for the call.
    let found = unsafe waitpid(tracee, &status, WNOHANG | allChildren)
    if found == 0 { return false }
    if found < 0 || status & 0x7F != 0x7F { return true }
  }
  return false
}

/// __WALL of waitpid(2), which Swift can't import: children and tracees of whatever kind.
private let allChildren: CInt = 0x4000_0000
