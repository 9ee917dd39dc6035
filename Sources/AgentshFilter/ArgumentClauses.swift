import Glibc

// The calls that are decided by their registers. Numbers are written out where the installed headers don't have them or Swift can't import them.

/// Opens: all of them, or those whose flags write, create or truncate. Access mode 3 (ioctl only, but checked like a write) counts as
/// writing, and so does O_TMPFILE. O_PATH opens are never trapped: such a descriptor gives no access (whatever is done with it is decided on
/// its own: opening its entry in /proc, executing it, using it as a directory), the kernel ignores every other access flag with it, and no one
/// else could hand the target one (SECCOMP_IOCTL_NOTIF_ADDFD refuses it). open(2).
func openFlags(argument: Int) -> [Clause] {
  let accessMode: UInt32 = 0o3
  let create: UInt32 = 0o100
  let truncate: UInt32 = 0o1000
  let temporaryFile: UInt32 = 0o20000000
  let pathOnly: UInt32 = 0o10000000
  return [
    Clause(.int(argument, hasAnyOf: pathOnly), then: .allow),
    Clause(then: .trap(.readOpens)),
    Clause(.int(argument, hasAnyOf: accessMode | create | truncate | temporaryFile), then: .trap(.writeOpens)),
  ]
}

/// sendto(2) without an address on a connected socket names nobody new. MSG_FASTOPEN connects, and MSG_DONTROUTE asks the local network for whoever has the address.
let sendtoAddress: [Clause] = [
  Clause(.isNotNull(4), then: .trap([.network, .unixSockets])),
  Clause(.int(3, hasAnyOf: 0x2000_0004), then: .trap([.network, .unixSockets])),
]

/// prctl(2). PR_SET_MM with these two says which file a process runs, and records name it.
let prctlOptions: [Clause] = [
  // The option that no kernel knows: it proves which filter and listener a process has.
  Clause(.int(0, equals: FilterSpecification.nonceOption), then: .trap(.nonce)),
  Clause(.int(0, equals: 35), .int(1, equals: 13), then: .refuse(EPERM, nil)),  // PR_SET_MM, PR_SET_MM_EXE_FILE
  Clause(.int(0, equals: 35), .int(1, equals: 14), then: .refuse(EPERM, nil)),  // PR_SET_MM, PR_SET_MM_MAP
]

private let newMount: UInt32 = 0x0002_0000
private let newCgroup: UInt32 = 0x0200_0000
private let newUTS: UInt32 = 0x0400_0000
private let newIPC: UInt32 = 0x0800_0000
private let newUser: UInt32 = 0x1000_0000
private let newPid: UInt32 = 0x2000_0000
private let newNet: UInt32 = 0x4000_0000
private let newTime: UInt32 = 0x80
private let newNamespaces = newMount | newCgroup | newUTS | newIPC | newUser | newPid | newNet

/// clone(2): the first argument on both architectures. CLONE_NEWTIME shares its bit with the exit signal and is no flag here.
let cloneFlags: [Clause] = [
  Clause(.int(0, hasAnyOf: newNamespaces), then: .refuse(EPERM, .namespaces)),
  // CLONE_UNTRACED: a child that a tracer's options don't reach.
  Clause(.int(0, hasAnyOf: 0x0080_0000), then: .refuse(EPERM, .ptrace)),
]

/// unshare(2).
let unshareFlags: [Clause] = [Clause(.int(0, hasAnyOf: newNamespaces | newTime), then: .refuse(EPERM, .namespaces))]

