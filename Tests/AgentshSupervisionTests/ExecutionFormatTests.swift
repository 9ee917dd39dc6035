import Testing

@testable import AgentshSupervision

private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }
private func format(_ start: [UInt8]) -> ExecutableFormat { ExecutableFormat(start: start) { _, _ in nil } }

@Suite struct ExecutionFormatTests {
  struct Line: Sendable, CustomTestStringConvertible {
    let text: String
    let interpreter: String?
    var argument: String?
    var testDescription: String { text.debugDescription }
  }

  /// As load_script() of fs/binfmt_script.c reads them; nil where it answers ENOEXEC.
  @Test(arguments: [
    Line(text: "#!/bin/sh\necho", interpreter: "/bin/sh"),
    Line(text: "#! \t/bin/sh \t \n", interpreter: "/bin/sh"),
    Line(text: "#!/usr/bin/env python3 -u\n", interpreter: "/usr/bin/env", argument: "python3 -u"),
    Line(text: "#!/usr/bin/env\t python3 -u  \nx", interpreter: "/usr/bin/env", argument: "python3 -u"),
    Line(text: "#!relative arg\n", interpreter: "relative", argument: "arg"),
    Line(text: "#!/bin/sh", interpreter: "/bin/sh"),
    Line(text: "#!/bin/sh arg", interpreter: "/bin/sh", argument: "arg"),
    Line(text: "#!/bin/sh\0hidden arg\n", interpreter: "/bin/sh"),
    Line(text: "#!/bin/sh a\0b\n", interpreter: "/bin/sh", argument: "a"),
    Line(text: "#!", interpreter: ""),
    Line(text: "#!\n", interpreter: nil),
    Line(text: "#!   \n", interpreter: nil),
    Line(text: "# !/bin/sh\n", interpreter: nil),
    Line(text: "", interpreter: nil),
    Line(text: "#!/" + String(repeating: "x", count: 300), interpreter: nil),
    Line(text: "#!/bin/x " + String(repeating: "y", count: 300), interpreter: "/bin/x", argument: String(repeating: "y", count: 246)),
    Line(text: "#!" + String(repeating: " ", count: 300), interpreter: nil),
  ])
  func aScriptsFirstLineIsReadAsTheKernelReadsIt(_ line: Line) {
    let expected: ExecutableFormat =
      line.interpreter.map { .script(interpreter: bytes($0), argument: line.argument.map(bytes)) } ?? .other
    #expect(format(bytes(line.text)) == expected)
  }

  @Test func aProgramsLoaderIsFoundAndBrokenHeadersAreNone() {
    func little(_ value: Int, _ size: Int) -> [UInt8] { (0..<size).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } }
    var program: [UInt8] = [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1] + Array(repeating: 0, count: 9)
    program += little(2, 2) + little(62, 2) + little(1, 4) + little(0, 8) + little(64, 8) + little(0, 8) + little(0, 4)
    program += little(64, 2) + little(56, 2) + little(1, 2) + little(0, 6)
    let header = little(3, 4) + little(0, 4) + little(120, 8) + little(0, 16) + little(8, 8) + little(8, 8) + little(1, 8)
    #expect(format(program + header + bytes("/ld.so\0\0")) == .elf(loader: bytes("/ld.so")))
    // Cut off anywhere it is a program without one, and never a trap.
    for count in 4..<(program.count + header.count) {
      #expect(format(Array((program + header).prefix(count))) == .elf(loader: nil))
    }
    // Headers beyond the first bytes are asked for.
    var far = program
    far.replaceSubrange(32..<40, with: little(5000, 8))
    let found = ExecutableFormat(start: far) { offset, count in
      offset == 5000 ? Array((header).prefix(count)) : offset == 120 ? Array(bytes("/x/ld.so").prefix(count)) : nil
    }
    #expect(found == .elf(loader: bytes("/x/ld.so")))
    far.replaceSubrange(32..<40, with: Array(repeating: 0xff, count: 8))
    #expect(format(far) == .elf(loader: nil))
  }

  @Test(arguments: [
    (["/bin/ls"], 0), (["--library-path", "/x", "/bin/ls", "-l"], 2), (["--inhibit-cache", "/bin/ls"], 1),
    (["--argv0", "name", "--preload", "a.so", "./x"], 4), (["--list", "/bin/ls"], nil), (["--verify", "/bin/ls"], nil), ([], nil),
    (["--library-path"], nil), (["--preload=a.so", "x"], 1), (["-cat", "/bin/true"], 0), (["--argv0", "x", "-cat", "/bin/true"], 2),
  ] as [([String], Int?)])
  func theProgramOfALoaderCommandIsFound(_ arguments: [String], _ index: Int?) {
    #expect(LoaderCommand.program(in: arguments.map(bytes)) == index)
  }

  @Test(arguments: [
    ("/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", true), ("/lib/ld-musl-x86_64.so.1", true), ("/usr/bin/ld.so", true), ("/lib/ld-2.31.so", true),
    ("/usr/bin/ld", false), ("/usr/bin/ldd", false), ("/usr/bin/git", false),
  ])
  func loadersAreKnownByTheirNames(_ path: String, _ isLoader: Bool) {
    #expect(LoaderCommand.isLoader(bytes(path)) == isLoader)
  }

  /// The number of an inode is easily come by on a file system of one's own.
  @Test(arguments: [
    ("55d0-55d1 r-xp 00000000 fe:00 77                         /opt/loader", true),
    ("55d0-55d1 r-xp 00000000 00:2a 77                         /dev/shm/loader", false),
    ("55d0-55d1 r-xp 00000000 fe:00 78                         /opt/loader", false),
    ("55d0-55d1 r-xp 00000000 fe:00 77                         /opt/loader (deleted)", false),
    ("55d0-55d1 r-xp 00000000 fe:00 12                         /opt/a program\\012", true),
    ("7ffd-7ffe rw-p 00000000 00:00 0                          [stack]", true),
    ("55d0-55d1 rw-p 00000000 00:00 0 ", true),
    ("55d0-55d1 r-xp 00000000 fe:00 77", false),
    ("55d0-55d1 r-xp", false),
  ])
  func aMappedFileIsKnownByNumberAndPath(_ line: String, _ isExpected: Bool) {
    let files = [ExpectedFile(path: bytes("/opt/loader"), inode: 77), ExpectedFile(path: bytes("/opt/a program\n"), inode: 12)]
    let program = "1000-2000 r-xp 00000000 fe:00 12                          /opt/a program\\012\n"
    #expect(MappedFiles.areOnly(files, in: bytes(program + line + "\n")) == isExpected)
  }
}
