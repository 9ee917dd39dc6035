import FoundationEssentials
import Glibc
import TestSupport
import Testing

@testable import AgentshSystem

/// Repositories laid out as git lays them out.
private final class Tree {
  let top: String

  init() throws { top = try temporaryDirectory() }
  deinit { try? FileManager.default.removeItem(atPath: top) }

  func write(_ name: String, _ text: String) throws {
    let path = "\(top)/\(name)"
    try FileManager.default.createDirectory(atPath: String(path[..<(path.lastIndex(of: "/") ?? path.endIndex)]), withIntermediateDirectories: true)
    removeFile(path)
    try Data(text.utf8).write(to: URL(fileURLWithPath: path))
  }

  func directory(_ name: String) throws {
    try FileManager.default.createDirectory(atPath: "\(top)/\(name)", withIntermediateDirectories: true)
  }

  func link(_ name: String, to target: String) throws {
    removeFile("\(top)/\(name)")
    try FileManager.default.createSymbolicLink(atPath: "\(top)/\(name)", withDestinationPath: target)
  }

  /// What `git init` makes, as far as it matters.
  func repository(_ name: String, config: String = "[core]\n\tbare = false\n") throws {
    try write("\(name)/HEAD", "ref: refs/heads/main\n")
    try write("\(name)/config", config)
    try directory("\(name)/objects")
    try directory("\(name)/refs/heads")
  }

  func worktree(_ name: String, of repository: String, as label: String) throws {
    try write("\(name)/.git", "gitdir: \(top)/\(repository)/worktrees/\(label)\n")
    try write("\(repository)/worktrees/\(label)/HEAD", "ref: refs/heads/\(label)\n")
    try write("\(repository)/worktrees/\(label)/commondir", "../..\n")
    try write("\(repository)/worktrees/\(label)/gitdir", "\(top)/\(name)/.git\n")
  }

  /// What is found from below: the root, and the two directories; "-" for none.
  func found(_ name: String, owners: Set<UInt32> = [0, geteuid()]) -> [String] {
    guard let repository = GitRepository.around(Array("\(top)/\(name)".utf8), owners: owners) else { return [] }
    return [repository.root, repository.directory, repository.commonDirectory].map { path in
      guard let path else { return "-" }
      let text = String(decoding: path, as: UTF8.self)
      return text.hasPrefix(top + "/") ? String(text.dropFirst(top.count + 1)) : text
    }
  }
}

@Suite struct GitRepositoryTests {
  @Test func theRepositoryIsTheNearestDirectoryThatHasOne() throws {
    let tree = try Tree()
    try tree.directory("a/b")
    #expect(tree.found("a/b") == [])
    try tree.directory("a/.git")
    #expect(tree.found("a/b") == ["a", "a/.git", "a/.git"])
    #expect(tree.found("a/") == ["a", "a/.git", "a/.git"])
    #expect(tree.found("") == [])
    #expect(GitRepository.around([UInt8(ascii: "/")], owners: [0]) == nil)
    // Another user's makes nobody's directory a part of a repository.
    #expect(tree.found("a/b", owners: [geteuid() + 1]) == [])
    if geteuid() == 0 {
      changeOwner("\(tree.top)/a/.git", 60001)
      #expect(tree.found("a/b") == [])
    }
  }

  @Test func aLinkedWorktreeAndItsRepositoryBelongTogether() throws {
    let tree = try Tree()
    try tree.repository("main/.git")
    try tree.worktree("feature", of: "main/.git", as: "f")
    try tree.directory("feature/src")
    let expected = ["feature", "main/.git/worktrees/f", "main/.git"]
    #expect(tree.found("feature") == expected)
    #expect(tree.found("feature/src") == expected)
    // As `worktree.useRelativePaths` writes them.
    try tree.write("feature/.git", "gitdir: ../main/.git/worktrees/f\n")
    try tree.write("main/.git/worktrees/f/gitdir", "../../../../feature/.git\n")
    #expect(tree.found("feature") == expected)
    try tree.repository("bare.git")
    try tree.worktree("tree", of: "bare.git", as: "t")
    #expect(tree.found("tree") == ["tree", "bare.git/worktrees/t", "bare.git"])
  }

