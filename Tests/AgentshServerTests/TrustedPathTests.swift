@testable import AgentshServer
import AgentshSystem
import Glibc
import Testing

struct TrustedPathTests {
  private func refusal(_ path: String) -> String? {
    do {
      _ = try TrustedPath.file(Array(path.utf8))
      return nil
    } catch {
      return "\(error)"
    }
  }

  @Test func aFileOfRootsInRootsDirectoriesIsRead() throws {
    guard canRunPrivileged() else { return }
    let scratch = try Scratch()
    let file = try scratch.write("d/f.yaml", "x")
    #expect(refusal(file) == nil)
  }

  @Test(arguments: [
    ("f", 0o664, 0, "is writable by group or others (mode 0664)"), ("f", 0o602, 0, "is writable by group or others (mode 0602)"),
    ("f", 0o600, 60001, "belongs to uid 60001, not to root (mode 0600)"), ("d", 0o775, 0, "is writable by group or others (mode 0775)"),
    ("d", 0o757, 0, "is writable by group or others (mode 0757)"), ("d", 0o700, 60001, "belongs to uid 60001, not to root (mode 0700)"),
  ])
  func whatOthersCouldHaveWrittenIsRefusedWithItsPathAndMode(what: String, mode: Int, owner: Int, reason: String) throws {
    guard canRunPrivileged() else { return }
    let scratch = try Scratch()
    let file = try scratch.write("d/f.yaml", "x")
    let changed = what == "f" ? file : "\(scratch.path)/d"
    #expect(setMode(changed, UInt32(mode)) == 0)
    #expect(setOwner(changed, UInt32(owner), 0) == 0)
    #expect(refusal(file) == "\(changed): \(reason)")
  }

  @Test func linksOfRootAreFollowedAndWhatTheyLeadToIsJudged() throws {
    guard canRunPrivileged() else { return }
    let scratch = try Scratch()
    try scratch.write("real/f.yaml", "x")
    #expect(makeSymlink("../\(scratch.path.split(separator: "/").last ?? "")/real", "\(scratch.path)/way") == 0)
    #expect(refusal("\(scratch.path)/way/f.yaml") == nil)
    #expect(setMode("\(scratch.path)/real", 0o777) == 0)
    #expect(refusal("\(scratch.path)/way/f.yaml")?.contains("real: is writable by group or others (mode 0777)") == true)
  }

  @Test func aLinkThatBelongsToAUserIsRefused() throws {
    guard canRunPrivileged() else { return }
    let scratch = try Scratch()
    let file = try scratch.write("real/f.yaml", "x")
    let link = "\(scratch.path)/link.yaml"
    #expect(makeSymlink(file, link) == 0)
    #expect(setLinkOwner(link, 60001, 60001) == 0)
    #expect(refusal(link)?.contains("is a link that belongs to uid 60001") == true)
  }

  @Test func loopsFifosAndDirectoriesAreNoFiles() throws {
    guard canRunPrivileged() else { return }
    let scratch = try Scratch()
    #expect(makeSymlink("loop", "\(scratch.path)/loop") == 0)
    #expect(refusal("\(scratch.path)/loop")?.contains("too many links") == true)
    #expect(makeFifo("\(scratch.path)/fifo", 0o600) == 0)
    #expect(refusal("\(scratch.path)/fifo")?.contains("is not a regular file") == true)
    #expect(refusal(scratch.path)?.contains("is not a regular file") == true)
    #expect(refusal("relative")?.contains("is not an absolute path") == true)
  }
}

struct SessionDirectoryTests {
  private func make(_ scratch: Scratch, name: String = "s", uid: UInt32 = 60001, canChangeOwner: Bool = true) throws {
    let parent = try openAt(AT_FDCWD, Array(scratch.path.utf8), flags: O_RDONLY | O_DIRECTORY)
    _ = try SessionDirectory(
      in: parent, path: Array(scratch.path.utf8), name: Array(name.utf8), uid: uid, gid: uid, canChangeOwner: canChangeOwner)
  }

  private func status(_ path: String) throws -> FileStatus { try linkStatus(at: AT_FDCWD, Array(path.utf8)) }

  @Test(arguments: [(true, UInt32(60001), UInt32(0o600)), (false, UInt32(0), UInt32(0o666))])
  func theSocketsAreTheCallersAndTheDirectoryIsRoots(canChangeOwner: Bool, owner: UInt32, mode: UInt32) throws {
    guard canRunPrivileged() else { return }
    let scratch = try Scratch()
    try make(scratch, canChangeOwner: canChangeOwner)
    let directory = try status("\(scratch.path)/s")
    #expect(directory.owner == 0 && directory.mode & 0o7777 == 0o711)
    for socket in ["notify", "signal", "ptrace"] {
      let found = try status("\(scratch.path)/s/\(socket).sock")
      #expect(found.type == S_IFSOCK && found.owner == owner && found.mode & 0o7777 == mode)
    }
  }

  @Test func aDirectoryThatIsThereAlreadyIsNotUsedAndNotTouched() throws {
    guard canRunPrivileged() else { return }
    let scratch = try Scratch()
    #expect(makeDirectory("\(scratch.path)/s", 0o777) == 0)
    #expect(setOwner("\(scratch.path)/s", 60002, 60002) == 0)
    #expect(throws: SessionSetupError.self) { try make(scratch) }
    #expect(try status("\(scratch.path)/s").owner == 60002)
  }

  @Test func aPlantedLinkLeadsToNothingBeingChowned() throws {
    guard canRunPrivileged() else { return }
    let scratch = try Scratch()
    let victim = try scratch.write("victim/notify.sock", "precious")
    #expect(makeSymlink("\(scratch.path)/victim", "\(scratch.path)/s") == 0)
    #expect(throws: SessionSetupError.self) { try make(scratch) }
    #expect(try status(victim).owner == 0)
    #expect(try status("\(scratch.path)/victim").owner == 0)
    #expect(try status("\(scratch.path)/s").isSymbolicLink)
  }

  @Test(arguments: [1, 2, 3, 4])
  func aFullFileSystemIsAClearErrorAndNothingIsLeft(inodes: Int) throws {
    guard canRunPrivileged() else { return }
    let scratch = try Scratch()
    #expect(makeDirectory("\(scratch.path)/small", 0o755) == 0)
    try #require(mountSmall("\(scratch.path)/small", inodes: inodes))
    defer { #expect(unmount("\(scratch.path)/small") == 0) }
    let parent = try openAt(AT_FDCWD, Array("\(scratch.path)/small".utf8), flags: O_RDONLY | O_DIRECTORY)
    let error = #expect(throws: SessionSetupError.self) {
      _ = try SessionDirectory(
        in: parent, path: Array("\(scratch.path)/small".utf8), name: Array("s".utf8), uid: 60001, gid: 60001, canChangeOwner: true)
    }
    #expect(error?.description.contains("No space left on device") == true)
    #expect(try directoryNames(in: parent).isEmpty)
  }
}
