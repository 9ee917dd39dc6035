import Glibc

/// Nanoseconds of CLOCK_MONOTONIC, see clock_gettime(2).
public func monotonicNanoseconds() -> UInt64 {
  var time = timespec()
  // SAFETY: an out parameter that lives for the call; this clock can't fail.
  _ = unsafe clock_gettime(CLOCK_MONOTONIC, &time)
  return UInt64(clamping: time.tv_sec) &* 1_000_000_000 &+ UInt64(clamping: time.tv_nsec)
}
