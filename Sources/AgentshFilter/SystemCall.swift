import Glibc

/// How a system call is decided: design words, the same as in docs/syscalls.md.
public enum SyscallClass: String, CaseIterable, Sendable {
  /// By the filter alone, from the number and the registers.
  case filtered
  /// By the supervisor from registers; what is permitted is continued.
  case registerOnly = "register-only"
  /// By the supervisor, which acts on its own copy of the arguments and hands back the result.
  case performed
  /// By the supervisor before, and verified at the ptrace exec stop after.
  case exec
  /// By Landlock alone.
  case floor
  /// Not at all; the reason says why that is right.
  case unmediated
}

/// One system call: its numbers, how it is decided and why so.
public struct SystemCall: Sendable {
  public let name: String
  public let x86_64: UInt32?
  public let arm64: UInt32?
  public let kind: SyscallClass
  /// Half a sentence for people.
  public let reason: String
  let treatment: Treatment

  public func number(on architecture: Architecture) -> UInt32? {
    switch architecture {
    case .x86_64: x86_64
    case .arm64: arm64
    }
  }

  /// The classes that make the supervisor see this call; empty when none does.
  public var trapClasses: TrapClasses {
    treatment.clauses.reduce(into: []) { classes, clause in
      if case .trap(let more) = clause.outcome { classes.formUnion(more) }
    }
  }

  /// The groups of which one permits this call, or a part of it.
  public var restrictedGroups: [RestrictedGroup] {
    var groups: [RestrictedGroup] = []
    for clause in treatment.clauses {
      if case .refuse(_, let group?) = clause.outcome, !groups.contains(group) { groups.append(group) }
    }
    return groups
  }

  /// Whether some form of the call is refused in every session whose policy doesn't permit it.
  public var isRestricted: Bool {
    treatment.clauses.contains { if case .refuse = $0.outcome { true } else { false } }
  }
}

enum Treatment: Sendable {
  case allow
  case refuse(Int32, RestrictedGroup?)
  case trap(TrapClasses)
  case exec
  case clauses([Clause])

  /// The same said in clauses.
  var clauses: [Clause] {
    switch self {
    case .allow: []
    case .refuse(let errno, let group): [Clause(then: .refuse(errno, group))]
    case .trap(let classes): [Clause(then: .trap(classes))]
    case .exec: [Clause(then: .trap(.exec))]
    case .clauses(let clauses): clauses
    }
  }
}

/// Reasons that many calls share.
enum Reason: ExpressibleByStringLiteral {
  case descriptor, socket, look, ownMemory, ownProcess, ipc, time, ask
  case file, address, program, signal
  case view, otherProcess, kernelSurface, system, gone
  case other(String)

  init(stringLiteral text: String) { self = .other(text) }

  var text: String {
    switch self {
    case .descriptor: "acts on descriptors, and how they may be used was decided when they were opened"
    case .socket: "acts on a socket whose address was decided by connect(2) or bind(2)"
    case .look: "looks at names and attributes, changes nothing, and gives no access to contents"
    case .ownMemory: "the caller's own memory; a mapping can do no more than the descriptor it was made from"
    case .ownProcess: "the caller's own process, or its children, which inherit the filter"
    case .ipc: "System V and POSIX queues, semaphores and shared memory: no files, kept apart by the kernel's uid checks and IPC namespaces"
    case .time: "reads clocks or sets timers of the calling process"
    case .ask: "asks for numbers, changes nothing"
    case .file: "the path, flags or modes are looked at once, in the supervisor's copy, and acted on through the descriptor that was checked"
    case .address: "the address is copied once and the call made with that copy, on the target's own socket"
    case .program: "decided before, and what really runs is verified before its first instruction"
    case .signal: "process and signal number are registers"
    case .view: "would change which files names stand for"
    case .otherProcess: "reaches into another process"
    case .kernelSurface: "too much of the kernel to be reached by what a session runs"
    case .system: "changes the whole system, never one session"
    case .gone: "removed from the kernel or never implemented"
    case .other(let text): text
    }
  }
}

func row(_ name: String, _ x86_64: UInt32?, _ arm64: UInt32?, _ treatment: Treatment, _ reason: Reason) -> SystemCall {
  SystemCall(name: name, x86_64: x86_64, arm64: arm64, kind: kind(of: name, treatment), reason: reason.text, treatment: treatment)
}

/// Trapped calls are performed unless everything that decides them is in registers.
private func kind(of name: String, _ treatment: Treatment) -> SyscallClass {
  switch treatment {
  case .allow: return .unmediated
  case .refuse: return .filtered
  case .exec: return .exec
  case .trap(let classes):
    // pidfd_send_signal's descriptor can be replaced in the table between check and use, so it is performed.
    if classes == .signals { return name == "pidfd_send_signal" ? .performed : .registerOnly }
    // Nothing is decided about a ruleset: whoever replaces its descriptor restricts itself otherwise than what is performed for it.
    return name == "landlock_restrict_self" ? .registerOnly : .performed
  case .clauses(let clauses):
    var classes: TrapClasses = []
    for clause in clauses {
      if case .trap(let more) = clause.outcome { classes.formUnion(more) }
    }
    if classes.isEmpty { return .filtered }
    return classes.isSubset(of: [.signals, .nonce]) ? .registerOnly : .performed
  }
}
