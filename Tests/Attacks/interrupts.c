// Calls whose callers are interrupted, stopped and killed while they are being decided.
//
//   interrupts signals SECONDS [restart]   timers fire all the time, with or without SA_RESTART: nothing is done twice, nothing is lost
//   interrupts stops SECONDS               the caller is stopped and continued all the time
//   interrupts deaths SECONDS              callers are killed in the middle of calls, and their numbers come back as others': nobody's call is
//                                          done for anybody else
//   interrupts executions SECONDS          callers are stopped, signalled and killed while they execute a program
//   interrupts opens SECONDS               callers open and read a file while somebody stops and continues whoever does that for them: what they read is
//                                          that file, or they are killed
//   interrupts takeovers SECONDS           a thread executes a program, and takes the number of the first one, while that one opens files
//   interrupts stop-and-go NAME UID PARENT that somebody: stops and continues UID's processes of this name (children of PARENT, unless it is 0) until its
//                                          input ends
//   interrupts numbers COMMAND…            runs COMMAND where the numbers of processes come round at once; needs root and a pid namespace of its own
//   interrupts without-killable COMMAND…   runs COMMAND where seccomp(2) knows no SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, as before Linux 5.19
//
// Prints what it counted; the exit status is 0 if all was as it would be without supervision.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}
static unsigned long mistakes;
static void mistake(const char *what) {
  int error = errno;
  if (__atomic_fetch_add(&mistakes, 1, __ATOMIC_RELAXED) < 10) fprintf(stderr, "interrupts: %d: %s: %s\n", getpid(), what, strerror(error));
}
// A signal may come before the supervisor has taken a call up: then the kernel ends it with EINTR, unless the handler asks for a restart, and nothing
// was done. So the next try must find things as they were.
static unsigned long interrupted;
#define again(call) ({ long result_; while ((result_ = (call)) == -1 && errno == EINTR) interrupted++; result_; })
#define check(call) do { if (again(call) == -1) mistake(#call); } while (0)

// A round of changes in the current directory, each of which can succeed exactly once. `own` makes the names this caller's.
static void round_of_calls(const char *own) {
  char a[64], b[64], c[64];
  snprintf(a, sizeof a, "%s.a", own);
  snprintf(b, sizeof b, "%s.b", own);
  snprintf(c, sizeof c, "%s.c", own);
  check(mkdir(a, 0755));
  check(rename(a, b));
  check(rmdir(b));
  int file = (int)again(open(a, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0644));
  if (file < 0) {
    mistake("creating");
    return;
  }
  if (write(file, own, strlen(own)) != (ssize_t)strlen(own)) mistake("write");
  close(file);
  check(link(a, b));
  check(symlink(a, c));
  char text[64] = {0};
  file = (int)again(open(c, O_RDONLY | O_CLOEXEC));
  if (file < 0) mistake("opening");
  ssize_t length = read(file, text, sizeof text - 1);
  if (length < 0 || strcmp(text, own)) {
    fprintf(stderr, "interrupts: descriptor %d, read %zd: %s\n", file, length, text);
    mistake("another's content");
  }
  close(file);
  check(unlink(a));
  check(unlink(b));
  check(unlink(c));
}
// A datagram is sent once or not at all, and arrives once.
static int receiver, sender;
static struct sockaddr_in receiver_name = {.sin_family = AF_INET};
static void open_sockets(void) {
  receiver_name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof receiver_name;
  receiver = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  sender = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  check(bind(receiver, (struct sockaddr *)&receiver_name, sizeof receiver_name));
  check(getsockname(receiver, (struct sockaddr *)&receiver_name, &length));
}
static void send_once(unsigned number) {
  if (again(sendto(sender, &number, sizeof number, 0, (struct sockaddr *)&receiver_name, sizeof receiver_name)) != sizeof number) mistake("sendto");
  unsigned got;
  if (recv(receiver, &got, sizeof got, 0) != sizeof got || got != number) mistake("another datagram");
  if (recv(receiver, &got, sizeof got, 0) != -1) mistake("sent twice");
}

static volatile unsigned long fired;
static void count(int signal) {
  (void)signal;
  fired++;
}
static int signals(double seconds, int restart) {
  open_sockets();
  struct sigaction action = {.sa_handler = count, .sa_flags = restart ? SA_RESTART : 0};
  sigaction(SIGALRM, &action, NULL);
  struct itimerval often = {{0, 70}, {0, 70}}, never = {{0, 0}, {0, 0}};
  unsigned long rounds = 0;
  double end = now() + seconds;
  while (now() < end || rounds < 20) {
    setitimer(ITIMER_REAL, &often, NULL);
    round_of_calls("own");
    send_once((unsigned)rounds++);
  }
  setitimer(ITIMER_REAL, &never, NULL);
  printf("rounds %lu signals %lu interrupted %lu mistakes %lu\n", rounds, fired, interrupted, mistakes);
  return mistakes == 0 && fired > rounds ? 0 : 1;
}

