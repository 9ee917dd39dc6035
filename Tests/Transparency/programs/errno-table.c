// Makes system calls with combinations of good, odd and impossible arguments, and prints what each answered: one line for each.
//
// By number, so that no library stands between. Where a call succeeded, what it changed is looked at and the directory is made anew.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
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

#ifndef O_TMPFILE_BIT
#define O_TMPFILE_BIT 020000000
#endif
#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

static const char *read_only;  // A directory on a read-only mount, or NULL.
static char *last_byte;        // The last byte of a page that nothing is mapped behind.
static char base[PATH_MAX];
static char *name255;
static int lines;

struct text { const char *name; const char *value; };
static struct text paths[96];
static int path_count;

static void add(const char *name, const char *value) {
  paths[path_count].name = name;
  paths[path_count++].value = value;
}

static char *repeated(const char *part, size_t count, const char *end) {
  size_t length = strlen(part);
  char *text = malloc(length * count + strlen(end) + 1);
  for (size_t i = 0; i < count; i++) memcpy(text + i * length, part, length);
  strcpy(text + length * count, end);
  return text;
}

// What lies in the directory: a regular file's text, a link's text, or a directory.
static const struct object { const char *path; mode_t mode; const char *text; } objects[] = {
  {"dir", S_IFDIR | 0755, NULL}, {"empty", S_IFDIR | 0755, NULL}, {"locked", S_IFDIR | 0, NULL}, {"fixed", S_IFDIR | 0555, NULL}, {"file", S_IFREG | 0644, "content\n"},
  {"other", S_IFREG | 0600, "other\n"}, {"unreadable", S_IFREG | 0, "x"}, {"script", S_IFREG | 0755, "#!/no/such/interpreter\n"}, {"directory-script", S_IFREG | 0755, "#!/\n"},
  {"plain", S_IFREG | 0755, "echo\n"}, {"nothing", S_IFREG | 0755, ""}, {"elf", S_IFREG | 0755, "\177ELF\2\1\1 and no more"}, {"dir/in", S_IFREG | 0644, "in\n"},
  {"locked/in", S_IFREG | 0644, "in\n"}, {"fixed/in", S_IFREG | 0644, "in\n"}, {"link", S_IFLNK | 0777, "file"}, {"dirlink", S_IFLNK | 0777, "dir"}, {"dangling", S_IFLNK | 0777, "nowhere"},
  {"dangling2", S_IFLNK | 0777, "missing/deeper"}, {"loop", S_IFLNK | 0777, "loop"}, {"fifo", S_IFIFO | 0644, NULL}};

static void checked(int result, const char *what) { if (result != 0) { perror(what); exit(1); } }

static int is_whole(const struct object *object) {
  struct stat status;
  char text[64];
  if (lstat(object->path, &status) != 0 || status.st_mode != object->mode) return 0;
  if (S_ISREG(status.st_mode)) return status.st_nlink == 1 && status.st_size == (off_t)strlen(object->text);
  return !S_ISLNK(status.st_mode) || (readlink(object->path, text, sizeof text) == (ssize_t)strlen(object->text) && memcmp(text, object->text, strlen(object->text)) == 0);
}

static void make(const struct object *object) {
  if (is_whole(object)) return;
  if (unlink(object->path) != 0 && errno == EISDIR) rmdir(object->path);
  switch (object->mode & S_IFMT) {
    case S_IFDIR: checked(mkdir(object->path, 0755), object->path); break;
    case S_IFLNK: checked(symlink(object->text, object->path), object->path); return;
    case S_IFIFO: checked(mkfifo(object->path, 0600), object->path); break;
    default: {
      int fd = open(object->path, O_WRONLY | O_CREAT | O_EXCL, 0600);
      if (fd < 0 || write(fd, object->text, strlen(object->text)) < 0) { perror(object->path); exit(1); }
      close(fd);
    }
  }
  checked(chmod(object->path, object->mode & 07777), object->path);
}

// Whatever a call changed is as it was before. (Making the directory anew each time takes too long.)
static void renew(void) {
  char here[PATH_MAX + 8];
  snprintf(here, sizeof here, "%s/t", base);
  umask(022);
  checked(chmod(base, 0755), "chmod");
  if (mkdir(here, 0755) != 0) checked(chmod(here, 0755), "chmod");
  checked(chdir(here), "chdir");
  // What calls make, some by moving one of the objects there.
  const char *made[] = {"missing", "new\nline", " ", "file\xff", "dir/new", "locked/new", "fixed/new", "nowhere", "linked", "renamed", name255};
  chmod("dir", 0755), chmod("locked", 0755), chmod("fixed", 0755);
  for (size_t i = 0; i < sizeof made / sizeof *made; i++) {
    if (unlink(made[i]) == 0 || errno == ENOENT || errno == ENOTDIR) continue;
    char inside[300];
    snprintf(inside, sizeof inside, "%s/in", made[i]), chmod(made[i], 0755), unlink(inside);
    snprintf(inside, sizeof inside, "%s/new", made[i]), unlink(inside);
    rmdir(made[i]);
  }
  for (size_t i = 0; i < sizeof objects / sizeof *objects; i++) {
    struct stat status;
    const struct object *object = &objects[i];
    // Their contents first.
    if (S_ISDIR(object->mode)) {
      if (lstat(object->path, &status) != 0 || !S_ISDIR(status.st_mode)) unlink(object->path), checked(mkdir(object->path, 0755), object->path);
    } else {
      if (lstat(object->path, &status) == 0 && S_ISDIR(status.st_mode)) {
        char inside[300];
        snprintf(inside, sizeof inside, "%s/in", object->path), chmod(object->path, 0755), unlink(inside), rmdir(object->path);
      }
      make(object);
    }
  }
  checked(chmod("dir", 0755), "chmod"), checked(chmod("empty", 0755), "chmod"), checked(chmod("locked", 0), "chmod"), checked(chmod("fixed", 0555), "chmod");
  unlink("empty/in");
}

static void destroy(void) {
  checked(chdir(base), "chdir");
  if (system("chmod -R u+rwx t 2>/dev/null; rm -rf t") != 0) exit(1);
}

