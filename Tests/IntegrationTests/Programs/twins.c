// Every way to do a thing by a system call, old calls and new ones alike.
//
//   twins prepare DIR   makes DIR/open, DIR/protected and DIR/other with what the ways need
//   twins run DIR       takes every way in DIR/open and in DIR/protected: a line `OPERATION CALL AREA done|ERRNO` for each
//   twins show DIR      lists what stands in a directory, with contents, modes, attributes; times as far as the ways set them
//   twins exact DIR     the same with exact times, so that whatever was touched shows
//
// Raw system calls, so that no C library takes another way.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>
#include <utime.h>

enum { before = 1000000000, explicit = 1234567890 };
enum { nr_fchmodat2 = 452, nr_setxattrat = 463, nr_removexattrat = 466, nr_file_setattr = 469 };
static const int at = AT_FDCWD;

// A second name beside the first, where everything is permitted: made anew for each way and area.
static char other[4096];

// What a way does with a file that it opened: something that shows.
static long written(long file) {
  if (file < 0) return -1;
  long result = write((int)file, "new", 3) == 3 ? 0 : -1;
  close((int)file);
  return result;
}
static long closed(long file) {
  if (file >= 0) close((int)file);
  return file < 0 ? -1 : 0;
}
static long how(const char *path, uint64_t flags, uint64_t mode) {
  struct open_how how = {.flags = flags, .mode = mode};
  return syscall(SYS_openat2, at, path, &how, sizeof how);
}
// Calls on descriptors get one that was opened for nothing but reading, or with O_PATH.
static long with(const char *path, int flags, long (*act)(int)) {
  int file = open(path, flags | O_CLOEXEC);
  if (file < 0) return -1;
  long result = act(file);
  int error = errno;
  close(file);
  errno = error;
  return result;
}

// --- Opening
static long openat_write(const char *p) { return written(syscall(SYS_openat, at, p, O_WRONLY)); }
static long openat_both(const char *p) { return written(syscall(SYS_openat, at, p, O_RDWR)); }
static long openat_append(const char *p) { return written(syscall(SYS_openat, at, p, O_WRONLY | O_APPEND)); }
static long openat2_write(const char *p) { return written(how(p, O_WRONLY, 0)); }
static long openat_new(const char *p) { return written(syscall(SYS_openat, at, p, O_WRONLY | O_CREAT, 0640)); }
static long openat_exclusive(const char *p) { return written(syscall(SYS_openat, at, p, O_WRONLY | O_CREAT | O_EXCL, 0640)); }
static long openat_read_new(const char *p) { return closed(syscall(SYS_openat, at, p, O_RDONLY | O_CREAT, 0640)); }
static long openat2_new(const char *p) { return written(how(p, O_WRONLY | O_CREAT, 0640)); }
static long mknodat_new(const char *p) { return syscall(SYS_mknodat, at, p, S_IFREG | 0640, 0); }
static long openat_truncate(const char *p) { return closed(syscall(SYS_openat, at, p, O_RDONLY | O_TRUNC)); }
static long openat2_truncate(const char *p) { return closed(how(p, O_RDONLY | O_TRUNC, 0)); }
static long truncate_call(const char *p) { return syscall(SYS_truncate, p, 1L); }
static long reopen(int file) {
  char name[64];
  snprintf(name, sizeof name, "/proc/self/fd/%d", file);
  return written(syscall(SYS_openat, at, name, O_WRONLY));
}
static long openat_again(const char *p) { return with(p, O_PATH, reopen); }
#if defined(SYS_open)
static long open_write(const char *p) { return written(syscall(SYS_open, p, O_WRONLY)); }
static long open_new(const char *p) { return written(syscall(SYS_open, p, O_WRONLY | O_CREAT, 0640)); }
static long open_truncate(const char *p) { return closed(syscall(SYS_open, p, O_RDONLY | O_TRUNC)); }
static long creat_old(const char *p) { return written(syscall(SYS_creat, p, 0640)); }
static long mknod_new(const char *p) { return syscall(SYS_mknod, p, S_IFREG | 0640, 0); }
#endif

