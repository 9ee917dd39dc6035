internal import CAgentshSystem
import Glibc
import SystemPackage

extension UnixSocket {
  /// Connects to the socket at `path` (bytes without NUL, relative to the working directory unless it starts with `/`).
  ///
  /// Paths longer than the 107 bytes of `sockaddr_un` go through a descriptor of their directory. Throws EAGAIN when the
  /// listener's queue is full and the socket doesn't block. The corresponding C functions are `socket` and `connect`.
  public static func connect(to path: [UInt8], kind: UnixSocketKind = .stream, nonBlocking: Bool = false) throws(SyscallError) -> UnixSocket {
    let socket = try unbound(kind, nonBlocking: nonBlocking)
    let raw = socket.rawValue
    let place = try ShortenedPath(path)
    try unsafe withSocketAddress(place.path) { address, length throws(SyscallError) in
      // SAFETY: `address` points to `length` bytes that live for the call.
      try syscall("connect", subject: displayedPath(path)) { unsafe Glibc.connect(raw, address, length) }
    }
    return socket
  }

  /// Binds to `path` and listens. The file is made with mode 0777 less the umask; see unix(7).
  public static func listen(at path: [UInt8], kind: UnixSocketKind = .stream, backlog: Int32 = 4096, nonBlocking: Bool = true)
    throws(SyscallError) -> UnixSocket
  {
    let socket = try unbound(kind, nonBlocking: nonBlocking)
    let place = try ShortenedPath(path)
    try socket.bindAndListen(place.path, subject: path, backlog: backlog)
    return socket
  }

  /// Binds to `name` in the directory behind `directory`, wherever that has been moved to, and listens.
  public static func listen(
    in directory: borrowing OwnedDescriptor, name: [UInt8], kind: UnixSocketKind = .stream, backlog: Int32 = 4096, nonBlocking: Bool = true
  ) throws(SyscallError) -> UnixSocket {
    let socket = try unbound(kind, nonBlocking: nonBlocking)
    try socket.bindAndListen(Array("/proc/self/fd/\(directory.rawValue)/".utf8) + name, subject: name, backlog: backlog)
    return socket
  }

  /// Two connected sockets.
  public static func pair(_ kind: UnixSocketKind, nonBlocking: Bool = false) throws(SyscallError) -> UnixSocketPair {
    var raw: [CInt] = [-1, -1]
    let type = kind.rawType | CInt(SOCK_CLOEXEC.rawValue) | (nonBlocking ? CInt(SOCK_NONBLOCK.rawValue) : 0)
    // SAFETY: the array has room for the two numbers.
    try syscall("socketpair") { unsafe raw.withUnsafeMutableBufferPointer { unsafe socketpair(AF_UNIX, type, 0, $0.baseAddress) } }
    return UnixSocketPair(
      first: UnixSocket(owning: OwnedDescriptor(owning: raw[0])), second: UnixSocket(owning: OwnedDescriptor(owning: raw[1])))
  }

  private static func unbound(_ kind: UnixSocketKind, nonBlocking: Bool) throws(SyscallError) -> UnixSocket {
    let type = kind.rawType | CInt(SOCK_CLOEXEC.rawValue) | (nonBlocking ? CInt(SOCK_NONBLOCK.rawValue) : 0)
    return UnixSocket(owning: OwnedDescriptor(owning: try syscall("socket") { socket(AF_UNIX, type, 0) }))
  }

  private func bindAndListen(_ path: [UInt8], subject: [UInt8], backlog: Int32) throws(SyscallError) {
    let raw = rawValue
    try unsafe withSocketAddress(path) { address, length throws(SyscallError) in
      // SAFETY: `address` points to `length` bytes that live for the call.
      try syscall("bind", subject: displayedPath(subject)) { unsafe bind(raw, address, length) }
    }
    try syscall("listen", subject: displayedPath(subject)) { Glibc.listen(raw, backlog) }
  }
}

/// A path that fits a `sockaddr_un`: itself, or by way of a descriptor of its directory.
private struct ShortenedPath: ~Copyable {
  let path: [UInt8]
  private let directory: OwnedDescriptor?

  init(_ path: [UInt8]) throws(SyscallError) {
    guard path.count > 107, let slash = path.lastIndex(of: UInt8(ascii: "/")) else {
      self.path = path
      directory = nil
      return
    }
    let parent = Array(path[..<slash]) + [UInt8(ascii: "/"), 0]
    let opened = OwnedDescriptor(
      owning: try syscall("open", subject: displayedPath(path)) {
        // SAFETY: `parent` ends with a NUL and lives for the call.
        unsafe parent.withUnsafeBufferPointer { buffer in
          unsafe buffer.withMemoryRebound(to: CChar.self) { unsafe ash_openat(AT_FDCWD, $0.baseAddress, ASH_O_PATH | O_DIRECTORY | O_CLOEXEC, 0) }
        }
      })
    self.path = Array("/proc/self/fd/\(opened.rawValue)/".utf8) + path[(slash + 1)...]
    directory = consume opened
  }
}