static void text_of(char *out, size_t size, const char *path) {
  // Names of what lies around the directory differ between machines, not between runs.
  size_t length = strlen(base);
  char own[32];
  int own_length = snprintf(own, sizeof own, "/proc/%d", getpid());
  if (strncmp(path, base, length) == 0) snprintf(out, size, "BASE%s", path + length);
  else if (strncmp(path, own, (size_t)own_length) == 0) snprintf(out, size, "/proc/PID%s", path + own_length);
  else snprintf(out, size, "%s", path);
}

static void report(long result, const char *format, ...) {
  int failure = errno;
  va_list arguments;
  va_start(arguments, format);
  vprintf(format, arguments);
  va_end(arguments);
  if (result >= 0) printf(" = %ld\n", result);
  else printf(" = %s\n", strerrorname_np(failure) ? strerrorname_np(failure) : "?");
  lines++;
}

// What was asked for: O_NOFOLLOW doesn't show in a session for what was there already, but for directories (docs/architecture.md).
static int wanted;

static void report_open(long fd, const char *format, ...) {
  int failure = errno;
  va_list arguments;
  va_start(arguments, format);
  vprintf(format, arguments);
  va_end(arguments);
  lines++;
  if (fd < 0) {
    printf(" = %s\n", strerrorname_np(failure) ? strerrorname_np(failure) : "?");
    return;
  }
  struct stat status;
  char name[64], link[PATH_MAX], shown[PATH_MAX];
  fstat((int)fd, &status);
  snprintf(name, sizeof name, "/proc/self/fd/%ld", fd);
  ssize_t length = readlink(name, link, sizeof link - 1);
  link[length < 0 ? 0 : length] = 0;
  text_of(shown, sizeof shown, link);
  // The number of a file without a name.
  char *number = strstr(shown, "/#");
  if (number) strcpy(number, "/#N");
  int is_searched = S_ISDIR(status.st_mode) && faccessat((int)fd, ".", X_OK, AT_EACCESS) == 0;
  int hidden = wanted & O_NOFOLLOW && !(wanted & O_PATH) && !is_searched ? O_NOFOLLOW : 0;
  printf(" = %ld flags %o exec %d mode %o size %ld at %s\n", fd, fcntl((int)fd, F_GETFL) & ~hidden, fcntl((int)fd, F_GETFD), status.st_mode,
    S_ISREG(status.st_mode) ? (long)status.st_size : -1, shown);
  close((int)fd);
}

// What a changing call left of a name.
static void left(const char *path) {
  struct stat status;
  if (lstat(path, &status) != 0) printf("  %s: %s\n", path, strerrorname_np(errno));
  else printf("  %s: %o links %ld size %ld\n", path, status.st_mode, (long)status.st_nlink, S_ISREG(status.st_mode) ? (long)status.st_size : -1);
}

static void prepare_paths(void) {
  static const char *plain[] = {"file", "dir", "missing", "link", "dirlink", "dangling", "dangling2", "loop", "fifo", "unreadable", "file/", "dir/",
    "missing/", "link/", "dirlink/", "dangling/", "fifo/", "file/x", "missing/x", "link/x", "loop/x", "fifo/x", "dir/in", "dirlink/in", "dir/new", "dir/in/",
    "locked", "locked/in", "locked/new", "fixed/in", "fixed/new", "empty", "empty/.", "empty/..", ".", "..", "dir/.", "dir/..", "dirlink/..", "dir//in", "./file",
    "/", "//", "/missing", "/proc/self/cwd/file", "/proc/self/exe", "/proc/self/fd/987", "/dev/null", "/dev/fd/x", "file\xff", "new\nline", " "};
  for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) add(plain[i], plain[i]);
  add("EMPTY", "");
  add("NULL", NULL);
  add("UNMAPPED", (const char *)16);
  add("KERNEL", (const char *)-4096L);
  last_byte = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  munmap(last_byte + 4096, 4096);
  last_byte += 4095;
  memcpy(last_byte - 3, "file", 4);
  add("UNTERMINATED", last_byte - 3);
  add("NAME255", repeated("n", 255, ""));
  add("NAME256", repeated("n", 256, ""));
  add("MIDDLE256", repeated("n", 256, "/x"));
  add("PATH4095", repeated("./", 2045, "/file"));
  add("PATH4096", repeated("./", 2045, "//file"));
  add("PATH9000", repeated("./", 4500, "file"));
  if (read_only) {
    char *text = malloc(2 * PATH_MAX);
    snprintf(text, PATH_MAX, "%s/file", read_only), add("READONLY/file", text);
    snprintf(text + PATH_MAX, PATH_MAX, "%s/new", read_only), add("READONLY/new", text + PATH_MAX);
    add("READONLY", read_only);
  }
}

static int is_fifo(const struct text *path) { return strncmp(path->name, "fifo", 4) == 0; }

static void opens(void) {
  static const int flags[] = {O_RDONLY, O_WRONLY, O_RDWR, 3, O_RDWR | O_CREAT, O_WRONLY | O_CREAT | O_EXCL, O_WRONLY | O_TRUNC, O_RDONLY | O_TRUNC,
    O_WRONLY | O_CREAT | O_TRUNC, O_WRONLY | O_APPEND, O_RDONLY | O_DIRECTORY, O_WRONLY | O_DIRECTORY, O_RDONLY | O_DIRECTORY | O_CREAT, O_RDONLY | O_NOFOLLOW,
    O_WRONLY | O_CREAT | O_NOFOLLOW, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, O_PATH, O_PATH | O_NOFOLLOW, O_PATH | O_DIRECTORY, O_PATH | O_CREAT,
    O_TMPFILE | O_RDWR, O_TMPFILE | O_RDONLY, O_TMPFILE_BIT | O_RDWR, O_TMPFILE | O_WRONLY | O_EXCL, O_TMPFILE | O_RDWR | O_CREAT, O_RDONLY | O_DIRECT, O_RDONLY | O_NOATIME,
    O_RDWR | O_SYNC | O_CLOEXEC, O_RDWR | O_DSYNC | O_ASYNC, O_RDONLY | O_NONBLOCK, O_RDONLY | O_CREAT, O_RDONLY | O_EXCL, (int)0x80000000, 0x40000000, O_PATH | (int)0x80000000};
  for (size_t f = 0; f < sizeof flags / sizeof *flags; f++) {
    for (int p = 0; p < path_count; p++) {
      int used = flags[f] | O_NOCTTY | (is_fifo(&paths[p]) ? O_NONBLOCK : 0);
      long fd = syscall(SYS_open, paths[p].value, used, 04751);
      wanted = used;
      report_open(fd, "open %s %o", paths[p].name, used);
      if (fd >= 0 && (used & (O_CREAT | O_TRUNC))) renew();
    }
  }
  wanted = 0;
  for (int p = 0; p < path_count; p++) {
    if (is_fifo(&paths[p])) continue;
    long fd = syscall(SYS_creat, paths[p].value, 0666);
    report_open(fd, "creat %s", paths[p].name);
    if (fd >= 0) renew();
  }
}

