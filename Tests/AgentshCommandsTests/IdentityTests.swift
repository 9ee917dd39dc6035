import AgentshSystem
import Glibc
import Testing

/// A setuid installation, by its ids: real ones of the caller, effective and saved ones of root. Each in a process of its own.
struct IdentityTests {
  @Test func aSetuidStartBecomesItsCallerForGood() async {
    guard Privileges.canChangeIDs() else { return }
    await #expect(processExitsWith: .success) {
      try #require(setgroups(0, nil) == 0)
      try #require(setregid(60001, gid_t.max) == 0)
      try #require(setreuid(60001, uid_t.max) == 0)
      try #require(getuid() == 60001 && geteuid() == 0)
      let identity = try CallerIdentity.dropPrivileges(isPrivilegedExecution: false)
      #expect(identity == CallerIdentity(uid: 60001, gid: 60001, wasPrivileged: true))
      #expect(geteuid() == 60001 && getegid() == 60001)
      #expect(setuid(0) == -1 && seteuid(0) == -1 && setgid(0) == -1 && setegid(0) == -1)
      #expect(try ThreadCapabilities.current().permitted == 0)
    }
  }

  @Test func capabilitiesOfTheProgramsFileAreGivenUpToo() async {
    guard Privileges.canChangeIDs() else { return }
    await #expect(processExitsWith: .success) {
      // What is left to a program with file capabilities, whose ids are all the caller's: PR_SET_KEEPCAPS keeps them over setresuid.
      try Privileges.keepCapabilities()
      try #require(setgid(60001) == 0 && setuid(60001) == 0)
      try ThreadCapabilities.set(effective: ThreadCapabilities.sysPtrace, permitted: ThreadCapabilities.sysPtrace)
      let identity = try CallerIdentity.dropPrivileges(isPrivilegedExecution: true)
      #expect(identity.wasPrivileged)
      let left = try ThreadCapabilities.current()
      #expect(left.permitted == 0 && left.effective == 0)
    }
  }

  @Test func anOrdinaryStartKeepsWhatItIs() async {
    await #expect(processExitsWith: .success) {
      let before = try ThreadCapabilities.current()
      let identity = try CallerIdentity.dropPrivileges(isPrivilegedExecution: false)
      #expect(identity == CallerIdentity(uid: getuid(), gid: getgid(), wasPrivileged: false))
      #expect(try ThreadCapabilities.current().permitted == before.permitted)
    }
  }
}
