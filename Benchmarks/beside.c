// What the calls of one process cost beside what another process of the session does: an open that waits, a connect that waits, a flood.
//
//   beside DIRECTORY   prints one line for each situation: name, median nanoseconds of opening and closing a file
//
// Run it natively and under supervision: where processors are the bottleneck, a flood costs something natively too.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { most = 4000, flooders = 50 };
static const int64_t longest = 4000000000;

static char file[4096], fifo[4096];
static struct sockaddr_in address = {.sin_family = AF_INET};

static int64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static _Noreturn void fail(const char *what) {
  fprintf(stderr, "beside: %s: %s\n", what, strerror(errno));
  exit(1);
}

static int compare(const void *one, const void *other) {
  int64_t a = *(const int64_t *)one, b = *(const int64_t *)other;
  return (a > b) - (a < b);
}

// Each call by itself, not in batches: one that waits behind a flood must show.
static void measure(const char *name) {
  static int64_t taken[most];
  int count = 0;
  int64_t began = now();
  while (count < most && now() - began < longest) {
    int64_t before = now();
    int descriptor = open(file, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) fail("open");
    close(descriptor);
    taken[count++] = now() - before;
  }
  qsort(taken, (size_t)count, sizeof *taken, compare);
  printf("%s %lld %lld\n", name, (long long)taken[count / 2], (long long)taken[count * 99 / 100]);
  fflush(stdout);
}

static void listen_on_loopback(int backlog, int *listener) {
  socklen_t length = sizeof address;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = 0;
  *listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (*listener < 0 || bind(*listener, (struct sockaddr *)&address, length) || listen(*listener, backlog) ||
      getsockname(*listener, (struct sockaddr *)&address, &length))
    fail("a listener");
}

static void wait_for_a_writer(void) {
  (void)!open(fifo, O_RDONLY | O_CLOEXEC);
}

static void wait_for_a_connection(void) {
  int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  connect(descriptor, (struct sockaddr *)&address, sizeof address);
}

static void *open_for_ever(void *unused) {
  while (1) {
    int descriptor = open(file, O_RDONLY | O_CLOEXEC);
    if (descriptor >= 0) close(descriptor);
  }
  return unused;
}

static void *connect_for_ever(void *unused) {
  struct linger reset = {1, 0};
  while (1) {
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    connect(descriptor, (struct sockaddr *)&address, sizeof address);
    setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(descriptor);
  }
  return unused;
}

static void flood(void) {
  pthread_t thread;
  for (int index = 1; index < flooders; index++)
    if (pthread_create(&thread, NULL, index % 2 ? open_for_ever : connect_for_ever, NULL)) _exit(1);
  open_for_ever(NULL);
}

// Measures while another process does something.
static void beside(const char *name, void (*something)(void)) {
  int ready[2];
  if (pipe2(ready, O_CLOEXEC)) fail("pipe2");
  pid_t child = fork();
  if (child < 0) fail("fork");
  if (child == 0) {
    if (write(ready[1], "r", 1) != 1) _exit(1);
    something();
    _exit(1);
  }
  char byte;
  if (read(ready[0], &byte, 1) != 1) fail("the other process");
  struct timespec moment = {0, 100000000};
  nanosleep(&moment, NULL);
  measure(name);
  int status;
  if (waitpid(child, &status, WNOHANG) != 0) fail("the other process ended");
  kill(child, SIGKILL);
  waitpid(child, &status, 0);
  close(ready[0]);
  close(ready[1]);
}

int main(int count, char **arguments) {
  if (count != 2) return 2;
  snprintf(file, sizeof file, "%s/beside", arguments[1]);
  snprintf(fifo, sizeof fifo, "%s/beside.fifo", arguments[1]);
  int descriptor = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (descriptor < 0 || close(descriptor)) fail(file);
  if (mkfifo(fifo, 0600) && errno != EEXIST) fail(fifo);
  measure("warm");
  measure("quiet");
  beside("fifo", wait_for_a_writer);
  int listener;
  listen_on_loopback(0, &listener);
  for (int index = 0; index < 64; index++) {
    int client = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (client < 0 || (connect(client, (struct sockaddr *)&address, sizeof address) && errno != EINPROGRESS)) fail("connect");
    struct pollfd connected = {.fd = client, .events = POLLOUT};
    if (poll(&connected, 1, 200) == 0) break;
  }
  beside("waiting", wait_for_a_connection);
  close(listener);
  listen_on_loopback(4096, &listener);
  pid_t taker = fork();
  if (taker == 0) {
    while (1) close(accept(listener, NULL, NULL));
  }
  beside("flood", flood);
  kill(taker, SIGKILL);
  waitpid(taker, NULL, 0);
  unlink(file);
  unlink(fifo);
  return 0;
}
