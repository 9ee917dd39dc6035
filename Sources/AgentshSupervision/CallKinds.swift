import AgentshFilter
import AgentshSystem
import CAgentshSystem

/// The trapped calls that the supervisor knows how to answer, by their kernel names.
enum CallKind: String, CaseIterable, Sendable {
  case open, openat, openat2, creat
  case mkdir, mkdirat, rmdir, mknod, mknodat, unlink, unlinkat
  case rename, renameat, renameat2, link, linkat, symlink, symlinkat
  case truncate, chmod, fchmod, fchmodat, fchmodat2, chown, lchown, fchown, fchownat
  case utime, utimes, futimesat, utimensat
  case setxattr, lsetxattr, fsetxattr, removexattr, lremovexattr, fremovexattr
  case execve, execveat
  case connect, bind, sendto, sendmsg, sendmmsg, listen
  case kill, tgkill, tkill, rt_sigqueueinfo, rt_tgsigqueueinfo, pidfd_send_signal
  case prctl
}

/// Which number means which call on this machine's architecture, for constant-time dispatch.
struct CallKinds: Sendable {
  private let kinds: [CallKind?]
  /// AUDIT_ARCH_* that trapped calls must carry.
  let architecture: UInt32

  /// - Parameter number: a call's number on the running architecture by its name; nil for one that it lacks.
  init(architecture: UInt32, number: (String) -> Int?) {
    var kinds: [CallKind?] = Array(repeating: nil, count: 512)
    for kind in CallKind.allCases {
      if let index = number(kind.rawValue), kinds.indices.contains(index) { kinds[index] = kind }
    }
    self.kinds = kinds
    self.architecture = architecture
  }

  subscript(_ number: Int32) -> CallKind? {
    let index = Int(number)
    return kinds.indices.contains(index) ? kinds[index] : nil
  }
}
