/// What a process has mapped, as proc_pid_maps(5) tells.
enum MappedFiles {
  /// Whether every file that is mapped is one of these, by number and by path. False for what can't be read.
  static func areOnly(_ files: [ExpectedFile], in maps: [UInt8]) -> Bool {
    let expected = files.map { (inode: $0.inode, path: escaped($0.path)) }
    return maps.split(separator: UInt8(ascii: "\n")).allSatisfy { line in
      let columns = line.split(separator: UInt8(ascii: " "), maxSplits: 5)
      guard columns.count >= 5, let inode = UInt64(String(decoding: columns[4], as: UTF8.self)) else { return false }
      if inode == 0 { return true }
      guard columns.count == 6 else { return false }
      let path = columns[5].drop { $0 == UInt8(ascii: " ") }
      return expected.contains { $0.inode == inode && path.elementsEqual($0.path) }
    }
  }

  /// As the kernel writes a path there: a newline in octal, everything else as it is.
  private static func escaped(_ path: [UInt8]) -> [UInt8] {
    path.flatMap { $0 == UInt8(ascii: "\n") ? Array("\\012".utf8) : [$0] }
  }
}
