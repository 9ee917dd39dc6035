#include "ash_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

int ash_openat2(int directory, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve) {
  struct open_how how = {.flags = flags, .mode = mode, .resolve = resolve};
  return (int)syscall(SYS_openat2, directory, path, &how, sizeof how);
}

int ash_pty_peer(int master) { return ioctl(master, TIOCGPTPEER, O_PATH | O_CLOEXEC); }

int ash_lock_whole(int descriptor) { return flock(descriptor, LOCK_EX | LOCK_NB); }

int ash_openat(int directory, const char *path, int flags, mode_t mode) {
  return (int)syscall(SYS_openat, directory, path, flags, mode);
}

int ash_renameat2(int from, const char *old_name, int to, const char *new_name, unsigned flags) {
  return (int)syscall(SYS_renameat2, from, old_name, to, new_name, flags);
}

int ash_fchmodat2(int directory, const char *path, mode_t mode, int flags) {
  return (int)syscall(452 /* fchmodat2, 6.6, the same on x86_64 and arm64 */, directory, path, mode, flags);
}

int ash_faccessat2(int directory, const char *path, int mode, int flags) {
  return (int)syscall(SYS_faccessat2, directory, path, mode, flags);
}

int ash_utimensat(int descriptor, const char *path, const int64_t *times, int flags) {
  return (int)syscall(SYS_utimensat, descriptor, path, times, flags);
}

int ash_setxattr(const char *path, const char *name, const void *value, size_t size, int flags) {
  return setxattr(path, name, value, size, flags);
}

int ash_fsetxattr(int descriptor, const char *name, const void *value, size_t size, int flags) {
  return fsetxattr(descriptor, name, value, size, flags);
}

int ash_removexattr(const char *path, const char *name) { return removexattr(path, name); }

int ash_fremovexattr(int descriptor, const char *name) { return fremovexattr(descriptor, name); }

int ash_file_setattr(int directory, const char *path, const void *attributes, size_t size, int flags) {
  return (int)syscall(469 /* file_setattr, 6.17, the same on x86_64 and arm64 */, directory, path, attributes, size, flags);
}

int ash_control(int descriptor, uint32_t request, void *argument) { return ioctl(descriptor, request, argument); }

int ash_filesystem_type(int descriptor, int64_t *type) {
  struct statfs information;
  if (fstatfs(descriptor, &information) != 0) return -1;
  *type = information.f_type;
  return 0;
}

unsigned ash_device_major(uint64_t device) { return major(device); }
unsigned ash_device_minor(uint64_t device) { return minor(device); }
unsigned ash_major(uint64_t device) { return major(device); }
unsigned ash_minor(uint64_t device) { return minor(device); }
uint64_t ash_makedev(unsigned major_number, unsigned minor_number) { return makedev(major_number, minor_number); }

const int ash_o_path = O_PATH, ash_o_direct = O_DIRECT, ash_o_noatime = O_NOATIME, ash_o_tmpfile_bit = O_TMPFILE & ~O_DIRECTORY,
          ash_o_fasync = O_ASYNC, ash_at_empty_path = AT_EMPTY_PATH;
// libc says 0 on 64-bit machines, where it always asks for large files; the kernel still accepts its own bit.
#if defined(__aarch64__)
const int ash_o_largefile = 0400000;
#else
const int ash_o_largefile = 0100000;
#endif
