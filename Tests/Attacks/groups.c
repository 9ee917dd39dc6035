// Signals to process groups of others, by ways that are no call for sending one.
//
//   groups terminal MODE COMMAND…   a terminal, a job of the user's in a group of its own, and COMMAND with that group's number in another: prints what became of the job.
//                                   MODE is the number of the signal that the job is to take in its usual way
//   groups write GROUP              joins that group and writes to the terminal's settings from there: the terminal stops the whole group (SIGTTOU)
//   groups beside MODE COMMAND…     the same job without a terminal; with MODE 0 it stands in COMMAND's own group
//   groups race GROUP SECONDS       a thread goes from group to group while another one signals its own (kill(0, SIGTERM)); with GROUP 0 the other group is the one that
//                                   the command was started in
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static void nothing(int signal) { (void)signal; }
static void go_home(int signal) {
  (void)signal;
  setpgid(0, 0);
}

static int write_settings(pid_t group) {
  struct termios settings;
  int terminal = open("/dev/tty", O_RDWR | O_CLOEXEC);
  if (terminal < 0 || tcgetattr(terminal, &settings)) return 2;
  // Elsewhere it would stop the job by itself.
  if (getenv("AGENTSH_SESSION_ID")) printf("kill %s\n", kill(-group, SIGTTOU) ? strerror(errno) : "sent");
  fflush(stdout);
  // Away again before the terminal's signal would be sent a second time, and here it does nothing.
  struct sigaction quiet = {.sa_handler = nothing}, home = {.sa_handler = go_home};
  sigaction(SIGTTOU, &quiet, NULL);
  sigaction(SIGALRM, &home, NULL);
  struct itimerval soon = {{0, 0}, {0, 300000}};
  setitimer(ITIMER_REAL, &soon, NULL);
  printf("setpgid %s\n", setpgid(0, group) ? strerror(errno) : "joined");
  fflush(stdout);
  while (tcsetattr(terminal, TCSANOW, &settings) && errno == EINTR && getpgrp() == group) {}
  return 0;
}

static volatile int over;
static pid_t other;
static void *wander(void *nowhere) {
  unsigned turn = 0;
  while (!over) {
    setpgid(0, other);
    for (volatile unsigned i = 0, turns = turn++ * 2654435761u % 3000; i < turns; i++) {}
    setpgid(0, 0);
    for (volatile unsigned i = 0, turns = turn++ * 2654435761u % 3000; i < turns; i++) {}
  }
  return nowhere;
}
static int race(pid_t group, double seconds) {
  pthread_t thread;
  unsigned long tries = 0, sent = 0;
  signal(SIGTERM, SIG_IGN);
  other = group ? group : getpgrp();
  setpgid(0, 0);
  if (pthread_create(&thread, NULL, wander, NULL)) return 2;
  struct timespec now, end;
  clock_gettime(CLOCK_MONOTONIC, &end);
  do {
    tries++;
    sent += kill(0, SIGTERM) == 0;
    clock_gettime(CLOCK_MONOTONIC, &now);
  } while ((double)(now.tv_sec - end.tv_sec) + (double)(now.tv_nsec - end.tv_nsec) / 1e9 < seconds);
  over = 1;
  pthread_join(thread, NULL);
  printf("tries %lu sent %lu\n", tries, sent);
  return 0;
}

static pid_t job(int signal_number, pid_t group) {
  pid_t pid = fork();
  if (pid) return pid;
  setpgid(0, group);
  if (signal_number) signal(signal_number, SIG_DFL);
  for (;;) pause();
}
static const char *fate(pid_t pid) {
  int status;
  pid_t found = waitpid(pid, &status, WNOHANG | WUNTRACED);
  kill(pid, SIGKILL);
  waitpid(pid, NULL, 0);
  return found != pid ? "untouched" : WIFSTOPPED(status) ? "stopped" : "killed";
}
static int run(char **command, pid_t group, pid_t victim) {
  char number[16], *list[64] = {0};
  int count = 0;
  snprintf(number, sizeof number, "%d", victim);
  for (; command[count] && count < 60; count++) list[count] = strcmp(command[count], "GROUP") ? command[count] : number;
  pid_t pid = fork();
  if (pid == 0) {
    if (group >= 0) setpgid(0, group);
    // Its own group in the foreground, as a shell would have it.
    int terminal = open("/dev/tty", O_RDWR | O_CLOEXEC);
    if (terminal >= 0) {
      signal(SIGTTOU, SIG_IGN);
      tcsetpgrp(terminal, getpgrp());
    }
    signal(SIGTTOU, SIG_DFL);
    execvp(list[0], list);
    _exit(127);
  }
  int status;
  while (waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status)) kill(-pid, SIGCONT);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int terminal(int signal_number, char **command) {
  int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (master < 0 || grantpt(master) || unlockpt(master)) return 2;
  const char *name = ptsname(master);
  pid_t leader = fork();
  if (leader == 0) {
    setsid();
    int slave = open(name, O_RDWR);
    if (slave < 0 || ioctl(slave, TIOCSCTTY, 0)) _exit(2);
    signal(SIGTTOU, SIG_IGN);
    signal(SIGTTIN, SIG_IGN);
    pid_t victim = job(signal_number, 0);
    setpgid(victim, victim);
    int status = run(command, 0, victim);
    printf("status %d\njob %s\n", status, fate(victim));
    fflush(stdout);
    _exit(0);
  }
  int status;
  return waitpid(leader, &status, 0) == leader && WIFEXITED(status) ? WEXITSTATUS(status) : 2;
}
static int beside(int separate, char **command) {
  // Not in the group of whoever started this: it is signalled.
  setpgid(0, 0);
  pid_t group = separate ? 0 : getpgrp();
  pid_t victim = job(SIGTERM, group);
  setpgid(victim, separate ? victim : group);
  signal(SIGTERM, SIG_IGN);
  int status = run(command, separate ? 0 : -1, victim);
  printf("status %d\njob %s\n", status, fate(victim));
  return 0;
}

int main(int count, char **arguments) {
  const char *verb = count > 2 ? arguments[1] : "";
  if (!strcmp(verb, "terminal") && count > 3) return terminal(atoi(arguments[2]), arguments + 3);
  if (!strcmp(verb, "beside") && count > 3) return beside(atoi(arguments[2]), arguments + 3);
  if (!strcmp(verb, "write")) return write_settings(atoi(arguments[2]));
  if (!strcmp(verb, "race") && count > 3) return race(atoi(arguments[2]), strtod(arguments[3], NULL));
  fprintf(stderr, "usage: groups terminal|beside MODE COMMAND…, groups write GROUP, groups race GROUP SECONDS\n");
  return 2;
}
