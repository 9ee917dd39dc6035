/// The globs of all file rules, found by what they have in common with a path, so that a lookup looks at few of them.
///
/// A glob that begins with directories is kept under the last of them; one that floats is kept under a whole name that
/// it contains (`.git` of `**/.git/hooks/**`), or else tried on every path. A lookup walks over the path once, hashing
/// each of its directories and names, and takes the first rule in file order that matches.
struct FileIndex: Sendable {
  struct Candidate: Sendable {
    let rule: Int32
    let glob: Int32
  }

  /// What is kept under one key: places in arrays that all keys share, so that a lookup follows no pointers.
  private struct Bucket: Sendable {
    let hash: UInt64
    let keyStart: Int
    let keyEnd: Int
    var first = 0
    var end = 0
  }

  /// A glob, and which of its steps (all of them bytes) it is kept under.
  private struct Entry {
    let candidate: Candidate
    let key: Range<Int>
  }

  /// Open addressing over buckets; -1 is empty.
  private struct Table: Sendable {
    private var slots: [Int32] = []
    private var keys: [UInt8] = []
    private(set) var buckets: [Bucket] = []
    private(set) var candidates: [Candidate] = []
    private var mask = 0

    var isEmpty: Bool { buckets.isEmpty }

    /// - Parameter entries: in file order.
    init(_ entries: [Entry], _ globs: [Glob]) {
      guard !entries.isEmpty else { return }
      var size = 16
      while size < entries.count * 3 { size *= 2 }
      mask = size - 1
      slots = Array(repeating: -1, count: size)
      var bucketOfEntry: [Int32] = []
      bucketOfEntry.reserveCapacity(entries.count)
      for entry in entries {
        let codes = globs[Int(entry.candidate.glob)].codes
        var hash = FileIndex.seed
        for index in entry.key { hash = FileIndex.mix(hash, UInt8(truncatingIfNeeded: codes[index])) }
        var slot = Int(truncatingIfNeeded: FileIndex.finish(hash)) & mask
        while slots[slot] >= 0 && !isKey(Int(slots[slot]), hash, codes, entry.key) { slot = (slot + 1) & mask }
        if slots[slot] < 0 {
          slots[slot] = Int32(clamping: buckets.count)
          let keyStart = keys.count
          for index in entry.key { keys.append(UInt8(truncatingIfNeeded: codes[index])) }
          buckets.append(Bucket(hash: hash, keyStart: keyStart, keyEnd: keys.count))
        }
        buckets[Int(slots[slot])].end += 1
        bucketOfEntry.append(slots[slot])
      }
      // `end` has been counting; from here on it is where the next candidate of its bucket goes.
      var total = 0
      for index in buckets.indices {
        let count = buckets[index].end
        buckets[index].first = total
        buckets[index].end = total
        total += count
      }
      candidates = Array(repeating: Candidate(rule: 0, glob: 0), count: total)
      for (entry, bucket) in zip(entries, bucketOfEntry) {
        candidates[buckets[Int(bucket)].end] = entry.candidate
        buckets[Int(bucket)].end += 1
      }
    }

    private func isKey(_ bucket: Int, _ hash: UInt64, _ codes: [UInt16], _ key: Range<Int>) -> Bool {
      let known = buckets[bucket]
      guard known.hash == hash, known.keyEnd - known.keyStart == key.count else { return false }
      for offset in 0..<key.count where UInt16(keys[known.keyStart + offset]) != codes[key.lowerBound + offset] { return false }
      return true
    }

    /// The bucket whose key is `path[start..<end]`, which hashes to `hash`; -1 when there is none.
    @inline(__always)
    func find(_ hash: UInt64, _ path: Span<UInt8>, _ start: Int, _ end: Int) -> Int {
      var slot = Int(truncatingIfNeeded: FileIndex.finish(hash)) & mask
      while true {
        let index = Int(slots[slot])
        if index < 0 { return -1 }
        if buckets[index].hash == hash && isKey(index, path, start, end) { return index }
        slot = (slot + 1) & mask
      }
    }

    private func isKey(_ bucket: Int, _ path: Span<UInt8>, _ start: Int, _ end: Int) -> Bool {
      let keyStart = buckets[bucket].keyStart
      guard buckets[bucket].keyEnd - keyStart == end - start else { return false }
      for offset in 0..<(end - start) where keys[keyStart + offset] != path[start + offset] { return false }
      return true
    }
  }

