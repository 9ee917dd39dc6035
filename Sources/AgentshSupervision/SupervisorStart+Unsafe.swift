import Glibc

extension SupervisorStart {
  /// What a terminal or a broken connection sends must not end the process that enforces; SIGTERM does, and with it the session.
  static func ignoreSignals() {
    for number in [SIGPIPE, SIGINT, SIGQUIT, SIGHUP, SIGTSTP, SIGTTIN, SIGTTOU] {
      signal(number, SIG_IGN)
    }
    WaitTable.installHandler()
  }

  /// Bounds what the process may hold and leave behind: descriptors, and no core file, which would hold targets' secrets.
  static func limitResources(descriptors: UInt64) {
    var limit = rlimit()
    unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    limit.rlim_max = min(limit.rlim_max, rlim_t(descriptors))
    limit.rlim_cur = limit.rlim_max
    unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    var none = rlimit(rlim_cur: 0, rlim_max: 0)
    unsafe setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &none)
  }
}
