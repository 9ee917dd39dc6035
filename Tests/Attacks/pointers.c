// Bad, unmapped, page-crossing, unterminated and very long arguments for every pointer of every call that a supervisor may read: prints
// `CALL ARGUMENT KIND RESULT` for each, which must be the same in a session as without. Runs in an empty directory of its own.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif
#define page 4096ul

static void die(const char *what) {
  perror(what);
  exit(125);
}
// Two pages that can be used, one that can't between others that aren't there.
static char *area(void) {
  char *start = mmap(NULL, 8 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (start == MAP_FAILED) die("mmap");
  munmap(start, page);
  if (mprotect(start + page, 4 * page, PROT_READ | PROT_WRITE)) die("mprotect");
  munmap(start + 6 * page, 2 * page);
  return start + page;  // four pages; behind them one without rights, then nothing
}

static const struct { const char *name; uintptr_t address; } fixed[] = {
    {"null", 0}, {"one", 1}, {"kernel", 0xffff800000001000ull}, {"top", (uintptr_t)-8}, {"not-canonical", 0x0080000000000000ull}};
#define fixed_count (sizeof fixed / sizeof *fixed)

// Places for an object of `size` bytes: good ones first, then ones that break off.
struct place {
  const char *kind;
  uintptr_t address;
};
static size_t places(struct place *into, const void *object, size_t size) {
  char *room = area();
  size_t count = 0;
  for (size_t i = 0; i < fixed_count; i++) into[count++] = (struct place){fixed[i].name, fixed[i].address};
  into[count++] = (struct place){"unmapped", (uintptr_t)room - page};
  into[count++] = (struct place){"no-rights", (uintptr_t)room + 4 * page};
  // Across the border between two pages that are there.
  size_t first = size > 1 ? size / 2 : 0;
  memcpy(room + page - first, object, size);
  into[count++] = (struct place){"page-crossing", (uintptr_t)room + page - first};
  // Up to the very end of what is there.
  memcpy(room + 4 * page - size, object, size);
  into[count++] = (struct place){"at-the-end", (uintptr_t)room + 4 * page - size};
  // Its last byte is not there.
  char *again = area();
  if (size > 1) {
    memcpy(again + 4 * page - size + 1, object, size - 1);
    into[count++] = (struct place){"one-byte-short", (uintptr_t)again + 4 * page - size + 1};
  }
  // A mapping of a file, beyond that file's end: SIGBUS for whoever touches it, EFAULT for a call.
  int empty = (int)syscall(SYS_memfd_create, "empty", 0);
  char *beyond = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, empty, 0);
  if (beyond == MAP_FAILED) die("mmap");
  close(empty);
  into[count++] = (struct place){"beyond-the-file", (uintptr_t)beyond};
  return count;
}