#define DESCRIPTORS 10
static const char *descriptor_names[DESCRIPTORS] = {"CWD", "DIR", "PATHDIR", "FILE", "PATHLINK", "PIPE", "-1", "999", "HIGH", "LOCKED"};
static long descriptors[DESCRIPTORS];

static void open_descriptors(void) {
  int ends[2];
  checked(pipe(ends), "pipe");
  descriptors[0] = AT_FDCWD;
  descriptors[1] = open("dir", O_RDONLY | O_DIRECTORY);
  descriptors[2] = open("dir", O_PATH | O_DIRECTORY);
  descriptors[3] = open("file", O_RDONLY);
  descriptors[4] = open("link", O_PATH | O_NOFOLLOW);
  descriptors[5] = ends[0];
  descriptors[6] = -1;
  descriptors[7] = 999;
  descriptors[8] = (long)((1UL << 40) | (unsigned)descriptors[1]);
  descriptors[9] = open("locked", O_PATH | O_DIRECTORY);
  close(ends[1]);
}

static void close_descriptors(void) {
  static const int own[] = {1, 2, 3, 4, 5, 9};
  for (size_t i = 0; i < sizeof own / sizeof *own; i++) close((int)descriptors[own[i]]);
}

// Descriptors belong to the directory: both are made anew.
static void renew_all(void) {
  close_descriptors();
  renew();
  open_descriptors();
}

static const char *few[] = {"in", "new", ".", "..", "in/", "new/", "", "in/x", "missing/x", "/", "/dev/null", "../link", "../dangling", "../loop"};
#define FEW (sizeof few / sizeof *few)

static void ats(void) {
  open_descriptors();
  for (int d = 0; d < DESCRIPTORS; d++) {
    for (size_t p = 0; p < FEW; p++) {
      static const int flags[] = {O_RDONLY, O_RDWR | O_CREAT, O_PATH, O_RDWR | O_TMPFILE};
      for (size_t f = 0; f < 4; f++) {
        long fd = syscall(SYS_openat, descriptors[d], few[p], flags[f] | O_NOCTTY, 0640);
        report_open(fd, "openat %s %s %o", descriptor_names[d], few[p], flags[f]);
        if (fd >= 0 && flags[f] & O_CREAT) renew_all();
      }
      static const struct { const char *name; int number; long third; int has_flags; } calls[] = {{"mkdirat", SYS_mkdirat, 0777, 0}, {"unlinkat", SYS_unlinkat, 0, 0},
        {"unlinkat", SYS_unlinkat, AT_REMOVEDIR, 0}, {"unlinkat", SYS_unlinkat, 0x4000, 0}, {"mknodat", SYS_mknodat, S_IFREG | 0644, 0}, {"fchmodat", SYS_fchmodat, 0711, 0},
        {"fchmodat2", SYS_fchmodat2, 0711, 1}, {"fchownat", SYS_fchownat, -1, 2}};
      static const long flag_values[] = {0, AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, 0x1, AT_REMOVEDIR};
      for (size_t c = 0; c < sizeof calls / sizeof *calls; c++) {
        for (size_t f = 0; f < (calls[c].has_flags ? 6 : 1); f++) {
          long fourth = calls[c].has_flags == 2 ? -1 : flag_values[f];
          long result = syscall(calls[c].number, descriptors[d], few[p], calls[c].third, fourth, flag_values[f]);
          report(result, "%s %s %s %lo %lo", calls[c].name, descriptor_names[d], few[p], calls[c].third, flag_values[f]);
          if (result >= 0) renew_all();
        }
      }
      long result = syscall(SYS_symlinkat, "text", descriptors[d], few[p]);
      report(result, "symlinkat %s %s", descriptor_names[d], few[p]);
      if (result >= 0) renew_all();
      static const int link_flags[] = {0, AT_SYMLINK_FOLLOW, 0x2};
      for (int f = 0; f < 3; f++) {
        result = syscall(SYS_linkat, AT_FDCWD, "file", descriptors[d], few[p], link_flags[f]);
        report(result, "linkat to %s %s %o", descriptor_names[d], few[p], link_flags[f]);
        if (result >= 0) renew_all();
        result = syscall(SYS_linkat, descriptors[d], few[p], AT_FDCWD, "linked", link_flags[f]);
        report(result, "linkat from %s %s %o", descriptor_names[d], few[p], link_flags[f]);
        if (result >= 0) { left("linked"); unlink("linked"); renew_all(); }
      }
      result = syscall(SYS_renameat, AT_FDCWD, "file", descriptors[d], few[p]);
      report(result, "renameat to %s %s", descriptor_names[d], few[p]);
      if (result >= 0) renew_all();
      result = syscall(SYS_renameat2, descriptors[d], few[p], AT_FDCWD, "renamed", 1);
      report(result, "renameat2 from %s %s", descriptor_names[d], few[p]);
      if (result >= 0) { unlink("renamed"); rmdir("renamed"); renew_all(); }
    }
    static const struct { const char *name; int number; } held[] = {{"fchmod", SYS_fchmod}, {"fchown", SYS_fchown}};
    for (int c = 0; c < 2; c++) {
      long result = syscall(held[c].number, descriptors[d], c ? -1 : 0700, -1);
      report(result, "%s %s", held[c].name, descriptor_names[d]);
      if (result >= 0) renew_all();
    }
  }
  close_descriptors();
}

