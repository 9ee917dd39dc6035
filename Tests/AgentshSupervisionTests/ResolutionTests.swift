import AgentshSystem
import Glibc
import SystemPackage
import Testing

@testable import AgentshSupervision

@Suite struct ResolutionTests {
  @Test func directoriesInWhichLinksWereMetAreRemembered() {
    var straight = StraightPaths()
    let (link, beside, other) = (Array("/usr/lib/libz.so".utf8), Array("/usr/lib/libm.so".utf8), Array("/usr/include/time.h".utf8))
    #expect(straight.expects(link) && straight.expects(Array("name".utf8)) && straight.expects([]))
    straight.note(linkIn: link)
    #expect(!straight.expects(link) && !straight.expects(beside))
    #expect(straight.expects(other) && straight.expects(Array("name".utf8)))
  }

  /// One call says what two say.
  @Test(arguments: ["/", "/dev/null", "/proc/self/status", "/etc/passwd", "/dev/shm"])
  func statusAndMountComeTogether(_ path: String) throws {
    let file = try openAt(AT_FDCWD, Array(path.utf8), flags: O_PATH)
    let (status, mount) = try fileStatusAndMount(file)
    #expect(try status == fileStatus(file))
    #expect(try status == fileStatus(at: AT_FDCWD, Array(path.utf8)))
    #expect(mount == mountNumber(of: file))
  }

  /// Directory's mode and owner, file's owner, caller, level.
  @Test(arguments: [
    (0o1777, 0, 7, 5, 1, true), (0o1777, 0, 7, 5, 2, true), (0o1777, 0, 7, 5, 0, false), (0o777, 0, 7, 5, 2, false), (0o1777, 7, 7, 5, 2, false),
    (0o1777, 0, 5, 5, 2, false), (0o1770, 0, 7, 5, 1, false), (0o1770, 0, 7, 5, 2, true), (0o1755, 0, 7, 5, 2, false),
  ] as [(UInt32, UInt32, UInt32, UInt32, Int, Bool)])
  func whatOthersPutIntoADirectoryForEverybodyIsNotOpenedInsteadOfCreated(
    _ mode: UInt32, _ directory: UInt32, _ file: UInt32, _ caller: UInt32, _ level: Int, _ expected: Bool
  ) {
    #expect(StickyDirectory.refuses(directoryMode: mode, directoryOwner: directory, fileOwner: file, caller: caller, level: level) == expected)
  }

  @Test(arguments: [0, 7, 10, 99, 100, 12_345, Int64.max, -1, -10, Int64.min])
  func numbersAreWrittenAsUsual(_ number: Int64) {
    var text = Array("x".utf8)
    appendDecimal(number, to: &text)
    #expect(String(decoding: text, as: UTF8.self) == "x\(number)")
  }
}
