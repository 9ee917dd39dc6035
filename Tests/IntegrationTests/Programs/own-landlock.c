// Puts itself, threads and children into Landlock domains, and prints what each of them may still do: landlock(7).
//
//   own-landlock DIRECTORY     an empty directory of the caller's; run it without supervision and with it, and compare
//
// All may read everything, and write below DIRECTORY/inside alone.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define READING (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_EXECUTE)
#define WRITING \
  (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | \
   LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_REFER | 1ULL << 14 /* TRUNCATE */)

static char program[4096];

static void say(const char *who, const char *what, int result) {
  if (result >= 0) printf("%s: %s: ok\n", who, what);
  else printf("%s: %s: %s\n", who, what, strerror(errno));
  if (result > 2) close(result);
  fflush(stdout);
}

// A ruleset by which all may be read below "/" (or `readable`), and written below `writable`; none where that is NULL.
static int ruleset(const char *readable, const char *writable) {
  struct { uint64_t files, network; } handled = {READING | WRITING, 2 /* CONNECT_TCP */};
  int made = (int)syscall(SYS_landlock_create_ruleset, &handled, sizeof handled, 0);
  if (made < 0) perror("landlock_create_ruleset"), exit(3);
  struct landlock_path_beneath_attr rule = {.allowed_access = READING, .parent_fd = open(readable, O_PATH | O_CLOEXEC)};
  if (syscall(SYS_landlock_add_rule, made, LANDLOCK_RULE_PATH_BENEATH, &rule, 0)) perror("landlock_add_rule"), exit(3);
  close(rule.parent_fd);
  if (writable) {
    rule = (struct landlock_path_beneath_attr){.allowed_access = READING | WRITING, .parent_fd = open(writable, O_PATH | O_CLOEXEC)};
    if (syscall(SYS_landlock_add_rule, made, LANDLOCK_RULE_PATH_BENEATH, &rule, 0)) perror("landlock_add_rule"), exit(3);
    close(rule.parent_fd);
  }
  return made;
}

static void restrict_with(int made) {
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (syscall(SYS_landlock_restrict_self, made, 0)) perror("landlock_restrict_self"), exit(3);
}

static int connecting(void) {
  int end = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons(9), .sin_addr = {htonl(INADDR_LOOPBACK)}};
  int result = connect(end, (struct sockaddr *)&there, sizeof there), failure = errno;
  close(end);
  errno = failure;
  return result;
}

