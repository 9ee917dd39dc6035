public import AgentshFilter

/// The supervisor's own seccomp filter: what it needs for its work and nothing else, so that a target that got the better of it through what it
/// reads there could start no program, make no process, open no socket, mount nothing and map no code.
public enum SupervisorFilter {
  /// The compiled program: made once by whoever starts supervisors, since making it takes longer than a supervisor may.
  /// - Parameter resolving: for a session with a resolver, which makes sockets to ask the host's name servers with, and with connections that are redirected
  ///   to Unix sockets.
  public static func compiled(resolving: Bool = false) throws -> FilterProgram {
    var list = list
    if resolving {
      list.allow("socket", argument: 0, .equals(1))  // AF_UNIX
      list.allow("socket", argument: 0, .equals(2))  // AF_INET
      list.allow("socket", argument: 0, .equals(10))  // AF_INET6
    }
    return try list.compile()
  }

  static let list: AllowListFilter = {
    var list = AllowListFilter()
    // Its own running: memory without code, threads, clocks, signals.
    list.allow([
      "brk", "munmap", "mremap", "madvise", "futex", "futex_waitv", "set_robust_list", "get_robust_list", "rseq", "set_tid_address", "gettid",
      "getpid", "getppid", "getuid", "geteuid", "getgid", "getegid", "getgroups", "sched_yield", "sched_getaffinity", "sched_setaffinity", "sched_getscheduler",
      "sched_getparam", "getcpu", "clock_gettime", "clock_getres", "gettimeofday", "time", "clock_nanosleep", "nanosleep", "restart_syscall",
      "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigtimedwait", "rt_sigpending", "rt_sigsuspend", "sigaltstack", "exit", "exit_group",
      "getrandom", "getrusage", "sysinfo", "uname", "getrlimit", "membarrier", "arch_prctl", "umask", "capget", "capset", "prctl", "times",
    ])
    let executable: UInt32 = 0x4  // PROT_EXEC
    list.allow("mmap", argument: 2, .hasNoneOf(executable))
    list.allow("mprotect", argument: 2, .hasNoneOf(executable))
    // Threads only: clone3(2) has its flags in memory, and libc falls back to clone(2) when it is told that there is no such call.
    list.hide("clone3")
    list.allow("clone", argument: 0, .hasAnyOf(0x0001_0000))  // CLONE_THREAD
    list.allow("unshare", argument: 0, .equals(0x0000_0200))  // CLONE_FS: a thread's own umask and working directory
    list.allow("prlimit64", argument: 2, .equals(0))  // reading only
    // Descriptors.
    list.allow([
      "read", "write", "readv", "writev", "pread64", "pwrite64", "preadv", "pwritev", "close", "close_range", "dup", "dup2", "dup3", "fcntl",
      "lseek", "poll", "ppoll", "select", "pselect6", "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2", "eventfd2",
      "timerfd_create", "timerfd_settime", "timerfd_gettime", "pipe2", "ioctl", "fsync", "fdatasync", "memfd_create",
    ])
    // Files: looking at them, and what it performs for targets with the caller's own rights.
    list.allow([
      "open", "openat", "openat2", "stat", "lstat", "fstat", "newfstatat", "statx", "statfs", "fstatfs", "access", "faccessat", "faccessat2",
      "readlink", "readlinkat", "getdents64", "getcwd", "chdir", "fchdir", "truncate", "ftruncate", "fallocate",
      "mkdir", "mkdirat", "rmdir", "mknod", "mknodat", "unlink", "unlinkat", "rename", "renameat", "renameat2", "link", "linkat", "symlink",
      "symlinkat", "chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "lchown", "fchown", "fchownat", "utimensat", "utime", "utimes",
      "setxattr", "lsetxattr", "fsetxattr", "getxattr", "lgetxattr", "fgetxattr", "removexattr", "lremovexattr", "fremovexattr", "file_setattr",
    ])
    // Sockets that were handed over or fetched from targets. It makes none but the one that tells which file a bound Unix socket stands for,
    // and those that a resolver asks with and a relay listens and connects with (`compiled`).
    list.allow("socket", argument: 0, .equals(16))  // AF_NETLINK, where it has no rights
    // A bind for a target is confined to the directory that was decided, by Landlock, on a thread of its own.
    list.allow(["landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"])
    list.allow([
      "accept", "accept4", "connect", "bind", "listen", "sendto", "sendmsg", "sendmmsg", "recvfrom", "recvmsg", "shutdown", "getsockopt",
      "setsockopt", "getsockname", "getpeername",
    ])
    // Targets: their memory, their descriptors, exec verification, signals.
    list.allow([
      "process_vm_readv", "process_vm_writev", "pidfd_open", "pidfd_getfd", "pidfd_send_signal", "ptrace", "wait4", "waitid", "kill", "tkill",
      "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "kcmp", "getpgid", "getsid", "getpgrp", "getpriority",
    ])
    return list
  }()
}