static int stops(double seconds) {
  unsigned long *rounds = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (rounds == MAP_FAILED) return 2;
  pid_t caller = fork();
  if (caller == 0) {
    open_sockets();
    while (!rounds[1]) {
      round_of_calls("own");
      send_once((unsigned)rounds[0]++);
    }
    _exit(mistakes ? 1 : 0);
  }
  unsigned long stopped = 0;
  double end = now() + seconds;
  int status = 0;
  while (now() < end || rounds[0] < 20) {
    kill(caller, SIGSTOP);
    if (waitpid(caller, &status, WUNTRACED) != caller || !WIFSTOPPED(status)) {
      mistake("stopping");
      break;
    }
    stopped++;
    kill(caller, SIGCONT);
    for (volatile unsigned i = 0, turns = (unsigned)(stopped * 2654435761u % 60000); i < turns; i++) {}
    if (now() > end + 60) break;
  }
  rounds[1] = 1;
  if (waitpid(caller, &status, 0) != caller || !WIFEXITED(status) || WEXITSTATUS(status)) mistake("the caller");
  printf("rounds %lu stops %lu mistakes %lu\n", rounds[0], stopped, mistakes);
  return mistakes == 0 && stopped > 20 ? 0 : 1;
}

// Steady callers, who must never see anything of those that come and go beside them.
static volatile int over;
static void *steady(void *given) {
  char own[32];
  snprintf(own, sizeof own, "steady-%d-%ld", getpid(), (long)(intptr_t)given);
  while (!over) round_of_calls(own);
  return NULL;
}
static void *sibling(void *given) {
  char own[32];
  snprintf(own, sizeof own, "sibling-%d-%ld", getpid(), (long)(intptr_t)given);
  for (;;) round_of_calls(own);
  return NULL;
}
static int deaths(double seconds) {
  pthread_t thread[2];
  for (long i = 0; i < 2; i++)
    if (pthread_create(&thread[i], NULL, steady, (void *)(intptr_t)i)) return 2;
  unsigned long died = 0, reused = 0;
  static pid_t last[64];
  double end = now() + seconds;
  while (now() < end || died < 40) {
    // Some are alone, some die with other threads in the middle of calls, some end themselves while a sibling waits.
    pid_t pid = fork();
    if (pid == 0) {
      // The names of whoever had this number before are gone with it, or were left behind: another folder each time.
      char own[64];
      struct timespec time;
      clock_gettime(CLOCK_MONOTONIC, &time);
      snprintf(own, sizeof own, "%d-%ld", getpid(), (long)time.tv_nsec);
      if (mkdir(own, 0755) || chdir(own)) _exit(9);
      pthread_t other;
      if (died % 3) pthread_create(&other, NULL, sibling, (void *)1);
      for (int turn = 0; died % 3 != 2 || turn < 3; turn++) round_of_calls(own);
      syscall(SYS_exit_group, mistakes ? 8 : 0);
    }
    if (pid < 0) {
      mistake("fork");
      continue;
    }
    for (int i = 0; i < 64; i++) reused += last[i] == pid;
    last[died % 64] = pid;
    struct timespec little = {0, (long)(died * 2654435761u % 3000000)};
    nanosleep(&little, NULL);
    if (died % 3 != 2) kill(pid, SIGKILL);
    int status;
    if (waitpid(pid, &status, 0) != pid) mistake("waitpid");
    if (WIFEXITED(status) && WEXITSTATUS(status)) {
      errno = 0;
      mistake(WEXITSTATUS(status) == 8 ? "one that was to end by itself" : "mkdir or chdir");
    }
    died++;
  }
  over = 1;
  for (int i = 0; i < 2; i++) pthread_join(thread[i], NULL);
  printf("deaths %lu numbers-used-again %lu mistakes %lu\n", died, reused, mistakes);
  return mistakes == 0 ? 0 : 1;
}