static void open_extended(void) {
  static const uint64_t resolves[] = {0, RESOLVE_NO_XDEV, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS, RESOLVE_BENEATH, RESOLVE_IN_ROOT, RESOLVE_BENEATH | RESOLVE_IN_ROOT,
    RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS, RESOLVE_CACHED, 0x40};
  static const struct { uint64_t flags, mode; } how[] = {{O_RDONLY, 0}, {O_RDWR | O_CREAT, 0640}, {O_RDONLY, 0640}, {O_WRONLY | O_CREAT | O_EXCL, 010000}, {O_WRONLY | O_TRUNC, 0},
    {1UL << 40, 0}, {0x80000000, 0}, {O_RDONLY | O_DIRECTORY, 0}, {O_RDONLY | O_NOFOLLOW | O_CLOEXEC, 0}, {O_TMPFILE | O_RDWR, 0600}, {O_RDWR | O_DIRECTORY | O_CREAT, 0600}};
  static const char *names[] = {"file", "dir", "link", "dangling", "loop", "missing", "missing/x", "dir/in", "dirlink/in", "dir/../file", "../t/file", "..", "/file", "/dev/null", ".", "",
    "/proc/self/cwd/file", "/proc/self/exe", "dir/new", "file/", "file/x", "locked/in", "new/"};
  for (size_t r = 0; r < sizeof resolves / sizeof *resolves; r++)
    for (size_t h = 0; h < sizeof how / sizeof *how; h++)
      for (size_t n = 0; n < sizeof names / sizeof *names; n++) {
        struct open_how request = {.flags = how[h].flags, .mode = how[h].mode, .resolve = resolves[r]};
        // A name that has not been looked up lately is the kernel's secret: EAGAIN or not.
        if (resolves[r] == RESOLVE_CACHED && access(names[n], F_OK) != 0) continue;
        long fd = syscall(SYS_openat2, AT_FDCWD, names[n], &request, sizeof request);
        // Whether a lookup can be had from the cache alone is nobody's promise.
        if (resolves[r] == RESOLVE_CACHED && fd < 0 && errno == EAGAIN) continue;
        if (resolves[r] == RESOLVE_CACHED) { if (fd >= 0) close((int)fd); if (fd >= 0 && how[h].flags & (O_CREAT | O_TRUNC)) renew(); continue; }
        wanted = (int)how[h].flags;
        report_open(fd, "openat2 %s %lo %lo %lx", names[n], (unsigned long)how[h].flags, (unsigned long)how[h].mode, (unsigned long)resolves[r]);
        if (fd >= 0 && how[h].flags & (O_CREAT | O_TRUNC)) renew();
      }
  wanted = 0;
  char large[8192] = {0};
  static const size_t sizes[] = {0, 8, 23, 24, 25, 32, 4096, 4097, 8192};
  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) report_open(syscall(SYS_openat2, AT_FDCWD, "file", large, sizes[s]), "openat2 size %zu", sizes[s]);
  large[30] = 1;
  report_open(syscall(SYS_openat2, AT_FDCWD, "file", large, 32L), "openat2 more than known");
  report_open(syscall(SYS_openat2, AT_FDCWD, "file", NULL, 24L), "openat2 NULL");
  report_open(syscall(SYS_openat2, AT_FDCWD, "file", last_byte - 8, 24L), "openat2 half mapped");
  report_open(syscall(SYS_openat2, AT_FDCWD, NULL, large, 24L), "openat2 no path");
  report_open(syscall(SYS_openat2, 999, "file", large, 24L), "openat2 bad descriptor");
}

static void changes(void) {
  static const struct { const char *name; int number; long second, third; } calls[] = {{"mkdir", SYS_mkdir, 0777, 0}, {"mkdir", SYS_mkdir, 07777, 0}, {"mkdir", SYS_mkdir, 0, 0},
    {"rmdir", SYS_rmdir, 0, 0}, {"unlink", SYS_unlink, 0, 0}, {"mknod", SYS_mknod, 0644, 0}, {"mknod", SYS_mknod, S_IFIFO | 0666, 0}, {"mknod", SYS_mknod, S_IFSOCK | 0600, 0},
    {"mknod", SYS_mknod, S_IFCHR | 0600, 0}, {"mknod", SYS_mknod, S_IFCHR | 0600, 0x103}, {"mknod", SYS_mknod, S_IFBLK | 0600, 0x700}, {"mknod", SYS_mknod, S_IFDIR | 0700, 0},
    {"mknod", SYS_mknod, S_IFLNK | 0700, 0}, {"mknod", SYS_mknod, 0030000 | 0700, 0}, {"truncate", SYS_truncate, 0, 0}, {"truncate", SYS_truncate, 5, 0}, {"truncate", SYS_truncate, -1, 0},
    {"truncate", SYS_truncate, LONG_MAX, 0}, {"chmod", SYS_chmod, 0604, 0}, {"chmod", SYS_chmod, 06755, 0}, {"chmod", SYS_chmod, 0xffff, 0}, {"chown", SYS_chown, -1, -1},
    {"chown", SYS_chown, 0, 0}, {"lchown", SYS_lchown, -1, -1}, {"lchown", SYS_lchown, -1, 1}, {"utime", SYS_utime, 0, 0}, {"utimes", SYS_utimes, 0, 0}};
  for (size_t c = 0; c < sizeof calls / sizeof *calls; c++)
    for (int p = 0; p < path_count; p++) {
      long result = syscall(calls[c].number, paths[p].value, calls[c].second, calls[c].third);
      report(result, "%s %s %lo %lo", calls[c].name, paths[p].name, calls[c].second, calls[c].third);
      if (result >= 0) {
        left(paths[p].value);
        renew();
      }
    }
  char *long_text = repeated("t", 4095, ""), *longer_text = repeated("t", 4096, "");
  struct text texts[] = {{"text", "text"}, {"EMPTY", ""}, {"NULL", NULL}, {"UNMAPPED", (char *)16}, {"UNTERMINATED", last_byte - 3}, {"T4095", long_text}, {"T4096", longer_text}};
  for (size_t t = 0; t < sizeof texts / sizeof *texts; t++)
    for (int p = 0; p < path_count; p++) {
      long result = syscall(SYS_symlink, texts[t].value, paths[p].value);
      report(result, "symlink %s %s", texts[t].name, paths[p].name);
      if (result >= 0) { left(paths[p].value); unlink(paths[p].value); renew(); }
    }
}