// --- Names
static long unlinkat_file(const char *p) { return syscall(SYS_unlinkat, at, p, 0); }
static long unlinkat_folder(const char *p) { return syscall(SYS_unlinkat, at, p, AT_REMOVEDIR); }
static long mkdirat_call(const char *p) { return syscall(SYS_mkdirat, at, p, 0750); }
static long mknodat_fifo(const char *p) { return syscall(SYS_mknodat, at, p, S_IFIFO | 0640, 0); }
static long symlinkat_call(const char *p) { return syscall(SYS_symlinkat, "text", at, p); }
static long linkat_onto(const char *p) { return syscall(SYS_linkat, at, other, at, p, 0); }
static long linkat_from(const char *p) { return unlink(other), syscall(SYS_linkat, at, p, at, other, 0); }
static long link_descriptor(int file) {
  char name[64];
  snprintf(name, sizeof name, "/proc/self/fd/%d", file);
  return syscall(SYS_linkat, at, name, at, other, AT_SYMLINK_FOLLOW);
}
static long linkat_open(const char *p) { return unlink(other), with(p, O_PATH, link_descriptor); }
static long renameat2_onto(const char *p) { return syscall(SYS_renameat2, at, other, at, p, 0); }
static long renameat2_away(const char *p) { return unlink(other), syscall(SYS_renameat2, at, p, at, other, 0); }
static long renameat2_new(const char *p) { return unlink(other), syscall(SYS_renameat2, at, p, at, other, 1 /* RENAME_NOREPLACE */); }
static long renameat2_exchange(const char *p) { return syscall(SYS_renameat2, at, other, at, p, 2 /* RENAME_EXCHANGE */); }
#if defined(SYS_renameat)
static long renameat_onto(const char *p) { return syscall(SYS_renameat, at, other, at, p); }
static long renameat_away(const char *p) { return unlink(other), syscall(SYS_renameat, at, p, at, other); }
#endif
#if defined(SYS_unlink)
static long unlink_call(const char *p) { return syscall(SYS_unlink, p); }
static long rmdir_call(const char *p) { return syscall(SYS_rmdir, p); }
static long mkdir_call(const char *p) { return syscall(SYS_mkdir, p, 0750); }
static long mknod_fifo(const char *p) { return syscall(SYS_mknod, p, S_IFIFO | 0640, 0); }
static long symlink_call(const char *p) { return syscall(SYS_symlink, "text", p); }
static long link_onto(const char *p) { return syscall(SYS_link, other, p); }
static long link_from(const char *p) { return unlink(other), syscall(SYS_link, p, other); }
static long rename_onto(const char *p) { return syscall(SYS_rename, other, p); }
static long rename_away(const char *p) { return unlink(other), syscall(SYS_rename, p, other); }
#endif

// --- Mode and owner
static long fchmodat_call(const char *p) { return syscall(SYS_fchmodat, at, p, 0600); }
static long fchmodat2_call(const char *p) { return syscall(nr_fchmodat2, at, p, 0600, 0); }
static long fchmodat2_open(int file) { return syscall(nr_fchmodat2, file, "", 0600, AT_EMPTY_PATH); }
static long fchmodat2_empty(const char *p) { return with(p, O_PATH, fchmodat2_open); }
static long fchmod_open(int file) { return syscall(SYS_fchmod, file, 0600); }
static long fchmod_call(const char *p) { return with(p, O_RDONLY, fchmod_open); }
static long fchownat_call(const char *p) { return syscall(SYS_fchownat, at, p, getuid(), getgid(), 0); }
static long fchownat_open(int file) { return syscall(SYS_fchownat, file, "", getuid(), getgid(), AT_EMPTY_PATH); }
static long fchownat_empty(const char *p) { return with(p, O_PATH, fchownat_open); }
static long fchown_open(int file) { return syscall(SYS_fchown, file, getuid(), getgid()); }
static long fchown_call(const char *p) { return with(p, O_RDONLY, fchown_open); }
#if defined(SYS_chmod)
static long chmod_call(const char *p) { return syscall(SYS_chmod, p, 0600); }
static long chown_call(const char *p) { return syscall(SYS_chown, p, getuid(), getgid()); }
static long lchown_call(const char *p) { return syscall(SYS_lchown, p, getuid(), getgid()); }
#endif

