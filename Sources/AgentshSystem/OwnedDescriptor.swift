import Glibc

/// A file descriptor with exactly one owner: closed when the owner is gone.
@frozen public struct OwnedDescriptor: ~Copyable, Sendable {
  /// The number, for the duration of a call into the kernel. The owner keeps it.
  public let rawValue: CInt

  /// Takes ownership of `rawValue`, which must be open and nobody else's.
  @inlinable public init(owning rawValue: CInt) {
    self.rawValue = rawValue
  }

  /// Gives the number up: whoever receives it must close it.
  @inlinable public consuming func release() -> CInt {
    let raw = rawValue
    discard self
    return raw
  }

  /// Another descriptor of the same open file, close-on-exec. The corresponding C function is `fcntl(F_DUPFD_CLOEXEC)`.
  public borrowing func duplicate() throws(SyscallError) -> OwnedDescriptor {
    let raw = rawValue
    return OwnedDescriptor(owning: try syscall("fcntl") { fcntl(raw, F_DUPFD_CLOEXEC, 0) })
  }

  deinit {
    // close(2): on Linux the number is free again whatever it answers, so there is nothing to do about an error.
    _ = close(rawValue)
  }
}
