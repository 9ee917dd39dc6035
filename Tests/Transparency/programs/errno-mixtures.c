// Makes system calls with arguments that are drawn at random, the same in every run, and prints what each answered and left behind.
//
// What errno-table.c combines is chosen; this finds what nobody thought of. Each call has a seed of its own: `mixtures COUNT FROM` makes the calls of some numbers alone.
#define main table_main
#include "errno-table.c"
#undef main
#include <dirent.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/xattr.h>
#include <time.h>

#define PICK(list) ((list)[draw(sizeof(list) / sizeof *(list))])
static uint64_t seed;
static unsigned draw(size_t below) {
  seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
  return (unsigned)((seed >> 33) % below);
}

static const struct object added[] = {
  {"slashed", S_IFLNK | 0777, "file/"}, {"dirslashed", S_IFLNK | 0777, "dir/"}, {"goneslashed", S_IFLNK | 0777, "nowhere/"}, {"into", S_IFLNK | 0777, "dir/new"}, {"dotlink", S_IFLNK | 0777, "."},
  {"uplink", S_IFLNK | 0777, "dir/.."}, {"dotted", S_IFLNK | 0777, "file/."}, {"cwdlink", S_IFLNK | 0777, "/proc/self/cwd/dir"}, {"selflink", S_IFLNK | 0777, "/proc/self"},
  {"fdlink", S_IFLNK | 0777, "/proc/self/fd/60"}, {"lockedlink", S_IFLNK | 0777, "locked/in"}, {"unsearchable", S_IFDIR | 0444, NULL}, {"sticky", S_IFDIR | 01777, NULL},
  {"unsearchable/in", S_IFREG | 0644, "in\n"}, {"linkloop", S_IFLNK | 0777, "loop/x"}, {"twice", S_IFLNK | 0777, "slashed"}, {"rootlink", S_IFLNK | 0777, "/"}, {"upup", S_IFLNK | 0777, "../t/file"},
  {"nowhere2", S_IFLNK | 0777, "nowhere/."}, {"setuid", S_IFREG | 06755, "suid\n"}, {"readonly", S_IFREG | 0444, "ro\n"}, {"writeonly", S_IFREG | 0222, "wo\n"},
  {"ul", S_IFLNK | 0777, "unsearchable/in"}, {"un", S_IFLNK | 0777, "unsearchable/new"}, {"fn", S_IFLNK | 0777, "fixed/new"}};
#define OBJECTS (sizeof objects / sizeof *objects)
#define ALL (OBJECTS + sizeof added / sizeof *added)
static const struct object *object(size_t index) { return index < OBJECTS ? &objects[index] : &added[index - OBJECTS]; }

// Removes what belongs to no object.
static void scour(const char *folder) {
  DIR *stream = opendir(*folder ? folder : ".");
  if (!stream) return;
  for (struct dirent *entry; (entry = readdir(stream));) {
    char path[600];
    int is_known = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
    snprintf(path, sizeof path, "%s%s%s", folder, *folder ? "/" : "", entry->d_name);
    for (size_t i = 0; i < ALL && !is_known; i++) is_known = strcmp(object(i)->path, path) == 0;
    struct stat status;
    if (is_known || lstat(path, &status) != 0) continue;
    if (S_ISDIR(status.st_mode)) chmod(path, 0755), scour(path), rmdir(path);
    else unlink(path);
  }
  closedir(stream);
}

static void make_anew(void) {
  char path[PATH_MAX + 8];
  struct stat status;
  // Two levels above are reached by names that lead there.
  snprintf(path, sizeof path, "%s", base);
  *strrchr(path, '/') = 0, checked(chmod(path, 0755), path), checked(chmod(base, 0755), base);
  umask(022);
  snprintf(path, sizeof path, "%s/t", base);
  if (mkdir(path, 0755) != 0) checked(chmod(path, 0755), path);
  checked(chdir(path), path);
  for (size_t i = 0; i < ALL; i++) {
    if (!S_ISDIR(object(i)->mode)) continue;
    if (lstat(object(i)->path, &status) == 0 && !S_ISDIR(status.st_mode)) unlink(object(i)->path);
    if (mkdir(object(i)->path, 0755) != 0) chmod(object(i)->path, 0755);
  }
  scour("");
  for (size_t i = 0; i < ALL; i++)
    if (S_ISDIR(object(i)->mode)) scour(object(i)->path);
  for (size_t i = 0; i < ALL; i++) {
    const char *name = object(i)->path;
    if (S_ISDIR(object(i)->mode)) continue;
    if (lstat(name, &status) == 0 && S_ISDIR(status.st_mode)) chmod(name, 0755), scour(name), rmdir(name);
    make(object(i));
  }
  for (size_t i = 0; i < ALL; i++)
    if (S_ISDIR(object(i)->mode)) checked(chmod(object(i)->path, object(i)->mode & 07777), object(i)->path);
}

