// What the load tests run inside a session: calls that get stuck, floods, herds. Each prints one line for what it did and ends with status 0, or
// says on standard error what went wrong and ends with 1. Waits are for events; the longest of them is bounded, so that a hang is a failure.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { patience = 60000, own_file = 4096 };

static char work_file[own_file];

#define FAIL(...)                   \
  do {                              \
    fprintf(stderr, "load: ");      \
    fprintf(stderr, __VA_ARGS__);   \
    fprintf(stderr, "\n");          \
    exit(1);                        \
  } while (0)

static pid_t start_child(void) {
  fflush(NULL);
  pid_t child = fork();
  if (child == -1) FAIL("fork: %s", strerror(errno));
  return child;
}

static void make_pipe(int ends[2]) {
  if (pipe2(ends, O_CLOEXEC) != 0) FAIL("pipe2: %s", strerror(errno));
}

static long number(const char *text) {
  char *end;
  long value = strtol(text, &end, 10);
  if (*end || value <= 0) FAIL("not a number: %s", text);
  return value;
}

// One line to whoever watches from outside, who answers with one.
static void checkpoint(const char *name) {
  printf("%s\n", name);
  fflush(stdout);
  char byte;
  do {
    if (read(STDIN_FILENO, &byte, 1) != 1) FAIL("nobody answers at %s", name);
  } while (byte != '\n');
}

// Something of everything that a supervisor decides and performs; each has to succeed. The count is that of the calls.
static int operate(int round) {
  char directory[own_file + 32];
  snprintf(directory, sizeof directory, "%s.%d.%d", work_file, getpid(), round);
  int file = open(work_file, O_RDONLY | O_CLOEXEC);
  if (file == -1) FAIL("open: %s", strerror(errno));
  close(file);
  if (mkdir(directory, 0700) != 0) FAIL("mkdir: %s", strerror(errno));
  if (rmdir(directory) != 0) FAIL("rmdir: %s", strerror(errno));
  return 3;
}

// ---- calls that are stuck ---------------------------------------------------------------------------------------------------

static void on_signal(int signal) { (void)signal; }

static void interrupt_with(int number) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = on_signal;  // without SA_RESTART
  if (sigaction(number, &action, NULL) != 0) FAIL("sigaction: %s", strerror(errno));
}

struct stuck {
  pid_t pid;
  int result;  // readable when the call has come back: its errno
};

// A listener that takes no one, with a queue that is full: a connect to it waits.
static struct sockaddr_in full_listener(void) {
  static struct sockaddr_in address = {.sin_family = AF_INET};
  static int made;
  if (made) return address;
  made = 1;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  socklen_t length = sizeof address;
  if (listener == -1 || bind(listener, (struct sockaddr *)&address, length) != 0 || listen(listener, 0) != 0 ||
      getsockname(listener, (struct sockaddr *)&address, &length) != 0)
    FAIL("a listener: %s", strerror(errno));
  for (int tries = 0; tries < 64; tries++) {
    int client = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (client == -1) FAIL("socket: %s", strerror(errno));
    if (connect(client, (struct sockaddr *)&address, sizeof address) != 0 && errno != EINPROGRESS) FAIL("connect: %s", strerror(errno));
    struct pollfd ready = {.fd = client, .events = POLLOUT};
    // A connection that the queue has room for is there at once on loopback.
    if (poll(&ready, 1, 200) == 0) return address;
  }
  FAIL("the queue never filled");
}

static void wait_in_call(const char *kind, const char *path) {
  if (strcmp(kind, "connect") == 0) {
    struct sockaddr_in address = full_listener();
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (client == -1) FAIL("socket: %s", strerror(errno));
    if (connect(client, (struct sockaddr *)&address, sizeof address) == 0) errno = 0;
    return;
  }
  errno = 0;
  (void)!open(path, O_RDONLY | O_CLOEXEC);
}

