// Handing one piece of work at a time from one thread to another that lives for nothing else, and waiting for it: futex(2).
#pragma once
#include <stdint.h>
#include <sys/types.h>

struct ash_handover {
  uint32_t state;     // changed by atomic operations only
  int32_t processor;  // where the taking thread was last put, or -1
  pid_t taker;        // its number, once it has called ash_handover_begin
};

// Before either side does anything.
void ash_handover_init(struct ash_handover *handover);
// By the taking thread, first.
void ash_handover_begin(struct ash_handover *handover);
// By the giving thread: lets the other do its work and waits until it is done. The taking thread is put on the processor of the giving one
// (sched_setaffinity(2)): that one is awake and about to be free, where another may have to be woken from its sleep first, twice a call.
void ash_handover_give(struct ash_handover *handover);
// By the taking thread: waits for work. 1: there is some; 0: no more will come.
int ash_handover_take(struct ash_handover *handover);
// By the taking thread: what it took is done.
void ash_handover_done(struct ash_handover *handover);
// By the giving thread: no more will come.
void ash_handover_end(struct ash_handover *handover);