// Strings: the places above for one that names something, and the lengths where path names end.
static size_t strings(struct place *into, const char *text) {
  size_t count = places(into, text, strlen(text) + 1);
  static char *long_ones;
  if (!long_ones) {
    long_ones = mmap(NULL, 16 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (long_ones == MAP_FAILED) die("mmap");
  }
  char *free = long_ones;
  static const size_t lengths[] = {4094, 4095, 4096, 4097};
  static const char *const names[] = {"4094", "4095", "4096", "4097"};
  for (int i = 0; i < 4; i++) {
    // `/././…/text` of exactly that length, across pages since nothing is aligned.
    size_t tail = strlen(text), lead = lengths[i] - tail;
    memset(free, '/', lead);
    free[0] = '.';
    memcpy(free + lead, text, tail + 1);
    into[count++] = (struct place){names[i], (uintptr_t)free};
    free += lengths[i] + 1 + 13;
  }
  static char unterminated[3 * page] __attribute__((aligned(4096)));
  memset(unterminated, 'a', sizeof unterminated - 1);
  into[count++] = (struct place){"long-name", (uintptr_t)unterminated};
  into[count++] = (struct place){"empty", (uintptr_t) ""};
  char *border = area();
  memset(border, 'a', 4 * page);
  into[count++] = (struct place){"unterminated", (uintptr_t)border + 4 * page - 100};
  into[count++] = (struct place){"unterminated-long", (uintptr_t)border};
  return count;
}

static void tell(const char *call, const char *argument, const char *kind, long result) {
  if (result < 0) printf("%s %s %s %s\n", call, argument, kind, strerrorname_np(errno));
  else printf("%s %s %s ok\n", call, argument, kind);
  if (result > 2 && fcntl((int)result, F_GETFD) >= 0 && strncmp(call, "open", 4) == 0) close((int)result);
}

// --- calls by path ----------------------------------------------------------------------------------------------------------

struct path_call {
  const char *name;
  long number;
  int position;              // of the path
  const char *text;          // what it says where it can be read
  uint64_t arguments[6];     // the others
  void (*restore)(void);
};
static void no_n(void) {
  unlink("n");
  rmdir("n");
}
static void make_d(void) { mkdir("d", 0755); }
static void make_u(void) { close(open("u", O_CREAT | O_WRONLY | O_CLOEXEC, 0644)); }
static const struct timespec times[2] = {{1, 0}, {2, 0}};
#define AT (uint64_t)AT_FDCWD
#define PTR(...) (uint64_t)(uintptr_t)(__VA_ARGS__)

static void by_path(void) {
  struct open_how how = {.flags = O_RDONLY | O_CLOEXEC};
  const struct path_call calls[] = {
#ifdef SYS_open
      {"open", SYS_open, 0, "f", {0, O_RDONLY | O_CLOEXEC}, NULL},
      {"open-create", SYS_open, 0, "n", {0, O_RDWR | O_CREAT | O_CLOEXEC, 0600}, no_n},
      {"creat", SYS_creat, 0, "n", {0, 0600}, no_n},
      {"mkdir", SYS_mkdir, 0, "n", {0, 0700}, no_n},
      {"rmdir", SYS_rmdir, 0, "d", {0}, make_d},
      {"unlink", SYS_unlink, 0, "u", {0}, make_u},
      {"rename-old", SYS_rename, 0, "u", {0, PTR("n")}, NULL},
      {"rename-new", SYS_rename, 1, "n", {PTR("u"), 0}, NULL},
      {"link-old", SYS_link, 0, "f", {0, PTR("n")}, no_n},
      {"link-new", SYS_link, 1, "n", {PTR("f"), 0}, no_n},
      {"symlink-text", SYS_symlink, 0, "f", {0, PTR("n")}, no_n},
      {"symlink-name", SYS_symlink, 1, "n", {PTR("f"), 0}, no_n},
      {"mknod", SYS_mknod, 0, "n", {0, S_IFIFO | 0600, 0}, no_n},
      {"chmod", SYS_chmod, 0, "f", {0, 0644}, NULL},
      {"chown", SYS_chown, 0, "f", {0, (uint64_t)-1, (uint64_t)-1}, NULL},
      {"lchown", SYS_lchown, 0, "f", {0, (uint64_t)-1, (uint64_t)-1}, NULL},
      {"utime", SYS_utime, 0, "f", {0, 0}, NULL},
      {"utimes", SYS_utimes, 0, "f", {0, 0}, NULL},
      {"futimesat", SYS_futimesat, 1, "f", {AT, 0, 0}, NULL},
#endif
      {"openat", SYS_openat, 1, "f", {AT, 0, O_RDONLY | O_CLOEXEC}, NULL},
      {"openat-create", SYS_openat, 1, "n", {AT, 0, O_RDWR | O_CREAT | O_CLOEXEC, 0600}, no_n},
      {"openat-exclusive", SYS_openat, 1, "n", {AT, 0, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600}, no_n},
      {"openat-temporary", SYS_openat, 1, "d", {AT, 0, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600}, NULL},
      {"openat-truncate", SYS_openat, 1, "f", {AT, 0, O_WRONLY | O_TRUNC | O_CLOEXEC}, NULL},
      {"openat2", SYS_openat2, 1, "f", {AT, 0, PTR(&how), sizeof how}, NULL},
      {"mkdirat", SYS_mkdirat, 1, "n", {AT, 0, 0700}, no_n},
      {"unlinkat", SYS_unlinkat, 1, "u", {AT, 0, 0}, make_u},
      {"unlinkat-directory", SYS_unlinkat, 1, "d", {AT, 0, AT_REMOVEDIR}, make_d},
      {"renameat2-old", SYS_renameat2, 1, "u", {AT, 0, AT, PTR("n"), 0}, NULL},
      {"renameat2-new", SYS_renameat2, 3, "n", {AT, PTR("u"), AT, 0, 0}, NULL},
      {"linkat-old", SYS_linkat, 1, "f", {AT, 0, AT, PTR("n"), 0}, no_n},
      {"linkat-new", SYS_linkat, 3, "n", {AT, PTR("f"), AT, 0, 0}, no_n},
      {"symlinkat-text", SYS_symlinkat, 0, "f", {0, AT, PTR("n")}, no_n},
      {"symlinkat-name", SYS_symlinkat, 2, "n", {PTR("f"), AT, 0}, no_n},
      {"mknodat", SYS_mknodat, 1, "n", {AT, 0, S_IFREG | 0600, 0}, no_n},
      {"truncate", SYS_truncate, 0, "f", {0, 0}, NULL},
      {"fchmodat", SYS_fchmodat, 1, "f", {AT, 0, 0644}, NULL},
      {"fchmodat2", SYS_fchmodat2, 1, "f", {AT, 0, 0644, 0}, NULL},
      {"fchownat", SYS_fchownat, 1, "f", {AT, 0, (uint64_t)-1, (uint64_t)-1, 0}, NULL},
      {"fchownat-empty", SYS_fchownat, 1, "f", {AT, 0, (uint64_t)-1, (uint64_t)-1, AT_EMPTY_PATH}, NULL},
      {"utimensat", SYS_utimensat, 1, "f", {AT, 0, PTR(times), 0}, NULL},
      {"setxattr", SYS_setxattr, 0, "f", {0, PTR("user.x"), PTR("v"), 1, 0}, NULL},
      {"lsetxattr", SYS_lsetxattr, 0, "f", {0, PTR("user.x"), PTR("v"), 1, 0}, NULL},
      {"removexattr", SYS_removexattr, 0, "f", {0, PTR("user.none")}, NULL},
      {"setxattr-name", SYS_setxattr, 1, "user.y", {PTR("f"), 0, PTR("v"), 1, 0}, NULL},
      {"execve", SYS_execve, 0, "not-there", {0, PTR((char *[]){"x", NULL}), PTR((char *[]){NULL})}, NULL},
      {"execveat", SYS_execveat, 1, "not-there", {AT, 0, PTR((char *[]){"x", NULL}), PTR((char *[]){NULL}), 0}, NULL},
  };
  for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
    const struct path_call *call = &calls[i];
    struct place where[40];
    size_t count = strings(where, call->text);
    for (size_t j = 0; j < count; j++) {
      no_n();
      make_d();
      make_u();
      uint64_t a[6];
      memcpy(a, call->arguments, sizeof a);
      a[call->position] = where[j].address;
      errno = 0;
      long result = syscall(call->number, a[0], a[1], a[2], a[3], a[4], a[5]);
      tell(call->name, "path", where[j].kind, result);
      if (result >= 0 && call->restore) call->restore();
    }
  }
}