enum { slots = 16, first_held = 40 };
static const struct { const char *name, *path; int flags; long number; } places[slots] = {{"CWD", NULL, 0, AT_FDCWD}, {"DIR", "dir", O_RDONLY, 0}, {"PATHDIR", "dir", O_PATH, 0}, {"FILE", "file", O_RDONLY, 0},
  {"PATHLINK", "link", O_PATH | O_NOFOLLOW, 0}, {"WRITER", "other", O_WRONLY, 0}, {"-1", NULL, 0, -1}, {"999", NULL, 0, 999}, {"HIGH", NULL, 0, (1L << 40) | (first_held + 1)}, {"LOCKED", "locked", O_PATH, 0},
  {"NULLDEVICE", "/dev/null", O_RDWR, 0}, {"PATHFILE", "file", O_PATH, 0}, {"FIXED", "fixed", O_PATH, 0}, {"UNSEARCHABLE", "unsearchable", O_RDONLY, 0}, {"PROC", "/proc", O_RDONLY, 0}, {"PROCFD", "/proc/self/fd", O_RDONLY, 0}};

static void place(int number, int fd) {
  if (fd < 0) { perror("open"); exit(1); }
  if (dup2(fd, number) < 0) exit(1);
  close(fd);
}

static void hold(void) {
  for (int i = 0; i < slots; i++)
    if (places[i].path) place(first_held + i, open(places[i].path, places[i].flags));
  place(60, open("file", O_RDWR)), place(61, open("dir", O_RDONLY)), place(62, open("doomed", O_RDWR | O_CREAT, 0644)), place(63, open(".", O_RDWR | O_TMPFILE, 0644));
  unlink("doomed");
}

static long descriptor(unsigned slot) { return places[slot].path ? first_held + (long)slot : places[slot].number; }

static const char *composed(char *out, size_t size) {
  static const char *names[] = {"file", "file", "dir", "dir", "missing", "missing", "link", "dirlink", "dangling", "dangling2", "loop", "fifo", "unreadable", "other", "script", "locked", "locked/in", "locked/new", "fixed", "fixed/in",
    "fixed/new", "empty", "dir/in", "dir/new", "slashed", "dirslashed", "goneslashed", "into", "dotlink", "uplink", "dotted", "cwdlink", "selflink", "fdlink", "lockedlink", "unsearchable", "unsearchable/in", "unsearchable/new", "sticky",
    "sticky/new", "linkloop", "twice", "rootlink", "upup", "nowhere2", "setuid", "readonly", "writeonly", "ul", "un", "fn", ".", "..", "", "in", "new", "selflink/fd/60", "selflink/cwd", "cwdlink/in", "file/x", "missing/x", "fifo/x",
    "link/x", "loop/x", "lockedlink/x", "rootlink/dev/null"};
  static const char *prefixes[] = {"", "", "", "", "", "", "", "", "", "", "./", "dir/../", "/proc/self/cwd/", "dirlink/../", "dotlink/", ".//", "rootlink/proc/self/cwd/", "uplink/", "missing/../", "file/../", "locked/../", "selflink/cwd/"};
  static const char *absolute[] = {"/proc/self/fd/60", "/proc/self/fd/61", "/proc/self/fd/62", "/proc/self/fd/63", "/proc/self/fd/61/in", "/proc/self/fd/61/new", "/proc/self/fd/987", "/proc/self/fd", "/proc/self", "/proc/thread-self/fd/60",
    "/proc/self/cwd/file", "/proc/self/cwd", "/proc/self/root", "/proc/self/root/dev/null", "/proc/self/attr", "/proc/self/status", "/proc/self/new", "/proc/new", "/proc", "/proc/1/cwd", "/proc/1/fd", "/proc/1/root/etc/passwd",
    "/proc/self/ns/net", "/dev/fd/60", "/dev/fd/61/new", "/dev/fd", "/dev/null", "/dev/full", "/dev/new", "/dev", "/", "//", "/.", "/..", "/etc/passwd", "/etc/shadow", "/etc/new", "/etc/passwd/x", "/sys/kernel", "/sys/new", "/usr",
    "/usr/bin/true", "/proc/sys/kernel/ostype", "/proc/sys/kernel/new", "/proc/mounts", "/proc/self/task", "/proc/self/map_files", "/proc/self/fdinfo/60"};
  static const char *mounted[] = {"", "/file", "/dir", "/dir/in", "/new", "/new/", "/dir/."};
  static const char *suffixes[] = {"", "", "", "", "", "", "", "", "", "", "/", "/", "//", "/.", "/..", "/in", "/new", "/./", "/../file", "/x/.."};
  switch (draw(60)) {
    case 0: return "";
    case 1: return NULL;
    case 2: return (const char *)16;
    case 3: memset(out, 'n', 256), out[255 + draw(2)] = 0; return out;
    case 4: case 5: case 6: case 7: case 8: case 9: case 10: case 11: snprintf(out, size, "%s%s", PICK(absolute), PICK(suffixes)); return out;
    case 12: case 13: case 14: case 15: snprintf(out, size, "%s%s%s", read_only ? read_only : "/nowhere", PICK(mounted), PICK(suffixes)); return out;
    default: snprintf(out, size, "%s%s%s", PICK(prefixes), PICK(names), PICK(suffixes)); return out;
  }
}