static struct stuck get_stuck(const char *kind, const char *path) {
  int ready[2], result[2];
  make_pipe(ready);
  make_pipe(result);
  if (strcmp(kind, "connect") == 0) full_listener();
  pid_t child = start_child();
  if (child == 0) {
    interrupt_with(SIGUSR1);
    if (write(ready[1], "r", 1) != 1) _exit(1);
    wait_in_call(kind, path);
    int error = errno;
    if (write(result[1], &error, sizeof error) != sizeof error) _exit(1);
    _exit(0);
  }
  close(ready[1]);
  close(result[1]);
  char byte;
  if (read(ready[0], &byte, 1) != 1) FAIL("the child that is to be stuck has ended");
  close(ready[0]);
  return (struct stuck){child, result[0]};
}

static int has_come_back(struct stuck stuck, int milliseconds) {
  struct pollfd ready = {.fd = stuck.result, .events = POLLIN};
  return poll(&ready, 1, milliseconds) == 1;
}

static void kill_stuck(struct stuck stuck) {
  if (kill(stuck.pid, SIGKILL) != 0) FAIL("kill: %s", strerror(errno));
  int status;
  if (waitpid(stuck.pid, &status, 0) != stuck.pid || !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) FAIL("the stuck process was not killed");
  close(stuck.result);
}

// stuck fifo|connect|file PATH HOW-MANY OPERATIONS
static int stuck(char **arguments) {
  const char *kind = arguments[0], *path = arguments[1];
  int many = (int)number(arguments[2]);
  long wanted = number(arguments[3]), done = 0;
  struct stuck *waiting = calloc((size_t)many, sizeof *waiting);
  for (int index = 0; index < many; index++) waiting[index] = get_stuck(kind, path);
  for (int round = 0; done < wanted; round++) done += operate(round);
  for (int index = 0; index < many; index++)
    if (has_come_back(waiting[index], 0)) FAIL("a call that was to wait has come back");
  checkpoint("stuck");
  // By a signal with a handler, where a call of this kind can be interrupted at all.
  if (strcmp(kind, "file") != 0) {
    int left = patience;
    // The first signals may come before the call: they are sent until one has met it.
    do {
      if (kill(waiting[0].pid, SIGUSR1) != 0) FAIL("kill: %s", strerror(errno));
      left -= 10;
    } while (!has_come_back(waiting[0], 10) && left > 0);
    int error = -1;
    if (left <= 0 || read(waiting[0].result, &error, sizeof error) != sizeof error) FAIL("a signal did not interrupt the call");
    if (error != EINTR) FAIL("the interrupted call said %s", strerror(error));
    if (waitpid(waiting[0].pid, NULL, 0) != waiting[0].pid) FAIL("waitpid: %s", strerror(errno));
    close(waiting[0].result);
    waiting[0] = get_stuck(kind, path);
  }
  for (int index = 0; index < many; index++) kill_stuck(waiting[index]);
  checkpoint("killed");
  for (int round = 0; round < 10; round++) done += operate(round);
  printf("%ld calls beside %d stuck ones\n", done, many);
  return 0;
}

// exhaust PATH COUNT: more stuck opens of a FIFO than a supervisor has threads. What is too much is refused, and when they are gone all is as before.
static int exhaust(char **arguments) {
  int count = (int)number(arguments[1]), refused = 0, status;
  pid_t *children = calloc((size_t)count, sizeof *children), ended;
  for (int index = 0; index < count; index++) {
    children[index] = start_child();
    if (children[index] == 0) {
      (void)!open(arguments[0], O_RDONLY | O_CLOEXEC);
      _exit(errno == ENOMEM ? 2 : 1);
    }
  }
  if (waitpid(-1, &status, 0) <= 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 2) FAIL("a child ended otherwise: %d", status);
  refused++;
  // Nothing is left to answer with, and nobody waits for that.
  int file = open(work_file, O_RDONLY | O_CLOEXEC);
  if (file != -1 || errno != ENOMEM) FAIL("open: %s", file == -1 ? strerror(errno) : "it worked");
  checkpoint("exhausted");
  // What ends them goes through all the same. Those that were refused have ended, and wait to be waited for.
  for (int index = 0; index < count; index++)
    if (kill(children[index], SIGKILL) != 0 && errno != ESRCH) FAIL("kill: %s", strerror(errno));
  while ((ended = waitpid(-1, &status, 0)) > 0) refused += WIFEXITED(status) && WEXITSTATUS(status) == 2;
  int left = patience;
  while ((file = open(work_file, O_RDONLY | O_CLOEXEC)) == -1 && errno == ENOMEM && left > 0) left -= 10, poll(NULL, 0, 10);
  if (file == -1) FAIL("open afterwards: %s", strerror(errno));
  operate(0);
  checkpoint("recovered");
  printf("%d of %d stuck opens refused\n", refused, count);
  return 0;
}

