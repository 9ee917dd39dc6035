import AgentshFilter
import Glibc
import Testing

@Suite struct FilterTests {
  @Test func everyNumberHasExactlyTheClassOfTheTable() throws {
    let all = try Compiled(everything)
    let none = try Compiled([])
    for number in UInt32(0)...700 {
      let call = SyscallTable.call(number)
      // Arguments that trip none of the register rules but are no special case of them either.
      let asked = try all.answer(number: number)
      let unasked = try none.answer(number: number)
      switch call?.kind {
      case nil:
        #expect(asked == .notify && unasked == .notify, "\(number)")
      case .unmediated, .floor:
        #expect(asked == .allow && unasked == .allow, "\(number) \(call?.name ?? "")")
      case .exec:
        #expect(asked == .notify && unasked == .allow, "\(number) \(call?.name ?? "")")
      case .performed, .registerOnly:
        let conditional = ["prctl", "sendto", "fcntl", "ioctl", "setsockopt", "setpgid"].contains(call?.name)
        #expect(asked == (conditional ? .allow : .notify) && unasked == .allow, "\(number) \(call?.name ?? "")")
      case .filtered:
        #expect(asked == unasked, "\(number) \(call?.name ?? "")")
        let conditional = ["clone", "unshare", "personality", "prlimit64", "setsockopt"].contains(call?.name)
        if conditional {
          #expect(asked == .allow, "\(number) \(call?.name ?? "")")
        } else if case .errno = asked {
        } else {
          Issue.record("\(number) \(call?.name ?? "") answers \(asked)")
        }
      }
    }
  }

  /// They are the supervisor's to answer, with ENOSYS, so that it can record them.
  @Test(arguments: [UInt32(470), 1000, 0x3fff_ffff, 0x7fff_ffff, 0xffff_fffe, 0xffff_ffff])
  func numbersAboveTheTableGoToTheSupervisor(number: UInt32) throws {
    #expect(try Compiled(everything).answer(number: number) == .notify)
    #expect(try Compiled([]).answer(number: number) == .notify)
  }

