internal import CAgentshSystem
import Glibc
import SystemPackage

/// sizeof(struct sockaddr_in6).
private let longestAddress = 28

func bindInternet(_ socket: CInt, _ address: [UInt8]) -> CInt {
  // SAFETY: the bytes live for the call, and their number is passed with them.
  unsafe address.withUnsafeBytes { unsafe ash_bind(socket, $0.baseAddress, $0.count) }
}

func connectInternet(_ socket: CInt, _ address: [UInt8]) -> CInt {
  // SAFETY: the bytes live for the call, and their number is passed with them.
  unsafe address.withUnsafeBytes { unsafe ash_connect(socket, $0.baseAddress, $0.count) }
}

/// The local port of any internet socket, also one that was fetched from a target: getsockname(2).
public func internetPort(_ socket: CInt) throws(SyscallError) -> UInt16 {
  var room = [UInt8](repeating: 0, count: longestAddress)
  var length = room.count
  // SAFETY: the kernel writes at most `length` bytes, the array's size.
  try syscall("getsockname") { unsafe room.withUnsafeMutableBytes { unsafe ash_socket_name(socket, $0.baseAddress, &length) } }
  guard let port = socketPort(room) else { throw SyscallError("getsockname", .addressFamilyNotSupported) }
  return port
}

/// The number of a network interface of this process's own network namespace (if_nametoindex(3)), whatever namespace /sys shows; nil where there is none.
public func interfaceNumber(_ name: [UInt8]) -> UInt32? {
  // IFNAMSIZ, with the NUL.
  guard !name.isEmpty, name.count < 16, !name.contains(0) else { return nil }
  // SAFETY: a string that ends in NUL and lives for the call.
  let number = unsafe (name + [0]).map { CChar(bitPattern: $0) }.withUnsafeBufferPointer { unsafe if_nametoindex($0.baseAddress.unsafelyUnwrapped) }
  return number == 0 ? nil : number
}

func receiveInternet(_ socket: CInt, _ limit: Int) throws(SyscallError) -> (bytes: [UInt8], from: [UInt8]) {
  var from = [UInt8](repeating: 0, count: longestAddress)
  var length = from.count
  var failure: SyscallError?
  // SAFETY: the kernel writes at most `room.count` bytes and at most `length` bytes of address; what was not written is cut off.
  let bytes = unsafe [UInt8](unsafeUninitializedCapacity: max(1, limit)) { room, filled in
    do throws(SyscallError) {
      filled = try syscall("recvfrom") {
        unsafe from.withUnsafeMutableBytes { unsafe ash_receive_from(socket, room.baseAddress, room.count, $0.baseAddress, &length) }
      }
    } catch {
      filled = 0
      failure = error
    }
  }
  if let failure { throw failure }
  // As large as it is: the room that was made for the largest is given back.
  var exact: [UInt8] = []
  exact.reserveCapacity(bytes.count)
  exact.append(contentsOf: bytes)
  return (exact, Array(from.prefix(max(0, length))))
}

func sendInternet(_ socket: CInt, _ bytes: ArraySlice<UInt8>, _ address: [UInt8]) throws(SyscallError) -> Int {
  try syscall("sendto") {
    // SAFETY: both arrays live for the call and are passed with their own lengths.
    unsafe bytes.withUnsafeBytes { buffer in
      unsafe address.withUnsafeBytes { place in
        unsafe ash_send_to(socket, buffer.baseAddress, buffer.count, place.isEmpty ? nil : place.baseAddress, place.count)
      }
    }
  }
}

func acceptInternet(_ socket: CInt) throws(SyscallError) -> AcceptedConnection {
  var from = [UInt8](repeating: 0, count: longestAddress)
  var length = from.count
  // SAFETY: the kernel writes at most `length` bytes, the array's size.
  let raw = try syscall("accept4") { unsafe from.withUnsafeMutableBytes { unsafe ash_accept_from(socket, $0.baseAddress, &length) } }
  return AcceptedConnection(socket: InternetSocket(owning: OwnedDescriptor(owning: raw)), from: Array(from.prefix(max(0, length))))
}
