import AgentshFilter
import AgentshSystem

/// The trapped calls that the supervisor knows how to answer, by their kernel names.
enum CallKind: String, CaseIterable, Sendable {
  case open, openat, openat2, creat
  case mkdir, mkdirat, rmdir, mknod, mknodat, unlink, unlinkat
  case rename, renameat, renameat2, link, linkat, symlink, symlinkat
  case truncate, chmod, fchmod, fchmodat, fchmodat2, chown, lchown, fchown, fchownat
  case utime, utimes, futimesat, utimensat
  case setxattr, lsetxattr, fsetxattr, setxattrat, removexattr, lremovexattr, fremovexattr, removexattrat, file_setattr
  // The requests that change attribute flags of a file.
  case ioctl
  case execve, execveat
  case connect, bind, sendto, sendmsg, sendmmsg, listen
  // The options by which a socket joins a multicast group.
  case setsockopt
  case kill, tgkill, tkill, rt_sigqueueinfo, rt_tgsigqueueinfo, pidfd_send_signal, setpgid
  // F_SETOWN only: whom SIGIO of a descriptor is sent to.
  case fcntl
  case prctl
  case landlock_restrict_self
  // Decided by the filter, and here for their refusal's record alone (`isRefused`): by which sandboxes and containers make themselves,
  case mount, umount2, fsopen, fsconfig, fsmount, fspick, move_mount, open_tree, open_tree_attr, mount_setattr, pivot_root, chroot
  case setns, unshare, clone
  // debuggers, profilers, keyrings, and raw sockets.
  case ptrace, process_vm_readv, process_vm_writev, kcmp, pidfd_getfd, process_madvise
  case perf_event_open, bpf, add_key, request_key, keyctl, socket

  /// Whether the filter sends the call here only to have it refused.
  var isRefused: Bool {
    switch self {
    case .mount, .umount2, .fsopen, .fsconfig, .fsmount, .fspick, .move_mount, .open_tree, .open_tree_attr, .mount_setattr, .pivot_root, .chroot,
      .setns, .unshare, .clone, .ptrace, .process_vm_readv, .process_vm_writev, .kcmp, .pidfd_getfd, .process_madvise, .perf_event_open, .bpf,
      .add_key, .request_key, .keyctl, .socket:
      true
    default: false
    }
  }

  /// Whether there is a way for the call to go on in the kernel. Whatever a mistake makes of an answer, no other call does.
  var mayProceed: Bool {
    switch self {
    case .open, .openat, .execve, .execveat, .kill, .tgkill, .tkill, .rt_sigqueueinfo, .rt_tgsigqueueinfo, .pidfd_send_signal, .setpgid, .fcntl, .landlock_restrict_self: true
    default: false
    }
  }
}

/// Which number means which call on this machine's architecture, for constant-time dispatch.
struct CallKinds: Sendable {
  private let kinds: [CallKind?]
  /// AUDIT_ARCH_* that trapped calls must carry.
  let architecture: UInt32

  init(_ native: Architecture = .native) {
    var kinds: [CallKind?] = Array(repeating: nil, count: 512)
    for kind in CallKind.allCases {
      guard let number = SyscallTable.named(kind.rawValue)?.number(on: native) else { continue }
      if kinds.indices.contains(Int(number)) { kinds[Int(number)] = kind }
    }
    self.kinds = kinds
    architecture = native.auditValue
  }

  /// What a trapped call is; nil for one that no session can make, by number or by convention.
  func kind(of call: TrappedCall) -> CallKind? { call.architecture == architecture ? self[call.number] : nil }

  subscript(_ number: Int32) -> CallKind? {
    let index = Int(number)
    return kinds.indices.contains(index) ? kinds[index] : nil
  }
}
