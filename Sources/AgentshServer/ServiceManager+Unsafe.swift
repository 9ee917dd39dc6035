internal import AgentshSystem
import Glibc

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
