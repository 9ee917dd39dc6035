import Testing

@testable import AgentshSupervision

@Suite struct MountAliasesTests {
  private func aliases(_ lines: String...) -> MountAliases {
    // proc_pid_mountinfo(5): number, parent, device, root, point, options, then the type.
    let text = lines.enumerated().map { "\($0.offset + 20) 1 \($0.element) rw,relatime shared:1 - ext4 /dev/x rw" }.joined(separator: "\n")
    return MountAliases(MountTable(Array(text.utf8)))
  }

  private func names(_ aliases: MountAliases, _ path: String) -> [String] { aliases.names(of: Array(path.utf8)).map { String(decoding: $0, as: UTF8.self) } }

  @Test func whatIsMountedOnceHasOneName() {
    let aliases = aliases("8:1 / /", "8:2 / /home", "0:5 / /proc", "0:6 / /tmp")
    #expect(aliases.isEmpty)
    #expect(names(aliases, "/home/user/file").isEmpty)
  }

  @Test func aBoundDirectoryHasBothNames() {
    let aliases = aliases("8:1 / /", "8:1 /data/home /home")
    #expect(names(aliases, "/home/user/.ssh") == ["/data/home/user/.ssh"])
    #expect(names(aliases, "/data/home/user/.ssh") == ["/home/user/.ssh"])
    #expect(names(aliases, "/home") == ["/data/home"])
    #expect(names(aliases, "/data/homely").isEmpty)
    #expect(names(aliases, "/data").isEmpty)
  }

  @Test func aSubvolumeHasItsPlaceInTheWhole() {
    let aliases = aliases("0:30 /@ /", "0:30 /@home /home", "0:30 / /mnt/top")
    #expect(names(aliases, "/home/user") == ["/mnt/top/@home/user"])
    #expect(names(aliases, "/mnt/top/@/etc/passwd") == ["/etc/passwd"])
    #expect(names(aliases, "/etc/passwd") == ["/mnt/top/@/etc/passwd"])
  }

  @Test func threeNamesAreThree() {
    let aliases = aliases("8:1 / /", "8:1 /a /b", "8:1 /a /c")
    #expect(Set(names(aliases, "/b/x")) == ["/a/x", "/c/x"])
    #expect(Set(names(aliases, "/a/x")) == ["/b/x", "/c/x"])
  }

  @Test func aFileThatIsMountedOnAnotherHasBothNames() {
    let aliases = aliases("8:1 / /", "8:1 /srv/hosts /etc/hosts")
    #expect(names(aliases, "/etc/hosts") == ["/srv/hosts"])
    #expect(names(aliases, "/etc/hostname").isEmpty)
  }

  @Test func theRootMountedBelowItselfEnds() {
    let aliases = aliases("8:1 / /", "8:1 / /chroot")
    #expect(names(aliases, "/etc/passwd") == ["/chroot/etc/passwd"])
    #expect(names(aliases, "/chroot/etc/passwd") == ["/etc/passwd"])
    #expect(names(aliases, "relative").isEmpty)
  }
}
