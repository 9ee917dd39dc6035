import AgentshSystem
import CAgentshSystem
import Glibc

/// Up to `count` bytes at `offset` of an open file (pread(2)); fewer at its end, none on an error.
func readRange(_ descriptor: CInt, offset: UInt64, count: Int) -> [UInt8] {
  guard count > 0, let position = off_t(exactly: offset) else { return [] }
  return unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, length in
    length = 0
    while length < count {
      // SAFETY: inside the buffer's capacity: at most `count - length` bytes behind the first `length`.
      let got = unsafe pread(descriptor, buffer.baseAddress.unsafelyUnwrapped + length, count - length, position + off_t(length))
      if got < 0, errno == EINTR { continue }
      if got <= 0 { break }
      length += got
    }
  }
}

/// RLIMIT_STACK of a process, in bytes; 0 where that can't be told: prlimit(2).
func stackLimit(of process: Int32) -> UInt64 {
  var limit: UInt64 = 0
  // SAFETY: an out parameter that lives for the call.
  return unsafe ash_stack_limit(process, &limit) == 0 ? limit : 0
}

/// One event of a tracee of the calling thread.
enum TraceeEvent {
  /// PTRACE_EVENT_EXEC: the new image is complete and none of its code has run.
  case executed(Int32)
  /// PTRACE_EVENT_STOP: the interruption that was asked for, or a group stop.
  case interrupted(Int32)
  /// About to take a signal.
  case signalled(Int32, signal: Int32)
  /// It has ended.
  case ended(Int32)
  /// The calling thread has no tracee any more.
  case none
}

/// Waits for the next event of any tracee of the calling thread: ptrace(2), waitpid(2).
func waitForTracee() -> TraceeEvent {
  while true {
    var status: CInt = 0
    // SAFETY: an out parameter that lives for the call.
    let thread = unsafe ash_wait_tracee(-1, &status, 0)
    if thread < 0 {
      if errno == EINTR { continue }
      return .none
    }
    var signal: CInt = 0
    var event: CInt = 0
    // SAFETY: two out parameters that live for the call.
    guard unsafe ash_status_stopped_event(status, &signal, &event) == 1 else { return .ended(thread) }
    switch event {
    case 4: return .executed(thread)
    case 128: return .interrupted(thread)
    case 0: return .signalled(thread, signal: signal)
    // Nothing else was asked for.
    default: return .interrupted(thread)
    }
  }
}