static int executions(double seconds) {
  unsigned long ran = 0, killed = 0, odd = 0;
  struct sigaction action = {.sa_handler = count};
  sigaction(SIGUSR1, &action, NULL);
  double end = now() + seconds;
  while (now() < end || ran + killed < 60) {
    pid_t pid = fork();
    if (pid == 0) {
      sigset_t set;
      sigemptyset(&set);
      sigaddset(&set, SIGUSR1);
      // In half of them the signal is taken, in the others it stays pending across the exec.
      if (ran % 2) sigprocmask(SIG_BLOCK, &set, NULL);
      execl("/bin/sh", "sh", "-c", "exit 7", (char *)NULL);
      _exit(120);
    }
    unsigned kind = (unsigned)((ran + killed) % 4);
    for (volatile unsigned i = 0, turns = (unsigned)((ran + killed) * 2654435761u % 900000); i < turns; i++) {}
    int status, is_killed = 0;
    if (kind == 0) {
      // Stopped at any moment, the exec included, it goes on when it is continued.
      kill(pid, SIGSTOP);
      pid_t found = waitpid(pid, &status, WUNTRACED);
      if (found == pid && WIFSTOPPED(status)) kill(pid, SIGCONT);
      else if (found == pid && WIFEXITED(status) && WEXITSTATUS(status) == 7) {
        ran++;
        continue;
      } else mistake("stopping");
    } else if (kind == 1) {
      kill(pid, SIGURG);
      kill(pid, SIGCONT);
    } else if (kind == 2) {
      kill(pid, SIGKILL);
      is_killed = 1;
    } else if (ran % 2) {
      kill(pid, SIGUSR1);
    }
    if (waitpid(pid, &status, 0) != pid) mistake("waitpid");
    if (WIFEXITED(status) && WEXITSTATUS(status) == 7) ran++;
    else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && is_killed) killed++;
    // A signal that comes when the new program has no handler for it yet ends it, as everywhere.
    else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR1) ran++;
    else {
      odd++;
      fprintf(stderr, "interrupts: kind %u ended with status %x\n", kind, status);
    }
  }
  printf("ran %lu killed %lu odd %lu mistakes %lu\n", ran, killed, odd, mistakes);
  return odd == 0 && mistakes == 0 && killed > 0 && ran > 0 ? 0 : 1;
}

// A caller whose open returned something else than the file has a moment to be killed in.
static void opener(void) {
  char text[16];
  for (int turn = 0; turn < 20; turn++) {
    memset(text, 0, sizeof text);
    int file = (int)again(open("own", O_RDONLY | O_CLOEXEC));
    if (file >= 0 && read(file, text, sizeof text) == 3 && !strcmp(text, "own")) {
      close(file);
      continue;
    }
    struct timespec moment = {10, 0};
    nanosleep(&moment, NULL);
    errno = 0;
    mistake("goes on with another file");
    _exit(8);
  }
  _exit(0);
}
static int opens(double seconds) {
  int file = open("own", O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
  if (file < 0 || write(file, "own", 3) != 3 || close(file)) return 2;
  unsigned long ran = 0, killed = 0;
  double end = now() + seconds;
  while (now() < end || ran < 10) {
    pid_t pid = fork();
    if (pid == 0) opener();
    int status;
    if (pid < 0 || again(waitpid(pid, &status, 0)) != pid) return 2;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) killed++;
    else if (WIFEXITED(status) && WEXITSTATUS(status) == 0) ran++;
    else mistakes++;
    if (now() > end + 60) break;
  }
  printf("ran %lu killed %lu mistakes %lu\n", ran, killed, mistakes);
  return mistakes == 0 && ran >= 10 ? 0 : 1;
}

