#include "ash_process.h"

#include <errno.h>
#include <linux/capability.h>
#include <malloc.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

int ash_pidfd_open(pid_t pid, unsigned flags) { return (int)syscall(SYS_pidfd_open, pid, flags); }
int ash_pidfd_getfd(int pidfd, int target) { return (int)syscall(SYS_pidfd_getfd, pidfd, target, 0); }
int ash_pidfd_send_signal(int pidfd, int signal) { return (int)syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0); }

// linux/pidfd.h of 6.13: struct pidfd_info and its ioctl.
struct ash_pidfd_info_v0 {
  uint64_t mask, cgroupid;
  uint32_t pid, tgid, ppid, ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid, spare0;
};
_Static_assert(sizeof(struct ash_pidfd_info_v0) == 64, "PIDFD_INFO_SIZE_VER0");
#define ASH_PIDFD_GET_INFO _IOWR(0xFF, 11, struct ash_pidfd_info_v0)

int ash_pidfd_info(int pidfd, uint32_t *pid, uint32_t *tgid, uint32_t *ppid, uint32_t *ruid) {
  struct ash_pidfd_info_v0 info;
  memset(&info, 0, sizeof info);
  info.mask = 1 /* PIDFD_INFO_PID */ | 2 /* PIDFD_INFO_CREDS */;
  if (ioctl(pidfd, ASH_PIDFD_GET_INFO, &info) != 0) return -1;
  *pid = info.pid;
  *tgid = info.tgid;
  *ppid = info.ppid;
  *ruid = info.ruid;
  return 0;
}

int ash_stack_limit(pid_t process, uint64_t *bytes) {
  struct rlimit limit;
  if (prlimit(process, RLIMIT_STACK, NULL, &limit) != 0) return -1;
  *bytes = limit.rlim_cur;
  return 0;
}

pid_t ash_gettid(void) {
  // Threads that are asked again and again are told the same; after a fork without exec it would be the parent's, and there is none.
  static __thread pid_t own;
  if (own == 0) own = (pid_t)syscall(SYS_gettid);
  return own;
}
int ash_tgkill(pid_t tgid, pid_t tid, int signal) { return (int)syscall(SYS_tgkill, tgid, tid, signal); }

ssize_t ash_read_memory(pid_t pid, uint64_t address, void *buffer, size_t length) {
  struct iovec local = {buffer, length}, remote = {(void *)(uintptr_t)address, length};
  return process_vm_readv(pid, &local, 1, &remote, 1, 0);
}

ssize_t ash_write_memory(pid_t pid, uint64_t address, const void *buffer, size_t length) {
  struct iovec local = {(void *)buffer, length}, remote = {(void *)(uintptr_t)address, length};
  return process_vm_writev(pid, &local, 1, &remote, 1, 0);
}

int ash_ptrace_seize(pid_t tid, unsigned options) {
  return (int)ptrace(PTRACE_SEIZE, tid, NULL, (void *)(uintptr_t)options);
}
int ash_ptrace_interrupt(pid_t tid) { return (int)ptrace(PTRACE_INTERRUPT, tid, NULL, NULL); }
int ash_ptrace_continue(pid_t tid, int signal) { return (int)ptrace(PTRACE_CONT, tid, NULL, (void *)(intptr_t)signal); }
int ash_ptrace_is_stopped(pid_t thread) {
  unsigned long message;
  return ptrace(PTRACE_GETEVENTMSG, thread, NULL, &message) == 0;
}

int ash_ptrace_detach(pid_t tid, int signal) { return (int)ptrace(PTRACE_DETACH, tid, NULL, (void *)(intptr_t)signal); }
int ash_ptrace_listen(pid_t tid) { return (int)ptrace(PTRACE_LISTEN, tid, NULL, NULL); }

int ash_ptrace_get_filter(pid_t tid, uint64_t index, struct sock_filter *program) {
  return (int)ptrace(PTRACE_SECCOMP_GET_FILTER, tid, (void *)(uintptr_t)index, program);
}

