import AgentshPolicy
import AgentshSystem
import CAgentshSystem
import Glibc
import SystemPackage

/// getsockopt(2) of an int at SOL_SOCKET; ENOTSOCK for what is no socket.
func socketOption(_ socket: CInt, _ option: CInt) throws(CallFailure) -> CInt {
  var value: CInt = 0
  // SAFETY: an out parameter that lives for the call.
  if unsafe ash_socket_option(socket, option, &value) != 0 { throw .errno(errno) }
  return value
}

/// Waits until a connection that is under way is made or has failed, or until `deadline`: whether it is over, nil when a signal came first (EINTR of poll(2)).
func waitForConnection(_ socket: CInt, deadline: Deadline) -> Bool? {
  var request = pollfd(fd: socket, events: Int16(POLLOUT), revents: 0)
  // SAFETY: one structure that lives for the call.
  let count = unsafe poll(&request, 1, deadline.pollTimeout)
  if count < 0, errno == EINTR { return nil }
  return count > 0
}

/// Whether sending ends by itself after a time (SO_SNDTIMEO of socket(7)).
func hasSendTimeout(_ socket: CInt) -> Bool {
  var limit = timeval()
  // SAFETY: an out parameter that lives for the call.
  return unsafe ash_send_timeout(socket, &limit) == 0 && (limit.tv_sec != 0 || limit.tv_usec != 0)
}

/// getsockname(2).
func socketName(_ socket: CInt) throws(CallFailure) -> [UInt8] {
  var length = SocketAddress.longest
  var room = [UInt8](repeating: 0, count: length)
  // SAFETY: the kernel writes at most `length` bytes, the array's size.
  let result = unsafe room.withUnsafeMutableBytes { buffer in unsafe ash_socket_name(socket, buffer.baseAddress, &length) }
  if result != 0 { throw .errno(errno) }
  // The kernel counts the NUL that it puts behind a path of 108 bytes, which no address may have (unix(7)).
  if length > MemoryLayout<sockaddr_un>.size, room.first == UInt8(AF_UNIX) { length = MemoryLayout<sockaddr_un>.size }
  return Array(room.prefix(length))
}

/// Where an internet socket is bound; nil for a socket that is none.
func internetAddress(_ socket: CInt) throws(SyscallError) -> (address: IPAddress, port: UInt16)? {
  let name: [UInt8]
  do throws(CallFailure) { name = try socketName(socket) } catch { throw SyscallError("getsockname", currentErrno) }
  guard case .inet(let address, let port) = SocketAddress(name).meaning else { return nil }
  return (address, port)
}

/// connect(2) with an address as bytes: 0, or -1 and errno.
func connectSocket(_ socket: CInt, _ address: [UInt8]) -> CInt {
  // SAFETY: the bytes live for the call, and their number is passed with them.
  unsafe address.withUnsafeBytes { unsafe ash_connect(socket, $0.baseAddress, $0.count) }
}

/// setsockopt(2) with a value as bytes: 0, or -1 and errno.
func setSocketOption(_ socket: CInt, _ level: CInt, _ option: CInt, _ value: [UInt8]) -> CInt {
  // SAFETY: the bytes live for the call, and their number is passed with them.
  unsafe value.withUnsafeBytes { unsafe setsockopt(socket, level, option, $0.baseAddress, socklen_t($0.count)) }
}

/// bind(2) with an address as bytes: 0, or -1 and errno.
func bindSocket(_ socket: CInt, _ address: [UInt8]) -> CInt {
  // SAFETY: the bytes live for the call, and their number is passed with them.
  unsafe address.withUnsafeBytes { unsafe ash_bind(socket, $0.baseAddress, $0.count) }
}

/// bind(2) of a path, confined to `parent`: 0 or an errno, ENOSYS where the kernel can't confine.
func bindBeneath(_ socket: CInt, _ address: [UInt8], directory: CInt, parent: CInt, mask: mode_t) -> CInt {
  // SAFETY: the bytes live for the call, and their number is passed with them.
  unsafe address.withUnsafeBytes { unsafe ash_bind_beneath(socket, $0.baseAddress, $0.count, directory, parent, mask) }
}

/// bind(2) of a name in `parent`: 0 or an errno.
func bindIn(_ socket: CInt, _ address: [UInt8], parent: CInt, mask: mode_t) -> CInt {
  // SAFETY: the bytes live for the call, and their number is passed with them.
  unsafe address.withUnsafeBytes { unsafe ash_bind_in(socket, $0.baseAddress, $0.count, parent, mask) }
}

/// Device and inode of the file that a bound Unix socket stands for; nil where the kernel doesn't say.
func unixSocketFile(_ socket: CInt) -> (device: UInt32, inode: UInt32)? {
  var device: UInt32 = 0
  var inode: UInt32 = 0
  // SAFETY: two out parameters that live for the call.
  return unsafe ash_unix_socket_file(socket, &device, &inode) == 0 ? (device, inode) : nil
}

/// sendmsg(2) of one range of bytes, from `from` on: what was sent, or -1 and errno.
func sendMessage(_ socket: CInt, to address: [UInt8], _ payload: [UInt8], from: Int, control: [UInt8], flags: CInt) -> Int {
  // SAFETY: the three arrays live for the call, each is passed with its own length, and `from` lies within the payload.
  unsafe address.withUnsafeBytes { name in
    unsafe payload.withUnsafeBytes { bytes in
      unsafe control.withUnsafeBytes { attached in
        let rest = unsafe UnsafeRawBufferPointer(rebasing: bytes[min(from, bytes.count)...])
        return unsafe ash_send_message(
          socket, name.isEmpty ? nil : name.baseAddress, name.count, rest.baseAddress, rest.count,
          attached.isEmpty ? nil : attached.baseAddress, attached.count, flags)
      }
    }
  }
}
