import AgentshSystem
import FoundationEssentials
import Glibc
import Synchronization
import Testing

/// What `${HOME}` stands for: decisions are made on the kernel's paths, so that it has to be one.
struct HomeDirectoryTests {
  private func canonical(_ path: String, _ owners: Set<UInt32>? = [0, 60001]) throws(HomeDirectory.Problem) -> String {
    String(decoding: try HomeDirectory.canonical(Array(path.utf8), followingLinksOf: owners), as: UTF8.self)
  }

  @Test func linksOnTheWayAreFollowedToTheKernelsPath() throws {
    let scratch = try Scratch()
    let place = scratch.path
    try FileManager.default.createDirectory(atPath: "\(place)/data/homes/ann", withIntermediateDirectories: true)
    #expect(makeSymlink("data/./homes", "\(place)/home") == 0)
    #expect(makeSymlink("../../home/ann", "\(place)/data/homes/bob") == 0)
    #expect(makeSymlink("\(place)/data/homes/nobody", "\(place)/data/homes/eve") == 0)
    let owners = [geteuid()] as Set<UInt32>
    for (home, path) in [
      ("home/ann", "ann"), ("home//./ann/", "ann"), ("data/homes/ann", "ann"), ("home/bob", "ann"), ("home/eve", "nobody"), ("home/new/one", "new/one"),
    ] { #expect(try canonical("\(place)/\(home)", owners) == "\(place)/data/homes/\(path)") }
  }

  @Test func whatDoesNotExistStaysWhereItWouldBe() throws {
    #expect(try canonical("/nonexistent") == "/nonexistent")
    #expect(try canonical("/nonexistent/ann") == "/nonexistent/ann")
    // Nothing lies in a file, and nothing will.
    #expect(try canonical("/dev/null") == "/dev/null")
  }

  @Test(arguments: ["", "ann", "/", "//", "/.", "/home/../etc", "/home/ann/.."])
  func whatWouldHoldEverythingOrNothingIsNoHome(home: String) {
    let problem = #expect(throws: HomeDirectory.Problem.self) { _ = try canonical(home) }
    #expect(problem?.home == Array(home.utf8) && problem?.description.contains("the home directory \(home) ") == true)
  }

  @Test func aLinkToTheRootOrInACircleIsNoHome() throws {
    let scratch = try Scratch()
    #expect(makeSymlink("/", "\(scratch.path)/all") == 0)
    #expect(makeSymlink("two", "\(scratch.path)/one") == 0)
    #expect(makeSymlink("one", "\(scratch.path)/two") == 0)
    for name in ["all", "one"] { #expect(throws: HomeDirectory.Problem.self) { _ = try canonical("\(scratch.path)/\(name)", nil) } }
  }

  @Test func aLinkOfAnotherUserIsNotFollowedWhereThatMatters() throws {
    guard canRunPrivileged() else { return }
    let scratch = try Scratch()
    let link = "\(scratch.path)/home"
    #expect(makeDirectory("\(scratch.path)/real", 0o755) == 0)
    #expect(makeSymlink("real", link) == 0)
    for (owner, isFollowed) in [(UInt32(0), true), (60001, true), (60002, false)] {
      #expect(setLinkOwner(link, owner, owner) == 0)
      if isFollowed {
        #expect(try canonical(link) == "\(scratch.path)/real")
      } else {
        let problem = #expect(throws: HomeDirectory.Problem.self) { _ = try canonical(link) }
        #expect(problem?.reason == "\(link) is a link that belongs to uid 60002")
      }
      #expect(try canonical(link, nil) == "\(scratch.path)/real")
    }
  }

  @Test func aSessionIsGivenTheKernelsPathOfTheHomeOrNotOpened() throws {
    guard canRunPrivileged() else { return }
    let scratch = try ServerRig.prepare()
    let place = scratch.path
    try FileManager.default.createDirectory(atPath: "\(place)/data/ann", withIntermediateDirectories: true)
    #expect(makeSymlink("data", "\(place)/home") == 0)
    try scratch.write("passwd", "root:x:0:0::/root:/bin/sh\nann:x:60001:60001::\(place)/home/ann:/bin/sh\nbob:x:60003:60003::/:/bin/sh\n")
    // A server with a user database of its own.
    let rig = try ServerRig(
      scratch, through: ["/usr/bin/unshare", "-m", "/bin/sh", "-c", "mount --bind \(place)/passwd /etc/passwd && exec \"$@\"", "sh"])
    let ann = try rig.client(uid: 60001)
    let session = try ann.wrap(["name": .string("reports")]).text("session")
    let home = Data("\(place)/data/ann".utf8).base64EncodedString()
    #expect(scratch.read("log/sessions/\(session).jsonl").contains("HOME \(home);"))
    let refused = try rig.client(uid: 60003).wrap()
    #expect(refused.error == "HostCannotEnforce")
    #expect(refused.reason.contains("the home directory / of the user database") && refused.reason.contains("usermod --home"), "\(refused.reason)")
  }
}

/// Starting programs as somebody else.
struct SpawnTests {
  @Test func aChildThatIsStoppedBeforeItsProgramRunsHoldsNobodyUp() throws {
    guard canRunPrivileged() else { return }
    let scratch = try Scratch()
    let program = try scratch.write("program", "#!/bin/sh\n", mode: 0o755)
    // Nobody else's, by which the child is found. It tries again and again as long as its program is open for writing.
    let uid: UInt32 = 61_777
    let writer = try openAt(AT_FDCWD, Array(program.utf8), flags: O_WRONLY)
    let outcome = Outcome()
    try startThread("spawn", stackBytes: 1 << 20) {
      do throws(SpawnError) {
        _ = try spawnSupervisor(Array(program.utf8), descriptors: [], identity: SpawnIdentity(uid: uid, gid: uid, groups: [], capabilities: 0))
        outcome.error.withLock { $0 = "none" }
      } catch {
        outcome.error.withLock { $0 = "\(error)" }
      }
    }
    var child: Int32?
    try waitFor("the child has its uid") {
      child = try FileManager.default.contentsOfDirectory(atPath: "/proc").compactMap { Int32($0) }.first { process in
        (try? String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8))?.contains("\nUid:\t\(uid)\t\(uid)\t\(uid)\t") == true
      }
      return child != nil
    }
    let stopped = try #require(child)
    #expect(kill(stopped, SIGSTOP) == 0)
    try waitFor("it is given up") { outcome.error.withLock { $0 != nil } }
    let told = outcome.error.withLock { $0 }
    #expect(told?.contains("waiting for the program to run") == true, "\(told ?? "nothing")")
    // Reaped, too. Where it wasn't given up, it is not to be left behind.
    #expect(kill(stopped, SIGKILL) != 0)
    _ = consume writer
  }

  private final class Outcome: Sendable {
    let error = Mutex<String?>(nil)
  }
}