pid_t ash_wait_tracee(pid_t tid, int *status, int options) { return waitpid(tid, status, options | __WALL | __WNOTHREAD); }

int ash_status_stopped_event(int status, int *signal, int *event) {
  if (!WIFSTOPPED(status)) return 0;
  *signal = WSTOPSIG(status);
  *event = status >> 16;
  return 1;
}

int ash_thread_capabilities_set(uint64_t effective, uint64_t permitted, uint64_t inheritable) {
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2] = {
      {(uint32_t)effective, (uint32_t)permitted, (uint32_t)inheritable},
      {(uint32_t)(effective >> 32), (uint32_t)(permitted >> 32), (uint32_t)(inheritable >> 32)}};
  return (int)syscall(SYS_capset, &header, data);
}

int ash_thread_capabilities_get(uint64_t *effective, uint64_t *permitted, uint64_t *inheritable) {
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2];
  if (syscall(SYS_capget, &header, data) != 0) return -1;
  *effective = data[0].effective | (uint64_t)data[1].effective << 32;
  *permitted = data[0].permitted | (uint64_t)data[1].permitted << 32;
  *inheritable = data[0].inheritable | (uint64_t)data[1].inheritable << 32;
  return 0;
}

int ash_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d) {
  return prctl(option, a, b, c, d);
}

int ash_unshare_fs(void) { return unshare(CLONE_FS); }

int ash_name_thread(const char *name) { return prctl(PR_SET_NAME, (unsigned long)name, 0, 0, 0); }

void ash_share_memory_arenas(void) { mallopt(M_ARENA_MAX, 2); }
void ash_trim_memory(void) { malloc_trim(0); }

// The words of struct statx of linux/stat.h, which libc may not know to the end yet: stx_mask is in the first, stx_mnt_id is the nineteenth.
enum { statx_words = 32, statx_mount = 144 / 8 };
static const unsigned plain_id = 0x1000, unique_id = 0x4000;  // STATX_MNT_ID of 5.8, STATX_MNT_ID_UNIQUE of 6.8

static int mount_id(const uint64_t *status, uint64_t *id) {
  uint32_t mask;
  memcpy(&mask, status, sizeof mask);
  *id = status[statx_mount];
  if (mask & unique_id) return 1;
  if (mask & plain_id) return 0;
  errno = ENOSYS;
  return -1;
}

int ash_mount_id(int descriptor, int unique, uint64_t *id) {
  uint64_t status[statx_words] = {0};
  const int flags = 0x1000 | 0x4000;  // AT_EMPTY_PATH, AT_STATX_DONT_SYNC
  if (syscall(SYS_statx, descriptor, "", flags, unique ? unique_id : plain_id, status) != 0) return -1;
  return mount_id(status, id);
}

int ash_status(int descriptor, struct stat *status, int *kind, uint64_t *id) {
  union {
    uint64_t words[statx_words];
    struct statx fields;
  } found = {{0}};
  const unsigned basic = 0x7ff;  // STATX_BASIC_STATS
  if (syscall(SYS_statx, descriptor, "", 0x1000, basic | plain_id | unique_id, &found) != 0) return -1;
  const struct statx *fields = &found.fields;
  memset(status, 0, sizeof *status);
  status->st_dev = makedev(fields->stx_dev_major, fields->stx_dev_minor);
  status->st_ino = fields->stx_ino;
  status->st_mode = fields->stx_mode;
  status->st_nlink = fields->stx_nlink;
  status->st_uid = fields->stx_uid;
  status->st_gid = fields->stx_gid;
  status->st_rdev = makedev(fields->stx_rdev_major, fields->stx_rdev_minor);
  status->st_size = (off_t)fields->stx_size;
  status->st_mtim.tv_sec = fields->stx_mtime.tv_sec;
  status->st_mtim.tv_nsec = fields->stx_mtime.tv_nsec;
  *kind = mount_id(found.words, id);
  return 0;
}