  @Test func aGitFileIsNotFollowedToWhatDoesNotNameIt() throws {
    let tree = try Tree()
    try tree.repository("main/.git")
    try tree.worktree("feature", of: "main/.git", as: "f")
    let (nothing, honest) = (["p/x", "-", "-"], ["feature", "main/.git/worktrees/f", "main/.git"])
    // Planted in a project: none of these names p/x.
    for target in ["main/.git/worktrees/f", "main/.git", "feature", "nowhere", "main/.git/worktrees/f/../f"] {
      try tree.write("p/x/.git", "gitdir: \(tree.top)/\(target)\n")
      #expect(tree.found("p/x") == nothing, "\(target)")
    }
    for text in ["", "gitdir:", "gitdir: ", "gitdir: /", "nonsense", "gitdir: \(tree.top)/main/.git/worktrees/f\nmore\n", String(repeating: "x", count: 10000)] {
      try tree.write("p/x/.git", text)
      #expect(tree.found("p/x") == nothing, "\(text.prefix(40))")
    }
    try tree.link("p/x/.git", to: "\(tree.top)/main/.git")
    #expect(tree.found("p/x") == nothing)
    #expect(tree.found("feature") == honest)
    // A worktree's own directory that leads elsewhere.
    try tree.repository("other/.git")
    for common in ["../../../../other/.git", "..", "/", "."] {
      try tree.write("main/.git/worktrees/f/commondir", common + "\n")
      #expect(tree.found("feature") == ["feature", "-", "-"], "\(common)")
    }
    try tree.link("main/.git/worktrees/f/commondir", to: "\(tree.top)/elsewhere")
    try tree.write("elsewhere", "../..\n")
    #expect(tree.found("feature") == ["feature", "-", "-"])
    try tree.write("main/.git/worktrees/f/commondir", "../..\n")
    try tree.write("main/.git/worktrees/f/gitdir", "\(tree.top)/other/.git\n")
    #expect(tree.found("feature") == ["feature", "-", "-"])
  }

  @Test func whatHoldsWorktreesIsARepositoryItself() throws {
    let tree = try Tree()
    // A project that is called worktrees makes no repository of what is around it.
    try tree.worktree("worktrees/a", of: "", as: "b")
    try tree.write("worktrees/a/.git", "gitdir: \(tree.top)/worktrees/b\n")
    try tree.write("worktrees/b/gitdir", "\(tree.top)/worktrees/a/.git\n")
    #expect(tree.found("worktrees/a") == ["worktrees/a", "-", "-"])
    try tree.repository("")
    #expect(tree.found("worktrees/a") == ["worktrees/a", "worktrees/b", ""].map { $0.isEmpty ? tree.top : $0 })
    removeDirectory("\(tree.top)/objects")
    try tree.link("objects", to: "/usr")
    #expect(tree.found("worktrees/a") == ["worktrees/a", "-", "-"])
  }

  @Test func aSubmoduleBelongsToTheRepositoryAroundIt() throws {
    let tree = try Tree()
    try tree.repository("super/.git")
    try tree.repository("super/.git/modules/lib", config: "[core]\n\tbare = false\n\tworktree = ../../../lib\n[remote \"origin\"]\n\turl = /x\n")
    try tree.write("super/lib/.git", "gitdir: ../.git/modules/lib\n")
    #expect(tree.found("super/lib") == ["super/lib", "super/.git/modules/lib", "super/.git/modules/lib"])
    // One in it, and one of a linked worktree.
    try tree.repository("super/.git/modules/lib/modules/deep", config: "[core]\n\tworktree = ../../../../../lib/deep\n")
    try tree.write("super/lib/deep/.git", "gitdir: ../../.git/modules/lib/modules/deep\n")
    #expect(tree.found("super/lib/deep")[1] == "super/.git/modules/lib/modules/deep")
    try tree.worktree("feature", of: "super/.git", as: "f")
    try tree.repository("super/.git/worktrees/f/modules/lib", config: "[core]\n\tworktree = ../../../../../../feature/lib\n")
    try tree.write("feature/lib/.git", "gitdir: ../../super/.git/worktrees/f/modules/lib\n")
    #expect(tree.found("feature/lib")[1] == "super/.git/worktrees/f/modules/lib")
    // Another place that names the same modules, modules that name another place, and modules of another repository.
    try tree.write("super/x/.git", "gitdir: ../.git/modules/lib\n")
    #expect(tree.found("super/x") == ["super/x", "-", "-"])
    try tree.write("super/lib/x/.git", "gitdir: ../../.git/modules/lib\n")
    #expect(tree.found("super/lib/x") == ["super/lib/x", "-", "-"])
    try tree.repository("other/.git")
    try tree.repository("other/.git/modules/lib", config: "[core]\n\tworktree = ../../../../super/y\n")
    try tree.write("super/y/.git", "gitdir: ../../other/.git/modules/lib\n")
    #expect(tree.found("super/y") == ["super/y", "-", "-"])
    try tree.write("super/.git/modules/lib/config", "[core]\n\tworktree = ../../../x\n")
    #expect(tree.found("super/lib") == ["super/lib", "-", "-"])
  }

  @Test(arguments: [
    ("[core]\n\tworktree = ../a b\n", "../a b"), ("[core]\nworktree=/x\n[x]\nworktree = y", "/x"), ("[x]\nworktree = y\n", nil), ("", nil),
    ("[core]\nworktree = a\nworktree = b\n", nil), ("[core]\nworktree = \"a\"\n", nil), ("[core]\nworktree = a\\\nb\n", nil), ("[core]\nworktree = a # b\n", nil),
    ("[core]\nworktree\n", nil), ("[core]\nworktree =\n", nil),
  ] as [(String, String?)])
  func aWorktreeInAConfigurationIsReadAsGitWritesIt(_ config: String, _ expected: String?) {
    #expect(GitRepository.coreWorktree(Array(config.utf8)).map { String(decoding: $0, as: UTF8.self) } == expected)
  }
}
