// Tries what a session's filter must refuse: `filter NAME` makes one attempt and prints `done` where the kernel did it, `errno N` where it answered
// an error. Raw system calls only: no C library stands between. `filter --list` prints the names with the errno that a session must see.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/btrfs.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/fscrypt.h>
#include <linux/fsverity.h>
#include <linux/perf_event.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static const uint64_t high = 0xdeadbeef00000000ull;

#if defined(__x86_64__)
// i386: int 0x80 with the number of getpid there. The pointer-free call is enough: it must not even be looked at.
static long i386(long number) {
  long result;
  __asm__ volatile("int $0x80" : "=a"(result) : "a"(number) : "memory", "r8", "r9", "r10", "r11");
  if ((int)result < 0) {
    errno = -(int)result;
    return -1;
  }
  return (int)result;
}
// The native convention with all 64 bits of the number: the kernel looks at the low half only.
static long wide(uint64_t number, long first, long second) {
  long result;
  register long fourth __asm__("r10") = 0;
  __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(first), "S"(second), "d"(0L), "r"(fourth) : "rcx", "r11", "memory");
  if (result < 0 && result > -4096) {
    errno = (int)-result;
    return -1;
  }
  return result;
}
static long trace_me_wide(void) { return wide(high | SYS_ptrace, PTRACE_TRACEME, 0); }
#endif

static char page[4096];
static long child_exit(long pid) {
  if (pid == 0) _exit(0);
  if (pid > 0) waitpid((pid_t)pid, NULL, 0);
  return pid;
}
static long spawn(unsigned long flags) { return child_exit(syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0)); }
// For attempts that would end or change the process: in a child, whose errno is handed back.
static long apart(long (*attempt)(void)) {
  pid_t pid = fork();
  if (pid == 0) _exit(attempt() == -1 ? errno : 0);
  int status;
  waitpid(pid, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return 0;
  errno = WIFEXITED(status) ? WEXITSTATUS(status) : 255;
  return -1;
}
static long trace_me(void) { return syscall(SYS_ptrace, PTRACE_TRACEME, 0, 0, 0); }
static long new_user(void) { return syscall(SYS_unshare, high | CLONE_NEWUSER); }
static long implies_exec(void) { return syscall(SYS_personality, 0x0400000ul) == -1 ? -1 : 0; }
static long second_listener(void) {
  struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  struct sock_fprog program = {1, &allow};
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program) == -1 ? -1 : 0;
}
static long clone3_plain(void) {
  struct { uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, size, tls; } arguments = {.exit_signal = SIGCHLD};
  return child_exit(syscall(SYS_clone3, &arguments, sizeof arguments));
}
static long clone3_user(void) {
  struct { uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, size, tls; } arguments = {.flags = CLONE_NEWUSER, .exit_signal = SIGCHLD};
  return child_exit(syscall(SYS_clone3, &arguments, sizeof arguments));
}
// A request on the working directory: one that a file system doesn't know is ENOTTY outside.
static long on_directory(unsigned long request, void *argument) {
  int directory = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return directory < 0 ? -1 : syscall(SYS_ioctl, directory, high | request, argument);
}
static long terminal_input(uint64_t upper, unsigned long request) {
  // A terminal of our own: TIOCSTI on it would be allowed outside (or EIO/EPERM by sysctl, so the caller takes any answer but ENOTTY as reached).
  int terminal = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (terminal < 0) return -1;
  char byte = 'x';
  return syscall(SYS_ioctl, terminal, upper | request, &byte);
}
static long sigio_to_init(void) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return -1;
  return syscall(SYS_fcntl, ends[0], 10 /* F_SETSIG */, SIGKILL);
}
static long owner_by_ioctl(void) {
  int pair[2], pid = getpid();
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) return -1;
  return syscall(SYS_ioctl, pair[0], high | 0x8901 /* FIOSETOWN */, &pid);
}
// Loose source routing: a packet goes to the first address of the route.
static long source_route(uint64_t upper) {
  static const unsigned char route[8] = {1, 131, 7, 4, 192, 0, 2, 1};
  int fresh = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  return syscall(SYS_setsockopt, fresh, upper | 0, upper | 4 /* IP_OPTIONS */, route, sizeof route);
}
static long source_route_6(int option) {
  static unsigned char request[32];
  int fresh = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  return syscall(SYS_setsockopt, fresh, 41, option, request, option == 32 ? sizeof request : 0);
}
static long others_limits(void) {
  pid_t pid = fork();
  if (pid == 0) {
    pause();
    _exit(0);
  }
  uint64_t limit[2] = {1024, 1024};
  long result = syscall(SYS_prlimit64, pid, 7 /* RLIMIT_NOFILE */, limit, NULL);
  int error = errno;
  kill(pid, SIGKILL);
  waitpid(pid, NULL, 0);
  errno = error;
  return result;
}
static long perf(void) {
  struct perf_event_attr attributes = {.type = PERF_TYPE_SOFTWARE, .size = sizeof attributes, .config = PERF_COUNT_SW_DUMMY, .exclude_kernel = 1, .exclude_hv = 1};
  return syscall(SYS_perf_event_open, &attributes, 0, -1, -1, 0);
}
static long map(void) {
  union bpf_attr attributes;
  memset(&attributes, 0, sizeof attributes);
  attributes.map_type = BPF_MAP_TYPE_ARRAY;
  attributes.key_size = 4;
  attributes.value_size = 4;
  attributes.max_entries = 1;
  return syscall(SYS_bpf, BPF_MAP_CREATE, &attributes, sizeof attributes);
}
static long copy_memory(int writing) {
  static char from[8] = "secret", to[8];
  struct iovec local = {to, 8}, remote = {from, 8};
  return syscall(writing ? SYS_process_vm_writev : SYS_process_vm_readv, getpid(), &local, 1, &remote, 1, 0);
}
static long ring(void) {
  char parameters[120] = {0};
  return syscall(SYS_io_uring_setup, 2, parameters);
}
static long keys(void) { return syscall(SYS_add_key, "user", "agentsh-test", "x", 1, -3 /* session keyring */); }
static long handle(void) {
  struct { unsigned bytes; int type; unsigned char data[128]; } file = {.bytes = 128};
  int mount;
  if (syscall(SYS_name_to_handle_at, AT_FDCWD, "/", &file, &mount, 0) != 0) return 0;
  int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return syscall(SYS_open_by_handle_at, root, &file, O_RDONLY);
}

