import Glibc

extension RestrictedGroup {
  /// Whether refusals of this group's calls go on record: those that programs of a user make, whose failure is hard to understand without it, and that no
  /// program makes often (sandboxes, containers, debuggers, profilers, `ping`). The filter decides; the supervisor writes it down and answers.
  ///
  /// What would change the whole machine (modules, kexec, reboot, swap), serves attacks and hardly anything else (userfaultfd, open_by_handle, terminal input)
  /// or is tried by many programs that do without (io_uring, netlink) stays in the filter.
  public var isTold: Bool {
    switch self {
    case .mount, .namespaces, .ptrace, .bpf, .perf, .keyring, .rawSockets, .packetSockets: true
    default: false
    }
  }
}

extension SystemCall {
  /// Whether the call, or a part of it, is sent to the supervisor only to be refused there. Never one of which it decides other parts.
  public var isTold: Bool {
    trapClasses.isEmpty && treatment.clauses.contains { if case .refuse(EPERM, let group?) = $0.outcome { group.isTold } else { false } }
  }
}