static const char *shown(const char *path) { return path == NULL ? "NULL" : path == (const char *)16 ? "UNMAPPED" : path; }

static void look_at(const char *path) {
  // How many processes there are is another matter.
  if (path > (const char *)16 && strncmp(path, "/proc", 5) != 0 && !strstr(path, "selflink")) left(path);
}

static int open_flags(const char *path) {
  static const int access[] = {O_RDONLY, O_RDONLY, O_WRONLY, O_RDWR, O_RDWR, 3};
  static const int bits[] = {O_CREAT, O_CREAT, O_EXCL, O_TRUNC, O_APPEND, O_NONBLOCK, O_SYNC, O_DSYNC, O_ASYNC, O_DIRECT, O_DIRECTORY, O_NOFOLLOW, O_NOFOLLOW, O_NOATIME, O_CLOEXEC, O_PATH, O_TMPFILE, O_TMPFILE, O_TMPFILE_BIT};
  int flags = PICK(access) | O_NOCTTY, count = (int)draw(5);
  for (int i = 0; i < count; i++) flags |= PICK(bits);
  // It would wait.
  return path > (const char *)16 && strstr(path, "fifo") ? flags | O_NONBLOCK : flags;
}

static long attributes(const char *path, unsigned at, unsigned held, long flags) {
  static char name255[256], name256[257], value[70000];
  memset(name255, 'n', 255), memcpy(name255, "user.", 5), memset(name256, 'n', 256), memcpy(name256, "user.", 5);
  const char *names[] = {"user.x", "user.x", "user.", "trusted.x", "security.x", "security.capability", "system.posix_acl_access", "nonsense", "nonsense.x", "", name255, name256, NULL, (char *)16};
  static const long sizes[] = {0, 1, 5, 65536, 65537, -1, 4096}, hows[] = {0, 0, 1, 2, 3, 4};
  unsigned chosen = draw(sizeof names / sizeof *names);
  const char *name = names[chosen];
  long size = PICK(sizes), how = PICK(hows), result, fd = descriptor(held);
  void *content = draw(10) ? value : draw(2) ? NULL : (void *)16;
  struct { uint64_t value; uint32_t size, flags; } arguments = {(uint64_t)(uintptr_t)content, (uint32_t)size, (uint32_t)how};
  unsigned which = draw(8);
  // Since 6.13 the kernel takes the working directory's number for an open file here and not there.
  if (which > 5 && flags & AT_EMPTY_PATH) flags = 0;
  if (fd == AT_FDCWD) fd = -1;
  switch (which) {
    case 0: result = syscall(SYS_setxattr, path, name, content, size, how); break;
    case 1: result = syscall(SYS_lsetxattr, path, name, content, size, how); break;
    case 2: result = syscall(SYS_fsetxattr, fd, name, content, size, how); break;
    case 3: result = syscall(SYS_removexattr, path, name); break;
    case 4: result = syscall(SYS_lremovexattr, path, name); break;
    case 5: result = syscall(SYS_fremovexattr, fd, name); break;
    case 6: result = syscall(463, descriptor(at), path, flags, name, &arguments, draw(5) ? 16L : (long)draw(30)); break;  // setxattrat
    default: result = syscall(466, descriptor(at), path, flags, name);                                                      // removexattrat
  }
  report(result, "attribute %u %s %s fd %s %lx name %u size %ld %ld", which, places[at].name, shown(path), places[held].name, flags, chosen, size, how);
  // On whatever it was.
  for (size_t i = 0; result == 0 && i < ALL; i++) lremovexattr(object(i)->path, name), removexattr(".", name), removexattr("..", name), removexattr("../..", name);
  return result;
}