  @Test func callsByAnotherConventionGoToTheSupervisor() throws {
    let filter = try Compiled([])
    for number in UInt32(0)...600 {
      #if arch(x86_64)
        #expect(try filter.answer(number: 0x4000_0000 | number) == .notify)  // x32
      #endif
      // AUDIT_ARCH_I386, AUDIT_ARCH_ARM, and 0.
      for audit in [UInt32(0x4000_0003), 0x4000_0028, 0] { #expect(try filter.answer(number: number, audit: audit) == .notify) }
    }
  }

  /// Each class traps its calls and no other class does.
  @Test(arguments: TrapClasses.named.map(\.trapClass))
  func aClassTrapsItsCallsAndNoOthers(trapClass: TrapClasses) throws {
    let filter = try Compiled(trapClass)
    let expected = SyscallTable.all.filter { $0.number(on: .native) != nil && !$0.trapClasses.isDisjoint(with: trapClass.union(.nonce)) }.map(\.name)
    #expect(filter.program.trapped == expected)
    #expect(!expected.isEmpty)
  }

  @Test(arguments: highHalves)
  func terminalInjectionIsRefusedWhateverTheHighHalf(high: UInt64) throws {
    let filter = try Compiled([])
    for request in [UInt64(0x5412), 0x541C, 0x5423] {
      #expect(try filter.answer("ioctl", 0, high | request, 1) == .errno(EPERM))
      #expect(try filter.answer("ioctl", 0, high | (request ^ 1), 1) == .allow)
    }
    for request in [UInt64(0x5401), 0x5413, 0x541B, 0, 0xffff_ffff] {
      #expect(try filter.answer("ioctl", 0, high | request, 1) == .allow)
    }
    let permitting = try Compiled([], permitting: ["tty_injection"])
    #expect(try permitting.answer("ioctl", 0, high | 0x5412) == .allow)
  }

  @Test(arguments: highHalves)
  func onlyUnixInetAndRoutingSocketsAreMade(high: UInt64) throws {
    let filter = try Compiled(everything)
    let nonBlocking: UInt64 = 0o4000
    // From 46 on no kernel has any.
    for family in UInt64(0)...63 {
      let stream = try filter.answer("socket", high | family, high | 1 | nonBlocking, high | 0)
      switch family {
      case 1, 2, 10, 16: #expect(stream == .allow, "family \(family)")
      case 17: #expect(stream == .errno(EPERM))
      default: #expect(stream == .errno(EAFNOSUPPORT), "family \(family)")
      }
    }
    for family in [UInt64(2), 10] {
      #expect(try filter.answer("socket", high | family, high | 3 | nonBlocking, 1) == .errno(EPERM))
      for type in [UInt64(1), 2] {
        for spoken in [UInt64(0), 1, 6, 17, 58, 136, 262] { #expect(try filter.answer("socket", high | family, high | type, high | spoken) == .allow) }
        #expect(try filter.answer("socket", high | family, high | type | nonBlocking, high | 132) == .errno(EPROTONOSUPPORT))
        for other in [UInt64(2), 4, 41, 47, 50, 115, 137, 255, 256, 261] {
          #expect(try filter.answer("socket", high | family, high | type, high | other) == .errno(EPROTONOSUPPORT), "\(other)")
        }
      }
      for type in [UInt64(5), 6] { #expect(try filter.answer("socket", high | family, high | type, 0) == .errno(ESOCKTNOSUPPORT)) }
    }
    #expect(try filter.answer("socket", high | 2, high | 10, 0x300) == .errno(EPERM))
    #expect(try filter.answer("socket", high | 16, 3, high | 0) == .allow)
    for other in [UInt64(1), 4, 9, 15, 16, 31] { #expect(try filter.answer("socket", high | 16, 3, high | other) == .errno(EPERM)) }
    #expect(try filter.answer("socketpair", high | 1, 1) == .allow)
    for family in [UInt64(0), 2, 3, 10, 17, 30] { #expect(try filter.answer("socketpair", high | family, 1) == .errno(EAFNOSUPPORT)) }
  }

  @Test(arguments: highHalves)
  func withoutANetworkNoSocketLeadsOut(high: UInt64) throws {
    let reaching = ["raw_sockets", "packet_sockets", "vsock", "netlink"]
    for permitted in [[], Set(reaching)] {
      let program = try FilterCompiler.compile(FilterSpecification(traps: everything, permitted: permitted).withoutInternet)
      let machine = try BPFInterpreter(program)
      let number = try #require(SyscallTable.named("socket")?.number(on: .native))
      func answer(_ family: UInt64, _ type: UInt64, _ spoken: UInt64) throws -> BPFInterpreter.Answer {
        try machine.run(.init(architecture: Architecture.native.auditValue, number: number, arguments: [high | family, high | type, high | spoken, 0, 0, 0])).answer
      }
      for family in [UInt64(2), 10, 17, 40] {
        for type in UInt64(1)...10 { for spoken in [UInt64(0), 1, 6, 17, 132, 255, 262] { #expect(try answer(family, type, spoken) == .errno(EACCES)) } }
      }
      #expect(try answer(1, 1, 0) == .allow)
      #expect(try answer(16, 3, 0) == .allow)
    }
  }

  @Test(arguments: highHalves)
  func newNamespacesAreRefusedInEveryCombination(high: UInt64) throws {
    let filter = try Compiled(everything)
    let flags: [UInt64] = [0x2_0000, 0x200_0000, 0x400_0000, 0x800_0000, 0x1000_0000, 0x2000_0000, 0x4000_0000]
    for flag in flags {
      #expect(try filter.answer("clone", high | flag | 17) == .errno(EPERM))
      #expect(try filter.answer("clone", high | flag | 0x3d0f00) == .errno(EPERM))
      #expect(try filter.answer("unshare", high | flag) == .errno(EPERM))
      #expect(try filter.answer("unshare", high | flag | 0x200) == .errno(EPERM))
    }
    #expect(try filter.answer("unshare", high | 0x80) == .errno(EPERM))
    #expect(try filter.answer("clone", high | 0x0080_0011) == .errno(EPERM))
    // A thread of glibc, vfork, fork, and unsharing the descriptor table.
    for flags in [UInt64(0x3d0f00), 0x4111, 0x1200011] { #expect(try filter.answer("clone", high | flags) == .allow) }
    for flags in [UInt64(0x400), 0x200, 0x40000] { #expect(try filter.answer("unshare", high | flags) == .allow) }
    #expect(try filter.answer("clone3", 0, 88) == .errno(ENOSYS))
    let permitting = try Compiled(everything, permitting: ["namespaces"])
    for flag in flags { #expect(try permitting.answer("clone", high | flag | 17) == .allow) }
  }

  @Test(arguments: highHalves)
  func readOnlyOpensAreFreeWhereOnlyWritesAreDecided(high: UInt64) throws {
    let filter = try Compiled([.writeOpens])
    let cloexec: UInt64 = 0o2000000
    for (name, at) in [("open", 1), ("openat", 2)] {
      func answer(_ flags: UInt64) throws -> BPFInterpreter.Answer {
        at == 1 ? try filter.answer(name, 0x1000, high | flags) : try filter.answer(name, 0xffff_ff9c, 0x1000, high | flags)
      }
      for harmless in [UInt64(0), cloexec, 0o200000, 0o400000 | cloexec, 0o4000, 0o1000000] {
        #expect(try answer(harmless) == .allow, "\(name) \(harmless)")
        for writing in [UInt64(1), 2, 3, 0o100, 0o1000, 0o20200000, 0o20200002, 0o101, 0o1102] {
          #expect(try answer(harmless | writing) == .notify, "\(name) \(harmless | writing)")
        }
      }
    }
    // O_PATH gives no access, whatever else is asked for with it.
    for flags in [UInt64(0o10000000), 0o12000000, 0o10200000, 0o10000102] {
      #expect(try filter.answer("openat", 0xffff_ff9c, 0x1000, high | flags) == .allow)
    }
    #expect(try filter.answer("creat", 0x1000, 0) == .notify)
    #expect(try filter.answer("openat2", 0, 0x1000, 0x2000, 24) == .notify)
    let reading = try Compiled([.readOpens])
    #expect(try reading.answer("openat", 0xffff_ff9c, 0x1000, high) == .notify)
    #expect(try reading.answer("openat", 0xffff_ff9c, 0x1000, high | 1) == .notify)
  }

  @Test(arguments: [TrapClasses.network, .unixSockets])
  func sendtoGoesToTheSupervisorWithAnAddressOrFastOpenOnly(trapClass: TrapClasses) throws {
    let filter = try Compiled(trapClass)
    #expect(try filter.answer("sendto", 3, 0x1000, 5, 0, 0, 0) == .allow)
    #expect(try filter.answer("sendto", 3, 0x1000, 5, 0x4000, 0, 16) == .allow)
    // Pointers count whole.
    for address in [UInt64(1), 0x7fff_0000_1000, 1 << 32, 1 << 63] { #expect(try filter.answer("sendto", 3, 0x1000, 5, 0, address, 16) == .notify) }
    for high in highHalves { #expect(try filter.answer("sendto", 3, 0x1000, 5, high | 0x2000_0000, 0, 0) == .notify) }
    #expect(try Compiled([]).answer("sendto", 3, 0x1000, 5, 0x2000_0000, 0x1000, 16) == .allow)
  }

  @Test(arguments: highHalves)
  func aDescriptorsSignalsAreNotHandedToOthersUnseen(high: UInt64) throws {
    let filter = try Compiled([.signals])
    #expect(try filter.answer("fcntl", 3, high | 8, 1234) == .notify)
    #expect(try filter.answer("fcntl", 3, high | 8, 0xffff_fb2e) == .notify)
    #expect(try filter.answer("fcntl", 3, high | 15, 0x1000) == .errno(EPERM))
    #expect(try filter.answer("fcntl", 3, high | 10, 9) == .errno(EPERM))
    for command in [UInt64(0), 1, 2, 3, 4, 6, 7, 9, 11, 16, 36, 1030, 1031] { #expect(try filter.answer("fcntl", 3, high | command, 9) == .allow) }
    for request in [UInt64(0x8901), 0x8902] { #expect(try filter.answer("ioctl", 3, high | request) == .errno(EPERM)) }
    #expect(try Compiled([]).answer("fcntl", 3, 8, 1234) == .allow)
  }

  @Test(arguments: highHalves)
  func noPacketTakesARouteOfItsOwnWhereAddressesAreDecided(high: UInt64) throws {
    let filter = try Compiled([.network])
    for (level, option) in [
      (0, 4), (41, 57), (41, 6), (41, 32), (1, 5), (1, 25), (1, 62), (0, 50), (41, 76), (41, 50), (41, 9),
    ] as [(UInt64, UInt64)] {
      #expect(try filter.answer("setsockopt", 3, high | level, high | option) == .errno(EPERM))
      #expect(try Compiled([.fileChanges]).answer("setsockopt", 3, high | level, high | option) == .allow)
    }
    for (level, option) in [(0, 35), (0, 39), (0, 41), (0, 42), (0, 46), (0, 48), (41, 20), (41, 27), (41, 42), (41, 46), (41, 48)] as [(UInt64, UInt64)] {
      #expect(try filter.answer("setsockopt", 3, high | level, high | option) == .notify)
      #expect(try Compiled([.fileChanges]).answer("setsockopt", 3, high | level, high | option) == .allow)
    }
    for flags in [0x4, 0x4004, 0x2000_0000] as [UInt64] { #expect(try filter.answer("sendto", 3, 1, 1, high | flags, 0, 0) == .notify) }
    #expect(try filter.answer("sendto", 3, 1, 1, high | 0x4000, 0, 0) == .allow)
    for (level, option) in [(0, 1), (0, 2), (0, 8), (0, 32), (0, 36), (41, 17), (41, 21), (41, 49), (1, 4), (1, 57), (6, 4), (17, 6), (41, 4), (41, 26), (41, 5)] as [(UInt64, UInt64)] {
      #expect(try filter.answer("setsockopt", 3, high | level, high | option) == .allow)
    }
  }

  @Test(arguments: highHalves)
  func requestsThatChangeFilesAreDecidedWhereAttributesAre(high: UInt64) throws {
    let (metadata, changes, neither) = (try Compiled([.metadata]), try Compiled([.fileChanges]), try Compiled([]))
    for request in [UInt64(0x4008_6602), 0x401C_5820] {
      #expect(try metadata.answer("ioctl", 3, high | request) == .notify)
      #expect(try changes.answer("ioctl", 3, high | request) == .allow)
    }
    for request in [UInt64(0x4080_6685), 0x4008_7602, 0x4008_6604, 0x6609, 0x800C_6613, 0x4004_7211] {
      #expect(try metadata.answer("ioctl", 3, high | request) == .errno(EPERM))
      #expect(try neither.answer("ioctl", 3, high | request) == .allow)
    }
    for request in [UInt64(0x5000_9401), 0x5000_940E, 0x5000_940F, 0x5000_9417, 0x5000_9418, 0x5000_943F, 0x4008_941A, 0xC0C8_9425] {
      #expect(try changes.answer("ioctl", 3, high | request) == .errno(EPERM))
      #expect(try neither.answer("ioctl", 3, high | request) == .allow)
    }
    for request in [UInt64(0xC050_6617), 0xC040_6618, 0xC040_6619, 0xAA00] {
      #expect(try neither.answer("ioctl", 3, high | request) == .errno(EPERM))
    }
    // FS_IOC_GETFLAGS, FICLONE: reading, and writing to what was opened for it.
    for request in [UInt64(0x8008_6601), 0x4004_9409] { #expect(try Compiled(everything).answer("ioctl", 3, high | request) == .allow) }
  }

  @Test(arguments: highHalves)
  func noProcessNamesAnotherFileAsItsProgram(high: UInt64) throws {
    let filter = try Compiled([])
    for option in [UInt64(13), 14] { #expect(try filter.answer("prctl", high | 35, high | option, 0x1000) == .errno(EPERM)) }
    for option in [UInt64(1), 8, 12, 15] { #expect(try filter.answer("prctl", high | 35, high | option, 0x1000) == .allow) }
    #expect(try filter.answer("prctl", high | 15, high | 13) == .allow)
  }

  @Test(arguments: highHalves)
  func theNonceAlwaysReachesTheSupervisor(high: UInt64) throws {
    let filter = try Compiled([])
    #expect(try filter.answer("prctl", high | UInt64(FilterSpecification.nonceOption), 1, 2) == .notify)
    for option in [UInt64(4), 15, 22, 38, 0x4153_4830] { #expect(try filter.answer("prctl", high | option, 1) == .allow) }
  }

  @Test(arguments: highHalves)
  func personalityIsAskedAndResetOnly(high: UInt64) throws {
    let filter = try Compiled([])
    for persona in [UInt64(0xffff_ffff), 0, 0x40000] { #expect(try filter.answer("personality", high | persona) == .allow) }
    for persona in [UInt64(0x40_0000), 0x44_0000, 8, 1, 0x8000_0000] { #expect(try filter.answer("personality", high | persona) == .errno(EPERM)) }
  }

  @Test func limitsOfOthersStay() throws {
    let filter = try Compiled([])
    #expect(try filter.answer("prlimit64", 0, 7, 0x1000, 0) == .allow)
    #expect(try filter.answer("prlimit64", 1234, 7, 0, 0x1000) == .allow)
    #expect(try filter.answer("prlimit64", 1234, 7, 0x1000, 0) == .errno(EPERM))
    #expect(try filter.answer("prlimit64", 1234, 7, 1 << 40, 0) == .errno(EPERM))
  }

  /// Calls that stay refused although everything else is permitted by its group, and the groups that permit the rest.
  @Test func aGroupPermitsItsCallsAndNothingElse() throws {
    let refused = try Compiled([])
    for group in RestrictedGroup.allCases {
      let permitting = try Compiled([], permitting: [group.rawValue])
      for call in SyscallTable.all {
        guard call.kind == .filtered, let number = call.number(on: .native), try refused.answer(number: number) != .allow else { continue }
        let answer = try permitting.answer(number: number)
        if call.restrictedGroups.contains(group), call.name != "socket" {
          #expect(answer == .allow, "\(call.name) with \(group)")
        } else {
          #expect(try answer == refused.answer(number: number), "\(call.name) with \(group)")
        }
      }
    }
  }

  @Test(arguments: [("raw_sockets", 2, 3), ("packet_sockets", 17, 3), ("vsock", 40, 1), ("alg", 38, 5), ("netlink", 16, 3)] as [(String, UInt64, UInt64)])
  func aSocketGroupPermitsItsSocketsOnly(group: String, family: UInt64, type: UInt64) throws {
    let protocolNumber: UInt64 = family == 16 ? 15 : 0
    #expect(try Compiled([]).answer("socket", family, type, protocolNumber) != .allow)
    #expect(try Compiled([], permitting: [group]).answer("socket", family, type, protocolNumber) == .allow)
    #expect(try Compiled([], permitting: [group]).answer("socket", 30, 1) == .errno(EAFNOSUPPORT))
  }

  @Test func aSingleCallIsPermittedByItsName() throws {
    let filter = try Compiled([], permitting: ["keyctl"])
    #expect(try filter.answer("keyctl") == .allow)
    #expect(try filter.answer("add_key") == .errno(EPERM))
  }

  @Test(arguments: ["read", "no_such_call", "PTRACE", "", "openat"])
  func permittingWhatIsNoRestrictionIsAnError(name: String) {
    #expect(throws: FilterError.unknownRestrictedName(name)) {
      try FilterCompiler.compile(FilterSpecification(traps: [], permitted: ["ptrace", name]))
    }
  }

  /// Calls that the kernel can't answer without running the filter must not walk behind those that it can.
  @Test func theProgramIsShortWhereItIsRun() throws {
    let filter = try Compiled(everything)
    #expect(filter.program.count < 4096)
    for call in SyscallTable.all where call.trapClasses != [] {
      guard let number = call.number(on: .native) else { continue }
      let steps = try filter.machine.run(.init(architecture: Architecture.native.auditValue, number: number, arguments: [0, 0, 0, 0, 0, 0])).steps
      #expect(steps <= 250, "\(call.name) \(steps)")
    }
  }

  @Test func theSameSpecificationGivesTheSameBytes() throws {
    let specification = FilterSpecification(traps: everything, permitted: ["ptrace", "mount"])
    #expect(try FilterCompiler.compile(specification) == FilterCompiler.compile(specification))
  }
}
