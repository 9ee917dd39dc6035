// connect(2) under bad conditions: what a program sees of it, a line each. The same with supervision as without.
//   connect MODE ADDRESS PORT [COUNT]
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static struct sockaddr_in place;
static volatile sig_atomic_t signals;
static void note(int number) { signals += number > 0; }
static void note_thrice(int number) {
  note(number);
  if (signals < 3) return;
  ssize_t written = write(1, "restarted\n", 10);
  _exit(written != 10);
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}
static int make(int type, double timeout) {
  int s = socket(AF_INET, SOCK_STREAM | type, 0);
  if (s < 0) return -1;
  struct timeval t = {(time_t)timeout, (suseconds_t)((timeout - (time_t)timeout) * 1e6)};
  if (timeout > 0) setsockopt(s, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t);
  return s;
}
static const char *attempt(int s) { return connect(s, (struct sockaddr *)&place, sizeof place) == 0 ? "0" : strerrorname_np(errno); }
static int error_of(int s) {
  int error = 0;
  socklen_t length = sizeof error;
  getsockopt(s, SOL_SOCKET, SO_ERROR, &error, &length);
  return error;
}
static void alarm_after(int milliseconds, int flags) {
  struct sigaction action = {.sa_handler = flags ? note_thrice : note, .sa_flags = flags};
  sigaction(SIGALRM, &action, NULL);
  struct itimerval timer = {{0, flags ? milliseconds * 1000 : 0}, {0, milliseconds * 1000}};
  setitimer(ITIMER_REAL, &timer, NULL);
}
static const char *took(double since, double least, double most) {
  double spent = now() - since;
  if (spent >= least && spent <= most) return "in time";
  static char text[64];
  snprintf(text, sizeof text, "after %.2f s", spent);
  return text;
}

static int results[256], made;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t more = PTHREAD_COND_INITIALIZER;
static void *one(void *seconds) {
  int s = make(0, *(double *)seconds);
  pthread_mutex_lock(&lock);
  made++;
  pthread_cond_signal(&more);
  pthread_mutex_unlock(&lock);
  int result = s < 0 ? errno : connect(s, (struct sockaddr *)&place, sizeof place) == 0 ? 0 : errno;
  pthread_mutex_lock(&lock);
  results[result & 255]++;
  pthread_mutex_unlock(&lock);
  // Kept open until all have ended.
  return NULL;
}

int main(int argc, char **argv) {
  if (argc < 4) return 2;
  const char *mode = argv[1];
  int count = argc > 4 ? atoi(argv[4]) : 1;
  place.sin_family = AF_INET;
  place.sin_port = htons((unsigned short)atoi(argv[3]));
  if (inet_pton(AF_INET, argv[2], &place.sin_addr) != 1) return 2;
  double since = now();
  if (!strcmp(mode, "plain")) {
    printf("%s\n", attempt(make(0, 0)));
  } else if (!strcmp(mode, "timeout")) {
    const char *result = attempt(make(0, 0.4));
    printf("%s %s\n", result, took(since, 0.35, 1.5));
  } else if (!strcmp(mode, "signal")) {
    alarm_after(200, 0);
    const char *result = attempt(make(0, 0));
    printf("%s %d %s\n", result, (int)signals, took(since, 0.15, 1.5));
  } else if (!strcmp(mode, "restart")) {
    alarm_after(200, SA_RESTART);
    printf("%s %d\n", attempt(make(0, 0)), (int)signals);
  } else if (!strcmp(mode, "nonblocking")) {
    int s = make(SOCK_NONBLOCK, 0);
    const char *first = attempt(s);
    struct pollfd p = {s, POLLOUT, 0};
    int ready = poll(&p, 1, 300);
    const char *second = attempt(s);
    printf("%s %d %s %d %s\n", first, ready, strerrorname_np(error_of(s)), (int)(p.revents & POLLOUT), second);
  } else if (!strcmp(mode, "many")) {  // COUNT at the same moment, of one thread
    int *sockets = calloc((size_t)count, sizeof *sockets), connected = 0;
    for (int i = 0; i < count; i++) {
      sockets[i] = make(SOCK_NONBLOCK, 0);
      if (connect(sockets[i], (struct sockaddr *)&place, sizeof place) != 0 && errno != EINPROGRESS) printf("%s\n", strerrorname_np(errno));
    }
    for (int i = 0; i < count; i++) {
      struct pollfd p = {sockets[i], POLLOUT, 0};
      if (poll(&p, 1, 10000) == 1 && error_of(sockets[i]) == 0) connected++;
    }
    printf("%d connected\n", connected);
  } else if (!strcmp(mode, "threads")) {  // COUNT threads that wait, and something else meanwhile; the last argument is a port that answers
    double patience = argc > 5 ? 4 : 30;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 64 << 10);
    pthread_t *threads = calloc((size_t)count, sizeof *threads);
    for (int i = 0; i < count; i++) {
      if (pthread_create(&threads[i], &attributes, one, &patience) != 0) return 3;
    }
    pthread_mutex_lock(&lock);
    while (made < count) pthread_cond_wait(&more, &lock);
    pthread_mutex_unlock(&lock);
    if (argc > 5) {
      struct sockaddr_in other = place;
      other.sin_port = htons((unsigned short)atoi(argv[5]));
      inet_pton(AF_INET, "127.0.0.1", &other.sin_addr);
      since = now();
      int s = make(0, 0);
      int result = connect(s, (struct sockaddr *)&other, sizeof other) == 0 ? 0 : errno;
      int file = open("beside", O_CREAT | O_WRONLY, 0600);
      printf("beside: %d %d %s\n", result, file < 0 ? errno : 0, took(since, 0, 2));
    }
    for (int i = 0; i < count; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < 256; i++) {
      if (results[i]) printf("%d %s\n", results[i], i ? strerrorname_np(i) : "connected");
    }
  } else {
    return 2;
  }
  return 0;
}
