// What a name stands for is exchanged between the look at it and the act: each way prints `won` where the act reached what rules refuse, else `lost`.
//
//   exchanges moved OLD NEW NAME     a directory comes to stand at NEW/NAME by a rename that was judged as a file's
//   exchanges program LINK EVIL GOOD EVIL (a copy of this program) is executed by LINK, which leads to root's own link GOOD now and then
//   exchanges bound DIR DEEP         a socket of DIR/DEEP is bound by a way that leads to DIR, and listens
//   exchanges own DIR DEEP           the same by /proc/self/fd/N, which is another process's where another process looks
//   exchanges kinds DIR NAME         a FIFO comes to stand at NAME by a rename
//   exchanges follow NAME FAR        a file is created at NAME, in a directory of everybody's, where another user's link to FAR stands now and then
//   exchanges plant NAME FAR         puts that link there and takes it away again, until it is ended
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int won(int is) { return puts(is ? "won" : "lost"), fflush(stdout), 0; }
static char *at(const char *directory, const char *name) {
  char *path;
  return asprintf(&path, "%s/%s", directory, name) < 0 ? exit(3), NULL : path;
}
static int make(const char *path, mode_t mode) {
  int file = open(path, O_CREAT | O_WRONLY, mode);
  return file < 0 ? -1 : close(file);
}

// --- moved: reading a directory of many names holds its lock, and a rename into it waits
static struct {
  const char *from, *to;
  int directory;
  char *room;
  atomic_int go, done;
} move;
enum { names = 40000, room = 64 << 20 };

static void *read_all(void *nothing) {
  lseek(move.directory, 0, SEEK_SET);
  atomic_store(&move.go, 1);
  syscall(SYS_getdents64, move.directory, move.room, room);
  return nothing;
}
static void *move_it(void *nothing) {
  rename(move.from, move.to);
  atomic_store(&move.done, 1);
  return nothing;
}
static int moved(const char *old, const char *new, const char *name) {
  mkdir(old, 0755);
  for (int i = 0; i < names; i++) {
    char long_name[80];
    snprintf(long_name, sizeof long_name, "%070d", i);
    if (make(at(new, long_name), 0600)) return perror(new), 3;
  }
  move.from = at(old, "thing");
  move.to = at(new, name);
  move.directory = open(new, O_RDONLY | O_DIRECTORY);
  move.room = malloc(room);
  memset(move.room, 1, room);
  for (int attempt = 0; attempt < 40; attempt++) {
    rmdir(move.from), unlink(move.from);
    if (make(move.from, 0644)) return perror(move.from), 3;
    pthread_t reader, mover;
    atomic_store(&move.go, 0), atomic_store(&move.done, 0);
    pthread_create(&reader, NULL, read_all, NULL);
    while (!atomic_load(&move.go)) continue;
    usleep(1000);
    pthread_create(&mover, NULL, move_it, NULL);
    usleep(2000 + attempt % 5 * 1000);
    if (!atomic_load(&move.done) && unlink(move.from) == 0) mkdir(move.from, 0755);
    pthread_join(mover, NULL), pthread_join(reader, NULL);
    struct stat there;
    if (lstat(move.to, &there) == 0 && S_ISDIR(there.st_mode)) return won(1);
    unlink(move.to);
  }
  return won(0);
}

// --- program: the arguments are long, and copying them takes as long as exchanging a link
static int program(const char *link, const char *evil, const char *good) {
  char *one = at(".", "one"), *other = at(".", "other");
  unlink(link), symlink(evil, link);
  pid_t flipper = fork();
  if (flipper == 0) {
    while (1) {
      symlink(good, one), rename(one, link);
      usleep((useconds_t)(random() % 400));
      symlink(evil, other), rename(other, link);
      usleep((useconds_t)(random() % 400));
    }
  }
  char *big = malloc(120000);
  memset(big, 'x', 119999), big[119999] = 0;
  int result = 0;
  for (int attempt = 0; attempt < 400 && !result; attempt++) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC)) return 3;
    pid_t child = fork();
    if (child == 0) {
      dup2(ends[1], 1), dup2(ends[1], 2);
      char *arguments[] = {"good", "--version", big, big, big, big, big, big, NULL}, *environment[] = {NULL};
      execve(link, arguments, environment);
      _exit(99);
    }
    close(ends[1]);
    char text[64] = {0};
    size_t count = 0;
    ssize_t got;
    while ((got = read(ends[0], text + count, sizeof text - 1 - count)) > 0) count += (size_t)got;
    close(ends[0]);
    waitpid(child, NULL, 0);
    result = strstr(text, "evil") != NULL;
  }
  kill(flipper, SIGKILL), waitpid(flipper, NULL, 0);
  return won(result);
}

