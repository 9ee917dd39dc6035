#include "ash_launch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5) /* linux/seccomp.h of 5.19 */
#endif

enum { signal_count = 64 };

// ---- the child -------------------------------------------------------------------------------------------------------------

static void report(const struct ash_launch *launch, int stage, int error, int value) {
  struct ash_launch_report message = {stage, error, value};
  ssize_t written;
  do written = write(launch->report_write, &message, sizeof message);
  while (written == -1 && errno == EINTR);
}

static void fail(const struct ash_launch *launch, int stage, int value) {
  int error = errno;
  report(launch, stage, error, value);
  // What a shell answers when there is no such program, and when there is one that can't be executed.
  if (stage == ASH_STAGE_EXEC) _exit(error == ENOENT || error == ENOTDIR ? 127 : 126);
  _exit(125);
}

static int set_default_dispositions(const struct ash_launch_plan *plan) {
  for (int number = 1; number <= signal_count; number++) {
    struct sigaction action;
    // glibc keeps two real-time signals to itself and answers EINVAL for them; they have no handler in this process.
    if (sigaction(number, NULL, &action) != 0) continue;
    // What was ignored before the launcher started stays ignored: nohup works like that.
    if (action.sa_handler == SIG_DFL || action.sa_handler == SIG_IGN) continue;
    action.sa_handler = SIG_DFL;
    action.sa_flags = 0;
    if (sigaction(number, &action, NULL) != 0) return -1;
  }
  if (plan->ignores_child_signal) {
    struct sigaction ignore;
    memset(&ignore, 0, sizeof ignore);
    ignore.sa_handler = SIG_IGN;
    if (sigaction(SIGCHLD, &ignore, NULL) != 0) return -1;
  }
  return 0;
}

static int install_filter(const struct ash_launch_plan *plan) {
  struct sock_fprog program = {.len = plan->filter_length, .filter = (struct sock_filter *)plan->filter};
  // WAIT_KILLABLE_RECV: once received, a call is only interrupted by a fatal signal, so nothing is performed twice.
  if (plan->without_listener) return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0UL, &program);
  unsigned long flags = SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
  int listener = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
  if (listener == -1 && errno == EINVAL)  // kernels before 5.19
    listener = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
  return listener;
}

// Makes the table the child's own, and leaves it as the command is to find it.
static int separate_descriptors(const struct ash_launch_plan *plan) {
  if (syscall(SYS_close_range, 3u, ~0u, CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC) != 0) return -1;
  for (size_t index = 0; index < plan->kept_count; index++)
    if (plan->kept[index] > 2 && fcntl(plan->kept[index], F_SETFD, 0) != 0) return -1;
  for (int descriptor = 0; descriptor <= 2; descriptor++)
    if (plan->closed_standard & (1u << descriptor)) close(descriptor);
  return 0;
}

// execvp(3)'s loop, on candidates that were made before the clone.
static void execute(const struct ash_launch_plan *plan, const struct ash_launch *launch) {
  int refusal = 0, refused = 0, missing = ENOENT, tried = 0;
  for (int index = 0; plan->candidates[index]; index++) {
    tried = index;
    execve(plan->candidates[index], plan->arguments, plan->environment);
    if (errno == ENOEXEC) {
      // No format that the kernel knows: execvp(3) takes it for a shell script.
      plan->script_arguments[1] = (char *)plan->candidates[index];
      execve(plan->script_arguments[0], plan->script_arguments, plan->environment);
      fail(launch, ASH_STAGE_EXEC, index);
    }
    switch (errno) {
      case EACCES:
      case EPERM:
        if (!refusal) {
          refusal = errno;
          refused = index;
        }
        continue;
      case ENOENT:
      case ENOTDIR:
        missing = errno;
        continue;
      case ESTALE:
      case ENODEV:
      case ETIMEDOUT:
        continue;
      default: fail(launch, ASH_STAGE_EXEC, index);
    }
  }
  errno = refusal ? refusal : missing;
  fail(launch, ASH_STAGE_EXEC, refusal ? refused : tried);
}