static void pairs(void) {
  static const unsigned flags[] = {0, 1, 2, 3, 8};
  for (int from = 0; from < path_count; from++)
    for (int to = 0; to < path_count; to++) {
      // All against a few, and a few against all.
      if (from > 3 && to > 5 && (from * 7 + to) % 13) continue;
      for (size_t f = 0; f < sizeof flags / sizeof *flags; f++) {
        if (f && (from + to) % 3) continue;
        long result = f ? syscall(SYS_renameat2, AT_FDCWD, paths[from].value, AT_FDCWD, paths[to].value, flags[f]) : syscall(SYS_rename, paths[from].value, paths[to].value);
        report(result, "rename %s %s %u", paths[from].name, paths[to].name, flags[f]);
        if (result >= 0) { left(paths[from].value); left(paths[to].value); renew(); }
      }
      // In /proc nothing can be made: ENOENT where other file systems are EXDEV.
      if (strncmp(paths[to].name, "/proc/self/fd", 13) == 0 || strncmp(paths[to].name, "/dev/fd", 7) == 0) continue;
      long result = syscall(SYS_link, paths[from].value, paths[to].value);
      report(result, "link %s %s", paths[from].name, paths[to].name);
      if (result >= 0) { left(paths[from].value); left(paths[to].value); renew(); }
    }
  static const int bad[] = {1 | 8, 4 | 2, 0x10, -1};
  for (int i = 0; i < 4; i++) report(syscall(SYS_renameat2, AT_FDCWD, "file", AT_FDCWD, "other", bad[i]), "renameat2 flags %d", bad[i]);
}

static void executions(void) {
  char *argv[] = {"name", "argument", NULL}, *none[] = {NULL}, *bad[] = {"name", (char *)16, NULL}, *huge[] = {"name", repeated("a", 131072, ""), NULL};
  char **vectors[] = {argv, NULL, none, (char **)16, bad, huge, (char **)(last_byte - 7)};
  const char *vector_names[] = {"usual", "NULL", "none", "UNMAPPED", "bad string", "long string", "half mapped"};
  int argument_count = 7;
  add("script", "script"), add("directory-script", "directory-script"), add("plain", "plain"), add("nothing", "nothing"), add("elf", "elf"), add("/bin/true", "/bin/true");
  for (int p = 0; p < path_count; p++)
    for (int v = 0; v < argument_count; v++) {
      // That one would start all over.
      if ((v && p > 6 && p < path_count - 6) || strcmp(paths[p].name, "/proc/self/exe") == 0) continue;
      fflush(stdout);
      pid_t child = fork();
      if (child == 0) {
        errno = 0;
        syscall(SYS_execve, paths[p].value, vectors[v], NULL);
        _exit(100 + errno % 100);
      }
      int status;
      waitpid(child, &status, 0);
      printf("execve %s %s: %s\n", paths[p].name, vector_names[v], WIFEXITED(status) && WEXITSTATUS(status) >= 100 ? strerrorname_np(WEXITSTATUS(status) - 100) : "ran");
      lines++;
    }
  path_count -= 6;
  static const struct { const char *path; int flags; } at[] = {{"", 0}, {"", AT_EMPTY_PATH}, {"link", AT_SYMLINK_NOFOLLOW}, {"plain", 0x1}, {"plain", AT_EMPTY_PATH}, {"/bin/true", 0}, {"/bin/true", 0x10000}};
  for (size_t i = 0; i < sizeof at / sizeof *at; i++)
    for (int d = 0; d < DESCRIPTORS; d++) {
      fflush(stdout);
      pid_t child = fork();
      if (child == 0) {
        open_descriptors();
        syscall(SYS_execveat, descriptors[d], at[i].path, argv, NULL, at[i].flags);
        _exit(100 + errno % 100);
      }
      int status;
      waitpid(child, &status, 0);
      printf("execveat %s %s %x: %s\n", descriptor_names[d], at[i].path, at[i].flags,
        WIFEXITED(status) && WEXITSTATUS(status) >= 100 ? strerrorname_np(WEXITSTATUS(status) - 100) : "ran");
      lines++;
    }
}

