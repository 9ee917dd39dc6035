// Starts programs from many threads at once, in every way that runtimes do it, and checks that each ends with the status that it was given.
//
//   storm TOTAL THREADS SECONDS PROGRAM
//
// Prints `started N lost N wrong N` and exits 0 only if nothing was lost or wrong. After SECONDS it says which threads still wait, and fails.
#define _GNU_SOURCE
#include <errno.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static long total;
static const char *program;
static atomic_long next, started, lost, wrong;
static atomic_int running;
static char *environment[] = {"A=1", NULL};

struct start {
  char *arguments[3];
  char text[16];
};
static int execute(void *given) {
  struct start *start = given;
  execve(program, start->arguments, environment);
  _exit(120);
}

// The ways. Each answers the child's number, or -1.
static pid_t by_posix_spawn(struct start *start) {
  pid_t pid;
  int error = posix_spawn(&pid, program, NULL, NULL, start->arguments, environment);
  errno = error;
  return error ? -1 : pid;
}
static pid_t by_vfork(struct start *start) {
  pid_t pid = vfork();
  if (pid == 0) {
    execve(program, start->arguments, environment);
    _exit(120);
  }
  return pid;
}
static pid_t by_fork(struct start *start) {
  pid_t pid = fork();
  if (pid == 0) execute(start);
  return pid;
}
static pid_t by_clone(struct start *start) {
  // What Go does: memory shared until the exec, the parent waits for it.
  static _Thread_local char stack[1 << 16] __attribute__((aligned(16)));
  return clone(execute, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, start);
}
static pid_t by_clone3(struct start *start) {
  struct clone_args arguments = {.exit_signal = SIGCHLD};
  pid_t pid = (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments);
  if (pid == 0) execute(start);
  // Where it isn't to be had every library takes clone(2) instead.
  return pid == -1 && errno == ENOSYS ? by_fork(start) : pid;
}
static pid_t by_thread(struct start *start);
static pid_t (*const ways[])(struct start *) = {by_posix_spawn, by_vfork, by_fork, by_clone, by_clone3, by_thread};

// The exec comes from a thread that isn't the child's first: the kernel gives it that one's number.
static void *execute_thread(void *given) {
  execute(given);
  return NULL;
}
static pid_t by_thread(struct start *start) {
  pid_t pid = fork();
  if (pid == 0) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, execute_thread, start) != 0) _exit(121);
    for (;;) pause();
  }
  return pid;
}

static void *work(void *unused) {
  (void)unused;
  for (;;) {
    long number = atomic_fetch_add(&next, 1);
    if (number >= total) break;
    struct start start = {.arguments = {(char *)(uintptr_t)program, start.text, NULL}};
    int expected = (int)(number % 97);
    snprintf(start.text, sizeof start.text, "%d", expected);
    pid_t pid = ways[number % (long)(sizeof ways / sizeof *ways)](&start);
    if (pid < 0) {
      fprintf(stderr, "storm: %ld could not be started: %s\n", number, strerror(errno));
      atomic_fetch_add(&lost, 1);
      continue;
    }
    atomic_fetch_add(&started, 1);
    int status;
    pid_t found;
    while ((found = waitpid(pid, &status, 0)) == -1 && errno == EINTR) {}
    if (found != pid) {
      atomic_fetch_add(&lost, 1);
    } else if (!WIFEXITED(status) || WEXITSTATUS(status) != expected) {
      if (atomic_fetch_add(&wrong, 1) < 5) fprintf(stderr, "storm: %ld (way %ld) ended with %x, not %d\n", number, number % 6, status, expected);
    }
  }
  atomic_fetch_sub(&running, 1);
  return NULL;
}

int main(int count, char **arguments) {
  if (count != 5) return fprintf(stderr, "usage: storm TOTAL THREADS SECONDS PROGRAM\n"), 2;
  total = atol(arguments[1]);
  int threads = atoi(arguments[2]), seconds = atoi(arguments[3]);
  program = arguments[4];
  running = threads;
  pthread_t thread[64];
  if (threads < 1 || threads > 64) return 2;
  for (int i = 0; i < threads; i++)
    if (pthread_create(&thread[i], NULL, work, NULL) != 0) return 2;
  int fine = 1;
  struct timespec end;
  clock_gettime(CLOCK_REALTIME, &end);
  end.tv_sec += seconds;
  for (int i = 0; i < threads; i++)
    if (pthread_timedjoin_np(thread[i], NULL, &end) != 0) fine = 0;
  printf("started %ld lost %ld wrong %ld\n", (long)started, (long)lost, (long)wrong);
  if (!fine) {
    printf("after %d seconds %d threads still wait\n", seconds, (int)running);
    fflush(stdout);
    kill(0, SIGKILL);
  }
  return fine && started == total && lost == 0 && wrong == 0 ? 0 : 1;
}