static long times(const char *path, unsigned at, long flags) {
  static const long nanoseconds[] = {0, 5, 999999999, 1000000000, -1, UTIME_NOW, UTIME_OMIT}, microseconds[] = {0, 5, 999999, 1000000, -1};
  struct timespec fine[2] = {{draw(2) ? 100000 : -5, PICK(nanoseconds)}, {200000, PICK(nanoseconds)}};
  struct timeval coarse[2] = {{100000, PICK(microseconds)}, {200000, PICK(microseconds)}};
  long seconds[2] = {100, 200}, result;
  unsigned which = draw(5), kind = draw(20);
  void *other = kind == 0 ? (void *)16 : NULL;
  int is_given = kind > 4;
  switch (which) {
    case 0: case 1: result = syscall(SYS_utimensat, descriptor(at), path, is_given ? (void *)fine : other, flags); break;
    case 2: result = syscall(SYS_futimesat, descriptor(at), path, is_given ? (void *)coarse : other); break;
    case 3: result = syscall(SYS_utimes, path, is_given ? (void *)coarse : other); break;
    default: result = syscall(SYS_utime, path, is_given ? (void *)seconds : other);
  }
  report(result, "times %u %s %s %u %lx: %ld %ld, %ld %ld", which, places[at].name, shown(path), kind, flags, fine[0].tv_nsec, fine[1].tv_nsec, (long)coarse[0].tv_usec, (long)coarse[1].tv_usec);
  return result;
}

