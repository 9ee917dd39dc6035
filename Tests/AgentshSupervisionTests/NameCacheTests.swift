import Testing

@testable import AgentshSupervision

@Suite struct NameCacheTests {
  @Test func whatWasPutThereIsThereUntilAnotherNameTakesItsPlace() {
    var cache = NameCache()
    let names = (0..<2000).map { Array("/project/file\($0)".utf8) }
    for name in names {
      #expect(!cache.contains(name))
      cache.insert(name)
      #expect(cache.contains(name))
    }
    let kept = names.filter { cache.contains($0) }
    #expect(kept.count > 128 && kept.count <= 256)
    for name in kept { cache.remove(name) }
    #expect(!names.contains { cache.contains($0) })
  }

  @Test func whoeverTakesANamesPlaceIsNotTakenForIt() {
    var cache = NameCache()
    let name = Array("/project/file".utf8)
    cache.insert(name)
    for index in 0..<10_000 where cache.contains(name) {
      let other = Array("/project/other\(index)".utf8)
      #expect(!cache.contains(other))
      cache.remove(other)
      #expect(cache.contains(name))
      cache.insert(other)
      if cache.contains(name) { cache.remove(other) }
    }
    #expect(!cache.contains(name))
  }

  @Test(arguments: [0, 257, 4095]) func emptyAndLongNamesAreNotKept(_ count: Int) {
    var cache = NameCache()
    cache.insert(Array(repeating: UInt8(ascii: "a"), count: count))
    #expect(!cache.contains(Array(repeating: UInt8(ascii: "a"), count: count)))
  }
}