struct attempt {
  const char *name;
  int refused_with;
};
static const struct attempt attempts[] = {
#if defined(__x86_64__)
    {"i386-int80", ENOSYS}, {"i386-exit", ENOSYS}, {"i386-high-number", ENOSYS}, {"i386-highest-number", ENOSYS}, {"i386-ptrace", ENOSYS},
    {"x32-getpid", ENOSYS}, {"x32-ptrace", ENOSYS}, {"x32-high-number", ENOSYS}, {"number-minus-one", ENOSYS},
    // The number's high half is nobody's: what is refused stays so, and what is permitted works.
    {"number-high-half-ptrace", EPERM}, {"number-high-half-keyctl", EPERM}, {"number-high-half-getpid", 0},
#endif
    {"number-above-the-table", ENOSYS}, {"number-in-a-gap", ENOSYS}, {"io_uring", ENOSYS}, {"io_uring_enter", ENOSYS}, {"io_uring_register", ENOSYS}, {"clone3", ENOSYS},
    {"clone3-user", ENOSYS},
    {"ptrace-traceme", EPERM}, {"process_vm_readv", EPERM}, {"process_vm_writev", EPERM}, {"pidfd_getfd", EPERM}, {"kcmp", EPERM},
    {"bpf", EPERM}, {"perf_event_open", EPERM}, {"userfaultfd", EPERM}, {"add_key", EPERM}, {"keyctl", EPERM},
    {"unshare-user", EPERM}, {"unshare-user-high-half", EPERM}, {"clone-user", EPERM}, {"clone-user-high-half", EPERM}, {"setns", EPERM},
    {"mount", EPERM}, {"fsopen", EPERM}, {"open_tree", EPERM}, {"pivot_root", EPERM}, {"chroot", EPERM}, {"umount", EPERM}, {"mount_setattr", EPERM},
    {"init_module", EPERM}, {"finit_module", EPERM}, {"kexec_load", EPERM}, {"reboot", EPERM}, {"swapon", EPERM}, {"open_by_handle_at", EPERM},
    {"tiocsti", EPERM}, {"tiocsti-high-half", EPERM}, {"tioclinux", EPERM}, {"socket-packet", EPERM}, {"socket-raw", EPERM}, {"socket-raw-high-half", EPERM},
    {"socket-vsock", EAFNOSUPPORT}, {"socket-alg", EAFNOSUPPORT}, {"socket-alg-high-half", EAFNOSUPPORT}, {"socket-audit", EPERM}, {"socketpair-tipc", EAFNOSUPPORT},
    {"socket-sctp", EPROTONOSUPPORT}, {"socket-sctp-seqpacket", ESOCKTNOSUPPORT}, {"socket-dccp", ESOCKTNOSUPPORT},
    {"source-route", EPERM}, {"source-route-high-half", EPERM}, {"source-route-6", EPERM}, {"source-route-6-old", EPERM}, {"source-route-by-label", EPERM},
    {"btrfs-snapshot-high-half", EPERM},
    {"f_setsig", EPERM}, {"fiosetown", EPERM}, {"prlimit-of-others", EPERM}, {"personality", EPERM}, {"second-listener", EBUSY}, {"syslog", EPERM},
    {"sethostname", EPERM}, {"quotactl", EPERM}, {"quotactl_fd", EPERM}, {"fanotify_init", EPERM},
    {"fsconfig", EPERM}, {"fsmount", EPERM}, {"fspick", EPERM}, {"move_mount", EPERM}, {"open_tree_attr", EPERM},
    {"btrfs-snapshot", EPERM}, {"btrfs-subvolume", EPERM}, {"btrfs-snapshot-v2", EPERM}, {"btrfs-subvolume-v2", EPERM}, {"btrfs-destroy", EPERM},
    {"verity", EPERM}, {"set-version", EPERM}, {"encryption-policy", EPERM}, {"encryption-key", EPERM}, {"encryption-key-away", EPERM},
    {"userfaultfd-by-device", EPERM}, {"program-by-another-name", EPERM},
};