static void unix_addresses(void) {
  static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
  static const char *type_names[] = {"stream", "dgram", "seqpacket"};
  for (int t = 0; t < 3; t++) {
    struct sockaddr_un served = {.sun_family = AF_UNIX, .sun_path = "served"};
    int server = socket(AF_UNIX, types[t], 0);
    checked(bind(server, (struct sockaddr *)&served, sizeof served), "bind");
    if (types[t] != SOCK_DGRAM) checked(listen(server, 200), "listen");
    int dead = socket(AF_UNIX, types[t], 0);
    struct sockaddr_un gone = {.sun_family = AF_UNIX, .sun_path = "gone"};
    checked(bind(dead, (struct sockaddr *)&gone, sizeof gone), "bind");
    close(dead);
    add("served", "served"), add("gone", "gone"), add("dir/../served", "dir/../served");
    for (int p = 0; p < path_count; p++) {
      const char *path = paths[p].value;
      if (path < (char *)4096 || path == (char *)-4096L || path == last_byte - 3 || strncmp(paths[p].name, "READONLY", 8) == 0) continue;
      struct sockaddr_un address = {.sun_family = AF_UNIX};
      size_t length = strlen(path) < sizeof address.sun_path ? strlen(path) : sizeof address.sun_path;
      memcpy(address.sun_path, path, length);
      socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + (length < sizeof address.sun_path));
      int client = socket(AF_UNIX, types[t] | SOCK_NONBLOCK, 0);
      report(syscall(SYS_connect, client, &address, size), "connect %s %s", type_names[t], paths[p].name);
      struct sockaddr_un peer;
      socklen_t peer_size = sizeof peer;
      memset(&peer, 0, sizeof peer);
      long result = getpeername(client, (struct sockaddr *)&peer, &peer_size);
      report(result, "getpeername");
      if (result == 0) printf("  peer %u %s\n", peer_size, peer.sun_path);
      close(client);
      client = socket(AF_UNIX, types[t] | SOCK_NONBLOCK, 0);
      report(syscall(SYS_sendto, client, "x", 1L, MSG_NOSIGNAL, &address, size), "sendto %s %s", type_names[t], paths[p].name);
      result = syscall(SYS_bind, client, &address, size);
      report(result, "bind %s %s", type_names[t], paths[p].name);
      if (result == 0) {
        struct sockaddr_un own;
        socklen_t own_size = sizeof own;
        memset(&own, 0, sizeof own);
        getsockname(client, (struct sockaddr *)&own, &own_size);
        printf("  name %u %.108s\n", own_size, own.sun_path);
        left(path);
        unlink(path);
        report(syscall(SYS_bind, client, &served, sizeof served), "bind again");
      }
      close(client);
    }
    path_count -= 3;
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "served"};
    static const long lengths[] = {0, 1, 2, 3, 9, 109, 110, 111, 128, 129, -1};
    for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++) {
      char room[256] = {0};
      memcpy(room, &address, sizeof address);
      int client = socket(AF_UNIX, types[t] | SOCK_NONBLOCK, 0);
      report(syscall(SYS_connect, client, room, lengths[l]), "connect %s length %ld", type_names[t], lengths[l]);
      close(client);
      client = socket(AF_UNIX, types[t] | SOCK_NONBLOCK, 0);
      report(syscall(SYS_sendto, client, "x", 1L, MSG_NOSIGNAL, room, lengths[l]), "sendto %s length %ld", type_names[t], lengths[l]);
      close(client);
      client = socket(AF_UNIX, types[t], 0);
      room[2] = 'b';
      long result = syscall(SYS_bind, client, room, lengths[l]);
      report(result, "bind %s length %ld", type_names[t], lengths[l]);
      if (result == 0) unlink("berved"), unlink("b"), unlink("bervedx");
      close(client);
    }
    static const unsigned short families[] = {AF_UNSPEC, AF_INET, AF_INET6, AF_NETLINK, 99};
    for (size_t f = 0; f < 5; f++) {
      address.sun_family = families[f];
      int client = socket(AF_UNIX, types[t], 0);
      report(syscall(SYS_connect, client, &address, sizeof address), "connect %s family %d", type_names[t], families[f]);
      report(syscall(SYS_bind, client, &address, sizeof address), "bind %s family %d", type_names[t], families[f]);
      report(syscall(SYS_sendto, client, "x", 1L, MSG_NOSIGNAL, &address, sizeof address), "sendto %s family %d", type_names[t], families[f]);
      report(syscall(SYS_listen, client, 1), "listen %s unbound", type_names[t]);
      close(client);
    }
    close(server);
    unlink("served"), unlink("gone");
  }
}

static void internet(void) {
  struct sockaddr_in refused = {.sin_family = AF_INET, .sin_port = htons(1), .sin_addr = {htonl(INADDR_LOOPBACK)}};
  struct sockaddr_in6 refused6 = {.sin6_family = AF_INET6, .sin6_port = htons(1), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
  struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  struct sockaddr_in foreign = {.sin_family = AF_INET, .sin_addr = {htonl(0xc0000201)}};
  static const struct { int family, type; const char *name; } kinds[] = {{AF_INET, SOCK_STREAM, "tcp"}, {AF_INET, SOCK_DGRAM, "udp"}, {AF_INET6, SOCK_STREAM, "tcp6"}, {AF_INET6, SOCK_DGRAM, "udp6"}};
  for (int k = 0; k < 4; k++) {
    static const long lengths[] = {0, 1, 2, 8, 15, 16, 17, 24, 27, 28, 128, 129, -1};
    for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++)
      for (int family = 0; family < 4; family++) {
        char room[256] = {0};
        memcpy(room, kinds[k].family == AF_INET ? (void *)&refused : (void *)&refused6, kinds[k].family == AF_INET ? sizeof refused : sizeof refused6);
        unsigned short families[] = {(unsigned short)kinds[k].family, AF_UNSPEC, AF_UNIX, AF_INET};
        memcpy(room, &families[family], 2);
        static const char *family_names[] = {"own", "unspecified", "unix", "inet"};
        int client = socket(kinds[k].family, kinds[k].type, 0);
        report(syscall(SYS_connect, client, room, lengths[l]), "connect %s %s length %ld", kinds[k].name, family_names[family], lengths[l]);
        report(syscall(SYS_sendto, client, "x", 1L, MSG_NOSIGNAL, room, lengths[l]), "sendto %s %s length %ld", kinds[k].name, family_names[family], lengths[l]);
        close(client);
        client = socket(kinds[k].family, kinds[k].type, 0);
        report(syscall(SYS_bind, client, room, lengths[l]), "bind %s %s length %ld", kinds[k].name, family_names[family], lengths[l]);
        close(client);
      }
    int client = socket(kinds[k].family, kinds[k].type, 0);
    report(syscall(SYS_connect, client, NULL, 16L), "connect %s NULL", kinds[k].name);
    report(syscall(SYS_connect, client, last_byte - 4, 16L), "connect %s half mapped", kinds[k].name);
    report(syscall(SYS_bind, client, NULL, 16L), "bind %s NULL", kinds[k].name);
    report(syscall(SYS_sendto, client, NULL, 4L, MSG_NOSIGNAL, NULL, 0L), "sendto %s no address", kinds[k].name);
    report(syscall(SYS_sendto, client, "x", 1L, MSG_OOB | MSG_NOSIGNAL, NULL, 0L), "sendto %s urgent", kinds[k].name);
    report(syscall(SYS_listen, client, 1), "listen %s", kinds[k].name);
    close(client);
  }
  int udp = socket(AF_INET, SOCK_DGRAM, 0), receiver = socket(AF_INET, SOCK_DGRAM, 0);
  checked(bind(receiver, (struct sockaddr *)&own, sizeof own), "bind");
  socklen_t size = sizeof own;
  getsockname(receiver, (struct sockaddr *)&own, &size);
  char *large = calloc(1, 70000);
  static const long sizes[] = {0, 1, 1000, 65507, 65508, 70000};
  for (int s = 0; s < 6; s++) report(syscall(SYS_sendto, udp, large, sizes[s], 0, &own, size), "sendto udp of %ld", sizes[s]);
  report(syscall(SYS_sendto, udp, NULL, 4L, 0, &own, size), "sendto udp of NULL");
  report(syscall(SYS_sendto, udp, last_byte, 4L, 0, &own, size), "sendto udp half mapped");
  report(syscall(SYS_sendto, udp, "x", 1L, 0, &own, 5L), "sendto udp short");
  report(syscall(SYS_sendto, udp, "x", 1L, 0x1000000, &own, size), "sendto udp odd flag");
  report(syscall(SYS_bind, udp, &foreign, sizeof foreign), "bind foreign");
  report(syscall(SYS_bind, udp, &own, sizeof own), "bind in use");
  report(syscall(SYS_connect, udp, &own, sizeof own), "connect udp");
  report(syscall(SYS_sendto, udp, "x", 1L, 0, NULL, 99L), "sendto connected");
  report(syscall(SYS_sendto, udp, "x", 1L, 0, &own, sizeof own), "sendto connected with address");
  report(syscall(SYS_connect, udp, &refused, sizeof refused), "reconnect udp");
  struct sockaddr none = {.sa_family = AF_UNSPEC};
  report(syscall(SYS_connect, udp, &none, sizeof none), "disconnect udp");
  report(syscall(SYS_sendto, udp, "x", 1L, 0, NULL, 0L), "sendto disconnected");
  close(udp);
  static const struct { const char *name; int number; } calls[] = {{"connect", SYS_connect}, {"bind", SYS_bind}, {"listen", SYS_listen}, {"sendto", SYS_sendto}, {"sendmsg", SYS_sendmsg}, {"sendmmsg", SYS_sendmmsg}};
  open_descriptors();
  struct iovec part = {"x", 1};
  struct mmsghdr plain = {.msg_hdr = {.msg_iov = &part, .msg_iovlen = 1}};
  for (size_t c = 0; c < 6; c++)
    for (int d = 1; d < DESCRIPTORS; d++) {
      void *second = c < 2 ? (void *)&own : c == 2 ? (void *)1 : c == 3 ? (void *)"x" : (void *)&plain;
      long third = c < 2 ? (long)sizeof own : c == 5 ? 1 : c == 3 ? 1 : 0;
      report(syscall(calls[c].number, descriptors[d], second, third, 0, c == 3 ? &own : NULL, c == 3 ? sizeof own : 0), "%s on %s", calls[c].name, descriptor_names[d]);
    }
  close_descriptors();
  close(receiver);
}

