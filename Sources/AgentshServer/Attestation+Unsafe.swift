internal import AgentshSystem
import CAgentshSystem
import Glibc
import SystemPackage

func seize(_ thread: Int32) -> CInt { ash_ptrace_seize(thread, 0) }
func interrupt(_ thread: Int32) -> CInt { ash_ptrace_interrupt(thread) }
func detach(_ thread: Int32) -> CInt { ash_ptrace_detach(thread, 0) }

/// Whether a tracee of this thread has stopped; throws ESRCH when it has ended.
func hasStopped(_ thread: Int32) throws(SyscallError) -> Bool {
  var status: CInt = 0
  // SAFETY: an out parameter that lives for the call.
  let found = try syscall("waitpid") { unsafe ash_wait_tracee(thread, &status, WNOHANG) }
  if found == 0 { return false }
  var signal: CInt = 0
  var event: CInt = 0
  // SAFETY: out parameters that live for the call.
  guard unsafe ash_status_stopped_event(status, &signal, &event) == 1 else { throw SyscallError("waitpid", .noSuchProcess) }
  return true
}

/// Takes the end of a tracee of this thread that was killed, so that it is not left as a zombie of ours; false when it has not ended by the deadline.
func collect(_ thread: Int32, deadline: Deadline) -> Bool {
  while !hasBeenCollected(thread) {
    if deadline.hasPassed { return false }
    usleep(200)
  }
  return true
}

/// The newest filter of a stopped tracee, as bytes: PTRACE_SECCOMP_GET_FILTER, see ptrace(2). The kernel counts from the oldest on (get_nth_filter of
/// kernel/seccomp.c), whatever the page says.
func readInstalledFilter(_ thread: Int32) throws(SyscallError) -> [UInt8] {
  // Without a buffer the call only counts instructions. A chain has at most 32768 of them in all.
  var newest: UInt64 = 0
  var count = try syscall("ptrace", subject: "SECCOMP_GET_FILTER") { ash_ptrace_get_filter(thread, 0, nil) }
  while newest < 32768 {
    let next = ash_ptrace_get_filter(thread, newest + 1, nil)
    if next < 0 {
      guard currentErrno == .noSuchFileOrDirectory else { throw SyscallError("ptrace", currentErrno, "SECCOMP_GET_FILTER") }
      break
    }
    newest += 1
    count = next
  }
  guard count > 0, count <= 4096 else { throw SyscallError("ptrace", .invalidArgument, "SECCOMP_GET_FILTER") }
  var program = [sock_filter](repeating: sock_filter(), count: Int(count))
  // SAFETY: the tracee is stopped, so its newest filter has still `count` instructions, for which there is room.
  let copied = try syscall("ptrace", subject: "SECCOMP_GET_FILTER") {
    unsafe program.withUnsafeMutableBufferPointer { unsafe ash_ptrace_get_filter(thread, newest, $0.baseAddress) }
  }
  guard copied == count else { throw SyscallError("ptrace", .invalidArgument, "SECCOMP_GET_FILTER") }
  // SAFETY: sock_filter is eight bytes without padding.
  return unsafe program.withUnsafeBytes { unsafe Array($0) }
}
