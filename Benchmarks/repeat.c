// Runs several commands in turn, many times, and prints how long each takes.
//
//   repeat COUNT [--before SHELL-COMMAND] : LABEL CMD… [: LABEL CMD…]…
//
// Taking turns, all meet the same moods of the machine. One line a command: label, median, lowest, highest in microseconds;
// or label, "-" and how it failed. Standard output of the commands goes to /dev/null, their errors to standard error.
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MOST_COMMANDS = 16, MOST_RUNS = 1000, LONGEST_MILLISECONDS = 30000 };

extern char **environ;
static int64_t runs[MOST_COMMANDS][MOST_RUNS];
static int failed[MOST_COMMANDS];

static int64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static int by_value(const void *left, const void *right) {
  int64_t one = *(const int64_t *)left, other = *(const int64_t *)right;
  return (one > other) - (one < other);
}

static int run(char **command) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  pid_t pid;
  int status = -1;
  if (posix_spawnp(&pid, command[0], &actions, NULL, command, environ) == 0) {
    int handle = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd end = {handle, POLLIN, 0};
    if (handle >= 0 && poll(&end, 1, LONGEST_MILLISECONDS) == 0) kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    close(handle);
  }
  posix_spawn_file_actions_destroy(&actions);
  return status;
}

int main(int argc, char **argv) {
  int count = argc > 1 ? atoi(argv[1]) : 0, commands = 0, index = 2;
  char *before = NULL, **command[MOST_COMMANDS];
  if (count < 1 || count > MOST_RUNS) return fprintf(stderr, "repeat: count from 1 to %d\n", MOST_RUNS), 2;
  if (index + 1 < argc && !strcmp(argv[index], "--before")) {
    before = argv[index + 1];
    index += 2;
  }
  for (; index < argc; index++) {
    if (strcmp(argv[index], ":")) continue;
    argv[index] = NULL;
    if (commands < MOST_COMMANDS && index + 2 < argc) command[commands++] = argv + index + 1;
  }
  // The first round warms caches and isn't counted.
  for (int round = -1; round < count; round++) {
    for (int number = 0; number < commands; number++) {
      if (failed[number]) continue;
      if (before && system(before)) return fprintf(stderr, "repeat: %s failed\n", before), 2;
      int64_t start = now();
      int status = run(command[number] + 1);
      if (round >= 0) runs[number][round] = now() - start;
      if (status) failed[number] = status;
    }
  }
  for (int number = 0; number < commands; number++) {
    int status = failed[number];
    if (status) {
      printf("%s - %s %d\n", command[number][0], WIFEXITED(status) ? "status" : "signal", WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
      continue;
    }
    qsort(runs[number], (size_t)count, sizeof runs[number][0], by_value);
    printf("%s %lld %lld %lld\n", command[number][0], (long long)(runs[number][count / 2] / 1000), (long long)(runs[number][0] / 1000),
           (long long)(runs[number][count - 1] / 1000));
  }
  return 0;
}