static void messages(void) {
  int ends[2], streams[2];
  checked(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends), "socketpair");
  checked(socketpair(AF_UNIX, SOCK_STREAM, 0, streams), "socketpair");
  struct iovec part = {"text", 4}, bad_part = {(void *)16, 4}, huge_part = {"text", (size_t)-1}, many[1030], three[3] = {{"ab", 2}, {(void *)16, 0}, {"cd", 2}};
  for (int i = 0; i < 1030; i++) many[i] = (struct iovec){"x", 1};
  union { char room[CMSG_SPACE(4 * sizeof(int)) + 64]; struct cmsghdr header; } control;
  struct { const char *name; struct msghdr message; } cases[] = {
    {"plain", {.msg_iov = &part, .msg_iovlen = 1}}, {"nothing", {0}}, {"three parts", {.msg_iov = three, .msg_iovlen = 3}}, {"bad part", {.msg_iov = &bad_part, .msg_iovlen = 1}},
    {"huge part", {.msg_iov = &huge_part, .msg_iovlen = 1}}, {"many", {.msg_iov = many, .msg_iovlen = 1024}}, {"too many", {.msg_iov = many, .msg_iovlen = 1025}},
    {"bad parts", {.msg_iov = (void *)16, .msg_iovlen = 1}}, {"negative name", {.msg_iov = &part, .msg_iovlen = 1, .msg_name = &part, .msg_namelen = (socklen_t)-1}},
    {"bad name", {.msg_iov = &part, .msg_iovlen = 1, .msg_name = (void *)16, .msg_namelen = 10}}, {"no name of length", {.msg_iov = &part, .msg_iovlen = 1, .msg_namelen = 10}},
    {"name of no length", {.msg_iov = &part, .msg_iovlen = 1, .msg_name = &part}}, {"long name", {.msg_iov = &part, .msg_iovlen = 1, .msg_name = many, .msg_namelen = 500}},
    {"bad control", {.msg_iov = &part, .msg_iovlen = 1, .msg_control = (void *)16, .msg_controllen = 24}}, {"short control", {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = 8}},
    {"huge control", {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = (size_t)-1}}, {"control of a GiB", {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = 1 << 30}}};
  memset(&control, 0, sizeof control);
  for (size_t c = 0; c < sizeof cases / sizeof *cases; c++)
    for (int s = 0; s < 2; s++) {
      report(syscall(SYS_sendmsg, s ? streams[0] : ends[0], &cases[c].message, MSG_DONTWAIT | MSG_NOSIGNAL), "sendmsg %s %s", s ? "stream" : "dgram", cases[c].name);
      struct mmsghdr two[2] = {{.msg_hdr = cases[0].message}, {.msg_hdr = cases[c].message}};
      report(syscall(SYS_sendmmsg, s ? streams[0] : ends[0], two, 2L, MSG_DONTWAIT | MSG_NOSIGNAL), "sendmmsg %s %s", s ? "stream" : "dgram", cases[c].name);
      printf("  %u %u\n", two[0].msg_len, two[1].msg_len);
      char sink[5000];
      while (recv(s ? streams[1] : ends[1], sink, sizeof sink, MSG_DONTWAIT) > 0);
    }
  report(syscall(SYS_sendmsg, ends[0], NULL, 0), "sendmsg NULL");
  report(syscall(SYS_sendmmsg, ends[0], NULL, 1L, 0), "sendmmsg NULL");
  report(syscall(SYS_sendmmsg, ends[0], NULL, 0L, 0), "sendmmsg none");
  static const struct { const char *name; int level, type; size_t length; int value; } controls[] = {{"rights", SOL_SOCKET, SCM_RIGHTS, 20, 0}, {"closed", SOL_SOCKET, SCM_RIGHTS, 20, 998}, {"negative", SOL_SOCKET, SCM_RIGHTS, 20, -1},
    {"no descriptor", SOL_SOCKET, SCM_RIGHTS, 16, 0}, {"half a descriptor", SOL_SOCKET, SCM_RIGHTS, 18, 0}, {"too short", SOL_SOCKET, SCM_RIGHTS, 12, 0}, {"too long", SOL_SOCKET, SCM_RIGHTS, 400, 0},
    {"other level", IPPROTO_IP, 1, 20, 0}, {"unknown", SOL_SOCKET, 77, 20, 0}};
  for (size_t c = 0; c < sizeof controls / sizeof *controls; c++)
    for (int s = 0; s < 2; s++) {
      memset(&control, 0, sizeof control);
      control.header.cmsg_level = controls[c].level, control.header.cmsg_type = controls[c].type, control.header.cmsg_len = controls[c].length;
      memcpy(CMSG_DATA(&control.header), &controls[c].value, 4);
      struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = CMSG_SPACE(4)};
      report(syscall(SYS_sendmsg, s ? streams[0] : ends[0], &message, MSG_NOSIGNAL), "sendmsg %s control %s", s ? "stream" : "dgram", controls[c].name);
      char sink[64], received[256];
      struct iovec into = {sink, sizeof sink};
      struct msghdr answer = {.msg_iov = &into, .msg_iovlen = 1, .msg_control = received, .msg_controllen = sizeof received};
      ssize_t length = recvmsg(s ? streams[1] : ends[1], &answer, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
      printf("  received %zd with %zu, flags %x\n", length, length < 0 ? 0 : answer.msg_controllen, answer.msg_flags);
      if (length > 0 && answer.msg_controllen >= 20) close(*(int *)CMSG_DATA(CMSG_FIRSTHDR(&answer)));
    }
  close(streams[1]), close(ends[1]);
  report(syscall(SYS_sendto, streams[0], "x", 1L, MSG_NOSIGNAL, NULL, 0L), "sendto closed stream");
  report(syscall(SYS_sendto, ends[0], "x", 1L, MSG_NOSIGNAL, NULL, 0L), "sendto closed dgram");
  report(syscall(SYS_sendmsg, streams[0], &cases[0].message, MSG_NOSIGNAL), "sendmsg closed stream");
  close(streams[0]), close(ends[0]);
}