// --- Times
static const struct timespec then[2] = {{explicit, 0}, {explicit, 0}}, now[2] = {{0, UTIME_NOW}, {0, UTIME_NOW}};
static const struct timespec later[2] = {{0, UTIME_OMIT}, {explicit, 0}};
static long utimensat_call(const char *p) { return syscall(SYS_utimensat, at, p, then, 0); }
static long utimensat_link(const char *p) { return syscall(SYS_utimensat, at, p, then, AT_SYMLINK_NOFOLLOW); }
static long utimensat_one(const char *p) { return syscall(SYS_utimensat, at, p, later, 0); }
static long utimensat_open(int file) { return syscall(SYS_utimensat, file, NULL, then, 0); }
static long utimensat_null(const char *p) { return with(p, O_RDONLY, utimensat_open); }
static long utimensat_pinned(int file) { return syscall(SYS_utimensat, file, "", then, AT_EMPTY_PATH); }
static long utimensat_empty(const char *p) { return with(p, O_PATH, utimensat_pinned); }
static long utimensat_touch(const char *p) { return syscall(SYS_utimensat, at, p, NULL, 0); }
static long utimensat_now(const char *p) { return syscall(SYS_utimensat, at, p, now, 0); }
static long utimensat_touch_open(int file) { return syscall(SYS_utimensat, file, NULL, NULL, 0); }
static long utimensat_touch_null(const char *p) { return with(p, O_RDONLY, utimensat_touch_open); }
#if defined(SYS_utime)
static const struct timeval moments[2] = {{explicit, 0}, {explicit, 0}};
static long utime_call(const char *p) {
  const struct utimbuf times = {explicit, explicit};
  return syscall(SYS_utime, p, &times);
}
static long utimes_call(const char *p) { return syscall(SYS_utimes, p, moments); }
static long futimesat_call(const char *p) { return syscall(SYS_futimesat, at, p, moments); }
static long futimesat_open(int file) { return syscall(SYS_futimesat, file, NULL, moments); }
static long futimesat_null(const char *p) { return with(p, O_RDONLY, futimesat_open); }
static long utime_touch(const char *p) { return syscall(SYS_utime, p, NULL); }
static long utimes_touch(const char *p) { return syscall(SYS_utimes, p, NULL); }
static long futimesat_touch(const char *p) { return syscall(SYS_futimesat, at, p, NULL); }
#endif

// --- Extended attributes
struct attribute { uint64_t value; uint32_t size, flags; };
static const char *const added = "user.added", *const kept = "user.kept";
static long setxattr_call(const char *p) { return syscall(SYS_setxattr, p, added, "value", 5, 0); }
static long lsetxattr_call(const char *p) { return syscall(SYS_lsetxattr, p, added, "value", 5, 0); }
static long setxattr_replace(const char *p) { return syscall(SYS_setxattr, p, kept, "other", 5, XATTR_REPLACE); }
static long fsetxattr_open(int file) { return syscall(SYS_fsetxattr, file, added, "value", 5, 0); }
static long fsetxattr_call(const char *p) { return with(p, O_RDONLY, fsetxattr_open); }
static const struct attribute *attribute(void) {
  static struct attribute attribute = {.size = 5};
  attribute.value = (uintptr_t)"value";
  return &attribute;
}
static long setxattrat_call(const char *p) { return syscall(nr_setxattrat, at, p, 0, added, attribute(), sizeof(struct attribute)); }
static long setxattrat_open(int file) { return syscall(nr_setxattrat, file, "", AT_EMPTY_PATH, added, attribute(), sizeof(struct attribute)); }
static long setxattrat_empty(const char *p) { return with(p, O_RDONLY, setxattrat_open); }
static long removexattr_call(const char *p) { return syscall(SYS_removexattr, p, kept); }
static long lremovexattr_call(const char *p) { return syscall(SYS_lremovexattr, p, kept); }
static long fremovexattr_open(int file) { return syscall(SYS_fremovexattr, file, kept); }
static long fremovexattr_call(const char *p) { return with(p, O_RDONLY, fremovexattr_open); }
static long removexattrat_call(const char *p) { return syscall(nr_removexattrat, at, p, 0, kept); }
static long removexattrat_open(int file) { return syscall(nr_removexattrat, file, NULL, AT_EMPTY_PATH, kept); }
static long removexattrat_empty(const char *p) { return with(p, O_RDONLY, removexattrat_open); }