// --- bound, own
static int listens_at(const char *deep, int socket) {
  struct stat status;
  return lstat(deep, &status) == 0 && S_ISSOCK(status.st_mode) && listen(socket, 1) == 0;
}
static int bound(const char *directory, const char *deep) {
  char *way = at(directory, "way"), *one = at(directory, "one"), *other = at(directory, "other"), *near = at(directory, "sock"),
       *far = at(at(directory, deep), "sock");
  struct sockaddr_un place = {.sun_family = AF_UNIX};
  snprintf(place.sun_path, sizeof place.sun_path, "%s/sock", way);
  unlink(way), symlink(".", way);
  pid_t flipper = fork();
  if (flipper == 0) {
    while (1) {
      symlink(deep, one), rename(one, way);
      usleep((useconds_t)(random() % 300));
      symlink(".", other), rename(other, way);
      usleep((useconds_t)(random() % 300));
    }
  }
  int result = 0;
  for (int attempt = 0; attempt < 600 && !result; attempt++) {
    int socket_ = socket(AF_UNIX, SOCK_STREAM, 0);
    // Who binds may be killed for it: another has a copy.
    pid_t binder = fork();
    if (binder == 0) _exit(bind(socket_, (struct sockaddr *)&place, sizeof place) != 0);
    waitpid(binder, NULL, 0);
    result = listens_at(far, socket_);
    close(socket_), unlink(near);
  }
  kill(flipper, SIGKILL), waitpid(flipper, NULL, 0);
  return won(result);
}
static int own(const char *directory, const char *deep) {
  char *far = at(at(directory, deep), "sock"), *near = at(directory, "sock");
  int permitted = open(directory, O_PATH), result = 0;
  if (chdir(at(directory, deep))) return 3;
  for (int number = 3; number < 100 && !result; number++) {
    int socket_ = fcntl(socket(AF_UNIX, SOCK_STREAM, 0), F_DUPFD, 200);
    pid_t binder = fork();
    if (binder == 0) {
      struct sockaddr_un place = {.sun_family = AF_UNIX};
      snprintf(place.sun_path, sizeof place.sun_path, "/proc/self/fd/%d/sock", number);
      dup2(permitted, number);
      _exit(bind(socket_, (struct sockaddr *)&place, sizeof place) != 0);
    }
    waitpid(binder, NULL, 0);
    result = access(far, F_OK) == 0;
    close(socket_), unlink(near);
  }
  return won(result);
}
static int kinds(const char *directory, const char *name) {
  char *own = at(directory, "fifo");
  if (mkfifo(own, 0600)) return 3;
  return won(rename(own, name) == 0);
}

// --- follow: the link comes after the name was found to be free
static int follow(const char *name, const char *far) {
  struct timespec now, start;
  clock_gettime(CLOCK_MONOTONIC, &start);
  do {
    int file = open(name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    if (file >= 0) close(file), unlink(name);
    if (access(far, F_OK) == 0) return won(1);
    clock_gettime(CLOCK_MONOTONIC, &now);
  } while (now.tv_sec - start.tv_sec < 8);
  return won(0);
}
static int plant(const char *name, const char *far) {
  for (unsigned turn = 0; getppid() != 1; turn++) {
    if (symlink(far, name) == 0) unlink(name);
    for (volatile unsigned i = 0, turns = turn * 2654435761u % 20000; i < turns; i++) {}
  }
  return 0;
}

int main(int count, char **words) {
  const char *way = count > 1 ? words[1] : "";
  // As the program that must not run.
  if (!strcmp(way, "--version")) return puts("evil"), 0;
  if (!strcmp(way, "moved") && count == 5) return moved(words[2], words[3], words[4]);
  if (!strcmp(way, "program") && count == 5) return program(words[2], words[3], words[4]);
  if (!strcmp(way, "bound") && count == 4) return bound(words[2], words[3]);
  if (!strcmp(way, "own") && count == 4) return own(words[2], words[3]);
  if (!strcmp(way, "follow") && count == 4) return follow(words[2], words[3]);
  if (!strcmp(way, "plant") && count == 4) return plant(words[2], words[3]);
  if (!strcmp(way, "kinds") && count == 4) return kinds(words[2], words[3]);
  return 2;
}