  private static let seed: UInt64 = 0xcbf2_9ce4_8422_2325
  @inline(__always)
  private static func mix(_ hash: UInt64, _ byte: UInt8) -> UInt64 { (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
  @inline(__always)
  private static func finish(_ hash: UInt64) -> UInt64 { hash ^ hash >> 32 }

  private let globs: [Glob]
  /// One per rule: the operations that it is about.
  private let masks: [UInt32]
  private let directories: Table
  private let names: Table
  private let everywhere: [Candidate]

  /// - Parameter rules: in file order, their globs and operations.
  init(_ rules: [(globs: [Glob], mask: OperationMask)]) {
    var globs: [Glob] = []
    globs.reserveCapacity(rules.reduce(0) { $0 + $1.globs.count })
    var directories: [Entry] = []
    var names: [Entry] = []
    var everywhere: [Candidate] = []
    directories.reserveCapacity(globs.capacity)
    for (rule, entry) in rules.enumerated() {
      for glob in entry.globs {
        let candidate = Candidate(rule: Int32(clamping: rule), glob: Int32(clamping: globs.count))
        globs.append(glob)
        if let directory = Self.directory(of: glob) {
          directories.append(Entry(candidate: candidate, key: directory))
        } else if let name = Self.wholeName(in: glob) {
          names.append(Entry(candidate: candidate, key: name))
        } else {
          everywhere.append(candidate)
        }
      }
    }
    self.globs = globs
    masks = rules.map { $0.mask.rawValue }
    self.directories = Table(directories, globs)
    self.names = Table(names, globs)
    self.everywhere = everywhere
  }

  /// The directory that everything below or at it begins with; nil when that is the root.
  private static func directory(of glob: Glob) -> Range<Int>? {
    if glob.isLiteral { return glob.prefixCount > 1 ? 0..<glob.prefixCount : nil }
    var slash = glob.prefixCount - 1
    while slash > 0 && glob.codes[slash] != GlobCode.slash { slash -= 1 }
    return slash > 0 ? 0..<slash : nil
  }

  /// The longest name that stands whole, between slashes or at the end, in everything that the glob matches.
  private static func wholeName(in glob: Glob) -> Range<Int>? {
    var best = 0..<0
    var start: Int?
    for index in glob.prefixCount...glob.codes.count {
      if index == glob.codes.count || glob.codes[index] == GlobCode.slash {
        if let start, index - start > best.count { best = start..<index }
        start = index + 1
      } else if glob.codes[index] >= 0x100 {
        start = nil
      }
    }
    return best.isEmpty ? nil : best
  }

  /// The first rule in file order that is about `operation` and matches `path`; nil when none does.
  func firstRule(_ operation: FileOperation, _ path: Span<UInt8>) -> Int? {
    let bit = OperationMask(operation).rawValue
    var best = Int32.max
    consider(everywhere, 0, everywhere.count, path, bit, &best)
    let usesDirectories = !directories.isEmpty
    let usesNames = !names.isEmpty
    guard usesDirectories || usesNames else { return best == .max ? nil : Int(best) }
    var whole = Self.seed
    var name = Self.seed
    var nameStart = 0
    var index = 0
    let count = path.count
    while index <= count {
      if index == count || path[index] == UInt8(ascii: "/") {
        if usesDirectories && index > 0 {
          let bucket = directories.find(whole, path, 0, index)
          if bucket >= 0 { consider(directories, bucket, path, bit, &best) }
        }
        if usesNames && index > nameStart {
          let bucket = names.find(name, path, nameStart, index)
          if bucket >= 0 { consider(names, bucket, path, bit, &best) }
        }
        if index == count { break }
        name = Self.seed
        nameStart = index + 1
      } else {
        name = Self.mix(name, path[index])
      }
      whole = Self.mix(whole, path[index])
      index += 1
    }
    return best == .max ? nil : Int(best)
  }

  @inline(__always)
  private func consider(_ table: Table, _ bucket: Int, _ path: Span<UInt8>, _ bit: UInt32, _ best: inout Int32) {
    consider(table.candidates, table.buckets[bucket].first, table.buckets[bucket].end, path, bit, &best)
  }

  @inline(__always)
  private func consider(
    _ candidates: [Candidate], _ first: Int, _ end: Int, _ path: Span<UInt8>, _ bit: UInt32, _ best: inout Int32
  ) {
    for index in first..<end {
      let candidate = candidates[index]
      if candidate.rule >= best { return }
      if masks[Int(candidate.rule)] & bit != 0 && globs[Int(candidate.glob)].matches(path) {
        best = candidate.rule
        return
      }
    }
  }

  /// The same by trying every rule in turn: what the index is tested against.
  func firstRuleNaively(_ operation: FileOperation, _ path: Span<UInt8>, _ globsOfRules: [[Glob]]) -> Int? {
    for (rule, globs) in globsOfRules.enumerated() where masks[rule] & OperationMask(operation).rawValue != 0 {
      for glob in globs where glob.matches(path) { return rule }
    }
    return nil
  }

  /// How many globs a lookup of `path` may have to try.
  func candidateCount(_ path: [UInt8]) -> Int {
    var count = everywhere.count
    var whole = Self.seed
    var name = Self.seed
    var nameStart = 0
    let bytes = path.span
    for index in 0...path.count {
      if index == path.count || path[index] == UInt8(ascii: "/") {
        if index > 0 && !directories.isEmpty {
          let bucket = directories.find(whole, bytes, 0, index)
          if bucket >= 0 { count += directories.buckets[bucket].end - directories.buckets[bucket].first }
        }
        if index > nameStart && !names.isEmpty {
          let bucket = names.find(name, bytes, nameStart, index)
          if bucket >= 0 { count += names.buckets[bucket].end - names.buckets[bucket].first }
        }
        if index == path.count { break }
        name = Self.seed
        nameStart = index + 1
      } else {
        name = Self.mix(name, path[index])
      }
      whole = Self.mix(whole, path[index])
    }
    return count
  }
}
