internal import CAgentshSystem
import Glibc
import SystemPackage

func createMemfd(_ name: String) throws(SyscallError) -> OwnedDescriptor {
  OwnedDescriptor(
    owning: try syscall("memfd_create", subject: name) {
      // SAFETY: the string lives for the call.
      unsafe name.withCString { unsafe ash_memfd_create($0) }
    })
}

func sealMemfd(_ memfd: CInt) throws(SyscallError) {
  try syscall("fcntl", subject: "F_ADD_SEALS") { ash_memfd_seal(memfd) }
}

func isSealedMemfd(_ memfd: CInt) throws(SyscallError) -> Bool {
  do {
    return try syscall("fcntl", subject: "F_GET_SEALS") { ash_memfd_is_sealed(memfd) } == 1
  } catch {
    // fcntl(2): EINVAL is what a file that knows no seals says.
    if error.errno == .invalidArgument { return false }
    throw error
  }
}

/// `count` bytes from the kernel's random number generator: getrandom(2).
public func randomBytes(_ count: Int) throws(SyscallError) -> [UInt8] {
  var failure: SyscallError?
  let bytes = unsafe [UInt8](unsafeUninitializedCapacity: max(0, count)) { room, filled in
    filled = 0
    while filled < count {
      do throws(SyscallError) {
        let offset = filled
        // SAFETY: `offset` is less than the capacity `count`, and the kernel writes at most what is left behind it.
        filled += try syscall("getrandom") { unsafe ash_getrandom(room.baseAddress.unsafelyUnwrapped + offset, count - offset) }
      } catch {
        failure = error
        return
      }
    }
  }
  if let failure { throw failure }
  return bytes
}