// --- Attribute flags: "no dump", which an owner may set everywhere
struct file_attributes { uint64_t flags; uint32_t extent, extents, project, copy; };
static const uint64_t high = 0xdeadbeef00000000ull;
static long set_flags(int file, uint64_t upper) {
  int flags;
  if (ioctl(file, FS_IOC_GETFLAGS, &flags) != 0) return -1;
  long all[2] = {flags | FS_NODUMP_FL, 0};
  return syscall(SYS_ioctl, file, upper | FS_IOC_SETFLAGS, all);
}
static long setflags_open(int file) { return set_flags(file, 0); }
static long setflags_call(const char *p) { return with(p, O_RDONLY, setflags_open); }
static long setflags_high_open(int file) { return set_flags(file, high); }
static long setflags_high(const char *p) { return with(p, O_RDONLY, setflags_high_open); }
static long fssetxattr_open(int file) {
  struct fsxattr attributes;
  if (ioctl(file, FS_IOC_FSGETXATTR, &attributes) != 0) return -1;
  attributes.fsx_xflags |= FS_XFLAG_NODUMP;
  return syscall(SYS_ioctl, file, FS_IOC_FSSETXATTR, &attributes);
}
static long fssetxattr_call(const char *p) { return with(p, O_RDONLY, fssetxattr_open); }
static long file_setattr_call(const char *p) {
  struct file_attributes attributes = {.flags = FS_XFLAG_NODUMP};
  return syscall(nr_file_setattr, at, p, &attributes, sizeof attributes, 0);
}
static long file_setattr_open(int file) {
  struct file_attributes attributes = {.flags = FS_XFLAG_NODUMP};
  return syscall(nr_file_setattr, file, "", &attributes, sizeof attributes, AT_EMPTY_PATH);
}
static long file_setattr_empty(const char *p) { return with(p, O_RDONLY, file_setattr_open); }

