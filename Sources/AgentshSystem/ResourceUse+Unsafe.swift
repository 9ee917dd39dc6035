import Glibc

/// What processes have used.
public struct ResourceUse: Sendable, Equatable {
  /// User and system time together.
  public let cpuMicroseconds: Int
  /// Most memory that any one of them had resident.
  public let memoryKiB: Int

  /// Of the children that were reaped so far, and theirs: getrusage(2) with RUSAGE_CHILDREN.
  public static func ofReapedChildren() -> ResourceUse {
    var usage = rusage()
    // SAFETY: an out parameter that lives for the call, which can't fail with this argument.
    _ = unsafe getrusage(__rusage_who_t(RUSAGE_CHILDREN.rawValue), &usage)
    let seconds = Int(usage.ru_utime.tv_sec) + Int(usage.ru_stime.tv_sec)
    let microseconds = Int(usage.ru_utime.tv_usec) + Int(usage.ru_stime.tv_usec)
    return ResourceUse(cpuMicroseconds: seconds * 1_000_000 + microseconds, memoryKiB: Int(usage.ru_maxrss))
  }
}
