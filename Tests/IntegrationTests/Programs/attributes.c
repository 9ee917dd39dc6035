// What the calls on times, extended attributes and attribute flags answer, right and wrong arguments alike: a line `NAME done|ERRNO [what came of it]` for each.
// Run in an empty directory; the lines must be the same in a session and without one.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>
#include <utime.h>

enum { nr_setxattrat = 463, nr_removexattrat = 466, nr_file_setattr = 469 };
struct attribute { uint64_t value; uint32_t size, flags; uint64_t more; };
struct file_attributes { uint64_t flags; uint32_t extent, extents, project, copy; uint64_t more; };
static const uint64_t high = 0xdeadbeef00000000ull;

static void say(const char *name, long result) {
  printf("%s %s\n", name, result == -1 ? strerrorname_np(errno) : "done");
}
static char *page_end;  // what lies from here on can't be read
static char long_name[300], long_path[5000];
static void value_of(const char *path, const char *name) {
  char value[64];
  ssize_t length = lgetxattr(path, name, value, sizeof value);
  printf("  %s of %s: %.*s\n", name, path, length < 0 ? 0 : (int)length, value);
}
static void times_of(const char *path) {
  struct stat s;
  if (lstat(path, &s) != 0) return;
  time_t present = time(NULL);
  for (int i = 0; i < 2; i++) {
    const struct timespec *t = i == 0 ? &s.st_atim : &s.st_mtim;
    if (labs((long)(t->tv_sec - present)) < 3600) printf("  %s of %s: recent\n", i == 0 ? "access" : "change", path);
    else printf("  %s of %s: %ld.%09ld\n", i == 0 ? "access" : "change", path, (long)t->tv_sec, t->tv_nsec);
  }
}

