import AgentshAudit
import Glibc

/// CLOCK_REALTIME, for records.
func wallClock() -> AuditTime {
  var now = timespec()
  // SAFETY: a local structure, written by the call.
  unsafe clock_gettime(CLOCK_REALTIME, &now)
  return AuditTime(seconds: Int64(now.tv_sec), nanoseconds: Int64(now.tv_nsec))
}