// --- calls by structures ---------------------------------------------------------------------------------------------------

static void by_structure(void) {
  struct place where[40];
  size_t count;
  struct open_how how = {.flags = O_RDONLY | O_CLOEXEC};
  count = places(where, &how, sizeof how);
  for (size_t i = 0; i < count; i++) {
    tell("openat2", "how", where[i].kind, syscall(SYS_openat2, AT_FDCWD, "f", where[i].address, sizeof how));
  }
  for (size_t size = 0; size <= 32; size += 4) {
    char kind[32], larger[64] = {0};
    memcpy(larger, &how, sizeof how);
    snprintf(kind, sizeof kind, "size-%zu", size);
    tell("openat2", "how", kind, syscall(SYS_openat2, AT_FDCWD, "f", larger, size));
  }
  tell("openat2", "how", "size-too-large", syscall(SYS_openat2, AT_FDCWD, "f", &how, 4097ul));
  tell("openat2", "how", "size-huge", syscall(SYS_openat2, AT_FDCWD, "f", &how, ~0ul));

  int datagrams = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), receiver = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof name;
  if (bind(receiver, (struct sockaddr *)&name, sizeof name) || getsockname(receiver, (struct sockaddr *)&name, &length)) die("bind");
  count = places(where, &name, sizeof name);
  for (size_t i = 0; i < count; i++) {
    tell("connect", "address", where[i].kind, syscall(SYS_connect, datagrams, where[i].address, sizeof name));
    tell("sendto", "address", where[i].kind, syscall(SYS_sendto, datagrams, "x", 1, 0, where[i].address, sizeof name));
    int fresh = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    // The receiver's own name is taken: the errno of a bind that was looked at.
    tell("bind", "address", where[i].kind, syscall(SYS_bind, fresh, where[i].address, sizeof name));
    close(fresh);
  }
  for (int size = -1; size <= 20; size++) {
    char kind[32];
    snprintf(kind, sizeof kind, "length-%d", size);
    tell("connect", "address", kind, syscall(SYS_connect, datagrams, &name, size));
    tell("sendto", "address", kind, syscall(SYS_sendto, datagrams, "x", 1, 0, &name, size));
  }
  tell("connect", "address", "length-128", syscall(SYS_connect, datagrams, &(struct sockaddr_storage){.ss_family = AF_INET}, 128));
  tell("connect", "address", "length-129", syscall(SYS_connect, datagrams, &(struct sockaddr_storage){.ss_family = AF_INET}, 129));
  count = places(where, "hello", 5);
  for (size_t i = 0; i < count; i++) {
    tell("sendto", "data", where[i].kind, syscall(SYS_sendto, datagrams, where[i].address, 5, 0, &name, sizeof name));
    struct iovec part = {(void *)where[i].address, 5};
    struct msghdr message = {.msg_name = &name, .msg_namelen = sizeof name, .msg_iov = &part, .msg_iovlen = 1};
    tell("sendmsg", "data", where[i].kind, syscall(SYS_sendmsg, datagrams, &message, 0));
  }
  struct iovec part = {(void *)"hello", 5};
  struct msghdr good = {.msg_name = &name, .msg_namelen = sizeof name, .msg_iov = &part, .msg_iovlen = 1};
  count = places(where, &good, sizeof good);
  for (size_t i = 0; i < count; i++) tell("sendmsg", "message", where[i].kind, syscall(SYS_sendmsg, datagrams, where[i].address, 0));
  count = places(where, &name, sizeof name);
  for (size_t i = 0; i < count; i++) {
    struct msghdr message = good;
    message.msg_name = (void *)where[i].address;
    tell("sendmsg", "name", where[i].kind, syscall(SYS_sendmsg, datagrams, &message, 0));
  }
  count = places(where, &part, sizeof part);
  for (size_t i = 0; i < count; i++) {
    struct msghdr message = good;
    message.msg_iov = (void *)where[i].address;
    tell("sendmsg", "vector", where[i].kind, syscall(SYS_sendmsg, datagrams, &message, 0));
  }
  static const unsigned long long many[] = {0, 1, 2, 1024, 1025, ~0ull};
  for (size_t i = 0; i < sizeof many / sizeof *many; i++) {
    char kind[32];
    snprintf(kind, sizeof kind, "count-%llu", many[i]);
    static struct iovec parts[1025];
    for (int j = 0; j < 1025; j++) parts[j] = (struct iovec){(void *)"x", 1};
    struct msghdr message = good;
    message.msg_iov = parts;
    message.msg_iovlen = (size_t)many[i];
    tell("sendmsg", "vector", kind, syscall(SYS_sendmsg, datagrams, &message, 0));
  }
  char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8))) = {0};
  struct msghdr with = good;
  with.msg_control = control;
  with.msg_controllen = sizeof control;
  struct cmsghdr *header = CMSG_FIRSTHDR(&with);
  *header = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = 0, .cmsg_type = 2 /* IP_TTL */};
  memcpy(CMSG_DATA(header), &(int){9}, sizeof(int));
  count = places(where, control, sizeof control);
  for (size_t i = 0; i < count; i++) {
    struct msghdr message = with;
    message.msg_control = (void *)where[i].address;
    tell("sendmsg", "control", where[i].kind, syscall(SYS_sendmsg, datagrams, &message, 0));
  }
  struct mmsghdr batch[2] = {{.msg_hdr = good}, {.msg_hdr = good}};
  count = places(where, batch, sizeof batch);
  for (size_t i = 0; i < count; i++) {
    long sent = syscall(SYS_sendmmsg, datagrams, where[i].address, 2, 0);
    char kind[48];
    snprintf(kind, sizeof kind, "%s-%ld", where[i].kind, sent);
    tell("sendmmsg", "batch", kind, sent);
  }
  // Unix addresses: the path need not end, and is as long as the length says.
  int locals = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), local = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  struct sockaddr_un path = {.sun_family = AF_UNIX, .sun_path = "socket"};
  unlink("socket");
  if (bind(local, (struct sockaddr *)&path, sizeof path)) die("bind");
  for (int size = 0; size <= 112; size++) {
    char kind[32];
    snprintf(kind, sizeof kind, "length-%d", size);
    tell("connect", "unix", kind, syscall(SYS_connect, locals, &path, size));
    tell("sendto", "unix", kind, syscall(SYS_sendto, locals, "x", 1, MSG_DONTWAIT, &path, size));
  }
  memset(path.sun_path, 'p', sizeof path.sun_path);
  int fresh = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  tell("bind", "unix", "no-end", syscall(SYS_bind, fresh, &path, sizeof path));
  tell("connect", "unix", "no-end", syscall(SYS_connect, locals, &path, sizeof path));
  close(fresh);
}