static void try_all(const char *who) {
  char name[128];
  umask(027);
  snprintf(name, sizeof name, "inside/%s", who);
  say(who, "create inside", open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  struct stat status = {0};
  stat(name, &status);
  printf("%s: mode %o\n", who, status.st_mode & 07777);
  snprintf(name, sizeof name, "outside/%s", who);
  say(who, "create outside", open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  say(who, "write outside", open("outside/file", O_WRONLY | O_CLOEXEC));
  say(who, "append outside", open("outside/file", O_WRONLY | O_APPEND | O_CLOEXEC));
  say(who, "truncate outside", truncate("outside/file", 2));
  say(who, "read outside", open("outside/file", O_RDONLY | O_CLOEXEC));
  say(who, "list outside", open("outside", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  say(who, "mkdir outside", mkdir("outside/made", 0777));
  say(who, "unlink outside", unlink("outside/other"));
  say(who, "symlink outside", symlink("x", "outside/link"));
  say(who, "rename out", rename("inside/file", "outside/moved"));
  say(who, "rename in", rename("outside/file", "inside/moved"));
  say(who, "link out", link("inside/file", "outside/linked"));
  say(who, "write through a link", open("inside/to-outside", O_WRONLY | O_CLOEXEC));
  say(who, "read own status", open("/proc/self/status", O_RDONLY | O_CLOEXEC));
  say(who, "read own maps", open("/proc/self/maps", O_RDONLY | O_CLOEXEC));
  say(who, "write to /dev/null", open("/dev/null", O_WRONLY | O_CLOEXEC));
  say(who, "connect", connecting());
}

static void child(const char *who, void (*body)(const char *)) {
  fflush(stdout);
  pid_t pid = fork();
  if (pid == 0) {
    body(who);
    fflush(stdout);
    _exit(0);
  }
  waitpid(pid, NULL, 0);
}

static void restricted(const char *who) {
  restrict_with(ruleset("/", "inside"));
  try_all(who);
}

static void grandchild(const char *who) {
  restrict_with(ruleset("/", "inside"));
  child(who, try_all);
}

static void executing(const char *who) {
  restrict_with(ruleset("/", "inside"));
  execl(program, program, "--try", who, NULL);
  _exit(4);
}

static void shell(const char *who) {
  (void)who;
  restrict_with(ruleset("/", "inside"));
  execl("/bin/sh", "sh", "-c", "echo 1 2>/dev/null >outside/shell || echo refused; echo 1 >inside/shell && (cat inside/shell; cat outside/file)", NULL);
  _exit(4);
}

// Rules that are added after a domain was made change nothing in it.
static void loosening(const char *who) {
  int made = ruleset("/", "inside");
  restrict_with(made);
  say(who, "before", open("outside/file", O_WRONLY | O_CLOEXEC));
  struct landlock_path_beneath_attr rule = {.allowed_access = READING | WRITING, .parent_fd = open("outside", O_PATH | O_CLOEXEC)};
  say(who, "add a rule", (int)syscall(SYS_landlock_add_rule, made, LANDLOCK_RULE_PATH_BENEATH, &rule, 0));
  say(who, "after", open("outside/file", O_WRONLY | O_CLOEXEC));
}

// Twice: what either refuses is refused.
static void twice(const char *who) {
  restrict_with(ruleset("/", "inside"));
  restrict_with(ruleset("/", "inside/deeper"));
  say(who, "inside", open("inside/file", O_WRONLY | O_CLOEXEC));
  say(who, "deeper", open("inside/deeper/file", O_WRONLY | O_CREAT | O_CLOEXEC, 0666));
  child("child of twice", try_all);
}

static void unreadable(const char *who) {
  char own[64];
  restrict_with(ruleset("inside", "inside"));
  say(who, "read inside", open("inside/file", O_RDONLY | O_CLOEXEC));
  say(who, "read outside", open("outside/file", O_RDONLY | O_CLOEXEC));
  say(who, "list outside", open("outside", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  say(who, "read own status", open("/proc/self/status", O_RDONLY | O_CLOEXEC));
  snprintf(own, sizeof own, "/proc/%d/maps", getpid());
  say(who, "read own maps", open(own, O_RDONLY | O_CLOEXEC));
}

static void *in_thread(void *who) {
  restrict_with(ruleset("/", "inside"));
  say(who, "the thread", open("outside/file", O_WRONLY | O_CLOEXEC));
  say(who, "the thread inside", open("inside/file", O_WRONLY | O_CLOEXEC));
  child("child of a thread", try_all);
  return NULL;
}

// One thread restricts itself, and the others are free.
static void thread(const char *who) {
  pthread_t other;
  pthread_create(&other, NULL, in_thread, (void *)who);
  pthread_join(other, NULL);
  say(who, "the process", open("outside/file", O_WRONLY | O_CLOEXEC));
}

static void no_ruleset(const char *who) {
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  say(who, "bad descriptor", (int)syscall(SYS_landlock_restrict_self, 77, 0));
  say(who, "not a ruleset", (int)syscall(SYS_landlock_restrict_self, open("/dev/null", O_RDONLY), 0));
  say(who, "flags", (int)syscall(SYS_landlock_restrict_self, ruleset("/", "inside"), 1u << 31));
  say(who, "free", open("outside/file", O_WRONLY | O_CLOEXEC));
}

static void too_many(const char *who) {
  int count = 0;
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  while (count < 40 && !syscall(SYS_landlock_restrict_self, ruleset("/", "inside"), 0)) count++;
  say(who, "the last", count < 40 ? -1 : 0);
}

// A child that was there before is free.
static void before(const char *who) {
  int ends[2];
  if (pipe(ends)) exit(3);
  pid_t pid = fork();
  if (pid == 0) {
    char byte;
    close(ends[1]);
    if (read(ends[0], &byte, 1) < 0) _exit(5);
    say(who, "the child", open("outside/file", O_WRONLY | O_CLOEXEC));
    _exit(0);
  }
  restrict_with(ruleset("/", "inside"));
  say(who, "the parent", open("outside/file", O_WRONLY | O_CLOEXEC));
  close(ends[1]);
  waitpid(pid, NULL, 0);
}

static void put(const char *name) {
  int file = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  if (file < 0 || write(file, "text\n", 5) != 5 || close(file)) perror(name), exit(3);
}

int main(int argc, char **argv) {
  if (argc == 3 && !strcmp(argv[1], "--try")) return try_all(argv[2]), 0;
  if (argc != 2 || chdir(argv[1]) || readlink("/proc/self/exe", program, sizeof program - 1) < 0) return fprintf(stderr, "own-landlock DIRECTORY\n"), 2;
  mkdir("inside", 0755), mkdir("inside/deeper", 0755), mkdir("outside", 0755);
  put("inside/file"), put("outside/file"), put("outside/other");
  if (symlink("../outside/file", "inside/to-outside")) return perror("symlink"), 3;
  child("restricted", restricted);
  child("grandchild", grandchild);
  child("executed", executing);
  child("shell", shell);
  child("loosening", loosening);
  child("twice", twice);
  child("unreadable", unreadable);
  child("thread", thread);
  child("no ruleset", no_ruleset);
  child("too many", too_many);
  child("before", before);
  say("whoever did not", "write outside", open("outside/file", O_WRONLY | O_CLOEXEC));
  say("whoever did not", "create outside", open("outside/new", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  return 0;
}