/// ioctl(2), ioctl_tty(2), ioctl_fs(2).
let ioctlRequests: [Clause] = [
  Clause(.int(1, equals: 0x5412), then: .refuse(EPERM, .ttyInjection)),  // TIOCSTI: types into the terminal, so into the shell outside
  Clause(.int(1, equals: 0x541C), then: .refuse(EPERM, .ttyInjection)),  // TIOCLINUX: pastes into a console
  Clause(.int(1, equals: 0x5423), then: .refuse(EPERM, .ttyInjection)),  // TIOCSETD: loads line disciplines
  // The process is in memory: nothing a register tells, so not decidable by it.
  Clause(.int(1, equals: 0x8901), then: .refuseWith(.signals, EPERM)),  // FIOSETOWN
  Clause(.int(1, equals: 0x8902), then: .refuseWith(.signals, EPERM)),  // SIOCSPGRP
  // What follows changes files through descriptors that may have been opened for reading. Attribute flags are performed, of regular files and directories.
  Clause(.int(1, equals: 0x4008_6602), then: .trap(.metadata)),  // FS_IOC_SETFLAGS
  Clause(.int(1, equals: 0x401C_5820), then: .trap(.metadata)),  // FS_IOC_FSSETXATTR
  Clause(.int(1, equals: 0x4080_6685), then: .refuseWith(.metadata, EPERM)),  // FS_IOC_ENABLE_VERITY: read-only for ever
  Clause(.int(1, equals: 0x4008_7602), then: .refuseWith(.metadata, EPERM)),  // FS_IOC_SETVERSION
  Clause(.int(1, equals: 0x4008_6604), then: .refuseWith(.metadata, EPERM)),  // EXT4_IOC_SETVERSION_OLD
  Clause(.int(1, equals: 0x0000_6609), then: .refuseWith(.metadata, EPERM)),  // EXT4_IOC_MIGRATE
  Clause(.int(1, equals: 0x800C_6613), then: .refuseWith(.metadata, EPERM)),  // FS_IOC_SET_ENCRYPTION_POLICY
  Clause(.int(1, equals: 0x4004_7211), then: .refuseWith(.metadata, EPERM)),  // FAT_IOCTL_SET_ATTRIBUTES
  // Subvolumes of btrfs: a snapshot is a copy of a whole tree under another name, and a name that one removes takes a tree with it.
  Clause(.int(1, equals: 0x5000_9401), then: .refuseWith(.fileChanges, EPERM)),  // BTRFS_IOC_SNAP_CREATE
  Clause(.int(1, equals: 0x5000_9417), then: .refuseWith(.fileChanges, EPERM)),  // BTRFS_IOC_SNAP_CREATE_V2
  Clause(.int(1, equals: 0x5000_940E), then: .refuseWith(.fileChanges, EPERM)),  // BTRFS_IOC_SUBVOL_CREATE
  Clause(.int(1, equals: 0x5000_9418), then: .refuseWith(.fileChanges, EPERM)),  // BTRFS_IOC_SUBVOL_CREATE_V2
  Clause(.int(1, equals: 0x5000_940F), then: .refuseWith(.fileChanges, EPERM)),  // BTRFS_IOC_SNAP_DESTROY
  Clause(.int(1, equals: 0x5000_943F), then: .refuseWith(.fileChanges, EPERM)),  // BTRFS_IOC_SNAP_DESTROY_V2
  Clause(.int(1, equals: 0x4008_941A), then: .refuseWith(.fileChanges, EPERM)),  // BTRFS_IOC_SUBVOL_SETFLAGS
  Clause(.int(1, equals: 0xC0C8_9425), then: .refuseWith(.fileChanges, EPERM)),  // BTRFS_IOC_SET_RECEIVED_SUBVOL
  // Keys of encrypted directories belong to the user, not to a session: taking one away locks the user out.
  Clause(.int(1, equals: 0xC050_6617), then: .refuse(EPERM, .keyring)),  // FS_IOC_ADD_ENCRYPTION_KEY
  Clause(.int(1, equals: 0xC040_6618), then: .refuse(EPERM, .keyring)),  // FS_IOC_REMOVE_ENCRYPTION_KEY
  Clause(.int(1, equals: 0xC040_6619), then: .refuse(EPERM, .keyring)),  // FS_IOC_REMOVE_ENCRYPTION_KEY_ALL_USERS
  Clause(.int(1, equals: 0x0000_AA00), then: .refuse(EPERM, .userfaultfd)),  // USERFAULTFD_IOC_NEW: the same by /dev/userfaultfd
]

