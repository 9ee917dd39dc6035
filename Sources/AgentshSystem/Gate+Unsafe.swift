import Glibc

/// A value behind a lock, with a place to wait for it to change: a mutex and a condition variable, which Swift's own `Mutex` lacks.
///
/// Waiting threads sleep in the kernel; waking one costs a futex call, or nothing when nobody waits. See pthread_cond_timedwait(3).
@safe public final class Gate<Value>: @unchecked Sendable {
  // SAFETY: all three are at fixed addresses from init to deinit; the value is touched with the lock held and at no other time.
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private let condition: UnsafeMutablePointer<pthread_cond_t>
  private let value: UnsafeMutablePointer<Value>

  public init(_ initial: sending Value) {
    unsafe mutex = .allocate(capacity: 1)
    unsafe condition = .allocate(capacity: 1)
    unsafe value = .allocate(capacity: 1)
    unsafe value.initialize(to: initial)
    unsafe pthread_mutex_init(mutex, nil)
    var attributes = pthread_condattr_t()
    unsafe pthread_condattr_init(&attributes)
    // Deadlines must not move with the wall clock.
    unsafe pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
    unsafe pthread_cond_init(condition, &attributes)
    unsafe pthread_condattr_destroy(&attributes)
  }

  deinit {
    // SAFETY: nobody has a reference any more, so nobody holds the lock or waits.
    unsafe pthread_cond_destroy(condition)
    unsafe pthread_mutex_destroy(mutex)
    unsafe value.deinitialize(count: 1)
    unsafe value.deallocate()
    unsafe condition.deallocate()
    unsafe mutex.deallocate()
  }

  public func withLock<Result>(_ body: (inout Value) -> Result) -> Result {
    unsafe pthread_mutex_lock(mutex)
    defer { unsafe pthread_mutex_unlock(mutex) }
    return body(&(unsafe value.pointee))
  }

  /// Asks `body` until it answers, asleep and without the lock in between; nil when `nanoseconds` (CLOCK_MONOTONIC) passed first.
  public func wait<Result>(until nanoseconds: UInt64 = .max, _ body: (inout Value) -> Result?) -> Result? {
    unsafe pthread_mutex_lock(mutex)
    defer { unsafe pthread_mutex_unlock(mutex) }
    var moment = timespec(tv_sec: Int(clamping: nanoseconds / 1_000_000_000), tv_nsec: Int(nanoseconds % 1_000_000_000))
    while true {
      if let result = body(&(unsafe value.pointee)) { return result }
      if unsafe pthread_cond_timedwait(condition, mutex, &moment) == ETIMEDOUT { return body(&(unsafe value.pointee)) }
    }
  }

  /// Wakes one thread that waits, if there is one.
  public func wakeOne() { unsafe pthread_cond_signal(condition) }

  /// Wakes all threads that wait.
  public func wakeAll() { unsafe pthread_cond_broadcast(condition) }
}
