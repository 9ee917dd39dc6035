internal import AgentshAudit
import Glibc

/// Today's date as records have it: in UTC, `2026-01-02`.
func today() -> String {
  String(AuditTime(seconds: Int64(time(nil)), nanoseconds: 0).text.prefix(10))
}
