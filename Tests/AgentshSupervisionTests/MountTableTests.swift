import Testing

@testable import AgentshSupervision

@Suite struct MountTableTests {
  private let table = MountTable(
    Array(
      """
      22 27 0:21 / /proc rw,relatime - proc proc rw
      27 1 254:0 / / rw,relatime shared:1 master:2 - ext4 /dev/vda rw,discard
      28 27 254:0 /home/a\\040b /srv/with\\040space rw - ext4 /dev/vda rw
      29 27 254:0 /home /mnt/home rw - ext4 /dev/vda rw
      a broken line
      30 27 0:30 / /tmp rw
      """.utf8))

  @Test func linesAreReadWithTheirEscapesAndBrokenOnesAreLeftOut() throws {
    #expect(table.entries.map(\.id) == [22, 27, 28, 29])
    let entry = try #require(table.entry(28))
    #expect(entry.device == Array("254:0".utf8))
    #expect(entry.root == Array("/home/a b".utf8))
    #expect(entry.point == Array("/srv/with space".utf8))
    #expect(entry.type == Array("ext4".utf8))
    #expect(table.entry(30) == nil)
  }

  @Test func aPlaceHasTheNameOfEachMountThatShowsIt() {
    func names(_ place: String) -> [String] {
      table.names(of: Array(place.utf8), on: Array("254:0".utf8)).map { String(decoding: $0, as: UTF8.self) }
    }
    #expect(names("/home/a b/file") == ["/srv/with space/file", "/mnt/home/a b/file", "/home/a b/file"])
    #expect(names("/home") == ["/mnt/home", "/home"])
    // A name that begins alike is no place below.
    #expect(names("/home/a bc") == ["/mnt/home/a bc", "/home/a bc"])
    #expect(names("/homes") == ["/homes"])
    #expect(table.names(of: Array("/x".utf8), on: Array("1:1".utf8)).isEmpty)
  }

  @Test func whatFollowsADirectoryIsToldExactly() {
    func rest(_ path: String, _ directory: String) -> String? {
      AgentshSupervision.rest(of: Array(path.utf8), below: Array(directory.utf8)).map { String(decoding: $0, as: UTF8.self) }
    }
    #expect(rest("/a/b", "/a") == "b")
    #expect(rest("/a", "/a") == "")
    #expect(rest("/ab", "/a") == nil)
    #expect(rest("/a", "/") == "a")
    #expect(rest("/", "/") == "")
    #expect(rest("a", "/") == nil)
  }
}
