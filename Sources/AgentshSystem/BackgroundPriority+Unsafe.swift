import Glibc
import SystemPackage

/// Lets a process run only where nothing else would, or as every other again: SCHED_IDLE of sched(7), and a tenth of the usual weight among the groups of the
/// scheduler where each terminal session is one ("The autogroup feature" there). Needs CAP_SYS_NICE to take it back. A process that can't be changed goes
/// on as it was.
public func setRunsInBackground(_ process: Int32, _ isInBackground: Bool) {
  var parameter = sched_param(sched_priority: 0)
  // SAFETY: a parameter that lives for the call.
  _ = unsafe sched_setscheduler(process, isInBackground ? 5 /* SCHED_IDLE */ : 0 /* SCHED_OTHER */, &parameter)
  guard let group = try? openAt(AT_FDCWD, Array("/proc/\(process)/autogroup".utf8), flags: O_WRONLY | O_CLOEXEC | O_NOCTTY) else { return }
  _ = writeAll(group.rawValue, Array((isInBackground ? "10" : "0").utf8))
}