static volatile sig_atomic_t caught;
static void count(int number) { (void)number; caught++; }

static void signals(void) {
  signal(SIGWINCH, count), signal(SIGURG, count);
  static const int numbers[] = {0, SIGWINCH, SIGURG, 65, -1, 1000};
  long self = getpid(), thread = gettid();
  struct { const char *name; long pid; } processes[] = {{"self", self}, {"init", 1}, {"nobody", 0x3ffffff}, {"most negative", INT_MIN}, {"minus two", -0x3fffffe}};
  for (size_t n = 0; n < 6; n++)
    for (size_t p = 0; p < 5; p++) {
      int number = numbers[n];
      report(syscall(SYS_kill, processes[p].pid, number), "kill %s %d", processes[p].name, number);
      report(syscall(SYS_tkill, processes[p].pid, number), "tkill %s %d", processes[p].name, number);
      report(syscall(SYS_tgkill, self, processes[p].pid, number), "tgkill self %s %d", processes[p].name, number);
      report(syscall(SYS_tgkill, processes[p].pid, thread, number), "tgkill %s self %d", processes[p].name, number);
      siginfo_t information = {.si_signo = number, .si_code = SI_QUEUE};
      report(syscall(SYS_rt_sigqueueinfo, processes[p].pid, number, &information), "rt_sigqueueinfo %s %d", processes[p].name, number);
      information.si_code = SI_USER;
      // That a signal claims to be kill's is looked at before its receiver is, in memory: to others it is refused anyway.
      if (p == 0) report(syscall(SYS_rt_sigqueueinfo, processes[p].pid, number, &information), "rt_sigqueueinfo as kill %s %d", processes[p].name, number);
      report(syscall(SYS_rt_tgsigqueueinfo, processes[p].pid, thread, number, &information), "rt_tgsigqueueinfo %s %d", processes[p].name, number);
    }
  report(syscall(SYS_rt_sigqueueinfo, self, SIGURG, NULL), "rt_sigqueueinfo NULL");
  long pidfd = syscall(SYS_pidfd_open, self, 0);
  open_descriptors();
  for (size_t n = 0; n < 6; n++) {
    report(syscall(SYS_pidfd_send_signal, pidfd, numbers[n], NULL, 0), "pidfd_send_signal self %d", numbers[n]);
    report(syscall(SYS_pidfd_send_signal, pidfd, numbers[n], NULL, 99), "pidfd_send_signal flags %d", numbers[n]);
    for (int d = 1; d < DESCRIPTORS; d++) report(syscall(SYS_pidfd_send_signal, descriptors[d], numbers[n], NULL, 0), "pidfd_send_signal %s %d", descriptor_names[d], numbers[n]);
  }
  int ends[2];
  checked(pipe(ends), "pipe");
  static const long owners[] = {0, 1, 0x3ffffff, -0x3fffffe, INT_MIN};
  for (size_t o = 0; o < 5; o++) report(syscall(SYS_fcntl, ends[0], F_SETOWN, owners[o]), "F_SETOWN %ld", owners[o]);
  report(syscall(SYS_fcntl, ends[0], F_SETOWN, self), "F_SETOWN self");
  report(syscall(SYS_fcntl, 999, F_SETOWN, self), "F_SETOWN bad");
  report(syscall(SYS_fcntl, ends[0], 12345, 0), "fcntl unknown");
  close(ends[0]), close(ends[1]), close((int)pidfd);
  close_descriptors();
  printf("caught %d\n", caught);
}

int main(void) {
  read_only = getenv("READ_ONLY");
  if (!getcwd(base, sizeof base)) return 1;
  // Wherever the runner's own descriptors end, the lowest free one is the same.
  for (int fd = 3; fd < 64; fd++) close(fd);
  name255 = repeated("n", 255, "");
  prepare_paths();
  renew();
  static const struct { const char *name; void (*run)(void); } parts[] = {{"opens", opens}, {"ats", ats}, {"openat2", open_extended}, {"changes", changes}, {"pairs", pairs},
    {"executions", executions}, {"unix", unix_addresses}, {"internet", internet}, {"messages", messages}, {"signals", signals}};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    printf("-- %s\n", parts[i].name);
    parts[i].run();
  }
  destroy();
  printf("%d calls\n", lines);
  return lines < 5000;
}
