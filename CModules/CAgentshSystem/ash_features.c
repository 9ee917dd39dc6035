#include "ash_features.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ash_seccomp.h"

#ifndef SECCOMP_ADDFD_FLAG_SEND
#define SECCOMP_ADDFD_FLAG_SEND (1UL << 1)
#endif

struct ash_listener_probe {
  int found, error;
};

static void *ash_listener_thread(void *argument) {
  struct ash_listener_probe *probe = argument;
  // Filters and no_new_privs belong to a thread, and go with it.
  struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    probe->error = errno;
    return NULL;
  }
  int listener = ash_seccomp_set_filter(SECCOMP_FILTER_FLAG_NEW_LISTENER, &allow, 1);
  if (listener < 0) {
    probe->error = errno;
    return NULL;
  }
  probe->found = ASH_LISTENER_INSTALLED;
  // EINVAL: the flag isn't known. Otherwise the kernel looks at the descriptor first, and -1 is none.
  if (ash_notif_addfd(listener, 0, SECCOMP_ADDFD_FLAG_SEND, -1, 0, 0) != 0 && errno == EBADF) probe->found |= ASH_LISTENER_ADDFD_SEND;
  if (ash_notif_set_flags(listener, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP) == 0) probe->found |= ASH_LISTENER_SYNC_WAKE_UP;
  close(listener);
  return NULL;
}

int ash_probe_listener(void) {
  struct ash_listener_probe probe = {0, 0};
  pthread_t thread;
  int failure = pthread_create(&thread, NULL, ash_listener_thread, &probe);
  if (failure != 0) {
    errno = failure;
    return -1;
  }
  pthread_join(thread, NULL);
  if (probe.found == 0) errno = probe.error;
  return probe.found;
}

int ash_probe_filter_flag(uint32_t flag) {
  // A program where none can be: flags are looked at first (EINVAL), then the right to install (EACCES), then the address (EFAULT).
  return ash_seccomp_set_filter(flag, (const struct sock_filter *)(uintptr_t)8, 1) != 0 && errno != EINVAL && errno != ENOSYS;
}

int ash_probe_call(long number) {
  return syscall(number, -1, NULL, 0, 0, 0, 0) >= 0 || errno != ENOSYS;
}
long ash_probe_number_openat2(void) { return SYS_openat2; }
long ash_probe_number_fchmodat2(void) { return 452; /* 6.6, the same on all architectures */ }