static void call(int number) {
  static const long at_flags[] = {0, 0, AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, AT_SYMLINK_FOLLOW, AT_SYMLINK_FOLLOW | AT_EMPTY_PATH, AT_REMOVEDIR, 1, 0x40000000, 0x8000, 1L << 40};
  static const long modes[] = {0, 0644, 0777, 07777, 0xffff, 01000, 04755, 0200000, -1}, owners[] = {-1, -1, 0, 12345};
  static const long kinds[] = {0, S_IFREG, S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK, S_IFDIR, S_IFLNK, 0030000}, lengths[] = {0, 3, -1, LONG_MAX, 1L << 20, LONG_MIN};
  static const unsigned renames[] = {0, 0, 1, 2, 3, 4, 5, 6, 8};
  static const uint64_t resolves[] = {0, RESOLVE_NO_XDEV, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS, RESOLVE_BENEATH, RESOLVE_IN_ROOT, RESOLVE_BENEATH | RESOLVE_NO_XDEV, RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS,
    RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS, RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS};
  char room[2][600];
  const char *first = composed(room[0], sizeof room[0]), *second = composed(room[1], sizeof room[1]);
  unsigned at = draw(3) ? 0 : draw(slots), to = draw(3) ? 0 : draw(slots), held = draw(slots);
  long flags = PICK(at_flags), mode = PICK(modes), result = -1;
  printf("%d ", number);
  // Now and then from a directory that is no more.
  if (draw(12) == 0) checked(mkdir("gone", 0755), "gone"), checked(chdir("gone"), "gone"), checked(rmdir("../gone"), "gone");
  unsigned which = draw(27);
  switch (which) {
    case 0: case 1: case 2: case 3: case 4: case 5: case 6: case 7: case 8: case 9: {
      int chosen = open_flags(first);
      struct open_how how = {.resolve = PICK(resolves)};
      // The kernel hands nobody such a descriptor (docs/architecture.md).
      if (which > 6) chosen &= ~O_PATH;
      how.flags = (unsigned)chosen, how.mode = chosen & (O_CREAT | O_TMPFILE_BIT) && draw(20) ? (uint64_t)mode & 07777 : 0;
      wanted = chosen;
      long fd = which > 6 ? syscall(SYS_openat2, descriptor(at), first, &how, sizeof how) : syscall(SYS_openat, descriptor(at), first, chosen, mode);
      report_open(fd, "open%s %s %s %o %lo %lx", which > 6 ? "at2" : "at", places[at].name, shown(first), chosen, mode, which > 6 ? (long)how.resolve : 0);
      result = fd >= 0 && chosen & (O_CREAT | O_TRUNC) ? 0 : -1;
      break;
    }
    case 10: result = syscall(SYS_mkdirat, descriptor(at), first, mode); report(result, "mkdirat %s %s %lo", places[at].name, shown(first), mode); break;
    case 11: if (draw(2)) flags = draw(2) ? AT_REMOVEDIR : 0; result = syscall(SYS_unlinkat, descriptor(at), first, flags); report(result, "unlinkat %s %s %lx", places[at].name, shown(first), flags); break;
    case 12: { int directory = (int)draw(2); result = syscall(directory ? SYS_rmdir : SYS_unlink, first); report(result, "%s %s", directory ? "rmdir" : "unlink", shown(first)); break; }
    case 13: {
      long kind = PICK(kinds) | (mode & 07777), device = draw(3) ? 0 : 0x103;
      result = syscall(SYS_mknodat, descriptor(at), first, kind, device), report(result, "mknodat %s %s %lo %lx", places[at].name, shown(first), kind, device);
      break;
    }
    case 14: result = syscall(SYS_symlinkat, second, descriptor(at), first); report(result, "symlinkat %s %s %s", shown(second), places[at].name, shown(first)); break;
    case 15: case 16: case 17:
      result = syscall(SYS_linkat, descriptor(at), first, descriptor(to), second, flags), report(result, "linkat %s %s %s %s %lx", places[at].name, shown(first), places[to].name, shown(second), flags);
      break;
    case 18: case 19: case 20: {
      unsigned how = PICK(renames);
      // Nothing there can be renamed, and by which of the many reasons is nobody's affair.
      if (first > (char *)16 && (strstr(first, "/fd/") || places[at].path == places[slots - 1].path)) first = "file";
      result = syscall(SYS_renameat2, descriptor(at), first, descriptor(to), second, how), report(result, "renameat2 %s %s %s %s %u", places[at].name, shown(first), places[to].name, shown(second), how);
      break;
    }
    case 21: { long length = PICK(lengths); result = syscall(SYS_truncate, first, length); report(result, "truncate %s %ld", shown(first), length); break; }
    case 22: result = syscall(SYS_fchmodat2, descriptor(at), first, mode, flags); report(result, "fchmodat2 %s %s %lo %lx", places[at].name, shown(first), mode, flags); break;
    case 23: {
      long owner = PICK(owners), group = PICK(owners);
      result = syscall(SYS_fchownat, descriptor(at), first, owner, group, flags), report(result, "fchownat %s %s %ld %ld %lx", places[at].name, shown(first), owner, group, flags);
      break;
    }
    case 24: {
      int number_in_memory, kind = (int)draw(4);
      struct fsxattr extended = {0};
      switch (kind) {
        case 0: result = syscall(SYS_fchmod, descriptor(held), mode); break;
        case 1: result = syscall(SYS_fchown, descriptor(held), -1, -1); break;
        // What it is already: what else a file system takes is its own affair.
        case 2: number_in_memory = 0, ioctl((int)descriptor(held), FS_IOC_GETFLAGS, &number_in_memory), result = syscall(SYS_ioctl, descriptor(held), FS_IOC_SETFLAGS, draw(8) ? &number_in_memory : (int *)16); break;
        default: result = syscall(SYS_ioctl, descriptor(held), FS_IOC_FSSETXATTR, draw(8) ? &extended : (struct fsxattr *)16);
      }
      report(result, "of an open file %d %s %lo", kind, places[held].name, mode);
      break;
    }
    case 25: result = times(first, at, flags); break;
    default: result = attributes(first, at, held, flags);
  }
  if (result >= 0) {
    look_at(first), look_at(second);
    make_anew(), hold();
  } else {
    char here[PATH_MAX + 8];
    snprintf(here, sizeof here, "%s/t", base), checked(chdir(here), here);
  }
}

// What a process that isn't dumpable says of its own label: who may is settled at the open.
static void label(void) {
  static const char *files[] = {"/proc/self/attr/current", "/proc/thread-self/attr/exec", "/proc/self/attr/prev"};
  prctl(PR_SET_DUMPABLE, 0);
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    int fd = open(files[i], O_WRONLY);
    report(fd < 0 ? -1 : write(fd, "x", 1), "label %s", files[i]);
    close(fd);
  }
}

int main(int count, char **arguments) {
  int calls = count > 1 ? atoi(arguments[1]) : 15000, from = count > 2 ? atoi(arguments[2]) : 0;
  read_only = getenv("READ_ONLY");
  if (!getcwd(base, sizeof base)) return 1;
  for (int fd = 3; fd < 64; fd++) close(fd);
  make_anew(), hold();
  for (int number = from; number < from + calls; number++) {
    seed = (uint64_t)number * 0x9e3779b97f4a7c15ULL;
    draw(2), draw(2);
    call(number);
  }
  destroy();
  // In embedded mode nobody may look into such a process.
  if (read_only) label();
  printf("%d calls\n", lines);
  return lines < calls;
}
