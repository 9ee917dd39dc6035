import AgentshPolicy
import AgentshSystem
import CAgentshSystem
import Glibc
import SystemPackage

private let nonBlocking = CInt(SOCK_NONBLOCK.rawValue) | CInt(SOCK_CLOEXEC.rawValue)

/// getsockopt(2) of an int; 0 where there is no such option.
func socketOption(_ socket: CInt, _ level: CInt, _ option: CInt) -> CInt {
  var value: CInt = 0
  var length = socklen_t(MemoryLayout<CInt>.size)
  // SAFETY: an out parameter of the size that is passed with it, which lives for the call.
  return unsafe getsockopt(socket, level, option, &value, &length) == 0 ? value : 0
}

/// Whether a TCP socket is neither connected nor about to be (TCP_CLOSE of `struct tcp_info`, tcp(7)); true where the kernel doesn't say.
func isUnconnected(_ socket: CInt) -> Bool {
  var state: UInt8 = 0
  var length = socklen_t(1)
  // SAFETY: the kernel writes one byte, the first of the structure, as `length` says.
  return unsafe getsockopt(socket, CInt(IPPROTO_TCP), 11 /* TCP_INFO */, &state, &length) != 0 || state == 7
}

/// A stream socket that is connected, with this process's own rights, and doesn't block.
func connectedUnixSocket(_ address: UnixAddress) throws(SyscallError) -> OwnedDescriptor {
  let bytes: [UInt8]
  switch address {
  case .path(let path): bytes = [UInt8(AF_UNIX), 0] + path + [0]
  case .abstract(let name): bytes = [UInt8(AF_UNIX), 0, 0] + name
  case .unnamed: throw SyscallError("connect", .connectionRefused)
  }
  let socket = OwnedDescriptor(owning: try syscall("socket") { Glibc.socket(AF_UNIX, CInt(SOCK_STREAM.rawValue) | nonBlocking, 0) })
  let raw = socket.rawValue
  // A full queue is EAGAIN, which nobody waits out here: the server doesn't keep up.
  do throws(SyscallError) { try syscall("connect") { connectSocket(raw, bytes) } } catch {
    throw error.errno == .wouldBlock ? SyscallError("connect", .connectionRefused) : error
  }
  return socket
}

struct LoopbackListener: ~Copyable {
  let descriptor: OwnedDescriptor
  /// The address that the kernel chose.
  let name: [UInt8]
}

/// A TCP socket that listens on a port of the loopback that the kernel chooses.
func loopbackListener(isV6: Bool) throws(SyscallError) -> LoopbackListener {
  let domain = isV6 ? AF_INET6 : AF_INET
  let loopback = isV6 ? IPAddress.v6(high: 0, low: 1, scope: 0) : .v4(0x7f00_0001)
  guard let address = SocketAddress.bytes(loopback, port: 0, domain: domain, isV6Only: isV6) else { throw SyscallError("bind", .invalidArgument) }
  let socket = OwnedDescriptor(owning: try syscall("socket") { Glibc.socket(domain, CInt(SOCK_STREAM.rawValue) | nonBlocking, 0) })
  let raw = socket.rawValue
  try syscall("bind") { bindSocket(raw, address) }
  try syscall("listen") { Glibc.listen(raw, 16) }
  var name = [UInt8](repeating: 0, count: SocketAddress.longest)
  var length = name.count
  // SAFETY: the kernel writes at most `length` bytes, the array's size.
  try syscall("getsockname") { unsafe name.withUnsafeMutableBytes { unsafe ash_socket_name(raw, $0.baseAddress, &length) } }
  return LoopbackListener(descriptor: socket, name: Array(name.prefix(length)))
}

/// accept(2): the next connection, which the caller closes, and its peer; nil where none waits.
func acceptFrom(_ listener: CInt) -> (socket: CInt, name: [UInt8])? {
  var storage = sockaddr_storage()
  var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
  // SAFETY: the kernel writes at most `length` bytes, the size of the structure, which lives for the call and is read as bytes afterwards.
  return unsafe withUnsafeMutablePointer(to: &storage) { pointer in
    let socket = unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe Glibc.accept(listener, $0, &length) }
    guard socket >= 0 else { return nil }
    // Nothing is ever executed here, so that a moment without the flag harms nobody.
    _ = fcntl(socket, F_SETFD, FD_CLOEXEC)
    let bytes = unsafe UnsafeRawBufferPointer(start: pointer, count: MemoryLayout<sockaddr_storage>.size)
    return (socket, unsafe Array(bytes.prefix(Int(length))))
  }
}

enum ReceivedPart {
  case bytes([UInt8])
  case end
  case nothing
  case failed
}

/// recv(2) without waiting.
func receive(_ socket: CInt, atMost limit: Int) -> ReceivedPart {
  var count = 0
  // SAFETY: the kernel writes at most `limit` bytes, the room's size, and says how many.
  let bytes = unsafe [UInt8](unsafeUninitializedCapacity: limit) { room, filled in
    count = unsafe recv(socket, room.baseAddress, room.count, CInt(MSG_DONTWAIT))
    filled = max(0, count)
  }
  if count > 0 { return .bytes(bytes) }
  if count == 0 { return .end }
  return errno == EAGAIN || errno == EINTR ? .nothing : .failed
}

/// send(2) without waiting and without SIGPIPE: how many went, nil where there is no room, and less than nothing for an error.
func sendBytes(_ socket: CInt, _ bytes: [UInt8], from start: Int) -> Int? {
  // SAFETY: the array lives for the call, and `start` lies within it.
  let count = unsafe bytes.withUnsafeBytes { buffer in
    let rest = unsafe UnsafeRawBufferPointer(rebasing: buffer[min(start, buffer.count)...])
    return unsafe Glibc.send(socket, rest.baseAddress, rest.count, CInt(MSG_DONTWAIT | MSG_NOSIGNAL))
  }
  if count >= 0 { return count }
  return errno == EAGAIN || errno == EINTR ? nil : Int.min / 2
}
