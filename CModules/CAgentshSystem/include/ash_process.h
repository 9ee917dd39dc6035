// Processes: pidfds, memory of others, ptrace, capabilities of one thread.
#pragma once
#include <linux/filter.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>

#define ASH_PIDFD_THREAD 0200 /* O_EXCL; linux/pidfd.h of 6.9 */

int ash_pidfd_open(pid_t pid, unsigned flags);
int ash_pidfd_getfd(int pidfd, int target);
int ash_pidfd_send_signal(int pidfd, int signal);
// tgid of the task behind a pidfd, by PIDFD_GET_INFO (6.13); -1 with ENOTTY where the kernel lacks it.
int ash_pidfd_info(int pidfd, uint32_t *pid, uint32_t *tgid, uint32_t *ppid, uint32_t *ruid);
// prlimit(2): RLIMIT_STACK of a process as it is.
int ash_stack_limit(pid_t process, uint64_t *bytes);
pid_t ash_gettid(void);
int ash_tgkill(pid_t tgid, pid_t tid, int signal);

// process_vm_readv(2)/process_vm_writev(2) with one range on each side; the number of bytes moved, which may be short at a page that isn't mapped.
ssize_t ash_read_memory(pid_t pid, uint64_t address, void *buffer, size_t length);
ssize_t ash_write_memory(pid_t pid, uint64_t address, const void *buffer, size_t length);

int ash_ptrace_seize(pid_t tid, unsigned options);
int ash_ptrace_interrupt(pid_t tid);
int ash_ptrace_continue(pid_t tid, int signal);
// Whether a tracee is in a stop, where it can be asked things: not one that has been killed.
int ash_ptrace_is_stopped(pid_t thread);
int ash_ptrace_detach(pid_t tid, int signal);
int ash_ptrace_listen(pid_t tid);
// Number of instructions of filter `index` (0: the newest), or -1; program may be NULL.
int ash_ptrace_get_filter(pid_t tid, uint64_t index, struct sock_filter *program);
// waitpid(2) with __WALL | __WNOTHREAD: only tracees of the calling thread.
pid_t ash_wait_tracee(pid_t tid, int *status, int options);
int ash_status_stopped_event(int status, int *signal, int *event);  // 1 when stopped

// capget(2)/capset(2) for the calling thread alone.
int ash_thread_capabilities_set(uint64_t effective, uint64_t permitted, uint64_t inheritable);
int ash_thread_capabilities_get(uint64_t *effective, uint64_t *permitted, uint64_t *inheritable);
int ash_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d);
int ash_unshare_fs(void);
// Names the calling thread (PR_SET_NAME, at most 15 bytes).
int ash_name_thread(const char *name);
// Gives memory that is free back to the system, and lets all threads share few arenas (malloc_trim(3), mallopt(3) M_ARENA_MAX).
void ash_share_memory_arenas(void);
void ash_trim_memory(void);
// The mount that an open file lies on: 1 with a number that no other mount ever gets (6.8), 0 with the one of /proc/PID/mountinfo, which may be used
// again once the mount is gone. -1 with errno where the kernel tells neither (before 5.8). See statx(2).
int ash_mount_id(int descriptor, int unique, uint64_t *id);
// fstat(2), and in `kind` and `id` what ash_mount_id says (-1 where the kernel tells no mount), by one statx(2). Of the times only st_mtim is filled in.
int ash_status(int descriptor, struct stat *status, int *kind, uint64_t *id);

