@testable import AgentshSystem
import Glibc
import SystemPackage
import Testing

struct CgroupTests {
  private let membership = Array("9:name=systemd:/\n6:freezer:/x\n8:cpu,pids:/y\n0::/system.slice/agentshd.service\n".utf8)

  @Test func theGroupOfEachHierarchyIsFound() {
    #expect(CgroupHierarchy.membership(of: .v2, in: membership) == Array("/system.slice/agentshd.service".utf8))
    #expect(CgroupHierarchy.membership(of: .v1(controller: "freezer"), in: membership) == Array("/x".utf8))
    #expect(CgroupHierarchy.membership(of: .v1(controller: "pids"), in: membership) == Array("/y".utf8))
    #expect(CgroupHierarchy.membership(of: .v1(controller: "memory"), in: membership) == nil)
  }

  @Test(arguments: [
    ("/a/agentsh/s1", "s1"), ("/a/agentsh/s1/deeper", "s1"), ("/a/agentsh", nil), ("/a/agentshx/s1", nil), ("/b", nil), ("/", nil),
  ] as [(String, String?)])
  func onlyGroupsBelowTheServersOwnAreSessions(group: String, session: String?) {
    let hierarchy = CgroupHierarchy(version: .v2, directory: [], path: Array("/a/agentsh".utf8))
    #expect(hierarchy.session(inMembership: Array("0::\(group)\n".utf8)) == session.map { Array($0.utf8) })
  }

  @Test func mountsAreReadWithEscapesAndPartialRoots() throws {
    let text = "25 1 0:22 / /sys/fs/cgroup\\040x rw shared:9 - cgroup2 cgroup rw\n26 1 0:23 /part /p rw - cgroup c rw,freezer\n27 1 0:3 / /proc rw - proc p rw\n"
    let mounts = MountEntry.all(in: Array(text.utf8))
    try #require(mounts.count == 3)
    #expect(mounts[0].point == Array("/sys/fs/cgroup x".utf8) && mounts[0].hasGroups(of: .v2))
    #expect(mounts[1].hasGroups(of: .v1(controller: "freezer")) && !mounts[1].hasGroups(of: .v2))
    #expect(!mounts[2].hasGroups(of: .v2) && !mounts[2].hasGroups(of: .v1(controller: "freezer")))
    #expect(mounts[1].directory(of: Array("/part/of".utf8)) == Array("/p/of".utf8))
    #expect(mounts[1].directory(of: Array("/elsewhere".utf8)) == Array("/p".utf8))
    #expect(mounts[0].directory(of: Array("/".utf8)) == Array("/sys/fs/cgroup x".utf8))
  }
}

struct UnixSocketTests {
  @Test func aFrameTakesNothingThatLiesBehindItsEnd() throws {
    let pair = try UnixSocket.pair(.stream)
    try pair.first.sendAll(Array("one\0two\0thr".utf8))
    for expected in ["one", "two"] {
      let bytes = try pair.second.receiveFrame(limit: 100)?.bytes
      #expect(bytes == Array(expected.utf8))
    }
    pair.first.shutDown(reading: false, writing: true)
    let error = #expect(throws: SyscallError.self) { _ = try pair.second.receiveFrame(limit: 100) }
    #expect(error?.errno == .connectionReset)
  }

  @Test func aFrameWithoutEndIsRefusedAtItsLimitAndASilentPeerAtTheDeadline() throws {
    let pair = try UnixSocket.pair(.stream)
    try pair.first.sendAll([UInt8](repeating: 1, count: 101))
    let tooLong = #expect(throws: SyscallError.self) { _ = try pair.second.receiveFrame(limit: 100) }
    #expect(tooLong?.errno == .messageTooLong)
    let silent = #expect(throws: SyscallError.self) { _ = try pair.first.receiveFrame(limit: 100, deadline: .after(milliseconds: 20)) }
    #expect(silent?.errno == .timedOut)
  }

  @Test func descriptorsComeWithTheFrameTheyWereSentWith() throws {
    let pair = try UnixSocket.pair(.stream)
    try pair.first.sendFrame(Array("plain".utf8))
    try pair.first.sendFrame(Array("with".utf8), descriptors: [0, 1])
    let counts = try [0, 1].map { _ in try pair.second.receiveFrame(limit: 100)?.descriptors.count }
    #expect(counts == [0, 2])
  }

  @Test func thePeerIsKnownByItsPidfd() throws {
    let pair = try UnixSocket.pair(.stream)
    let credentials = try peerCredentials(of: pair.first.descriptor)
    #expect(credentials == PeerCredentials(pid: getpid(), uid: geteuid(), gid: getegid()))
    let peer = Pidfd(try peerPidfd(of: pair.first.descriptor))
    let isSame = peer.isSameProcess(as: try Pidfd.open(getpid()))
    #expect(isSame)
    #expect(try ProcessIdentity.processID(of: peer) == getpid())
    #expect(try ProcessIdentity.parentID(of: peer) == getppid())
  }
}

struct MemfdTests {
  @Test func aSealedFileHoldsItsBytesAndTakesNoOthers() throws {
    let file = try Memfd.sealed(Array("plan".utf8), name: "test")
    #expect(try Memfd.readSealed(file, limit: 100) == Array("plan".utf8))
    #expect(writeAll(file.rawValue, [1]).error?.errno == .notPermitted)
    #expect(throws: SyscallError.self) { _ = try Memfd.readSealed(file, limit: 3) }
    let ordinary = try openAt(AT_FDCWD, Array("/proc/self/status".utf8), flags: O_RDONLY)
    #expect(throws: SyscallError.self) { _ = try Memfd.readSealed(ordinary, limit: 100) }
  }
}
