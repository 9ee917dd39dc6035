#include "ash_spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { most_descriptors = 16, highest_signal = 64, parking_place = 64, patience_ms = 5000 };

struct report {
  int stage;
  int error;
};

static _Noreturn void fail(int report_to, int stage) {
  struct report report = {stage, errno};
  // A pipe takes these few bytes at once or never; whoever reads nothing knows from our status.
  ssize_t written = write(report_to, &report, sizeof report);
  _exit(written == (ssize_t)sizeof report ? 125 : 124);
}

static int set_capabilities(uint64_t effective, uint64_t permitted, uint64_t inheritable) {
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2] = {
      {(uint32_t)effective, (uint32_t)permitted, (uint32_t)inheritable},
      {(uint32_t)(effective >> 32), (uint32_t)(permitted >> 32), (uint32_t)(inheritable >> 32)}};
  return (int)syscall(SYS_capset, &header, data);
}

// Descriptors 0…count-1 become those asked for, `report_to` becomes count (close-on-exec), all others are closed.
static int arrange_descriptors(const struct ash_spawn_request *request, int *report_to) {
  int parked[most_descriptors];
  int count = (int)request->descriptor_count;
  // First out of the way of the final numbers, so that none is overwritten before it is moved.
  int parked_report = fcntl(*report_to, F_DUPFD_CLOEXEC, parking_place);
  if (parked_report < 0) return -1;
  *report_to = parked_report;
  for (int index = 0; index < count; index++) {
    parked[index] = fcntl(request->descriptors[index], F_DUPFD_CLOEXEC, parking_place);
    if (parked[index] < 0) return -1;
  }
  for (int index = 0; index < count; index++) {
    if (dup2(parked[index], index) < 0) return -1;
  }
  if (dup3(parked_report, count, O_CLOEXEC) < 0) return -1;
  *report_to = count;
  return (int)syscall(SYS_close_range, (unsigned)count + 1, ~0u, 0);
}

static int limit(int resource, uint64_t wanted) {
  struct rlimit limits;
  if (getrlimit(resource, &limits) != 0) return -1;
  rlim_t most = limits.rlim_max == RLIM_INFINITY || limits.rlim_max > wanted ? (rlim_t)wanted : limits.rlim_max;
  limits.rlim_cur = limits.rlim_max = most;
  return setrlimit(resource, &limits);
}

static void become(const struct ash_spawn_identity *identity, int report_to) {
  // The bounding set first: that takes CAP_SETPCAP, which is gone after the change of uid. EINVAL ends the list of those the kernel knows.
  for (unsigned capability = 0; capability < 64; capability++) {
    if (identity->capabilities >> capability & 1) continue;
    if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) {
      if (errno == EINVAL) break;
      fail(report_to, ASH_SPAWN_BOUNDING);
    }
  }
  // Raw calls: this is a copy of one thread, and libc's wrappers would signal threads that are not here.
  if (syscall(SYS_setgroups, identity->group_count, identity->groups) != 0) fail(report_to, ASH_SPAWN_GROUPS);
  if (syscall(SYS_setresgid, identity->gid, identity->gid, identity->gid) != 0) fail(report_to, ASH_SPAWN_GROUPS);
  if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) fail(report_to, ASH_SPAWN_IDENTITY);
  if (syscall(SYS_setresuid, identity->uid, identity->uid, identity->uid) != 0) fail(report_to, ASH_SPAWN_IDENTITY);
  if (prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) != 0) fail(report_to, ASH_SPAWN_IDENTITY);

  uint64_t kept = identity->capabilities;
  if (set_capabilities(kept, kept, kept) != 0) fail(report_to, ASH_SPAWN_CAPABILITIES);
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  for (unsigned capability = 0; capability < 64; capability++) {
    if (!(kept >> capability & 1)) continue;
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) != 0) fail(report_to, ASH_SPAWN_CAPABILITIES);
  }

  uid_t real, effective, saved;
  gid_t real_group, effective_group, saved_group;
  if (syscall(SYS_getresuid, &real, &effective, &saved) != 0 || syscall(SYS_getresgid, &real_group, &effective_group, &saved_group) != 0)
    fail(report_to, ASH_SPAWN_IDENTITY);
  errno = EPERM;
  if (real != identity->uid || effective != identity->uid || saved != identity->uid || real_group != identity->gid ||
      effective_group != identity->gid || saved_group != identity->gid)
    fail(report_to, ASH_SPAWN_IDENTITY);
  if (identity->uid != 0 && syscall(SYS_setresuid, -1, 0, -1) == 0) fail(report_to, ASH_SPAWN_REGAINED);
}

