/// docs/syscalls.md, made from the table: the page and the code can't differ.
public enum SyscallDocument {
  /// The whole page.
  public static func markdown() -> String {
    var page = introduction
    page += "\n## Counts\n\n| class | calls |\n|---|---|\n"
    for kind in SyscallClass.allCases {
      page += "| \(kind.rawValue) | \(SyscallTable.all.count { $0.kind == kind }) |\n"
    }
    page += "\n## Groups that a policy can permit\n\n`syscalls: { allow: [GROUP or CALL, …] }`\n\n| group | calls |\n|---|---|\n"
    for group in RestrictedGroup.allCases {
      let calls = SyscallTable.all.filter { $0.restrictedGroups.contains(group) }
      page += "| `\(group.rawValue)` | \(calls.map(\.name).joined(separator: ", ")) |\n"
    }
    page += "\n## What the supervisor can be asked to decide\n\n| for | calls |\n|---|---|\n"
    for (name, trapClass) in TrapClasses.named {
      let calls = SyscallTable.all.filter { !$0.trapClasses.isDisjoint(with: trapClass) }
      page += "| \(name) | \(calls.map(\.name).joined(separator: ", ")) |\n"
    }
    page += "\n## Every call\n\n| call | x86_64 | arm64 | class | because |\n|---|---|---|---|---|\n"
    for call in SyscallTable.all {
      page += "| \(call.name) | \(number(call.x86_64)) | \(number(call.arm64)) | \(call.kind.rawValue) | \(call.reason) |\n"
    }
    return page
  }

  private static func number(_ number: UInt32?) -> String {
    number.map(String.init) ?? "–"
  }

  private static var told: String { SyscallTable.all.filter(\.isTold).map { "`\($0.name)`" }.joined(separator: ", ") }

  private static let introduction = """
    # System calls

    <!-- Made from Sources/AgentshFilter/SyscallTable.swift by `make docs`; a test fails when the two differ. -->

    Every system call of Linux up to \(SyscallTable.kernel) and how a session's is decided:

    - **filtered**: by the filter alone, from the number and the registers. Refused calls never reach the supervisor, so they are not in the
      session's record; their errno is EPERM, or ENOSYS and EAFNOSUPPORT where programs then take another way. What people ask about is the exception:
      \(told)
      are sent to the supervisor to be refused (`clone` and `unshare` where they make namespaces, `socket` where it is raw), so that the record says why a sandbox, a
      container, a debugger or a profiler could not do its work. The filter decides, nothing the supervisor could get wrong lets them go on in the kernel, and the
      first of each in a session is recorded.
    - **register-only**: by the supervisor, from registers that nobody can change meanwhile; what is permitted goes on in the kernel.
    - **performed**: by the supervisor, which acts on its own copy of the arguments and hands back value, errno or descriptor. Never continued, save for an
      open for reading under a policy that says nothing of reads, which is trapped for the session's own `resolv.conf` alone: there is nothing to decide.
    - **exec**: by the supervisor before, and verified at the ptrace exec stop after.
    - **floor**: by Landlock alone.
    - **unmediated**: not decided, for the reason given.

    A policy asks only for what its rules need: a class that no rule asks for is not trapped and costs nothing (`agentsh policy explain`).
    A number that stands in no line of the table, and every call by another convention of the processor (i386, x32, 32-bit Arm), is answered with
    ENOSYS by the supervisor, which records each number once in a session (`op` is `syscall`, `syscall` is `470`, `x32:59`, `i386:11`), up to 64 of
    them. Arguments that the kernel reads as an `int` are compared without their high halves; so is the number itself on x86_64, by the
    kernel and therefore by the filter.

    Times, extended attributes and attribute flags are asked about as `chmod`; setting times to now, which every write does, as `write`.

    What this page does not promise: `listen` on a socket that was never bound takes a free port and is decided only where a policy asks for
    listening; System V and POSIX queues of the same user are reachable from a session; a session's processes may lower or raise the scheduling
    of other processes of the same user as far as the kernel lets them; names and attributes (stat, readlink, access) are not hidden.

    """
}
