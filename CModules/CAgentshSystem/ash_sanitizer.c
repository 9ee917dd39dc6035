// For programs and tests that are built for the thread sanitizer (scripts/sanitize); empty otherwise.
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#include <errno.h>
#include <linux/futex.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

// Swift's Mutex is taken and let go of by atomic operations that the sanitizer sees, or, where two meet, in a library that isn't instrumented: what a held
// lock orders would be taken for a race. These two functions stand in the place of that library's, do what they do by the kernel alone
// (FUTEX_LOCK_PI of futex(2)), and tell. Nothing is silenced that a lock doesn't order.
extern void __tsan_acquire(void *address);
extern void __tsan_release(void *address);

// Synchronization._MutexHandle._lockSlow(_: UInt32), _unlockSlow(): the handle, whose first word is the futex, comes as `self`.
#define IN_PLACE_OF(symbol) __asm__(symbol) __attribute__((swiftcall, visibility("default")))
void ash_mutex_lock_slow(uint32_t thread, __attribute__((swift_context)) void *handle) IN_PLACE_OF("$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF");
void ash_mutex_unlock_slow(__attribute__((swift_context)) void *handle) IN_PLACE_OF("$s15Synchronization12_MutexHandleV11_unlockSlowyyF");

__attribute__((swiftcall)) void ash_mutex_lock_slow(uint32_t thread, __attribute__((swift_context)) void *handle) {
  (void)thread;
  while (syscall(SYS_futex, handle, FUTEX_LOCK_PI_PRIVATE, 0, NULL) != 0) {
    if (errno != EAGAIN && errno != EINTR) abort();
  }
  __tsan_acquire(handle);
}

__attribute__((swiftcall)) void ash_mutex_unlock_slow(__attribute__((swift_context)) void *handle) {
  __tsan_release(handle);
  while (syscall(SYS_futex, handle, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL) != 0) {
    if (errno != EAGAIN && errno != EINTR) abort();
  }
}
#endif
#endif
