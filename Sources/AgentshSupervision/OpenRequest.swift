import AgentshSystem
import CAgentshSystem
import Glibc

/// What open(2) looks at; it ignores other bits, as O_PATH ignores nearly all.
let knownOpenFlags: CInt =
  O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK | O_SYNC | O_DSYNC | O_ASYNC_BIT | O_DIRECT
  | O_LARGEFILE | O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC | O_PATH | O_TMPFILE_BIT
/// RESOLVE_* that this version of openat2(2) knows.
private let knownResolve: UInt64 = UInt64(
  RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH | RESOLVE_IN_ROOT | RESOLVE_CACHED)

/// An open as the target asked for it, checked and normalised as the kernel does (build_open_flags of fs/open.c).
struct OpenRequest {
  var flags: CInt
  var mode: UInt32
  var resolve: UInt64 = 0

  var isPathOnly: Bool { flags & O_PATH != 0 }
  var creates: Bool { flags & O_CREAT != 0 }
  var isTemporary: Bool { flags & O_TMPFILE_BIT != 0 }
  var reads: Bool { flags & O_ACCMODE != O_WRONLY }
  /// Access mode 3 asks for both rights and gives neither; truncating changes the file whatever the mode.
  var writes: Bool { flags & O_ACCMODE != O_RDONLY || flags & O_TRUNC != 0 }
  /// Whether nothing but reading is asked for, and nothing is made or changed.
  var isPlainRead: Bool { !writes && !creates && !isTemporary }
  /// A plain read by open(2) or openat(2) that wants nothing special.
  var isSimpleRead: Bool { flags & ~(O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_LARGEFILE) == 0 && resolve == 0 }
  var closesOnExec: Bool { flags & O_CLOEXEC != 0 }

  /// sizeof(struct open_how) of its first version, and what the kernel takes at most: a page.
  static let smallestHow: UInt64 = 24
  static let largestHow: UInt64 = 4096

  init(flags: CInt, mode: UInt32, resolve: UInt64 = 0) {
    self.flags = flags
    self.mode = mode
    self.resolve = resolve
  }

  /// From a `struct open_how` as it was copied: openat2(2), build_open_flags() of fs/open.c.
  /// - Parameter bytes: at least `smallestHow`. A larger structure is fine as long as what isn't known is zero.
  init(how bytes: [UInt8]) throws(CallFailure) {
    guard bytes.count >= Int(Self.smallestHow) else { throw .errno(EINVAL) }
    guard bytes[24...].allSatisfy({ $0 == 0 }) else { throw .errno(E2BIG) }
    func word(_ index: Int) -> UInt64 { (0..<8).reduce(0) { $0 | UInt64(bytes[index * 8 + $1]) << UInt64($1 * 8) } }
    let (flags, mode, resolve) = (word(0), word(1), word(2))
    guard flags & ~UInt64(UInt32(bitPattern: knownOpenFlags)) == 0, resolve & ~knownResolve == 0 else { throw .errno(EINVAL) }
    self.init(flags: CInt(truncatingIfNeeded: flags), mode: UInt32(truncatingIfNeeded: mode), resolve: resolve)
    guard creates || isTemporary ? mode & ~0o7777 == 0 : mode == 0 else { throw .errno(EINVAL) }
  }

  /// Below the directory, and as if the directory were the root: not both.
  var contradictsItself: Bool { resolve & UInt64(RESOLVE_BENEATH) != 0 && resolve & UInt64(RESOLVE_IN_ROOT) != 0 }
}
