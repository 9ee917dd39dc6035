// Files by descriptor: openat2 and the other calls that act on a pinned parent.
#pragma once
#include <linux/openat2.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

// openat2(2).
int ash_openat2(int directory, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve);
// flock(2) with LOCK_EX | LOCK_NB: -1 and EWOULDBLOCK where another open file has the lock.
int ash_lock_whole(int descriptor);
// openat(2) by the raw system call: no flag is added, mode always passed.
// The other end of a pseudo-terminal, as a name only (O_PATH), from its ptmx: TIOCGPTPEER of ioctl_tty(2). -1 and errno.
int ash_pty_peer(int master);
int ash_openat(int directory, const char *path, int flags, mode_t mode);
int ash_renameat2(int from, const char *old_name, int to, const char *new_name, unsigned flags);
int ash_fchmodat2(int directory, const char *path, mode_t mode, int flags);
int ash_faccessat2(int directory, const char *path, int mode, int flags);
// utimensat(2) by the raw system call, whose path may be NULL (then `descriptor` is an open file): four numbers (seconds and nanoseconds of access,
// then of modification), or NULL for now.
int ash_utimensat(int descriptor, const char *path, const int64_t *times, int flags);
int ash_setxattr(const char *path, const char *name, const void *value, size_t size, int flags);
int ash_fsetxattr(int descriptor, const char *name, const void *value, size_t size, int flags);
int ash_removexattr(const char *path, const char *name);
int ash_fremovexattr(int descriptor, const char *name);
// file_setattr(2), 6.17.
int ash_file_setattr(int directory, const char *path, const void *attributes, size_t size, int flags);
// ioctl(2) with a pointer.
int ash_control(int descriptor, uint32_t request, void *argument);
// Filesystem type (statfs(2) f_type) of an open file.
int ash_filesystem_type(int descriptor, int64_t *type);
unsigned ash_device_major(uint64_t device);
unsigned ash_device_minor(uint64_t device);
uint64_t ash_makedev(unsigned major, unsigned minor);
unsigned ash_major(uint64_t device);
unsigned ash_minor(uint64_t device);

// open(2) flags and *at(2) flags that libc shows to GNU sources only.
extern const int ash_o_path, ash_o_direct, ash_o_largefile, ash_o_noatime, ash_o_tmpfile_bit, ash_o_fasync, ash_at_empty_path;
