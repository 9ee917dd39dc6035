import AgentshAudit
import Glibc

/// CLOCK_MONOTONIC in nanoseconds; the corresponding C function is `clock_gettime`.
func monotonicNanoseconds() -> UInt64 {
  var now = timespec()
  // SAFETY: a local structure, written by the call.
  unsafe clock_gettime(CLOCK_MONOTONIC, &now)
  return UInt64(now.tv_sec) &* 1_000_000_000 &+ UInt64(now.tv_nsec)
}

/// CLOCK_REALTIME, for records.
func wallClock() -> AuditTime {
  var now = timespec()
  // SAFETY: a local structure, written by the call.
  unsafe clock_gettime(CLOCK_REALTIME, &now)
  return AuditTime(seconds: Int64(now.tv_sec), nanoseconds: Int64(now.tv_nsec))
}