static void extended_attributes(void) {
  int file = open("file", O_RDONLY | O_CLOEXEC), pinned = open("file", O_PATH | O_CLOEXEC), ends[2], pair[2];
  if (file < 0 || pinned < 0 || pipe(ends) != 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) exit(1);
  int memory = (int)syscall(SYS_memfd_create, "memory", 0);
  static const struct { const char *what, *path; } places[] = {
      {"file", "file"}, {"folder", "folder"}, {"link", "link"}, {"dangling", "dangling"}, {"loop", "loop"}, {"fifo", "fifo"}, {"missing", "missing"},
      {"below a file", "file/x"}, {"empty", ""}, {"slash", "file/"}, {"folder slash", "folder/"}, {"others", "others"}, {"read only", "readonly"}, {"closed", "closed/x"},
      {"null", NULL}, {"long", long_path},
  };
  char line[256];
  for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
    const char *p = places[i].path;
#define ON(text, call) snprintf(line, sizeof line, "%s %s", text, places[i].what), say(line, call)
    ON("setxattr", syscall(SYS_setxattr, p, "user.one", "value", 5, 0));
    ON("lsetxattr", syscall(SYS_lsetxattr, p, "user.two", "value", 5, 0));
    ON("create", syscall(SYS_setxattr, p, "user.one", "other", 5, XATTR_CREATE));
    ON("replace", syscall(SYS_setxattr, p, "user.none", "other", 5, XATTR_REPLACE));
    ON("trusted", syscall(SYS_lsetxattr, p, "trusted.x", "other", 5, 0));
    ON("security", syscall(SYS_lsetxattr, p, "security.x", "other", 5, 0));
    ON("removexattr", syscall(SYS_removexattr, p, "user.one"));
    ON("lremovexattr", syscall(SYS_lremovexattr, p, "user.two"));
    ON("removexattr again", syscall(SYS_removexattr, p, "user.one"));
    struct attribute a = {.value = (uintptr_t)"at", .size = 2};
    ON("setxattrat", syscall(nr_setxattrat, AT_FDCWD, p, 0, "user.at", &a, 16));
    ON("setxattrat nofollow", syscall(nr_setxattrat, AT_FDCWD, p, AT_SYMLINK_NOFOLLOW, "user.at", &a, 16));
    ON("setxattrat empty", syscall(nr_setxattrat, AT_FDCWD, p, AT_EMPTY_PATH, "user.at", &a, 16));
    ON("removexattrat", syscall(nr_removexattrat, AT_FDCWD, p, 0, "user.at"));
  }
  const struct { const char *what; int number; } descriptors[] = {
      {"open", file}, {"pinned", pinned}, {"pipe", ends[0]}, {"socket", pair[0]}, {"memfd", memory}, {"none", 987}, {"minus", -5}};
  for (size_t i = 0; i < sizeof descriptors / sizeof *descriptors; i++) {
    int d = descriptors[i].number;
    struct attribute a = {.value = (uintptr_t)"at", .size = 2};
#define OF(text, call) snprintf(line, sizeof line, "%s %s", text, descriptors[i].what), say(line, call)
    OF("fsetxattr", syscall(SYS_fsetxattr, d, "user.f", "value", 5, 0));
    OF("fremovexattr", syscall(SYS_fremovexattr, d, "user.f"));
    OF("setxattrat empty", syscall(nr_setxattrat, d, "", AT_EMPTY_PATH, "user.f", &a, 16));
    OF("setxattrat null", syscall(nr_setxattrat, d, NULL, AT_EMPTY_PATH, "user.f", &a, 16));
    OF("setxattrat null without flag", syscall(nr_setxattrat, d, NULL, 0, "user.f", &a, 16));
    OF("setxattrat relative", syscall(nr_setxattrat, d, "file", 0, "user.f", &a, 16));
    OF("removexattrat empty", syscall(nr_removexattrat, d, "", AT_EMPTY_PATH, "user.f"));
    OF("removexattrat bad flags", syscall(nr_removexattrat, d, "", 1, "user.f"));
  }
  say("flags", syscall(SYS_setxattr, "file", "user.one", "value", 5, 4));
  say("flags high", syscall(SYS_setxattr, "file", "user.one", "value", 5, high));
  say("flags before name", syscall(SYS_setxattr, "file", "", "value", 5, 4));
  say("no name", syscall(SYS_setxattr, "file", "", "value", 5, 0));
  say("no name and no file", syscall(SYS_setxattr, "missing", "", "value", 5, 0));
  say("bad name", syscall(SYS_setxattr, "file", (char *)8, "value", 5, 0));
  say("unended name", syscall(SYS_setxattr, "file", page_end - 4, "value", 5, 0));
  say("long name", syscall(SYS_setxattr, "file", long_name, "value", 5, 0));
  long_name[256] = 0;
  say("name of 256", syscall(SYS_setxattr, "file", long_name, "value", 5, 0));
  long_name[255] = 0;
  say("name of 255", syscall(SYS_setxattr, "file", long_name, "value", 5, 0));
  say("remove name of 255", syscall(SYS_removexattr, "file", long_name));
  say("remove no name", syscall(SYS_removexattr, "file", ""));
  say("no class", syscall(SYS_setxattr, "file", "user", "value", 5, 0));
  say("class only", syscall(SYS_setxattr, "file", "user.", "value", 5, 0));
  say("other class", syscall(SYS_setxattr, "file", "other.x", "value", 5, 0));
  say("system class", syscall(SYS_setxattr, "file", "system.x", "value", 5, 0));
  say("too large", syscall(SYS_setxattr, "file", "user.one", page_end - 5, 65537, 0));
  say("much too large", syscall(SYS_setxattr, "file", "user.one", page_end - 5, high | 5, 0));
  say("bad value", syscall(SYS_setxattr, "file", "user.one", page_end - 5, 6, 0));
  say("value to the end", syscall(SYS_setxattr, "file", "user.end", page_end - 5, 5, 0));
  say("null value", syscall(SYS_setxattr, "file", "user.one", NULL, 5, 0));
  say("empty value", syscall(SYS_setxattr, "file", "user.empty", NULL, 0, 0));
  say("empty value anywhere", syscall(SYS_setxattr, "file", "user.empty", (char *)8, 0, 0));
  static const unsigned char access_list[] = {2, 0, 0, 0, 1, 0, 6, 0, 255, 255, 255, 255, 2, 0, 4, 0, 1, 0, 0, 0, 4, 0, 4, 0, 255, 255, 255, 255, 16, 0, 4, 0, 255, 255, 255, 255, 32, 0, 4, 0, 255, 255, 255, 255};
  say("access list", syscall(SYS_setxattr, "file", "system.posix_acl_access", access_list, sizeof access_list, 0));
  say("bad access list", syscall(SYS_setxattr, "file", "system.posix_acl_access", access_list, sizeof access_list - 1, 0));
  say("access list of link", syscall(SYS_lsetxattr, "link", "system.posix_acl_access", access_list, sizeof access_list, 0));
  say("default list of file", syscall(SYS_setxattr, "file", "system.posix_acl_default", access_list, sizeof access_list, 0));
  say("default list of folder", syscall(SYS_setxattr, "folder", "system.posix_acl_default", access_list, sizeof access_list, 0));
  say("remove access list", syscall(SYS_removexattr, "file", "system.posix_acl_access"));
  struct attribute a = {.value = (uintptr_t)"at", .size = 2};
  say("setxattrat size 0", syscall(nr_setxattrat, AT_FDCWD, "file", 0, "user.at", &a, 0));
  say("setxattrat size 15", syscall(nr_setxattrat, AT_FDCWD, "file", 0, "user.at", &a, 15));
  say("setxattrat size 24", syscall(nr_setxattrat, AT_FDCWD, "file", 0, "user.at", &a, 24));
  a.more = 1;
  say("setxattrat size 24 with more", syscall(nr_setxattrat, AT_FDCWD, "file", 0, "user.at", &a, 24));
  say("setxattrat size 4097", syscall(nr_setxattrat, AT_FDCWD, "file", 0, "user.at", &a, 4097));
  say("setxattrat size 4096", syscall(nr_setxattrat, AT_FDCWD, "file", 0, "user.at", page_end - 16, 4096));
  say("setxattrat null", syscall(nr_setxattrat, AT_FDCWD, "file", 0, "user.at", NULL, 16));
  say("setxattrat flags", syscall(nr_setxattrat, AT_FDCWD, "file", 1, "user.at", &a, 16));
  say("setxattrat flags before size", syscall(nr_setxattrat, AT_FDCWD, "file", 1, "user.at", &a, 3));
  a.flags = 8;
  say("setxattrat inner flags", syscall(nr_setxattrat, AT_FDCWD, "file", 0, "user.at", &a, 16));
  int folder = open("folder", O_PATH | O_CLOEXEC);
  a.flags = 0;
  say("setxattrat below", syscall(nr_setxattrat, high | (unsigned)folder, "inner", 0, "user.at", &a, 16));
  value_of("folder/inner", "user.at");
  value_of("file", "user.end");
  int gone = open("gone", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  unlink("gone");
  say("fsetxattr gone", syscall(SYS_fsetxattr, gone, "user.f", "value", 5, 0));
}