static _Noreturn void child(const struct ash_spawn_request *request, int report_to) {
  for (int number = 1; number <= highest_signal; number++) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = SIG_DFL;
    // Two of libc's own and the two that can't be caught say EINVAL: they are at their default.
    (void)sigaction(number, &action, NULL);
  }
  if (arrange_descriptors(request, &report_to) != 0) fail(report_to, ASH_SPAWN_DESCRIPTORS);
  setsid();
  umask(077);
  if (chdir("/") != 0) fail(report_to, ASH_SPAWN_LIMITS);
  if (request->open_files && limit(RLIMIT_NOFILE, request->open_files) != 0) fail(report_to, ASH_SPAWN_LIMITS);
  if (limit(RLIMIT_CORE, 0) != 0) fail(report_to, ASH_SPAWN_LIMITS);
  if (request->identity) become(request->identity, report_to);
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) fail(report_to, ASH_SPAWN_NO_NEW_PRIVS);
  sigset_t none;
  sigemptyset(&none);
  if (sigprocmask(SIG_SETMASK, &none, NULL) != 0) fail(report_to, ASH_SPAWN_SIGNALS);
  // ETXTBSY: the program was written a moment ago by a process with several threads, and a child that another of them has just forked still holds the
  // descriptor that it was written through. That ends with the child's own exec.
  for (int attempt = 0; attempt < 600; attempt++) {
    execve(request->path, request->arguments, request->environment);
    if (errno != ETXTBSY) break;
    nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
  }
  fail(report_to, ASH_SPAWN_EXEC);
}

// Waits until the child has said something or closed the pipe; -1 with errno when it takes too long.
static int await_report(int report_from) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  int64_t end = now.tv_sec * 1000LL + now.tv_nsec / 1000000 + patience_ms;
  for (;;) {
    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t left = end - (now.tv_sec * 1000LL + now.tv_nsec / 1000000);
    int ready = poll(&(struct pollfd){.fd = report_from, .events = POLLIN}, 1, left > 0 ? (int)left : 0);
    if (ready > 0) return 0;
    if (ready == 0) errno = ETIMEDOUT;
    if (ready == 0 || errno != EINTR) return -1;
  }
}

int ash_spawn(const struct ash_spawn_request *request, struct ash_spawn_result *result) {
  memset(result, 0, sizeof *result);
  result->pidfd = -1;
  int ends[2];
  if (request->descriptor_count > most_descriptors) {
    errno = E2BIG;
    result->stage = ASH_SPAWN_DESCRIPTORS;
    result->error = errno;
    return -1;
  }
  if (pipe2(ends, O_CLOEXEC) != 0) {
    result->stage = ASH_SPAWN_PIPE;
    result->error = errno;
    return -1;
  }
  // No handler of ours may run in the child, where the rest of the program does not exist.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int pidfd = -1;
  // A copy of memory, not CLONE_VM: for a moment the child has the caller's uid, and must not share root's memory then.
  long pid = syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, NULL, &pidfd, NULL, 0);
  if (pid == 0) {
    child(request, ends[1]);
  }
  int clone_error = errno;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  close(ends[1]);
  if (pid < 0) {
    close(ends[0]);
    result->stage = ASH_SPAWN_CLONE;
    errno = result->error = clone_error;
    return -1;
  }
  // Between its change of uid and its exec the child can be stopped by its user: kill(-1, SIGSTOP).
  if (await_report(ends[0]) != 0) {
    int wait_error = errno;
    close(ends[0]);
    kill((pid_t)pid, SIGKILL);
    while (waitpid((pid_t)pid, NULL, 0) < 0 && errno == EINTR) {}
    close(pidfd);
    result->stage = ASH_SPAWN_WAITING;
    errno = result->error = wait_error;
    return -1;
  }
  struct report report;
  ssize_t got;
  do got = read(ends[0], &report, sizeof report);
  while (got < 0 && errno == EINTR);
  close(ends[0]);
  if (got == 0) {
    // The write end is close-on-exec: that it closed unused means the program runs (or died by a signal, which its pidfd tells).
    result->pid = (pid_t)pid;
    result->pidfd = pidfd;
    return 0;
  }
  int status;
  while (waitpid((pid_t)pid, &status, 0) < 0 && errno == EINTR) {}
  close(pidfd);
  result->stage = got == (ssize_t)sizeof report ? report.stage : ASH_SPAWN_CLONE;
  errno = result->error = got == (ssize_t)sizeof report ? report.error : EIO;
  return -1;
}

const char *ash_spawn_stage_name(int stage) {
  switch (stage) {
    case ASH_SPAWN_PIPE: return "making a pipe";
    case ASH_SPAWN_CLONE: return "making a process";
    case ASH_SPAWN_SIGNALS: return "resetting signals";
    case ASH_SPAWN_DESCRIPTORS: return "arranging descriptors";
    case ASH_SPAWN_LIMITS: return "setting limits";
    case ASH_SPAWN_BOUNDING: return "reducing the capability bounding set";
    case ASH_SPAWN_GROUPS: return "taking on the groups";
    case ASH_SPAWN_IDENTITY: return "taking on the uid";
    case ASH_SPAWN_CAPABILITIES: return "reducing capabilities";
    case ASH_SPAWN_REGAINED: return "making sure that uid 0 is gone (it was not)";
    case ASH_SPAWN_NO_NEW_PRIVS: return "setting no_new_privs";
    case ASH_SPAWN_EXEC: return "executing the program";
    case ASH_SPAWN_WAITING: return "waiting for the program to run";
    default: return "starting";
  }
}