/// fcntl(2). SIGIO of a descriptor can be sent to any process of the same user, and F_SETSIG makes it any signal.
let fcntlCommands: [Clause] = [
  Clause(.int(1, equals: 8), then: .trap(.signals)),  // F_SETOWN: the process or group is a register
  Clause(.int(1, equals: 15), then: .refuseWith(.signals, EPERM)),  // F_SETOWN_EX: it is in memory
  Clause(.int(1, equals: 10), then: .refuseWith(.signals, EPERM)),  // F_SETSIG
]

/// setpgid(2). What the terminal sends to a group (SIGTTOU because one of its members wrote there) nothing else keeps from anybody: neither uids nor Landlock's scope are asked.
let processGroups: [Clause] = [
  // A group of its own.
  Clause(.int(1, equals: 0), then: .allow),
  Clause(then: .trap(.signals)),
]

// The kernel itself refuses families from AF_MAX (46) on, netlink protocols from MAX_LINKS (32) on, so no more bits need to be compared.
private func family(_ number: UInt32) -> ArgumentTest { .int(0, under: 0x3f, equals: number) }
private func type(_ number: UInt32) -> ArgumentTest { .int(1, under: 0xf, equals: number) }

/// Of inet and inet6: what has connections by connect(2) alone. SCTP connects by setsockopt(2) too (sctp_connectx(3)), to addresses that lie in memory.
/// The kernel refuses protocols from IPPROTO_MAX (263) on.
private func internetSockets(_ number: UInt32) -> [Clause] {
  // The default, ICMP, TCP, UDP, ICMPv6, UDP-Lite, MPTCP: their addresses are decided. The rest (L2TP, SMC, and whatever comes) is another way out.
  let protocols = [0, 1, 6, 17, 58, 136, 262].map { Clause(family(number), .int(2, under: 0x1ff, equals: $0), then: .allow) }
  return [
    Clause(family(number), type(3), then: .refuse(EPERM, .rawSockets)),
    // SOCK_PACKET, which the kernel turns into a packet socket.
    Clause(family(number), type(10), then: .refuse(EPERM, .packetSockets)),
    // Reached only where the policy permits the group.
    Clause(family(number), type(3), then: .allow),
    Clause(family(number), type(10), then: .allow),
    // SOCK_SEQPACKET and SOCK_DCCP are SCTP and DCCP, whatever the protocol says.
    Clause(family(number), type(5), then: .refuse(ESOCKTNOSUPPORT, nil)),
    Clause(family(number), type(6), then: .refuse(ESOCKTNOSUPPORT, nil)),
  ] + protocols + [Clause(family(number), then: .refuse(EPROTONOSUPPORT, nil))]
}

/// socket(2): Unix, inet and inet6 without raw ones, and netlink for routing tables (interfaces, addresses: getifaddrs(3) needs it).
/// Everything else is a family that the kernel could autoload a module for.
let socketFamilies: [Clause] = [Clause(family(1), then: .allow)] + [2, 10, 17, 40].map { number in
  // AF_INET, AF_INET6, AF_PACKET, AF_VSOCK of a session without a network: what its policy permits otherwise is no way out either.
  Clause(family(number), then: .refuseWith(.internetSockets, EACCES))
} + internetSockets(2) + internetSockets(10) + [
  Clause(family(16), .int(2, under: 0x1f, equals: 0), then: .allow),
  Clause(family(16), then: .refuse(EPERM, .netlink)),
  Clause(family(17), then: .refuse(EPERM, .packetSockets)),
  Clause(family(38), then: .refuse(EAFNOSUPPORT, .alg)),
  Clause(family(40), then: .refuse(EAFNOSUPPORT, .vsock)),
  // Reached only where the policy permits the group, so that the refusal above was skipped.
  Clause(family(16), then: .allow),
  Clause(family(17), then: .allow),
  Clause(family(38), then: .allow),
  Clause(family(40), then: .allow),
  Clause(then: .refuse(EAFNOSUPPORT, nil)),
]

