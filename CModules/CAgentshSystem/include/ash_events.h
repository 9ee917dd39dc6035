// Waiting for events, and what else Swift's view of glibc lacks because it wants _GNU_SOURCE: see the man page of the same name.
#pragma once
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define ASH_O_PATH 010000000

int ash_accept(int socket, int non_blocking);  // accept4(2), close-on-exec
int ash_epoll_create(void);
// epoll_ctl(2): operation is 1 add, 2 remove, 3 change. events as in EPOLLIN and its like; token comes back with the event.
int ash_epoll_control(int epoll, int operation, int descriptor, uint32_t events, uint64_t token);
struct ash_epoll_event {
  uint64_t token;
  uint32_t events;
};
// epoll_wait(2) for at most 64 events.
int ash_epoll_wait(int epoll, struct ash_epoll_event *events, int count, int timeout_ms);
#define ASH_EPOLLIN 0x001
#define ASH_EPOLLPRI 0x002
#define ASH_EPOLLOUT 0x004
#define ASH_EPOLLERR 0x008
#define ASH_EPOLLHUP 0x010
#define ASH_EPOLLRDHUP 0x2000
#define ASH_EPOLLET (1u << 31)

int ash_eventfd(void);                                          // eventfd(2), non-blocking, close-on-exec
int ash_timerfd(void);                                          // timerfd_create(2), CLOCK_MONOTONIC, non-blocking, close-on-exec
int ash_timerfd_arm(int timer, uint64_t absolute_nanoseconds);  // 0 disarms
int ash_signalfd(const int *signals, size_t count);             // blocks them in the calling thread first; non-blocking, close-on-exec
int ash_signalfd_read(int descriptor);                          // the next signal's number, or -1

int ash_memfd_create(const char *name);  // memfd_create(2) with MFD_CLOEXEC | MFD_ALLOW_SEALING
int ash_memfd_seal(int memfd);           // F_SEAL_WRITE, F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_SEAL
int ash_memfd_is_sealed(int memfd);      // 1 if none of its bytes can change any more, 0 if they may, -1
ssize_t ash_getrandom(void *bytes, size_t length);
int ash_set_thread_name(const char *name);
// waitid(2) P_PIDFD with WNOHANG: 1 and the wait status if it has ended, 0 if not yet, -1.
int ash_reap(int pidfd, int *status);