// ---- floods -----------------------------------------------------------------------------------------------------------------

struct flood {
  atomic_int stop;
  atomic_long opens, connects, wrong;
  struct sockaddr_in address;
};

static void *flood_opens(void *argument) {
  struct flood *flood = argument;
  while (!atomic_load(&flood->stop)) {
    int file = open(work_file, O_RDONLY | O_CLOEXEC);
    if (file == -1) {
      atomic_fetch_add(&flood->wrong, 1);
      fprintf(stderr, "load: open in the flood: %s\n", strerror(errno));
      return NULL;
    }
    close(file);
    atomic_fetch_add(&flood->opens, 1);
  }
  return NULL;
}

static void *flood_connects(void *argument) {
  struct flood *flood = argument;
  struct linger reset = {1, 0};
  while (!atomic_load(&flood->stop)) {
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (client == -1 || connect(client, (struct sockaddr *)&flood->address, sizeof flood->address) != 0) {
      atomic_fetch_add(&flood->wrong, 1);
      fprintf(stderr, "load: connect in the flood: %s\n", strerror(errno));
      return NULL;
    }
    setsockopt(client, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(client);
    atomic_fetch_add(&flood->connects, 1);
  }
  return NULL;
}

static void *accept_all(void *argument) {
  int listener = *(int *)argument;
  int peer;
  while ((peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0 || errno == ECONNABORTED || errno == EINTR)
    if (peer >= 0) close(peer);
  return NULL;
}

// flood THREADS OPERATIONS: half of the threads open files, half connect, while this process does its own work.
static int flood(char **arguments) {
  int threads = (int)number(arguments[0]);
  long wanted = number(arguments[1]), done = 0;
  struct flood *flood = mmap(NULL, sizeof *flood, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (flood == MAP_FAILED) FAIL("mmap: %s", strerror(errno));
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  flood->address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof flood->address;
  if (listener == -1 || bind(listener, (struct sockaddr *)&flood->address, length) != 0 || listen(listener, 4096) != 0 ||
      getsockname(listener, (struct sockaddr *)&flood->address, &length) != 0)
    FAIL("a listener: %s", strerror(errno));
  pid_t child = start_child();
  if (child == 0) {
    pthread_t taker, *flooders = calloc((size_t)threads, sizeof *flooders);
    if (pthread_create(&taker, NULL, accept_all, &listener) != 0) FAIL("pthread_create");
    for (int index = 0; index < threads; index++)
      if (pthread_create(&flooders[index], NULL, index % 2 ? flood_connects : flood_opens, flood) != 0) FAIL("pthread_create");
    for (int index = 0; index < threads; index++) pthread_join(flooders[index], NULL);
    _exit(atomic_load(&flood->wrong) ? 1 : 0);
  }
  for (int round = 0; done < wanted; round++) done += operate(round);
  checkpoint("flooding");
  atomic_store(&flood->stop, 1);
  int status;
  if (waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 0) FAIL("calls in the flood failed");
  if (!atomic_load(&flood->opens) || !atomic_load(&flood->connects)) FAIL("there was no flood");
  checkpoint("over");
  printf("%ld calls beside a flood of %ld opens and %ld connects\n", done, atomic_load(&flood->opens), atomic_load(&flood->connects));
  return 0;
}

// ---- many processes ---------------------------------------------------------------------------------------------------------

static void run_true(void) {
  char *arguments[] = {"/bin/true", NULL};
  pid_t child;
  int status, error = posix_spawn(&child, arguments[0], NULL, NULL, arguments, environ);
  if (error) FAIL("posix_spawn: %s", strerror(error));
  if (waitpid(child, &status, 0) != child || status != 0) FAIL("/bin/true ended with %d", status);
}

// spawn COUNT: one program after the other.
static int spawn(char **arguments) {
  long count = number(arguments[0]), warm = count < 200 ? count / 2 : 100;
  for (long index = 0; index < warm; index++) run_true();
  checkpoint("warm");
  for (long index = warm; index < count; index++) run_true();
  checkpoint("spawned");
  printf("%ld programs\n", count);
  return 0;
}

// herd COUNT: that many processes alive at once, which then all open a file in the same moment.
static int herd(char **arguments) {
  int count = (int)number(arguments[0]), ready[2], go[2];
  make_pipe(ready);
  make_pipe(go);
  pid_t *children = calloc((size_t)count, sizeof *children);
  for (int index = 0; index < count; index++) {
    children[index] = start_child();
    if (children[index] == 0) {
      close(go[1]);
      char byte;
      if (write(ready[1], "r", 1) != 1 || read(go[0], &byte, 1) != 0) _exit(2);
      operate(0);
      _exit(0);
    }
  }
  for (int index = 0; index < count; index++) {
    char byte;
    if (read(ready[0], &byte, 1) != 1) FAIL("read: %s", strerror(errno));
  }
  checkpoint("alive");
  close(go[1]);
  int wrong = 0;
  for (int index = 0; index < count; index++) {
    int status;
    if (waitpid(children[index], &status, 0) != children[index]) FAIL("waitpid: %s", strerror(errno));
    wrong += status != 0;
  }
  if (wrong) FAIL("%d of %d processes got something wrong", wrong, count);
  checkpoint("gone");
  printf("%d processes at once\n", count);
  return 0;
}

// What one that was killed left behind, wherever it was in making and renaming it.
static void clean_up_after(pid_t child) {
  char name[own_file + 32], other[own_file + 48];
  snprintf(name, sizeof name, "%s.%d", work_file, child);
  snprintf(other, sizeof other, "%s.other", name);
  rmdir(name);
  rmdir(other);
}

// What a process is killed in: each of these goes to the supervisor, again and again.
static void call_for_ever(int which) {
  char name[own_file + 32], other[own_file + 48];
  snprintf(name, sizeof name, "%s.%d", work_file, getpid());
  snprintf(other, sizeof other, "%s.other", name);
  struct sockaddr_in nobody = {.sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  char *missing[] = {"/nonexistent", NULL};
  while (1) {
    switch (which) {
      case 0: {
        int file = open(work_file, O_RDONLY | O_CLOEXEC);
        if (file >= 0) close(file);
        break;
      }
      case 1:
        if (mkdir(name, 0700) == 0 && rename(name, other) == 0) rmdir(other);
        break;
      case 2: {
        int client = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (client >= 0) {
          connect(client, (struct sockaddr *)&nobody, sizeof nobody);
          close(client);
        }
        break;
      }
      case 3: execv(missing[0], missing); break;
      case 4: kill(getpid(), 0); break;
      default: {
        pid_t child = vfork();
        if (child == 0) {
          char *program[] = {"/bin/true", NULL};
          execv(program[0], program);
          _exit(0);
        }
        if (child > 0) waitpid(child, NULL, 0);
      }
    }
  }
}

// dying COUNT: processes that are killed while their calls are being decided.
static int dying(char **arguments) {
  long count = number(arguments[0]);
  pid_t *children = calloc((size_t)count + 1, sizeof *children);
  if (!children) FAIL("calloc: %s", strerror(errno));
  for (long index = 0; index < count; index++) {
    int ready[2];
    make_pipe(ready);
    pid_t child = start_child();
    if (child == 0) {
      if (write(ready[1], "r", 1) != 1) _exit(1);
      call_for_ever((int)(index % 6));
    }
    char byte;
    if (read(ready[0], &byte, 1) != 1) FAIL("read: %s", strerror(errno));
    close(ready[0]);
    close(ready[1]);
    // The moments differ: after none, one, … calls of this process's own.
    for (long spin = 0; spin < index % 7; spin++) operate((int)spin);
    if (kill(child, SIGKILL) != 0) FAIL("kill: %s", strerror(errno));
    int status;
    if (waitpid(child, &status, 0) != child || !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) FAIL("a process ended otherwise: %d", status);
    children[index] = child;
    clean_up_after(child);
  }
  // What was being made for one that died may have come a moment later.
  for (long index = 0; index < count; index++) clean_up_after(children[index]);
  free(children);
  checkpoint("dead");
  operate(0);
  printf("%ld processes killed in their calls\n", count);
  return 0;
}

static volatile sig_atomic_t taken;
static void count_signal(int signal) {
  (void)signal;
  taken = 1;
}

// signals COUNT: a process that is flooded with signals while it makes calls: none of them may fail for that.
static int signals(char **arguments) {
  long count = number(arguments[0]);
  int ready[2], stop[2];
  make_pipe(ready);
  make_pipe(stop);
  pid_t child = start_child();
  if (child == 0) {
    close(stop[1]);
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = count_signal;
    action.sa_flags = SA_RESTART;
    if (sigaction(SIGUSR1, &action, NULL) != 0 || write(ready[1], "r", 1) != 1) _exit(2);
    struct pollfd end = {.fd = stop[0], .events = POLLIN};
    // Whatever else it is interrupted in, the calls that are decided may not show it.
    for (int round = 0; poll(&end, 1, 0) != 1; round++) operate(round);
    _exit(taken ? 0 : 3);
  }
  char byte;
  if (read(ready[0], &byte, 1) != 1) FAIL("read: %s", strerror(errno));
  for (long index = 0; index < count; index++)
    if (kill(child, SIGUSR1) != 0) FAIL("kill: %s", strerror(errno));
  close(stop[1]);
  int status;
  if (waitpid(child, &status, 0) != child || status != 0) FAIL("the flooded process ended with %d", status);
  checkpoint("signalled");
  printf("%ld signals\n", count);
  return 0;
}

struct failing {
  const char *path;
  int error;
};

// execs COUNT DIRECTORY: executions that fail, each with its errno; then one that doesn't.
static int execs(char **arguments) {
  long count = number(arguments[0]);
  if (chdir(arguments[1]) != 0) FAIL("chdir: %s", strerror(errno));
  static const struct failing failing[] = {
    {"./missing", ENOENT}, {".", EACCES}, {"./plain", EACCES}, {"./garbage", ENOEXEC}, {"./no-interpreter", ENOENT}, {"./plain/below", ENOTDIR}, {"./loop", ELOOP},
  };
  for (long index = 0; index < count; index++) {
    struct failing expected = failing[(size_t)index % (sizeof failing / sizeof failing[0])];
    char *words[] = {(char *)expected.path, "word", NULL};
    pid_t child = vfork();
    if (child == 0) {
      execv(words[0], words);
      _exit(errno);
    }
    int status;
    if (child == -1 || waitpid(child, &status, 0) != child || !WIFEXITED(status)) FAIL("vfork or its end");
    if (WEXITSTATUS(status) != expected.error) FAIL("%s: %s, not %s", words[0], strerror(WEXITSTATUS(status)), strerror(expected.error));
  }
  checkpoint("failed");
  run_true();
  printf("%ld failed executions\n", count);
  return 0;
}

// repeat COUNT COMMAND…: the command, over and over, which has to end with 0 each time. Runs outside of sessions.
static int repeat(char **arguments) {
  long count = number(arguments[0]);
  for (long index = 0; index < count; index++) {
    pid_t child;
    int status, error = posix_spawn(&child, arguments[1], NULL, NULL, arguments + 1, environ);
    if (error) FAIL("posix_spawn: %s", strerror(error));
    if (waitpid(child, &status, 0) != child || status != 0) FAIL("run %ld ended with %d", index, status);
  }
  return 0;
}

int main(int count, char **arguments) {
  static const struct {
    const char *name;
    int arguments;
    int (*run)(char **);
  } all[] = {
    {"stuck", 4, stuck}, {"exhaust", 2, exhaust}, {"flood", 2, flood}, {"spawn", 1, spawn}, {"herd", 1, herd}, {"dying", 1, dying}, {"signals", 1, signals}, {"execs", 2, execs}, {"repeat", 2, repeat},
  };
  if (count < 3 || strlen(arguments[1]) >= own_file) FAIL("usage: load OWN-FILE WHAT ARGUMENT…");
  strcpy(work_file, arguments[1]);
  for (size_t index = 0; index < sizeof all / sizeof all[0]; index++)
    if (strcmp(arguments[2], all[index].name) == 0 && count >= 3 + all[index].arguments) return all[index].run(arguments + 3);
  FAIL("unknown: %s", arguments[2]);
}
