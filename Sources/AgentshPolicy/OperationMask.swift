/// A set of file operations, as bits.
struct OperationMask: OptionSet, Sendable, Hashable {
  let rawValue: UInt32

  static let all = OperationMask(FileOperation.allCases)
  static let opening: OperationMask = OperationMask([.read, .open, .list])

  init(rawValue: UInt32) { self.rawValue = rawValue }

  init(_ operation: FileOperation) {
    rawValue =
      switch operation {
      case .read: 1 << 0
      case .open: 1 << 1
      case .stat: 1 << 2
      case .list: 1 << 3
      case .readlink: 1 << 4
      case .access: 1 << 5
      case .write: 1 << 6
      case .create: 1 << 7
      case .mkdir: 1 << 8
      case .chmod: 1 << 9
      case .chown: 1 << 10
      case .rename: 1 << 11
      case .delete: 1 << 12
      case .rmdir: 1 << 13
      case .link: 1 << 14
      case .symlink: 1 << 15
      case .mknod: 1 << 16
      }
  }

  init(_ operations: some Sequence<FileOperation>) {
    self = operations.reduce(OperationMask(rawValue: 0)) { $0.union(OperationMask($1)) }
  }

  /// What a rule that names `operations` is about; none named means all.
  ///
  /// `open` in a refusing rule is any open, since whoever refuses opening means it; in a permitting rule it is opening
  /// to read, since writing has names of its own. Opening a directory is reading it.
  init(rule operations: [FileOperation], permits: Bool) {
    guard !operations.isEmpty else {
      self = .all
      return
    }
    var mask = OperationMask(operations)
    if operations.contains(.open) {
      mask.formUnion(OperationMask([.read, .list]))
      if !permits { mask.formUnion(OperationMask([.write, .create])) }
    }
    if operations.contains(.read) { mask.formUnion(OperationMask([.open, .list])) }
    self = mask
  }
}