static long run(const char *name) {
#define is(text) (strcmp(name, text) == 0)
#if defined(__x86_64__)
  if (is("i386-int80")) return i386(20);
  if (is("i386-exit")) return i386(1);  // status: whatever stands in the register
  if (is("i386-high-number")) return i386(500);
  if (is("i386-highest-number")) return i386(0x7fffffff);
  if (is("i386-ptrace")) return i386(26);
  if (is("x32-high-number")) return syscall(0x40000000 | 547, 0, 0, 0, 0, 0);
  if (is("number-minus-one")) return wide(~0ull, 0, 0);
  if (is("number-high-half-ptrace")) return apart(trace_me_wide);
  if (is("number-high-half-keyctl")) return wide(1ull << 32 | SYS_keyctl, 0 /* KEYCTL_GET_KEYRING_ID */, -3);
  if (is("number-high-half-getpid")) return wide(high | SYS_getpid, 0, 0) == getpid() ? 0 : -1;
  if (is("x32-getpid")) return syscall(0x40000000 | SYS_getpid);
  if (is("x32-ptrace")) return syscall(0x40000000 | 521, PTRACE_TRACEME, 0, 0, 0);
#endif
  if (is("number-above-the-table")) return syscall(470, 0, 0, 0, 0, 0);
  if (is("number-in-a-gap")) return syscall(400, 0, 0, 0, 0, 0);
  if (is("io_uring")) return ring();
  if (is("io_uring_enter")) return syscall(SYS_io_uring_enter, -1, 0, 0, 0, NULL, 0);
  if (is("io_uring_register")) return syscall(SYS_io_uring_register, -1, 0, NULL, 0);
  if (is("clone3-user")) return clone3_user();
  if (is("clone3")) return clone3_plain();
  if (is("ptrace-traceme")) return apart(trace_me);
  if (is("process_vm_readv")) return copy_memory(0);
  if (is("process_vm_writev")) return copy_memory(1);
  if (is("pidfd_getfd")) return syscall(SYS_pidfd_getfd, syscall(SYS_pidfd_open, getpid(), 0), 0, 0);
  if (is("kcmp")) return syscall(SYS_kcmp, getpid(), getpid(), 2 /* KCMP_FILES */, 0, 0);
  if (is("bpf")) return map();
  if (is("perf_event_open")) return perf();
  if (is("userfaultfd")) return syscall(SYS_userfaultfd, O_CLOEXEC | 1 /* UFFD_USER_MODE_ONLY */);
  if (is("add_key")) return keys();
  if (is("keyctl")) return syscall(SYS_keyctl, 0 /* KEYCTL_GET_KEYRING_ID */, -3, 0);
  if (is("unshare-user") || is("unshare-user-high-half")) return is("unshare-user") ? syscall(SYS_unshare, CLONE_NEWUSER) : apart(new_user);
  if (is("clone-user")) return spawn(CLONE_NEWUSER);
  if (is("clone-user-high-half")) return spawn(high | CLONE_NEWUSER);
  if (is("setns")) return syscall(SYS_setns, open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC), CLONE_NEWNS);
  if (is("mount")) return syscall(SYS_mount, "none", "/nonexistent", "tmpfs", 0, NULL);
  if (is("fsopen")) return syscall(SYS_fsopen, "tmpfs", 0);
  if (is("open_tree")) return syscall(SYS_open_tree, AT_FDCWD, "/", 0);
  if (is("pivot_root")) return syscall(SYS_pivot_root, "/nonexistent", "/nonexistent");
  if (is("chroot")) return syscall(SYS_chroot, "/nonexistent");
  if (is("umount")) return syscall(SYS_umount2, "/nonexistent", 0);
  if (is("mount_setattr")) return syscall(SYS_mount_setattr, -1, "", 0, page, 32);
  if (is("init_module")) return syscall(SYS_init_module, page, 0, "");
  if (is("finit_module")) return syscall(SYS_finit_module, -1, "", 0);
  if (is("kexec_load")) return syscall(SYS_kexec_load, 0, 0, NULL, 0);
  if (is("reboot")) return syscall(SYS_reboot, 0, 0, 0, NULL);  // wrong magic: nothing happens anywhere
  if (is("swapon")) return syscall(SYS_swapon, "/nonexistent", 0);
  if (is("open_by_handle_at")) return handle();
  if (is("tiocsti")) return terminal_input(0, TIOCSTI);
  if (is("tiocsti-high-half")) return terminal_input(high, TIOCSTI);
  if (is("tioclinux")) return terminal_input(high, 0x541C);
  if (is("socket-packet")) return syscall(SYS_socket, 17, SOCK_DGRAM, 0);
  if (is("socket-raw")) return syscall(SYS_socket, AF_INET, SOCK_RAW, 1);
  if (is("socket-raw-high-half")) return syscall(SYS_socket, high | AF_INET6, high | SOCK_RAW | SOCK_CLOEXEC, high | 58);
  if (is("socket-vsock")) return syscall(SYS_socket, 40, SOCK_STREAM, 0);
  if (is("socket-alg")) return syscall(SYS_socket, 38, SOCK_SEQPACKET, 0);
  if (is("socket-alg-high-half")) return syscall(SYS_socket, high | 38, SOCK_SEQPACKET, 0);
  if (is("socket-audit")) return syscall(SYS_socket, high | 16, SOCK_RAW, high | 9);
  if (is("socketpair-tipc")) return syscall(SYS_socketpair, 30, SOCK_SEQPACKET, 0, page);
  if (is("socket-sctp")) return syscall(SYS_socket, AF_INET, SOCK_STREAM, 132);
  if (is("socket-sctp-seqpacket")) return syscall(SYS_socket, AF_INET6, high | SOCK_SEQPACKET, 0);
  if (is("socket-dccp")) return syscall(SYS_socket, AF_INET, 6, 33);
  if (is("source-route")) return source_route(0);
  if (is("source-route-high-half")) return source_route(high);
  if (is("source-route-6")) return source_route_6(57);
  if (is("source-route-6-old")) return source_route_6(6);
  if (is("source-route-by-label")) return source_route_6(32);
  if (is("btrfs-snapshot-high-half")) return syscall(SYS_ioctl, open("/", O_RDONLY | O_CLOEXEC), high | 0x50009417ul, page);
  if (is("f_setsig")) return sigio_to_init();
  if (is("fiosetown")) return owner_by_ioctl();
  if (is("prlimit-of-others")) return others_limits();
  if (is("personality")) return apart(implies_exec);
  if (is("second-listener")) return apart(second_listener);
  if (is("syslog")) return syscall(SYS_syslog, 10, NULL, 0);
  if (is("sethostname")) return syscall(SYS_sethostname, page, 1ul << 20);  // too long anywhere
  if (is("quotactl")) return syscall(SYS_quotactl, 0, NULL, 0, NULL);
  if (is("quotactl_fd")) return syscall(SYS_quotactl_fd, -1, 0, 0, NULL);
  if (is("fsconfig")) return syscall(SYS_fsconfig, -1, 0, NULL, NULL, 0);
  if (is("fsmount")) return syscall(SYS_fsmount, -1, 0, 0);
  if (is("fspick")) return syscall(SYS_fspick, AT_FDCWD, "/nonexistent", 0);
  if (is("move_mount")) return syscall(SYS_move_mount, -1, "", -1, "", 0);
  if (is("open_tree_attr")) return syscall(467, AT_FDCWD, "/", 0, NULL, 0);
  if (is("btrfs-snapshot")) return on_directory(BTRFS_IOC_SNAP_CREATE, page);
  if (is("btrfs-subvolume")) return on_directory(BTRFS_IOC_SUBVOL_CREATE, page);
  if (is("btrfs-snapshot-v2")) return on_directory(BTRFS_IOC_SNAP_CREATE_V2, page);
  if (is("btrfs-subvolume-v2")) return on_directory(BTRFS_IOC_SUBVOL_CREATE_V2, page);
  if (is("btrfs-destroy")) return on_directory(BTRFS_IOC_SNAP_DESTROY, page);
  if (is("verity")) return on_directory(FS_IOC_ENABLE_VERITY, page);
  if (is("set-version")) return on_directory(FS_IOC_SETVERSION, page);
  if (is("encryption-policy")) return on_directory(FS_IOC_SET_ENCRYPTION_POLICY, page);
  if (is("encryption-key")) return on_directory(FS_IOC_ADD_ENCRYPTION_KEY, page);
  if (is("encryption-key-away")) return on_directory(FS_IOC_REMOVE_ENCRYPTION_KEY, page);
  if (is("userfaultfd-by-device")) return on_directory(0xAA00 /* USERFAULTFD_IOC_NEW */, NULL);
  if (is("program-by-another-name")) return syscall(SYS_prctl, 35 /* PR_SET_MM */, 13 /* PR_SET_MM_EXE_FILE */, -1L, 0, 0);
  if (is("fanotify_init")) return syscall(SYS_fanotify_init, 0x200 /* FAN_REPORT_FID */, O_RDONLY);
  fprintf(stderr, "no such attempt: %s\n", name);
  exit(2);
}

int main(int count, char **arguments) {
  if (count == 2 && strcmp(arguments[1], "--list") == 0) {
    for (size_t i = 0; i < sizeof attempts / sizeof *attempts; i++) printf("%s %d\n", attempts[i].name, attempts[i].refused_with);
    return 0;
  }
  // Several in one process: the first must not spoil the next, so each is made in a child.
  for (int i = 1; i < count; i++) {
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
      long result = run(arguments[i]);
      if (result == -1) {
        printf("%s %d\n", arguments[i], errno);
      } else {
        printf("%s 0\n", arguments[i]);
      }
      fflush(stdout);
      _exit(0);
    }
    int status;
    waitpid(pid, &status, 0);
    if (WIFSIGNALED(status)) printf("%s signal-%d\n", arguments[i], WTERMSIG(status));
  }
  return 0;
}