// --- execution ---------------------------------------------------------------------------------------------------------------

static void executes(const char *argument, const char *kind, uintptr_t path, uintptr_t arguments, uintptr_t environment) {
  fflush(stdout);
  int answer[2];
  if (pipe2(answer, O_CLOEXEC)) die("pipe");
  pid_t pid = fork();
  if (pid == 0) {
    syscall(SYS_execve, path, arguments, environment);
    int error = errno;
    if (write(answer[1], &error, sizeof error) != sizeof error) _exit(1);
    _exit(0);
  }
  close(answer[1]);
  int error = 0, status;
  ssize_t got = read(answer[0], &error, sizeof error);
  close(answer[0]);
  waitpid(pid, &status, 0);
  if (got == sizeof error) printf("execve %s %s %s\n", argument, kind, strerrorname_np(error));
  else if (WIFSIGNALED(status)) printf("execve %s %s signal-%d\n", argument, kind, WTERMSIG(status));
  else printf("execve %s %s status-%d\n", argument, kind, WEXITSTATUS(status));
}
static void by_execution(void) {
  char *arguments[] = {"true", "word", NULL}, *environment[] = {"A=1", NULL};
  const char *program = access("/usr/bin/true", X_OK) == 0 ? "/usr/bin/true" : "/bin/true";
  struct place where[40];
  size_t count = places(where, arguments, sizeof arguments);
  for (size_t i = 0; i < count; i++) executes("argv", where[i].kind, PTR(program), where[i].address, PTR(environment));
  count = places(where, environment, sizeof environment);
  for (size_t i = 0; i < count; i++) executes("envp", where[i].kind, PTR(program), PTR(arguments), where[i].address);
  count = strings(where, "word");
  for (size_t i = 0; i < count; i++) {
    char *list[] = {"true", (char *)where[i].address, "more", NULL};
    executes("argument", where[i].kind, PTR(program), PTR(list), PTR(environment));
    char *first[] = {(char *)where[i].address, NULL};
    executes("argument-zero", where[i].kind, PTR(program), PTR(first), PTR(environment));
  }
  count = strings(where, program);
  for (size_t i = 0; i < count; i++) executes("path", where[i].kind, where[i].address, PTR(arguments), PTR(environment));
  // One argument may be 128 KiB with its end, and no longer.
  static char large[132 * 1024];
  for (size_t size = 131070; size <= 131073; size++) {
    memset(large, 'l', size);
    large[size] = 0;
    char kind[32];
    snprintf(kind, sizeof kind, "length-%zu", size);
    executes("argument", kind, PTR(program), PTR(((char *[]){"true", large, NULL})), PTR(environment));
  }
  static char *thousands[20001];
  for (int i = 0; i < 20000; i++) thousands[i] = "x";
  executes("argv", "20000-arguments", PTR(program), PTR(thousands), PTR(environment));
}

int main(void) {
  umask(022);
  close(open("f", O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
  make_d();
  make_u();
  by_path();
  by_structure();
  by_execution();
  return 0;
}