private func withSocketAddress(
  _ path: [UInt8], _ body: (UnsafePointer<sockaddr>, socklen_t) throws(SyscallError) -> Void
) throws(SyscallError) {
  var address = sockaddr_un()
  address.sun_family = sa_family_t(AF_UNIX)
  guard !path.isEmpty, path.count < MemoryLayout.size(ofValue: address.sun_path), !path.contains(0) else {
    throw SyscallError("bind", path.isEmpty || path.contains(0) ? .invalidArgument : .fileNameTooLong, displayedPath(path))
  }
  // SAFETY: the check above leaves room for the path and the NUL that zeroing left behind it.
  unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: path) }
  var failure: SyscallError?
  // SAFETY: sockaddr_un is a sockaddr by the sockets API; the pointer does not leave the closure.
  unsafe withUnsafePointer(to: &address) { pointer in
    unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
      do throws(SyscallError) { try unsafe body(generic, socklen_t(MemoryLayout<sockaddr_un>.size)) } catch { failure = error }
    }
  }
  if let failure { throw failure }
}

/// A path as text for an error's subject; never used to decide.
func displayedPath(_ path: [UInt8]) -> String { String(decoding: path, as: UTF8.self) }

func acceptRaw(_ socket: CInt, nonBlocking: Bool) throws(SyscallError) -> CInt {
  try syscall("accept4") { ash_accept(socket, nonBlocking ? 1 : 0) }
}

func sendRaw(_ socket: CInt, _ bytes: ArraySlice<UInt8>, _ descriptors: [CInt], flags: CInt) throws(SyscallError) -> Int {
  try syscall("sendmsg") {
    // SAFETY: both buffers live for the call and are passed with their own lengths.
    unsafe bytes.withUnsafeBytes { buffer in
      unsafe descriptors.withUnsafeBufferPointer { numbers in
        unsafe ash_send_descriptors(socket, buffer.baseAddress, buffer.count, numbers.baseAddress, numbers.count, flags)
      }
    }
  }
}

func receiveRaw(_ socket: CInt, limit: Int, flags: CInt) throws(SyscallError) -> ReceivedBytes? {
  var numbers = [CInt](repeating: -1, count: DescriptorList.most)
  var count = numbers.count
  var isTruncated: CInt = 0
  var failure: SyscallError?
  // SAFETY: the kernel writes at most `room.count` bytes and the C function at most `count` numbers; what was not written is cut off.
  let bytes = unsafe [UInt8](unsafeUninitializedCapacity: max(1, limit)) { room, filled in
    do throws(SyscallError) {
      filled = try syscall("recvmsg") {
        unsafe ash_receive_descriptors(socket, room.baseAddress, room.count, &numbers, &count, &isTruncated, flags)
      }
    } catch {
      filled = 0
      failure = error
    }
  }
  if let failure { throw failure }
  return ReceivedBytes(bytes: bytes, descriptors: DescriptorList(owning: Array(numbers.prefix(count))), isTruncated: isTruncated != 0)
}

func peekRaw(_ socket: CInt, limit: Int) throws(SyscallError) -> [UInt8] {
  var failure: SyscallError?
  // SAFETY: the kernel writes at most `room.count` bytes; what was not written is cut off.
  let bytes = unsafe [UInt8](unsafeUninitializedCapacity: max(1, limit)) { room, filled in
    do throws(SyscallError) {
      filled = try syscall("recv") { unsafe recv(socket, room.baseAddress, room.count, CInt(MSG_PEEK | MSG_DONTWAIT)) }
    } catch {
      filled = 0
      failure = error
    }
  }
  if let failure { throw failure }
  return bytes
}

func pollRaw(_ descriptor: CInt, _ readiness: Readiness, deadline: Deadline) throws(SyscallError) -> Bool {
  let events = readiness == .readable ? Int16(POLLIN) : Int16(POLLOUT)
  while true {
    var request = pollfd(fd: descriptor, events: events, revents: 0)
    do {
      // SAFETY: one structure that lives for the call. An interrupted wait starts again with the time that is left.
      return try syscall("poll", retryingInterrupted: false) { unsafe poll(&request, 1, deadline.pollTimeout) } > 0
    } catch {
      guard error.errno == .interrupted else { throw error }
    }
  }
}
