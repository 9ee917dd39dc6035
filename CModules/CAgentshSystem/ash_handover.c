#include "ash_handover.h"

#include <linux/futex.h>
#include <sched.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { idle = 0, given = 1, done = 2, ended = 3 };

// The two never wait at the same time: the giver waits while the state is `given`, the taker while it is anything before that.
static void set_and_wake(struct ash_handover *handover, uint32_t state) {
  __atomic_store_n(&handover->state, state, __ATOMIC_RELEASE);
  syscall(SYS_futex, &handover->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

// Comes back when the state is not `state` any more, or for no reason (EINTR, EAGAIN).
static void wait_while(struct ash_handover *handover, uint32_t state) {
  syscall(SYS_futex, &handover->state, FUTEX_WAIT_PRIVATE, state, NULL, NULL, 0);
}

void ash_handover_init(struct ash_handover *handover) { *handover = (struct ash_handover){idle, -1, 0}; }

void ash_handover_begin(struct ash_handover *handover) {
  __atomic_store_n(&handover->taker, (pid_t)syscall(SYS_gettid), __ATOMIC_RELEASE);
}

static void follow(struct ash_handover *handover) {
  int processor = sched_getcpu();
  pid_t taker = __atomic_load_n(&handover->taker, __ATOMIC_ACQUIRE);
  if (processor < 0 || processor == handover->processor || taker == 0) return;
  cpu_set_t only;
  CPU_ZERO(&only);
  if (processor >= CPU_SETSIZE) return;
  CPU_SET(processor, &only);
  // It saves time and nothing else: where it can't be had, the scheduler chooses.
  if (sched_setaffinity(taker, sizeof only, &only) == 0) handover->processor = processor;
}

void ash_handover_give(struct ash_handover *handover) {
  follow(handover);
  set_and_wake(handover, given);
  while (__atomic_load_n(&handover->state, __ATOMIC_ACQUIRE) == given) wait_while(handover, given);
}

int ash_handover_take(struct ash_handover *handover) {
  while (1) {
    uint32_t state = __atomic_load_n(&handover->state, __ATOMIC_ACQUIRE);
    if (state == given) return 1;
    if (state == ended) return 0;
    wait_while(handover, state);
  }
}

void ash_handover_done(struct ash_handover *handover) { set_and_wake(handover, done); }

void ash_handover_end(struct ash_handover *handover) { set_and_wake(handover, ended); }