static void run_child(const struct ash_launch_plan *plan, const struct ash_launch *launch, pid_t parent) {
  // The read end of the other pipe never reports end of file while the table is shared, so the kernel has to tell of a dead parent.
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) fail(launch, ASH_STAGE_PARENT, 0);
  if (getppid() != parent) _exit(125);
  if (set_default_dispositions(plan) != 0) fail(launch, ASH_STAGE_SIGNALS, 0);
  // Without Yama the call is unknown (EINVAL), and unneeded.
  if (plan->tracer > 0 && prctl(PR_SET_PTRACER, (unsigned long)plan->tracer, 0, 0, 0) != 0 && errno != EINVAL)
    fail(launch, ASH_STAGE_TRACER, 0);
  // The kernel writes a core file by itself, and removes what stands in its place: nobody would be asked (core(5)).
  struct rlimit none = {0, 0};
  if (plan->without_core_file && setrlimit(RLIMIT_CORE, &none) != 0) fail(launch, ASH_STAGE_PRIVILEGES, 0);
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) fail(launch, ASH_STAGE_PRIVILEGES, 0);
  if (plan->landlock_ruleset >= 0 && syscall(SYS_landlock_restrict_self, plan->landlock_ruleset, 0) != 0)
    fail(launch, ASH_STAGE_LANDLOCK, 0);

  int listener = install_filter(plan);
  if (listener == -1) fail(launch, ASH_STAGE_FILTER, 0);
  // From here to the nonce nobody answers notifications: only write, read and exit, which no filter of ours traps.
  report(launch, ASH_STAGE_LISTENING, 0, plan->without_listener ? -1 : listener);
  uint64_t nonce;
  ssize_t got;
  do got = read(launch->go_read, &nonce, sizeof nonce);
  while (got == -1 && errno == EINTR);
  if (got != sizeof nonce) {
    if (got >= 0) errno = EPIPE;
    fail(launch, ASH_STAGE_GO, 0);
  }
  if (prctl(ASH_NONCE_PRCTL, (unsigned long)(uint32_t)nonce, (unsigned long)(nonce >> 32), 0UL, 0UL) != 0)
    fail(launch, ASH_STAGE_NONCE, 0);

  // Supervised from here on: the session ends with its launcher by the supervisor's doing, not by a signal that execve(2) would keep.
  if (prctl(PR_SET_PDEATHSIG, 0) != 0) fail(launch, ASH_STAGE_PARENT, 0);
  if (separate_descriptors(plan) != 0) fail(launch, ASH_STAGE_DESCRIPTORS, 0);
  report(launch, ASH_STAGE_UNSHARED, 0, 0);
  if (ash_signals_set_mask(plan->signal_mask) != 0) fail(launch, ASH_STAGE_SIGNALS, 0);
  execute(plan, launch);
}

// ---- the parent ------------------------------------------------------------------------------------------------------------

static void close_end(int *descriptor) {
  if (*descriptor >= 0) close(*descriptor);
  *descriptor = -1;
}

void ash_launch_close_pipes(struct ash_launch *launch) {
  int error = errno;
  close_end(&launch->report_read);
  close_end(&launch->report_write);
  close_end(&launch->go_read);
  close_end(&launch->go_write);
  errno = error;
}

int ash_launch_start(const struct ash_launch_plan *plan, struct ash_launch *launch) {
  *launch = (struct ash_launch){.pid = -1, .pidfd = -1, .report_read = -1, .report_write = -1, .go_read = -1, .go_write = -1};
  int report_pipe[2], go_pipe[2];
  if (pipe2(report_pipe, O_CLOEXEC) != 0) return -1;
  launch->report_read = report_pipe[0];
  launch->report_write = report_pipe[1];
  if (pipe2(go_pipe, O_CLOEXEC) != 0) {
    ash_launch_close_pipes(launch);
    return -1;
  }
  launch->go_read = go_pipe[0];
  launch->go_write = go_pipe[1];
  pid_t parent = getpid();
  // The raw call: fork(3) knows no CLONE_FILES, and its handlers must not run. Argument 3 is the pidfd's place on every architecture.
  int pidfd = -1;
  long child = syscall(SYS_clone, (unsigned long)(CLONE_FILES | CLONE_PIDFD | SIGCHLD), 0UL, &pidfd, 0UL, 0UL);
  if (child == 0) {
    run_child(plan, launch, parent);
    _exit(125);
  }
  if (child == -1) {
    ash_launch_close_pipes(launch);
    return -1;
  }
  launch->pid = (pid_t)child;
  launch->pidfd = pidfd;
  return 0;
}

int ash_launch_door(void) { return prctl(ASH_NONCE_PRCTL, 0UL, 0UL, (unsigned long)ASH_NONCE_DOOR, 0UL); }

static int take_report(struct ash_launch *launch, struct ash_launch_report *report) {
  ssize_t got;
  do got = read(launch->report_read, report, sizeof *report);
  while (got == -1 && errno == EINTR);
  if (got == 0) return 0;
  if (got != sizeof *report) {
    if (got > 0) errno = EPROTO;
    return -1;
  }
  if (report->stage == ASH_STAGE_UNSHARED) {
    // The child has its own copies now; with ours gone, the end of the reports means that it has exec'ed.
    close_end(&launch->report_write);
    close_end(&launch->go_read);
    close_end(&launch->go_write);
  }
  return 1;
}