static void *execute_soon(void *turns) {
  for (volatile unsigned i = 0; i < (unsigned)(uintptr_t)turns; i++) {}
  execl("/bin/sh", "sh", "-c", "sleep 0.15; exit 7", (char *)NULL);
  return NULL;
}
static int takeovers(double seconds) {
  int file = open("own", O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
  if (file < 0 || write(file, "own", 3) != 3 || close(file)) return 2;
  unsigned long ran = 0;
  double end = now() + seconds;
  while (now() < end || ran < 40) {
    // Four at a time: each sleeps a little after it was executed, so that whoever would kill it late has the time.
    for (int i = 0; i < 4; i++) {
      if (fork() == 0) {
        pthread_t thread;
        unsigned turns = (unsigned)(ran * 4 + (unsigned)i) * 2654435761u % 200000;
        if (pthread_create(&thread, NULL, execute_soon, (void *)(uintptr_t)turns)) _exit(120);
        int flags = i % 2 ? O_RDWR | O_CREAT : O_RDONLY;
        for (;;) close((int)again(open("own", flags | O_CLOEXEC, 0644)));
      }
    }
    for (int i = 0; i < 4; i++) {
      int status;
      if (again(wait(&status)) < 0) return 2;
      if (WIFEXITED(status) && WEXITSTATUS(status) == 7) ran++;
      else {
        fprintf(stderr, "interrupts: an executed program ended with status %x\n", status);
        mistakes++;
      }
    }
    if (mistakes > 10) break;
  }
  printf("ran %lu mistakes %lu\n", ran, mistakes);
  return mistakes != 0;
}

// Those that are there at the moment, up to `most`.
static int processes_of(const char *name, uid_t uid, pid_t parent, pid_t *found, int most) {
  int count = 0;
  DIR *proc = opendir("/proc");
  for (struct dirent *entry; proc && count < most && (entry = readdir(proc));) {
    char path[64], comm[32] = {0};
    snprintf(path, sizeof path, "/proc/%d/comm", atoi(entry->d_name));
    int file = atoi(entry->d_name) > 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) continue;
    ssize_t length = read(file, comm, sizeof comm - 1);
    close(file);
    snprintf(path, sizeof path, "/proc/%d/status", atoi(entry->d_name));
    // The kernel keeps 15 characters of a name.
    if (length > 0) comm[length - 1] = 0;
    FILE *text = !strncmp(comm, name, 15) ? fopen(path, "re") : NULL;
    unsigned owner = ~0u;
    pid_t above = -1;
    for (char line[256]; text && fgets(line, sizeof line, text);) {
      sscanf(line, "PPid:\t%d", &above);
      sscanf(line, "Uid:\t%u", &owner);
    }
    if (text) fclose(text);
    if (owner == uid && (parent == 0 || parent == above)) found[count++] = atoi(entry->d_name);
  }
  if (proc) closedir(proc);
  return count;
}
static int stop_and_go(const char *name, uid_t uid, pid_t parent) {
  struct pollfd input = {STDIN_FILENO, POLLIN, 0};
  unsigned long times = 0;
  while (poll(&input, 1, 0) == 0) {
    pid_t found[64];
    int count = processes_of(name, uid, parent, found, 64);
    for (int turn = 0; turn < 500 && poll(&input, 1, 0) == 0; turn++) {
      for (int i = 0; i < count; i++) kill(found[i], SIGSTOP);
      for (int i = 0; i < count; i++) times += kill(found[i], SIGCONT) == 0;
      for (volatile unsigned i = 0, turns = (unsigned)(times * 2654435761u % 300000); i < turns; i++) {}
    }
  }
  printf("continued %lu times\n", times);
  return times > 100 ? 0 : 1;
}

static int without_killable(char **command) {
  struct sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_seccomp, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
      BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 1u << 5, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {sizeof code / sizeof *code, code};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) return 125;
  execvp(command[0], command);
  return 127;
}

static int numbers(char **command) {
  pid_t pid = fork();
  if (pid == 0) {
    execvp(command[0], command);
    _exit(127);
  }
  int status, last = open("/proc/sys/kernel/ns_last_pid", O_WRONLY | O_CLOEXEC);
  if (last < 0) return 125;
  struct timespec little = {0, 300000};
  while (waitpid(pid, &status, WNOHANG) == 0) {
    if (pwrite(last, "300", 3, 0) != 3) return 125;
    nanosleep(&little, NULL);
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int count, char **arguments) {
  const char *verb = count > 2 ? arguments[1] : "";
  double seconds = count > 2 ? strtod(arguments[2], NULL) : 0;
  if (!strcmp(verb, "without-killable")) return without_killable(arguments + 2);
  if (!strcmp(verb, "stop-and-go") && count > 4) return stop_and_go(arguments[2], (uid_t)atoi(arguments[3]), atoi(arguments[4]));
  if (!strcmp(verb, "opens")) return opens(seconds);
  if (!strcmp(verb, "takeovers")) return takeovers(seconds);
  if (!strcmp(verb, "numbers")) return numbers(arguments + 2);
  if (!strcmp(verb, "signals")) return signals(seconds, count > 3);
  if (!strcmp(verb, "stops")) return stops(seconds);
  if (!strcmp(verb, "deaths")) return deaths(seconds);
  if (!strcmp(verb, "executions")) return executions(seconds);
  fprintf(stderr, "usage: interrupts signals|stops|deaths|executions|opens SECONDS, or interrupts without-killable COMMAND…\n");
  return 2;
}