static void times(void) {
  struct timespec good[2] = {{100, 5}, {200, 999999999}}, bad[2] = {{100, 1000000000}, {200, 0}}, minus[2] = {{100, -1}, {200, 0}};
  struct timespec omit[2] = {{9, UTIME_OMIT}, {9, UTIME_OMIT}}, half[2] = {{9, UTIME_NOW}, {300, 7}}, now[2] = {{9, UTIME_NOW}, {-1, UTIME_NOW}}, ago[2] = {{-5, 1}, {-6, 2}};
  int file = open("file", O_RDONLY | O_CLOEXEC), pinned = open("file", O_PATH | O_CLOEXEC), link = open("link", O_PATH | O_NOFOLLOW | O_CLOEXEC), ends[2];
  if (file < 0 || pinned < 0 || link < 0 || pipe(ends) != 0) exit(1);
  int gone = open("gone", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  unlink("gone");
#define U(text, ...) say("utimensat " text, syscall(SYS_utimensat, __VA_ARGS__))
  U("file", AT_FDCWD, "file", good, 0), times_of("file");
  U("ago", AT_FDCWD, "file", ago, 0), times_of("file");
  U("half", AT_FDCWD, "file", half, 0), times_of("file");
  U("now", AT_FDCWD, "file", now, 0), times_of("file");
  U("link", AT_FDCWD, "link", good, AT_SYMLINK_NOFOLLOW), times_of("link"), times_of("file");
  U("through link", AT_FDCWD, "link", good, 0), times_of("file");
  U("dangling", AT_FDCWD, "dangling", good, 0);
  U("dangling itself", AT_FDCWD, "dangling", good, AT_SYMLINK_NOFOLLOW), times_of("dangling");
  U("loop", AT_FDCWD, "loop", good, 0);
  U("missing", AT_FDCWD, "missing", good, 0);
  U("missing and bad", AT_FDCWD, "missing", bad, 0);
  U("missing and omitted", AT_FDCWD, "missing", omit, 0);
  U("null and omitted", AT_FDCWD, NULL, omit, 0);
  U("omitted, bad flags", AT_FDCWD, "file", omit, 1);
  U("bad", AT_FDCWD, "file", bad, 0);
  U("minus", AT_FDCWD, "file", minus, 0);
  U("null path", AT_FDCWD, NULL, good, 0);
  U("null path, empty flag", AT_FDCWD, NULL, good, AT_EMPTY_PATH);
  U("empty path", AT_FDCWD, "", good, 0);
  U("empty path of cwd", AT_FDCWD, "", good, AT_EMPTY_PATH), times_of(".");
  U("flags", AT_FDCWD, "file", good, 1);
  U("fault", AT_FDCWD, "file", page_end - 16, 0);
  U("up to the end", AT_FDCWD, "file", page_end - 32, 0);
  U("open", file, NULL, good, 0), times_of("file");
  U("open, now", file, NULL, NULL, 0), times_of("file");
  U("open, flags", file, NULL, good, AT_SYMLINK_NOFOLLOW);
  U("open, empty", file, "", good, AT_EMPTY_PATH), times_of("file");
  U("open, bad", file, NULL, bad, 0);
  U("pinned", pinned, NULL, good, 0);
  U("pinned, empty", pinned, "", ago, AT_EMPTY_PATH), times_of("file");
  U("pinned link", link, "", ago, AT_EMPTY_PATH), times_of("link"), times_of("file");
  U("pipe", ends[0], NULL, good, 0);
  U("pipe, now", ends[0], NULL, NULL, 0);
  U("gone", gone, NULL, good, 0);
  U("none", 987, NULL, good, 0);
  U("none, omitted", 987, NULL, omit, 0);
  U("minus", -5, NULL, good, 0);
  U("below a file", file, "x", good, 0);
  U("others", AT_FDCWD, "others", good, 0);
  U("others, now", AT_FDCWD, "others", NULL, 0);
  U("read only, now", AT_FDCWD, "readonly", NULL, 0), times_of("readonly");
  U("open for all, now", AT_FDCWD, "shared", NULL, 0), times_of("shared");
  U("open for all", AT_FDCWD, "shared", good, 0);
  U("long", AT_FDCWD, long_path, good, 0);
#if defined(SYS_utime)
  struct timeval fine[2] = {{400, 5}, {500, 999999}}, over[2] = {{400, 1000000}, {500, 0}}, under[2] = {{400, 0}, {500, -1}};
  struct utimbuf seconds = {600, 700};
#define T(text, ...) say(text, syscall(__VA_ARGS__))
  T("utimes", SYS_utimes, "file", fine), times_of("file");
  T("utimes over", SYS_utimes, "file", over);
  T("utimes over and missing", SYS_utimes, "missing", over);
  T("utimes under", SYS_utimes, "file", under);
  T("utimes null", SYS_utimes, NULL, fine);
  T("utimes fault", SYS_utimes, "file", page_end - 8);
  T("utimes now", SYS_utimes, "file", NULL), times_of("file");
  T("utime", SYS_utime, "file", &seconds), times_of("file");
  T("utime fault", SYS_utime, "file", page_end - 8);
  T("utime missing", SYS_utime, "missing", NULL);
  T("futimesat", SYS_futimesat, AT_FDCWD, "file", fine), times_of("file");
  T("futimesat open", SYS_futimesat, file, NULL, fine), times_of("file");
  T("futimesat open now", SYS_futimesat, file, NULL, NULL), times_of("file");
  T("futimesat pinned", SYS_futimesat, pinned, NULL, fine);
  T("futimesat null", SYS_futimesat, AT_FDCWD, NULL, fine);
  T("futimesat empty", SYS_futimesat, file, "", fine);
#endif
}

static void flags_of(const char *path) {
  int opened = open(path, O_RDONLY | O_CLOEXEC), flags = 0;
  if (opened < 0) return;
  ioctl(opened, FS_IOC_GETFLAGS, &flags);
  printf("  flags of %s: %s\n", path, flags & FS_NODUMP_FL ? "nodump" : "none");
  close(opened);
}
static void attribute_flags(void) {
  int file = open("file", O_RDONLY | O_CLOEXEC), pinned = open("file", O_PATH | O_CLOEXEC), folder = open("folder", O_RDONLY | O_CLOEXEC), ends[2], others = open("others", O_RDONLY | O_CLOEXEC);
  if (file < 0 || pinned < 0 || pipe(ends) != 0) exit(1);
  int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
  int current = 0;
  ioctl(file, FS_IOC_GETFLAGS, &current);
  long flags[2] = {current | FS_NODUMP_FL, 0};
  struct fsxattr extended;
  memset(&extended, 0, sizeof extended);
#define I(text, ...) say("ioctl " text, syscall(SYS_ioctl, __VA_ARGS__))
  I("setflags", file, FS_IOC_SETFLAGS, flags), flags_of("file");
  flags[0] = current;
  I("setflags back", high | (unsigned)file, high | FS_IOC_SETFLAGS, flags), flags_of("file");
  I("setflags of four bytes at the end", file, FS_IOC_SETFLAGS, page_end - 4);
  I("setflags null", file, FS_IOC_SETFLAGS, NULL);
  I("setflags fault", file, FS_IOC_SETFLAGS, page_end - 2);
  flags[0] = current | FS_IMMUTABLE_FL;
  I("immutable", file, FS_IOC_SETFLAGS, flags);
  flags[0] = 1 << 30;
  I("unknown flag", file, FS_IOC_SETFLAGS, flags);
  flags[0] = current;
  I("folder", folder, FS_IOC_SETFLAGS, flags);
  I("pinned", pinned, FS_IOC_SETFLAGS, flags);
  I("pipe", ends[0], FS_IOC_SETFLAGS, flags);
  I("pipe fault", ends[0], FS_IOC_SETFLAGS, NULL);
  I("device", nothing, FS_IOC_SETFLAGS, flags);
  I("none", 987, FS_IOC_SETFLAGS, flags);
  I("others", others, FS_IOC_SETFLAGS, flags);
  I("fsgetxattr", file, FS_IOC_FSGETXATTR, &extended);
  extended.fsx_xflags |= FS_XFLAG_NODUMP;
  I("fssetxattr", file, FS_IOC_FSSETXATTR, &extended), flags_of("file");
  I("fssetxattr fault", file, FS_IOC_FSSETXATTR, page_end - 27);
  I("fssetxattr none", 987, FS_IOC_FSSETXATTR, &extended);
  I("verity", 987, FS_IOC_GETFLAGS, NULL);
  struct file_attributes a = {.flags = 0};
#define F(text, ...) say("file_setattr " text, syscall(nr_file_setattr, __VA_ARGS__))
  F("file", AT_FDCWD, "file", &a, 24, 0), flags_of("file");
  F("size 23", AT_FDCWD, "file", &a, 23, 0);
  F("size 32", AT_FDCWD, "file", &a, 32, 0);
  a.more = 1;
  F("size 32 with more", AT_FDCWD, "file", &a, 32, 0);
  F("size 4097", AT_FDCWD, "file", &a, 4097, 0);
  F("size 0, long", AT_FDCWD, long_path, &a, 0, 0);
  F("null", AT_FDCWD, "file", NULL, 24, 0);
  F("flags", AT_FDCWD, "file", &a, 24, 1);
  F("missing", AT_FDCWD, "missing", &a, 24, 0);
  F("null path", AT_FDCWD, NULL, &a, 24, 0);
  F("link", AT_FDCWD, "link", &a, 24, AT_SYMLINK_NOFOLLOW);
  F("through link", AT_FDCWD, "link", &a, 24, 0);
  F("fifo", AT_FDCWD, "fifo", &a, 24, 0);
  F("open", file, NULL, &a, 24, AT_EMPTY_PATH);
  F("pinned", pinned, "", &a, 24, AT_EMPTY_PATH);
  F("none", 987, "", &a, 24, AT_EMPTY_PATH);
  F("minus", -5, "", &a, 24, AT_EMPTY_PATH);
  F("others", AT_FDCWD, "others", &a, 24, 0);
  a.flags = FS_XFLAG_IMMUTABLE;
  F("immutable", AT_FDCWD, "file", &a, 24, 0);
  a.flags = 1u << 30;
  F("unknown flag", AT_FDCWD, "file", &a, 24, 0);
  a.flags = 1ull << 40;
  F("high flag", AT_FDCWD, "file", &a, 24, 0);
}

int main(int argc, char **argv) {
  // `others` and `shared` belong to somebody else and were made before.
  if (argc != 2 || chdir(argv[1]) != 0) return 2;
  umask(022);
  memset(long_name, 'n', sizeof long_name - 1);
  memcpy(long_name, "user.", 5);
  memset(long_path, 'p', sizeof long_path - 1);
  char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED || munmap(pages + 4096, 4096) != 0) return 2;
  page_end = pages + 4096;
  memset(pages, 0, 4096);
  memcpy(page_end - 5, "value", 5);
  close(open("file", O_WRONLY | O_CREAT, 0644));
  close(open("readonly", O_WRONLY | O_CREAT, 0444));
  mkdir("folder", 0755);
  close(open("folder/inner", O_WRONLY | O_CREAT, 0644));
  mkdir("closed", 0000);
  mkfifo("fifo", 0600);
  if (symlink("file", "link") != 0 || symlink("nowhere", "dangling") != 0 || symlink("loop", "loop") != 0) return 2;
  extended_attributes();
  memset(pages, 0, 4096);
  times();
  attribute_flags();
  return 0;
}
