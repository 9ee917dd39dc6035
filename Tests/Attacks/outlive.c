// Leaves processes behind that do what they can to stay: `outlive TOKEN` starts them and ends. Each has TOKEN on its command line; all of them end when
// there is a file `stop` in the directory that they were started in.
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int here;
static int is_over(void) { return faccessat(here, "stop", F_OK, 0) == 0; }
static void stay(void) {
  struct timespec little = {0, 20000000};
  while (!is_over()) nanosleep(&little, NULL);
  _exit(0);
}
static void ignore_all(void) {
  for (int number = 1; number < 65; number++) signal(number, SIG_IGN);
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, NULL);
}
// Never the same process for long, and never more than two: a list of processes is old when it has been made.
static void dance(void) {
  while (!is_over()) {
    pid_t pid = fork();
    if (pid > 0) _exit(0);
    if (pid < 0) sched_yield();
  }
  _exit(0);
}

int main(void) {
  here = open(".", O_PATH | O_DIRECTORY);
  signal(SIGCHLD, SIG_IGN);
  // A daemon, by the book.
  if (fork() == 0) {
    setsid();
    if (fork() == 0) {
      if (chdir("/")) _exit(1);
      for (int number = 0; number < 64; number++)
        if (number != here) close(number);
      stay();
    }
    _exit(0);
  }
  // One that takes no signal, in a session and group of its own.
  if (fork() == 0) {
    setsid();
    ignore_all();
    stay();
  }
  // One that is stopped.
  if (fork() == 0) {
    setpgid(0, 0);
    raise(SIGSTOP);
    stay();
  }
  // One whose directory is gone.
  if (fork() == 0) {
    if (mkdir("gone", 0755) || chdir("gone") || rmdir("../gone")) _exit(1);
    stay();
  }
  // One that takes in orphans, with some.
  if (fork() == 0) {
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    for (int i = 0; i < 5; i++)
      if (fork() == 0) {
        if (fork() == 0) stay();
        _exit(0);
      }
    stay();
  }
  // A child of the parent that this process has: its sibling.
  if (syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0) == 0) stay();
  for (int i = 0; i < 8; i++)
    if (fork() == 0) dance();
  return 0;
}
