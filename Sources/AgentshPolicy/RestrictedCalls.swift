/// Calls that no target may make unless its policy says so, by the names that `syscalls: {allow: […]}` takes.
///
/// The filter keeps what each group consists of; here are the names alone, so that a policy can be checked without it.
public enum RestrictedCalls {
  /// Names of groups.
  public static let groups: Set<String> = [
    "mount", "namespaces", "ptrace", "bpf", "perf", "userfaultfd", "keyring", "kexec", "modules", "reboot", "swap",
    "open_by_handle", "tty_injection", "packet_sockets", "raw_sockets", "vsock", "alg", "netlink",
  ]

  /// Names of single calls.
  public static let calls: Set<String> = [
    "mount", "umount2", "fsopen", "fsconfig", "fsmount", "fspick", "move_mount", "open_tree", "open_tree_attr",
    "mount_setattr", "pivot_root", "chroot", "setns", "unshare", "ptrace", "process_vm_readv", "process_vm_writev",
    "process_madvise", "pidfd_getfd", "kcmp", "bpf", "perf_event_open", "userfaultfd", "add_key", "keyctl", "request_key",
    "kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module", "reboot", "swapon", "swapoff",
    "open_by_handle_at", "clone", "clone3",
  ]

  /// Never let through, whatever a policy says: nothing that is done through them could be decided.
  public static let never: Set<String> = ["io_uring", "io_uring_setup", "io_uring_enter", "io_uring_register", "foreign_abi"]

  /// Those by which a session mounts, enters another mount namespace, or opens what has no path. The kernel refuses the first to whoever stands under
  /// a Landlock ruleset for files, whatever that grants, and the rules of one mean nothing after the others.
  static let changingMounts: Set<String> = [
    "mount", "umount2", "fsopen", "fsconfig", "fsmount", "fspick", "move_mount", "open_tree", "open_tree_attr", "mount_setattr", "pivot_root",
    "namespaces", "setns", "open_by_handle", "open_by_handle_at",
  ]

  /// Those that make namespaces and nothing else.
  private static let makingNamespaces: Set<String> = ["unshare", "clone", "clone3"]

  /// What a policy gives away with one of these words, as `policy check` says it.
  static func consequence(of word: String) -> String {
    if makingNamespaces.contains(word) { return "the rules hold in the namespaces that it makes, too" }
    if changingMounts.contains(word) { return "the rules hold for what is mounted, too, and under them there is no Landlock ruleset for files" }
    return "by it a session can get round other rules of this policy"
  }

  static let all = groups.union(calls)
}
