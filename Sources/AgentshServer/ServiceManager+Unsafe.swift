internal import AgentshSystem
import Glibc
import SystemPackage

/// Sends one datagram to a Unix socket; `@name` is abstract. Nobody there is no error: nothing depends on it.
func sendDatagram(to address: [UInt8], _ message: [UInt8]) {
  var name = sockaddr_un()
  name.sun_family = sa_family_t(AF_UNIX)
  guard address.count < MemoryLayout.size(ofValue: name.sun_path) else { return }
  var path = address
  if path.first == UInt8(ascii: "@") { path[0] = 0 }
  // SAFETY: the check above leaves room for the path.
  unsafe withUnsafeMutableBytes(of: &name.sun_path) { unsafe $0.copyBytes(from: path) }
  // SOCK_DGRAM and SOCK_CLOEXEC of bits/socket_type.h.
  let raw = socket(AF_UNIX, 2 | O_CLOEXEC, 0)
  guard raw >= 0 else { return }
  let descriptor = OwnedDescriptor(owning: raw)
  // An abstract name's length counts, a path's may leave the NUL out.
  let length = socklen_t(MemoryLayout<sa_family_t>.size + path.count)
  // SAFETY: sockaddr_un is a sockaddr by the sockets API; both buffers live for the call.
  unsafe withUnsafePointer(to: &name) { pointer in
    unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
      unsafe message.withUnsafeBytes { bytes in
        _ = unsafe sendto(descriptor.rawValue, bytes.baseAddress, bytes.count, CInt(MSG_NOSIGNAL), generic, length)
      }
    }
  }
}

/// The path of a listening Unix stream socket, empty where it has none; an error for everything else. See getsockopt(2), getsockname(2).
func listeningUnixName(_ descriptor: borrowing OwnedDescriptor) throws(SyscallError) -> [UInt8] {
  let raw = descriptor.rawValue
  for (option, wanted) in [(SO_DOMAIN, AF_UNIX), (SO_TYPE, 1 /* SOCK_STREAM */), (SO_ACCEPTCONN, 1)] {
    var value: CInt = 0
    var length = socklen_t(MemoryLayout<CInt>.size)
    // SAFETY: both live for the call, and the length is the value's.
    try syscall("getsockopt") { unsafe getsockopt(raw, SOL_SOCKET, option, &value, &length) }
    guard value == wanted else { throw SyscallError("getsockopt", .invalidArgument) }
  }
  var name = sockaddr_un()
  var length = socklen_t(MemoryLayout<sockaddr_un>.size)
  try syscall("getsockname") {
    // SAFETY: sockaddr_un is a sockaddr by the sockets API; both live for the call.
    unsafe withUnsafeMutablePointer(to: &name) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe getsockname(raw, $0, &length) }
    }
  }
  let count = max(0, min(Int(length), MemoryLayout<sockaddr_un>.size) - MemoryLayout<sa_family_t>.size)
  // SAFETY: the path is that many bytes at most; a longer one than its room has no NUL at its end.
  return unsafe withUnsafeBytes(of: &name.sun_path) { path in unsafe Array(path.prefix(count).prefix { $0 != 0 }) }
}
