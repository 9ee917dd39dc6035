/// What the first bytes of an executable make the kernel do: fs/binfmt_script.c and fs/binfmt_elf.c, on bytes alone.
enum ExecutableFormat: Equatable {
  /// `#!`: another program runs, with at most one argument before the script's name.
  case script(interpreter: [UInt8], argument: [UInt8]?)
  /// An ELF program; `loader` is the program (PT_INTERP) that the kernel maps beside it and starts first.
  case elf(loader: [UInt8]?)
  /// Nothing that the kernel runs by itself (execve(2) says ENOEXEC, unless binfmt_misc knows it).
  case other

  /// BINPRM_BUF_SIZE: as much of a file as the kernel looks at to tell its format.
  static let bufferSize = 256
  /// PATH_MAX, the longest PT_INTERP that the kernel takes.
  static let longestLoader: UInt64 = 4096

  /// - Parameter start: the file's start, up to `bufferSize` bytes or more.
  /// - Parameter read: more of the file, for an ELF program's headers: bytes at an offset, or nil where there are not so many.
  init(start: [UInt8], read: (_ offset: UInt64, _ count: Int) -> [UInt8]?) {
    if let script = Self.script(start) {
      self = script
    } else if start.starts(with: [0x7f, UInt8(ascii: "E"), UInt8(ascii: "L"), UInt8(ascii: "F")]) {
      self = .elf(loader: Self.loader(start, read))
    } else {
      self = .other
    }
  }

  private static func isSpaceOrTab(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }

  /// load_script(): nil where it answers ENOEXEC.
  private static func script(_ start: [UInt8]) -> ExecutableFormat? {
    guard start.starts(with: [UInt8(ascii: "#"), UInt8(ascii: "!")]) else { return nil }
    var buffer = Array(start.prefix(bufferSize))
    buffer += Array(repeating: 0, count: bufferSize - buffer.count)
    let last = bufferSize - 1
    // Both include `through`, as the kernel's do.
    func nextOther(_ from: Int, through: Int) -> Int? { from > through ? nil : (from...through).first { !isSpaceOrTab(buffer[$0]) } }
    func nextEnd(_ from: Int, through: Int) -> Int? {
      from > through ? nil : (from...through).first { isSpaceOrTab(buffer[$0]) || buffer[$0] == 0 }
    }
    func text(_ from: Int, before end: Int) -> [UInt8] { from >= end ? [] : Array(buffer[from..<end].prefix { $0 != 0 }) }

    var end: Int
    // The search for the newline ends at a NUL.
    if let stop = buffer.firstIndex(where: { $0 == UInt8(ascii: "\n") || $0 == 0 }), buffer[stop] != 0 {
      end = stop
    } else {
      guard let first = nextOther(2, through: last), nextEnd(first, through: last) != nil else { return nil }
      end = last
    }
    while end > 2, isSpaceOrTab(buffer[end - 1]) { end -= 1 }
    guard let name = nextOther(2, through: end), name != end else { return nil }
    var argument: [UInt8]?
    var nameEnd = end
    if let separator = nextEnd(name, through: end), buffer[separator] != 0 {
      nameEnd = min(separator, end)
      if let from = nextOther(separator, through: end) { argument = text(from, before: end) }
    }
    return .script(interpreter: text(name, before: nameEnd), argument: argument)
  }

  /// The first PT_INTERP of a 64- or 32-bit little-endian program, without its NUL.
  private static func loader(_ start: [UInt8], _ read: (UInt64, Int) -> [UInt8]?) -> [UInt8]? {
    func number(_ bytes: [UInt8], _ offset: Int, _ size: Int) -> UInt64? {
      guard offset >= 0, offset + size <= bytes.count else { return nil }
      return (0..<size).reduce(0) { $0 | UInt64(bytes[offset + $1]) << (8 * UInt64($1)) }
    }
    guard start.count >= 52 else { return nil }
    let wide = start[4] == 2
    guard let table = number(start, wide ? 32 : 28, wide ? 8 : 4), let size = number(start, wide ? 54 : 42, 2),
      let count = number(start, wide ? 56 : 44, 2), size == (wide ? 56 : 32),
      // As the kernel: at most 64 KiB of headers.
      count > 0, count * size <= 65536
    else { return nil }
    let bytes = Int(count * size)
    let headers: [UInt8]
    if let first = Int(exactly: table), first <= start.count, start.count - first >= bytes {
      headers = Array(start[first..<(first + bytes)])
    } else {
      guard let more = read(table, bytes) else { return nil }
      headers = more
    }
    for index in 0..<Int(count) {
      let base = index * Int(size)
      guard number(headers, base, 4) == 3 /* PT_INTERP */ else { continue }
      guard let offset = number(headers, base + (wide ? 8 : 4), wide ? 8 : 4),
        let length = number(headers, base + (wide ? 32 : 16), wide ? 8 : 4), length >= 2, length <= longestLoader
      else { return nil }
      let name: [UInt8]
      if let first = Int(exactly: offset), first <= start.count, start.count - first >= Int(length) {
        name = Array(start[first..<(first + Int(length))])
      } else {
        guard let more = read(offset, Int(length)) else { return nil }
        name = more
      }
      return Array(name.prefix { $0 != 0 })
    }
    return nil
  }
}

/// `ld.so PROGRAM`: what the dynamic loader is asked to run when it is itself the program.
enum LoaderCommand {
  /// Whether a base name is a dynamic loader's.
  static func isLoader(_ path: [UInt8]) -> Bool {
    let name = path.suffix(from: (path.lastIndex(of: UInt8(ascii: "/")).map { $0 + 1 }) ?? 0)
    let text = String(decoding: name, as: UTF8.self)
    return text == "ld.so" || text.hasPrefix("ld-linux") || text.hasPrefix("ld-musl-") || (text.hasPrefix("ld-") && text.contains(".so"))
      || (text.hasPrefix("ld64.so"))
  }

  /// Where in the loader's arguments (argv[1...]) the program stands, and what of options comes before; nil when it runs none.
  static func program(in arguments: [[UInt8]]) -> Int? {
    var index = 0
    while index < arguments.count {
      let argument = String(decoding: arguments[index], as: UTF8.self)
      switch argument {
      case "--library-path", "--preload", "--argv0", "--audit", "--inhibit-rpath", "--glibc-hwcaps-prepend", "--glibc-hwcaps-mask":
        index += 2
      case "--list", "--verify", "--list-tunables", "--list-diagnostics", "--help", "--version":
        return nil
      case "--":
        return index + 1 < arguments.count ? index + 1 : nil
      default:
        // A single dash begins no option of a loader's, but a name.
        if !argument.hasPrefix("--") { return index }
        // Options with `=`, and those without a value (--inhibit-cache).
        index += 1
      }
    }
    return nil
  }
}
