#include "ash_events.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum { most_events = 64 };

_Static_assert(ASH_O_PATH == O_PATH, "O_PATH");
_Static_assert(ASH_EPOLLIN == EPOLLIN && ASH_EPOLLPRI == EPOLLPRI && ASH_EPOLLOUT == EPOLLOUT, "epoll");
_Static_assert(ASH_EPOLLERR == EPOLLERR && ASH_EPOLLHUP == EPOLLHUP && ASH_EPOLLRDHUP == EPOLLRDHUP, "epoll");
_Static_assert(ASH_EPOLLET == (unsigned)EPOLLET, "epoll");

int ash_accept(int socket, int non_blocking) {
  return accept4(socket, NULL, NULL, SOCK_CLOEXEC | (non_blocking ? SOCK_NONBLOCK : 0));
}

int ash_epoll_create(void) { return epoll_create1(EPOLL_CLOEXEC); }

int ash_epoll_control(int epoll, int operation, int descriptor, uint32_t events, uint64_t token) {
  struct epoll_event event = {.events = events, .data.u64 = token};
  return epoll_ctl(epoll, operation, descriptor, &event);
}

int ash_epoll_wait(int epoll, struct ash_epoll_event *events, int count, int timeout_ms) {
  struct epoll_event room[most_events];
  int found = epoll_wait(epoll, room, count < most_events ? count : most_events, timeout_ms);
  for (int index = 0; index < found; index++) {
    events[index].token = room[index].data.u64;
    events[index].events = room[index].events;
  }
  return found;
}

int ash_eventfd(void) { return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC); }
int ash_timerfd(void) { return timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC); }

int ash_timerfd_arm(int timer, uint64_t absolute_nanoseconds) {
  struct itimerspec when;
  memset(&when, 0, sizeof when);
  when.it_value.tv_sec = (time_t)(absolute_nanoseconds / 1000000000u);
  when.it_value.tv_nsec = (long)(absolute_nanoseconds % 1000000000u);
  return timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL);
}

int ash_signalfd(const int *signals, size_t count) {
  sigset_t set;
  sigemptyset(&set);
  for (size_t index = 0; index < count; index++) sigaddset(&set, signals[index]);
  int failure = pthread_sigmask(SIG_BLOCK, &set, NULL);
  if (failure != 0) {
    errno = failure;
    return -1;
  }
  return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

int ash_signalfd_read(int descriptor) {
  struct signalfd_siginfo information;
  ssize_t got = read(descriptor, &information, sizeof information);
  if (got < 0) return -1;
  if (got != (ssize_t)sizeof information) {
    errno = EIO;
    return -1;
  }
  return (int)information.ssi_signo;
}

int ash_memfd_create(const char *name) { return memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING); }

enum { every_seal = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE };
int ash_memfd_seal(int memfd) { return fcntl(memfd, F_ADD_SEALS, every_seal); }
int ash_memfd_is_sealed(int memfd) {
  int seals = fcntl(memfd, F_GET_SEALS);
  return seals < 0 ? -1 : (seals & every_seal) == every_seal;
}

ssize_t ash_getrandom(void *bytes, size_t length) { return getrandom(bytes, length, 0); }

int ash_set_thread_name(const char *name) { return pthread_setname_np(pthread_self(), name); }

int ash_reap(int pidfd, int *status) {
  siginfo_t information;
  memset(&information, 0, sizeof information);
  if (waitid((idtype_t)3 /* P_PIDFD */, (id_t)pidfd, &information, WEXITED | WNOHANG) != 0) return -1;
  if (information.si_pid == 0) return 0;
  *status = information.si_code == CLD_EXITED ? information.si_status << 8
                                              : information.si_status | (information.si_code == CLD_DUMPED ? 0x80 : 0);
  return 1;
}
