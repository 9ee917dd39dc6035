// Processes outside a session that its processes try to reach: `victims N` prints a line for each, `PID PIPE MEMORY-FILE ADDRESS`, and ends with its
// standard input. Each stands in a process group of its own and blocks what can be blocked, so that what it was sent stays pending and can be seen.
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

static char secret[] = "secret-of-a-victim";

int main(int count, char **arguments) {
  int wanted = count > 1 ? atoi(arguments[1]) : 1;
  setvbuf(stdout, NULL, _IOLBF, 0);
  for (int i = 0; i < wanted; i++) {
    int ready[2];
    if (pipe(ready)) return 1;
    pid_t pid = fork();
    if (pid == 0) {
      sigset_t all;
      sigfillset(&all);
      sigprocmask(SIG_BLOCK, &all, NULL);
      setpgid(0, 0);
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      int ends[2], file = memfd_create("victim", 0);
      if (pipe(ends) || file < 0 || write(file, secret, sizeof secret) != sizeof secret) _exit(1);
      printf("%d %d %d %lu\n", getpid(), ends[1], file, (unsigned long)secret);
      close(ready[1]);
      close(0);
      close(1);
      for (;;) pause();
    }
    close(ready[1]);
    char byte;
    while (read(ready[0], &byte, 1) > 0) {}
    close(ready[0]);
  }
  fclose(stdout);
  char byte;
  while (read(0, &byte, 1) > 0) {}
  return 0;
}
