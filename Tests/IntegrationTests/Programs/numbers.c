// Makes every system call by its number, with arguments that no kernel takes: `numbers FIRST LAST` prints `NUMBER OUTCOME` for each, where the outcome is
// `ok`, an errno's name, `ended` or the signal that ended the process. Each call is made in a process of its own, with no C library in between.
// `numbers other` makes getpid by the other conventions of an x86_64 processor: prints `x32 OUTCOME` and `i386 OUTCOME`.
//
// All arguments are -1: no descriptor, no address, no process, every flag. What has another effect then is given something harmless.
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static struct { volatile long result; volatile int made; } *shared;

#if defined(__x86_64__)
static inline __attribute__((always_inline)) long raw(unsigned long number, const long *a) {
  long result;
  register long r10 __asm__("r10") = a[3];
  register long r8 __asm__("r8") = a[4];
  register long r9 __asm__("r9") = a[5];
  __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
  return result;
}
#else
static inline __attribute__((always_inline)) long raw(unsigned long number, const long *a) {
  register long x8 __asm__("x8") = (long)number;
  register long x0 __asm__("x0") = a[0];
  register long x1 __asm__("x1") = a[1];
  register long x2 __asm__("x2") = a[2];
  register long x3 __asm__("x3") = a[3];
  register long x4 __asm__("x4") = a[4];
  register long x5 __asm__("x5") = a[5];
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
  return x0;
}
#endif

static void make(unsigned long number) {
  long arguments[6] = {-1, -1, -1, -1, -1, -1};
  static const long zero[6];
  // IPC_CREAT is among the flags: only looking finds nothing.
  if (number == SYS_msgget) arguments[1] = 0;
  long result = raw(number, arguments);
  // The other one, where the call made a process (vfork shares this stack: no return).
  if (result == 0 && shared->made) raw(SYS_exit_group, zero);
  shared->made = 1;
  shared->result = result;
  raw(SYS_exit_group, zero);
}

#if defined(__x86_64__)
static void say(const char *name, long result) { printf("%s %s\n", name, result < 0 ? strerrorname_np((int)-result) : "ok"); }
static int other_conventions(void) {
  static const long zero[6];
  say("x32", raw(0x40000000 | SYS_getpid, zero));
  int result;
  __asm__ volatile("int $0x80" : "=a"(result) : "a"(20) : "memory", "r8", "r9", "r10", "r11");
  say("i386", result);
  return 0;
}
#else
static int other_conventions(void) { return 2; }
#endif

int main(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], "other") == 0) return other_conventions();
  if (argc != 3) return 2;
  const struct rlimit none = {0, 0};
  setrlimit(RLIMIT_CORE, &none);
  unsigned long last = strtoul(argv[2], NULL, 0);
  // A place for each: a process that a call has made may come to write there when the next calls are made already.
  void *places = mmap(NULL, (last + 1) * sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (places == MAP_FAILED) return 2;
  for (unsigned long number = strtoul(argv[1], NULL, 0); number <= last; number++) {
    shared = (void *)((char *)places + number * sizeof *shared);
    shared->made = 0;
    shared->result = 0;
    fflush(stdout);
    int stopper[2];
    if (pipe(stopper) != 0) return 2;
    pid_t child = fork();
    if (child == 0) {
      // What waits is ended: that it waited is an outcome.
      struct itimerval soon = {.it_value = {.tv_usec = 500000}};
      setitimer(ITIMER_REAL, &soon, NULL);
      make(number);
    }
    int status;
    if (waitpid(child, &status, 0) != child) return 2;
    close(stopper[0]);
    close(stopper[1]);
    printf("%lu ", number);
    if (WIFSIGNALED(status)) printf("%s\n", sigabbrev_np(WTERMSIG(status)));
    else if (!shared->made) printf("ended\n");
    else if (shared->result < 0 && shared->result > -4096) printf("%s\n", strerrorname_np((int)-shared->result) ?: "unnamed");
    else printf("ok\n");
  }
  return 0;
}
