/// Groups of calls that every session is refused unless its policy permits them (`syscalls: { allow: [ptrace, …] }`).
/// A single call may be permitted by its own name as well.
public enum RestrictedGroup: String, CaseIterable, Sendable {
  case mount
  case namespaces
  case ptrace
  case bpf
  case perf
  case userfaultfd
  case keyring
  case ioUring = "io_uring"
  case kexec
  case modules
  case reboot
  case swap
  case openByHandle = "open_by_handle"
  case ttyInjection = "tty_injection"
  case packetSockets = "packet_sockets"
  case rawSockets = "raw_sockets"
  case vsock
  case alg
  case netlink
}
