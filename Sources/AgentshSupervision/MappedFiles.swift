/// What a process has mapped, as proc_pid_maps(5) tells.
enum MappedFiles {
  /// Whether every file that is mapped is one of these, by number and by path. False for what can't be read.
  static func areOnly(_ files: [ExpectedFile], in maps: [UInt8]) -> Bool {
    let expected = files.map { ExpectedFile(path: escaped($0.path), inode: $0.inode) }
    return all(in: maps)?.allSatisfy { file in expected.contains { $0.inode == file.inode && $0.path == file.path } } ?? false
  }

  /// Every file that is mapped, its path as the kernel writes it there; nil for what can't be read.
  static func all(in maps: [UInt8]) -> [ExpectedFile]? {
    var files: [ExpectedFile] = []
    for line in maps.split(separator: UInt8(ascii: "\n")) {
      let columns = line.split(separator: UInt8(ascii: " "), maxSplits: 5)
      guard columns.count >= 5, let inode = UInt64(String(decoding: columns[4], as: UTF8.self)) else { return nil }
      if inode == 0 { continue }
      guard columns.count == 6 else { return nil }
      files.append(ExpectedFile(path: Array(columns[5].drop { $0 == UInt8(ascii: " ") }), inode: inode))
    }
    return files
  }

  /// As the kernel writes a path there: a newline in octal, everything else as it is.
  static func escaped(_ path: [UInt8]) -> [UInt8] {
    path.flatMap { $0 == UInt8(ascii: "\n") ? Array("\\012".utf8) : [$0] }
  }
}