int ash_launch_next(struct ash_launch *launch, struct ash_launch_report *report, int timeout_milliseconds) {
  struct pollfd ready[2] = {{.fd = launch->report_read, .events = POLLIN}, {.fd = launch->pidfd, .events = POLLIN}};
  int count;
  do count = poll(ready, 2, timeout_milliseconds);
  while (count == -1 && errno == EINTR);
  if (count == -1) return -1;
  if (count == 0) {
    errno = ETIMEDOUT;
    return -1;
  }
  if (ready[0].revents) return take_report(launch, report);
  errno = ESRCH;
  return -1;
}

int ash_launch_go(struct ash_launch *launch, uint64_t nonce) {
  ssize_t written;
  do written = write(launch->go_write, &nonce, sizeof nonce);
  while (written == -1 && errno == EINTR);
  return written == sizeof nonce ? 0 : -1;
}

// ---- signals and waiting ---------------------------------------------------------------------------------------------------

// The raw call, since glibc's leaves its two private signals out and the mask has to come back exactly as it was.
static int change_mask(const uint64_t *mask, uint64_t *previous) {
  return (int)syscall(SYS_rt_sigprocmask, SIG_SETMASK, mask, previous, sizeof(uint64_t));
}

int ash_signals_block_all(uint64_t *previous) {
  uint64_t all = ~UINT64_C(0);
  return change_mask(&all, previous);
}

int ash_signals_set_mask(uint64_t mask) { return change_mask(&mask, NULL); }

int ash_signal_is_ignored(int number) {
  struct sigaction action;
  if (sigaction(number, NULL, &action) != 0) return -1;
  return action.sa_handler == SIG_IGN;
}

int ash_signal_set_default(int number) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = SIG_DFL;
  return sigaction(number, &action, NULL);
}

void ash_die_of_signal(int number) {
  struct rlimit none = {0, 0};
  setrlimit(RLIMIT_CORE, &none);
  ash_signal_set_default(number);
  kill(getpid(), number);
  ash_signals_set_mask(0);
}

void ash_act_by_default(int number) {
  struct sigaction action, former;
  memset(&action, 0, sizeof action);
  action.sa_handler = SIG_DFL;
  // SIGSTOP has no disposition that could be changed (EINVAL), and needs none.
  int changed = sigaction(number, &action, &former) == 0;
  uint64_t only = UINT64_C(1) << (number - 1), mask;
  kill(getpid(), number);
  // Unblocking delivers it before the call returns.
  syscall(SYS_rt_sigprocmask, SIG_UNBLOCK, &only, &mask, sizeof mask);
  change_mask(&mask, NULL);
  if (changed) sigaction(number, &former, NULL);
}

int ash_get_user_ids(uid_t *real, uid_t *effective, uid_t *saved) { return getresuid(real, effective, saved); }
int ash_get_group_ids(gid_t *real, gid_t *effective, gid_t *saved) { return getresgid(real, effective, saved); }
int ash_set_user_ids(uid_t real, uid_t effective, uid_t saved) { return setresuid(real, effective, saved); }
int ash_set_group_ids(gid_t real, gid_t effective, gid_t saved) { return setresgid(real, effective, saved); }

int ash_wait_any(pid_t *pid, int *code, int *status) {
  siginfo_t information;
  memset(&information, 0, sizeof information);
  int result;
  do result = waitid(P_ALL, 0, &information, WEXITED | WSTOPPED | WCONTINUED | WNOHANG);
  while (result != 0 && errno == EINTR);
  if (result != 0) return errno == ECHILD ? 0 : -1;
  if (information.si_pid == 0) return 0;
  *pid = information.si_pid;
  *code = information.si_code;
  *status = information.si_status;
  return 1;
}

int ash_signals_open(void) {
  sigset_t all;
  sigfillset(&all);
  return signalfd(-1, &all, SFD_NONBLOCK | SFD_CLOEXEC);
}

int ash_signals_next(int descriptor, int *number, int *code, pid_t *sender) {
  struct signalfd_siginfo information;
  ssize_t got;
  do got = read(descriptor, &information, sizeof information);
  while (got == -1 && errno == EINTR);
  if (got == -1) return errno == EAGAIN ? 0 : -1;
  if (got != sizeof information) {
    errno = EIO;
    return -1;
  }
  *number = (int)information.ssi_signo;
  *code = information.ssi_code;
  *sender = (pid_t)information.ssi_pid;
  return 1;
}
