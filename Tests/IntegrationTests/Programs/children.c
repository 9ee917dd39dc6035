// Makes processes in every way there is and has each of them try to create `made-WAY` and `protected/made-WAY` in the working directory: prints
// `WAY PID allowed|ERRNO allowed|ERRNO` for each. `children OTHER` executes OTHER, a copy of this program, where a way executes something.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *other;
// What parent and child tell each other, in memory that both see whatever they share.
static struct { volatile int stage, folder; } *shared;

static long create(int folder, const char *place, const char *way) {
  char path[200];
  snprintf(path, sizeof path, "%smade-%s", place, way);
  long made = syscall(SYS_openat, folder, path, O_WRONLY | O_CREAT | O_EXCL, 0644);
  return made < 0 ? errno : (close((int)made), 0);
}
static void attempt_at(int folder, const char *way) {
  long free = create(folder, "", way), held = create(folder, "protected/", way);
  char line[300];
  int length = snprintf(line, sizeof line, "%s %ld %s %s\n", way, (long)syscall(SYS_getpid), free == 0 ? "allowed" : strerrorname_np((int)free),
      held == 0 ? "allowed" : strerrorname_np((int)held));
  if (write(1, line, (size_t)length) != length) _exit(3);
}
static void attempt(const char *way) { attempt_at(AT_FDCWD, way); }

static char stack[6][65536] __attribute__((aligned(16)));
static int body(void *way) {
  attempt(way);
  return 0;
}
// Starts from a descriptor that its parent opens only now: the table is the same one.
static int in_one_table(void *way) {
  while (shared->stage != 1) sched_yield();
  attempt_at(shared->folder, way);
  return 0;
}
static int leaves_parent(void *way) {
  attempt(way);
  shared->stage = 2;
  return 0;
}
// Becomes the child of whoever started this program, and is never waited for by it: the session has to end it.
static __attribute__((noreturn)) int stays(void *way) {
  (void)way;
  shared->stage = 3;
  for (;;) pause();
}
static void *thread(void *way) {
  attempt(way);
  return NULL;
}
static void wait_for(long child) {
  int status;
  if (child < 0) {
    perror("clone");
    exit(1);
  }
  while (waitpid((pid_t)child, &status, __WALL) == -1 && errno == EINTR) {}
}

int main(int argc, char **argv) {
  if (argc == 3 && strcmp(argv[1], "--attempt") == 0) {
    attempt(argv[2]);
    return 0;
  }
  if (argc != 2) return 2;
  other = argv[1];
  shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) return 2;

  attempt("self");
  pid_t child = fork();
  if (child == 0) attempt("fork"), _exit(0);
  wait_for(child);
  child = vfork();
  if (child == 0) attempt("vfork"), _exit(0);
  wait_for(child);
  long raw = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
  if (raw == 0) attempt("clone"), _exit(0);
  wait_for(raw);
  wait_for(clone(body, stack[0] + sizeof stack[0], CLONE_VM | CLONE_VFORK | SIGCHLD, "clone-vm-vfork"));
  wait_for(clone(body, stack[1] + sizeof stack[1], CLONE_VM | CLONE_FILES | CLONE_FS | CLONE_SIGHAND | SIGCHLD, "clone-vm"));
  wait_for(clone(body, stack[1] + sizeof stack[1], CLONE_FS | SIGCHLD, "clone-fs"));
  // No signal at its end.
  wait_for(clone(body, stack[1] + sizeof stack[1], 0, "clone-silent"));
  raw = clone(in_one_table, stack[2] + sizeof stack[2], CLONE_FILES | SIGCHLD, "clone-files");
  shared->folder = open(".", O_RDONLY | O_DIRECTORY);
  shared->stage = 1;
  wait_for(raw);
  if (clone(leaves_parent, stack[3] + sizeof stack[3], CLONE_PARENT | SIGCHLD, "clone-parent") < 0) return 1;
  while (shared->stage != 2) sched_yield();
  pthread_t joined;
  if (pthread_create(&joined, NULL, thread, "thread") != 0) return 1;
  pthread_join(joined, NULL);

  char *arguments[] = {(char *)other, "--attempt", "posix_spawn", NULL}, *environment[] = {NULL};
  if (posix_spawn(&child, other, NULL, NULL, arguments, environment) != 0) return 1;
  wait_for(child);
  child = vfork();
  if (child == 0) {
    arguments[2] = "vfork-exec";
    execve(other, arguments, environment);
    _exit(1);
  }
  wait_for(child);
  // A process whose parent is gone, in a terminal session of its own.
  int ends[2];
  if (pipe(ends) != 0) return 1;
  child = fork();
  if (child == 0) {
    setsid();
    if (fork() == 0) attempt("orphan"), close(ends[1]);
    _exit(0);
  }
  wait_for(child);
  close(ends[1]);
  char end;
  if (read(ends[0], &end, 1) != 0) return 1;

  // A clone whose flags are in memory: there is no such call, and libraries take the other.
  struct { uint64_t flags, descriptor, child_tid, parent_tid, signal, stack, size, tls; } how = {.signal = SIGCHLD};
  raw = syscall(SYS_clone3, &how, sizeof how);
  if (raw == 0) attempt("clone3"), _exit(0);
  if (raw < 0) printf("clone3 0 %s -\n", strerrorname_np(errno));
  else wait_for(raw);
  fflush(stdout);
  child = clone(stays, stack[4] + sizeof stack[4], CLONE_PARENT | SIGCHLD, NULL);
  if (child < 0) return 1;
  while (shared->stage != 3) sched_yield();
  printf("stays %d - -\n", child);
  return 0;
}
