// Times single operations as a program does them; run it natively and under supervision, and compare.
//
//   micro DIRECTORY   prints one line for each operation: name, median nanoseconds, or "-" and the errno's text
//
// Each number is the median of several batches, so that a batch that was interrupted doesn't count.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { BATCHES = 15 };

static char file[4096], directory[4096];
static int listening = -1;
static struct sockaddr_in address;
extern char **environ;

static int64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static int nothing(void) { return getppid() < 0; }

static int open_for_reading(void) {
  int descriptor = open(file, O_RDONLY | O_CLOEXEC);
  return descriptor < 0 ? -1 : close(descriptor);
}

static int open_for_writing(void) {
  int descriptor = open(file, O_WRONLY | O_CLOEXEC);
  return descriptor < 0 ? -1 : close(descriptor);
}

static int make_and_remove_directory(void) { return mkdir(directory, 0700) ? -1 : rmdir(directory); }

static int run_a_program(void) {
  pid_t pid;
  char *arguments[] = {"true", NULL};
  int error = posix_spawn(&pid, "/bin/true", NULL, NULL, arguments, environ), status;
  if (error) {
    errno = error;
    return -1;
  }
  if (waitpid(pid, &status, 0) != pid) return -1;
  if (status) errno = EPERM;
  return status ? -1 : 0;
}

static int connect_to_loopback(void) {
  int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (client < 0) return -1;
  // No TIME_WAIT: thousands of connections must not change what the next one costs.
  struct linger linger = {1, 0};
  setsockopt(client, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
  int result = connect(client, (struct sockaddr *)&address, sizeof address), error = errno;
  if (!result) close(accept(listening, NULL, NULL));
  close(client);
  errno = error;
  return result;
}

static void listen_on_loopback(void) {
  address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listening < 0 || bind(listening, (struct sockaddr *)&address, sizeof address) || listen(listening, 16) ||
      getsockname(listening, (struct sockaddr *)&address, &length))
    address.sin_port = 0;
}

static int by_value(const void *left, const void *right) {
  int64_t one = *(const int64_t *)left, other = *(const int64_t *)right;
  return (one > other) - (one < other);
}

static void measure(const char *name, int (*operation)(void), int count) {
  int64_t batches[BATCHES];
  for (int warm = 0; warm < count / 4 + 1; warm++) {
    if (operation()) {
      printf("%s - %s\n", name, strerror(errno));
      fflush(stdout);
      return;
    }
  }
  for (int batch = 0; batch < BATCHES; batch++) {
    int64_t start = now();
    for (int index = 0; index < count; index++) {
      if (operation()) {
        printf("%s - %s\n", name, strerror(errno));
        fflush(stdout);
        return;
      }
    }
    batches[batch] = (now() - start) / count;
  }
  qsort(batches, BATCHES, sizeof *batches, by_value);
  printf("%s %lld\n", name, (long long)batches[BATCHES / 2]);
  fflush(stdout);
}

int main(int argc, char **argv) {
  if (argc != 2) return fprintf(stderr, "usage: micro DIRECTORY\n"), 2;
  snprintf(file, sizeof file, "%s/file.txt", argv[1]);
  snprintf(directory, sizeof directory, "%s/made", argv[1]);
  rmdir(directory);
  int descriptor = open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  if (descriptor >= 0) close(descriptor);
  listen_on_loopback();
  measure("untrapped_call", nothing, 20000);
  measure("open_read", open_for_reading, 500);
  measure("open_write", open_for_writing, 500);
  measure("mkdir_rmdir", make_and_remove_directory, 200);
  measure("fork_exec", run_a_program, 12);
  measure("connect", connect_to_loopback, 100);
  return 0;
}