/// setsockopt(2): a packet with a source route goes to the first address of the route, whatever address was decided about, and one that is sent by an interface of the
/// program's choice leaves the machine with an address that means it (127.0.0.1). ip(7), ipv6(7), socket(7). Joining a multicast group tells the network so.
let routeOptions: [Clause] = [
  Clause(.int(1, equals: 0), .int(2, equals: 4), then: .refuseWith(.network, EPERM)),  // IP_OPTIONS
  Clause(.int(1, equals: 41), .int(2, equals: 57), then: .refuseWith(.network, EPERM)),  // IPV6_RTHDR
  Clause(.int(1, equals: 41), .int(2, equals: 6), then: .refuseWith(.network, EPERM)),  // IPV6_2292PKTOPTIONS: any of the others
  Clause(.int(1, equals: 41), .int(2, equals: 32), then: .refuseWith(.network, EPERM)),  // IPV6_FLOWLABEL_MGR: a label can bring a route with it
  Clause(.int(1, equals: 1), .int(2, equals: 5), then: .refuseWith(.network, EPERM)),  // SO_DONTROUTE
  Clause(.int(1, equals: 1), .int(2, equals: 25), then: .refuseWith(.network, EPERM)),  // SO_BINDTODEVICE
  Clause(.int(1, equals: 1), .int(2, equals: 62), then: .refuseWith(.network, EPERM)),  // SO_BINDTOIFINDEX
  Clause(.int(1, equals: 0), .int(2, equals: 50), then: .refuseWith(.network, EPERM)),  // IP_UNICAST_IF
  Clause(.int(1, equals: 41), .int(2, equals: 76), then: .refuseWith(.network, EPERM)),  // IPV6_UNICAST_IF
  Clause(.int(1, equals: 41), .int(2, equals: 50), then: .refuseWith(.network, EPERM)),  // IPV6_PKTINFO
  Clause(.int(1, equals: 41), .int(2, equals: 9), then: .refuseWith(.network, EPERM)),  // IPV6_NEXTHOP
] + MulticastOption.allCases.map { Clause(.int(1, equals: $0.level), .int(2, equals: $0.rawValue & 0xff), then: .trap(.network)) }

/// Options of setsockopt(2) by which a socket joins a multicast group, whose address is in memory: ip(7), ipv6(7). Levels are in the upper half.
public enum MulticastOption: UInt32, CaseIterable, Sendable {
  case addMembership = 35  // IP_ADD_MEMBERSHIP
  case addSourceMembership = 39  // IP_ADD_SOURCE_MEMBERSHIP
  case sourceFilter = 41  // IP_MSFILTER
  case joinGroup = 42  // MCAST_JOIN_GROUP
  case joinSourceGroup = 46  // MCAST_JOIN_SOURCE_GROUP
  case groupFilter = 48  // MCAST_MSFILTER
  case addMembership6 = 0x2914  // IPV6_ADD_MEMBERSHIP
  case joinAnycast6 = 0x291b  // IPV6_JOIN_ANYCAST
  case joinGroup6 = 0x292a  // MCAST_JOIN_GROUP
  case joinSourceGroup6 = 0x292e  // MCAST_JOIN_SOURCE_GROUP
  case groupFilter6 = 0x2930  // MCAST_MSFILTER

  /// IPPROTO_IP or IPPROTO_IPV6.
  public var level: UInt32 { rawValue >> 8 }

  public init?(level: UInt32, option: UInt32) {
    guard level == 0 || level == 41, option <= 0xff else { return nil }
    self.init(rawValue: level << 8 | option)
  }
}

/// socketpair(2): only Unix has a use.
let socketpairFamilies: [Clause] = [
  Clause(family(1), then: .allow),
  Clause(then: .refuse(EAFNOSUPPORT, nil)),
]

/// personality(2): READ_IMPLIES_EXEC, another system's layouts and the like weaken what protects the programs of a session.
let personalityFlags: [Clause] = [
  Clause(.int(0, equals: 0xffff_ffff), then: .allow),
  Clause(.int(0, under: ~0x0004_0000, equals: 0), then: .allow),  // nothing, or ADDR_NO_RANDOMIZE
  Clause(then: .refuse(EPERM, nil)),
]

/// prlimit(2) that sets: only of the calling process itself, which has number 0. Reading anybody's is the kernel's business. Tested whole: rubbish
/// in the high half of the number is refused, and no compiler leaves any.
let prlimitTarget: [Clause] = [
  Clause(.isNotNull(0), .isNotNull(2), then: .refuse(EPERM, nil))
]