enum subject { file, folder, nothing };
struct way {
  const char *operation, *call;
  enum subject subject;
  long (*take)(const char *);
};
#define FILE_WAY(operation, name, function) {operation, name, file, function},
#define NEW_WAY(operation, name, function) {operation, name, nothing, function},
static const struct way ways[] = {
    FILE_WAY("write", "openat", openat_write) FILE_WAY("write", "openat+rdwr", openat_both) FILE_WAY("write", "openat+append", openat_append)
    FILE_WAY("write", "openat2", openat2_write) FILE_WAY("write", "openat+existing", openat_new) FILE_WAY("write", "openat+proc", openat_again)
    NEW_WAY("create", "openat", openat_new) NEW_WAY("create", "openat+excl", openat_exclusive) NEW_WAY("create", "openat+rdonly", openat_read_new)
    NEW_WAY("create", "openat2", openat2_new) NEW_WAY("create", "mknodat", mknodat_new)
    FILE_WAY("truncate", "openat", openat_truncate) FILE_WAY("truncate", "openat2", openat2_truncate) FILE_WAY("truncate", "truncate", truncate_call)
    FILE_WAY("delete", "unlinkat", unlinkat_file) {"rmdir", "unlinkat", folder, unlinkat_folder},
    NEW_WAY("mkdir", "mkdirat", mkdirat_call) NEW_WAY("mknod", "mknodat", mknodat_fifo) NEW_WAY("symlink", "symlinkat", symlinkat_call)
    NEW_WAY("link-onto", "linkat", linkat_onto) FILE_WAY("link-from", "linkat", linkat_from) FILE_WAY("link-from", "linkat+proc", linkat_open)
    FILE_WAY("rename-onto", "renameat2", renameat2_onto) FILE_WAY("rename-away", "renameat2", renameat2_away)
    NEW_WAY("rename-onto", "renameat2+absent", renameat2_onto) FILE_WAY("rename-away", "renameat2+noreplace", renameat2_new)
    FILE_WAY("exchange", "renameat2", renameat2_exchange)
    FILE_WAY("chmod", "fchmodat", fchmodat_call) FILE_WAY("chmod", "fchmodat2", fchmodat2_call) FILE_WAY("chmod", "fchmodat2+empty", fchmodat2_empty)
    FILE_WAY("chmod", "fchmod", fchmod_call)
    FILE_WAY("chown", "fchownat", fchownat_call) FILE_WAY("chown", "fchownat+empty", fchownat_empty) FILE_WAY("chown", "fchown", fchown_call)
    FILE_WAY("times", "utimensat", utimensat_call) FILE_WAY("times", "utimensat+nofollow", utimensat_link) FILE_WAY("times", "utimensat+omit", utimensat_one)
    FILE_WAY("times", "utimensat+null", utimensat_null) FILE_WAY("times", "utimensat+empty", utimensat_empty)
    FILE_WAY("touch", "utimensat", utimensat_touch) FILE_WAY("touch", "utimensat+now", utimensat_now) FILE_WAY("touch", "utimensat+null", utimensat_touch_null)
    FILE_WAY("setxattr", "setxattr", setxattr_call) FILE_WAY("setxattr", "lsetxattr", lsetxattr_call) FILE_WAY("setxattr", "setxattr+replace", setxattr_replace)
    FILE_WAY("setxattr", "fsetxattr", fsetxattr_call) FILE_WAY("setxattr", "setxattrat", setxattrat_call) FILE_WAY("setxattr", "setxattrat+empty", setxattrat_empty)
    FILE_WAY("removexattr", "removexattr", removexattr_call) FILE_WAY("removexattr", "lremovexattr", lremovexattr_call)
    FILE_WAY("removexattr", "fremovexattr", fremovexattr_call) FILE_WAY("removexattr", "removexattrat", removexattrat_call)
    FILE_WAY("removexattr", "removexattrat+empty", removexattrat_empty)
    FILE_WAY("flags", "ioctl+setflags", setflags_call) FILE_WAY("flags", "ioctl+setflags+high", setflags_high) FILE_WAY("flags", "ioctl+fssetxattr", fssetxattr_call)
    FILE_WAY("flags", "file_setattr", file_setattr_call) FILE_WAY("flags", "file_setattr+empty", file_setattr_empty)
#if defined(SYS_renameat)
    FILE_WAY("rename-onto", "renameat", renameat_onto) FILE_WAY("rename-away", "renameat", renameat_away)
#endif
#if defined(SYS_open)
    FILE_WAY("write", "open", open_write) NEW_WAY("create", "open", open_new) FILE_WAY("truncate", "open", open_truncate)
    FILE_WAY("truncate", "creat", creat_old) NEW_WAY("create", "creat", creat_old) NEW_WAY("create", "mknod", mknod_new)
    FILE_WAY("delete", "unlink", unlink_call) {"rmdir", "rmdir", folder, rmdir_call},
    NEW_WAY("mkdir", "mkdir", mkdir_call) NEW_WAY("mknod", "mknod", mknod_fifo) NEW_WAY("symlink", "symlink", symlink_call)
    NEW_WAY("link-onto", "link", link_onto) FILE_WAY("link-from", "link", link_from)
    FILE_WAY("rename-onto", "rename", rename_onto) FILE_WAY("rename-away", "rename", rename_away)
    FILE_WAY("chmod", "chmod", chmod_call) FILE_WAY("chown", "chown", chown_call) FILE_WAY("chown", "lchown", lchown_call)
    FILE_WAY("times", "utime", utime_call) FILE_WAY("times", "utimes", utimes_call) FILE_WAY("times", "futimesat", futimesat_call)
    FILE_WAY("times", "futimesat+null", futimesat_null)
    FILE_WAY("touch", "utime", utime_touch) FILE_WAY("touch", "utimes", utimes_touch) FILE_WAY("touch", "futimesat", futimesat_touch)
#endif
};
enum { count = sizeof ways / sizeof *ways };
static const char *const areas[] = {"open", "protected"};

