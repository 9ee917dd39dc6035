import AgentshFilter
import FoundationEssentials
import Glibc
import Testing

@Suite struct SyscallTableTests {
  @Test func everyNameAndNumberStandsThereOnce() {
    #expect(Set(SyscallTable.all.map(\.name)).count == SyscallTable.all.count)
    for architecture in Architecture.allCases {
      let numbers = SyscallTable.all.compactMap { $0.number(on: architecture) }
      #expect(Set(numbers).count == numbers.count)
    }
  }

  /// From 424 on all architectures have the same numbers, without a hole.
  @Test func theNumbersOfNewCallsAreTheSameEverywhere() {
    for number in UInt32(424)...469 {
      #expect(SyscallTable.call(number, on: .x86_64)?.name == SyscallTable.call(number, on: .arm64)?.name, "\(number)")
      #expect(SyscallTable.call(number, on: .x86_64) != nil, "\(number)")
    }
  }

  @Test(arguments: [
    ("read", 0, 63), ("openat", 257, 56), ("execve", 59, 221), ("openat2", 437, 437), ("fchmodat2", 452, 452), ("futex_requeue", 456, 456),
    ("mseal", 462, 462), ("removexattrat", 466, 466), ("file_setattr", 469, 469), ("clone3", 435, 435), ("sendmmsg", 307, 269),
  ] as [(String, UInt32, UInt32)])
  func wellKnownNumbersAreRight(name: String, x86_64: UInt32, arm64: UInt32) {
    #expect(SyscallTable.named(name)?.x86_64 == x86_64)
    #expect(SyscallTable.named(name)?.arm64 == arm64)
  }

  /// Old and new twins of a call are decided alike: none is a way round the other.
  @Test(arguments: [
    ["open", "openat", "openat2", "creat"], ["unlink", "unlinkat", "rmdir"], ["rename", "renameat", "renameat2"],
    ["chmod", "fchmod", "fchmodat", "fchmodat2"], ["chown", "lchown", "fchown", "fchownat"], ["mkdir", "mkdirat"], ["mknod", "mknodat"],
    ["link", "linkat"], ["symlink", "symlinkat"], ["execve", "execveat"], ["setxattr", "lsetxattr", "fsetxattr", "setxattrat", "file_setattr"],
    ["removexattr", "lremovexattr", "fremovexattr", "removexattrat"], ["utime", "utimes", "futimesat", "utimensat"],
    ["kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_send_signal"], ["sendto", "sendmsg", "sendmmsg", "connect", "bind"],
    ["mount", "fsmount", "move_mount", "open_tree", "open_tree_attr", "mount_setattr"], ["init_module", "finit_module"],
    ["kexec_load", "kexec_file_load"], ["io_uring_setup", "io_uring_enter", "io_uring_register"], ["process_vm_readv", "process_vm_writev", "ptrace"],
  ])
  func twinsShareTheirFate(names: [String]) throws {
    let calls = try names.map { try #require(SyscallTable.named($0), "\($0)") }
    let first = try #require(calls.first)
    for call in calls {
      #expect(!call.trapClasses.isDisjoint(with: first.trapClasses) || call.trapClasses == first.trapClasses, "\(call.name)")
      #expect(call.restrictedGroups == first.restrictedGroups, "\(call.name)")
    }
  }

  @Test func everyCallSaysWhy() {
    for call in SyscallTable.all { #expect(call.reason.count > 10, "\(call.name)") }
  }

  @Test func explanationsNameWhatIsTrapped() throws {
    let specification = FilterSpecification(traps: [.exec])
    let explanations = try specification.explain()
    #expect(explanations.filter { $0.effect == .trapped }.map(\.name) == ["execve", "execveat"])
    #expect(explanations.first { $0.name == "prctl" }?.effect == .mixed)
    #expect(explanations.first { $0.name == "bpf" }?.effect == .refused)
  }

  /// `AGENTSH_WRITE_DOCS=1` (make docs) writes the page instead.
  @Test func theDocumentedTableIsThisTable() throws {
    let page = SyscallDocument.markdown()
    let path = #filePath.split(separator: "/").dropLast(3).map { "/\($0)" }.joined() + "/docs/syscalls.md"
    if unsafe getenv("AGENTSH_WRITE_DOCS") != nil {
      try Data(page.utf8).write(to: URL(filePath: path))
    }
    let written = try String(decoding: Data(contentsOf: URL(filePath: path)), as: UTF8.self)
    #expect(written == page, "docs/syscalls.md differs from the table: run make docs")
  }
}