static void fail(const char *what) {
  perror(what);
  exit(1);
}
static void name(char *path, const char *area, const struct way *way) { snprintf(path, 4096, "%s/%s-%s", area, way->operation, way->call); }
static void make_file(const char *path, const char *content) {
  int made = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (made < 0 || write(made, content, strlen(content)) < 0 || fsetxattr(made, kept, "kept", 4, 0) != 0) fail(path);
  const struct timespec times[2] = {{before, 0}, {before, 0}};
  if (futimens(made, times) != 0) fail(path);
  close(made);
}
static void prepare(void) {
  char path[4096];
  umask(022);
  if (mkdir("other", 0755) != 0) fail("other");
  for (int area = 0; area < 2; area++) {
    if (mkdir(areas[area], 0755) != 0) fail(areas[area]);
    for (int i = 0; i < count; i++) {
      name(path, areas[area], &ways[i]);
      if (ways[i].subject == file) make_file(path, "old content");
      if (ways[i].subject == folder && mkdir(path, 0755) != 0) fail(path);
      snprintf(path, sizeof path, "other/%s-%s-%s", ways[i].operation, ways[i].call, areas[area]);
      make_file(path, "other content");
    }
  }
}
static void run(void) {
  char path[4096];
  umask(022);
  for (int i = 0; i < count; i++) {
    for (int area = 0; area < 2; area++) {
      name(path, areas[area], &ways[i]);
      snprintf(other, sizeof other, "other/%s-%s-%s", ways[i].operation, ways[i].call, areas[area]);
      long result = ways[i].take(path);
      printf("%s %s %s %s\n", ways[i].operation, ways[i].call, areas[area], result == -1 ? strerrorname_np(errno) : "done");
    }
  }
}
static int byName(const struct dirent **a, const struct dirent **b) { return strcmp((*a)->d_name, (*b)->d_name); }
static const char *moment(const struct timespec *time, int exact) {
  static char text[64];
  if (exact) {
    snprintf(text, sizeof text, "%ld.%09ld", (long)time->tv_sec, time->tv_nsec);
    return text;
  }
  return time->tv_sec == before ? "before" : time->tv_sec == explicit ? "explicit" : "recent";
}
static void show(int exact) {
  struct dirent **entries;
  int found = scandir(".", &entries, NULL, byName);
  for (int i = 0; i < found; i++) {
    const char *entry = entries[i]->d_name;
    struct stat status;
    if (strcmp(entry, "..") == 0 || lstat(entry, &status) != 0) continue;
    if (!exact && strcmp(entry, ".") == 0) continue;
    printf("%s %o links %ld size %ld", entry, status.st_mode, (long)status.st_nlink, S_ISDIR(status.st_mode) ? 0L : (long)status.st_size);
    printf(" modified %s", moment(&status.st_mtim, exact));
    if (exact) printf(" changed %s", moment(&status.st_ctim, exact));
    if (S_ISREG(status.st_mode)) {
      char content[64] = "", value[64];
      int flags = 0, opened = open(entry, O_RDONLY | O_CLOEXEC);
      if (opened < 0 || read(opened, content, sizeof content - 1) < 0) fail(entry);
      if (ioctl(opened, FS_IOC_GETFLAGS, &flags) == 0 && flags & FS_NODUMP_FL) printf(" nodump");
      close(opened);
      printf(" content '%s'", content);
      for (int k = 0; k < 2; k++) {
        ssize_t length = getxattr(entry, k == 0 ? kept : added, value, sizeof value);
        if (length >= 0) printf(" %s=%.*s", k == 0 ? kept : added, (int)length, value);
      }
    }
    printf("\n");
  }
}
int main(int argc, char **argv) {
  if (argc != 3 || chdir(argv[2]) != 0) fail("usage: twins prepare|run|show|exact DIR");
  if (strcmp(argv[1], "prepare") == 0) prepare();
  else if (strcmp(argv[1], "run") == 0) run();
  else show(strcmp(argv[1], "exact") == 0);
  return 0;
}
