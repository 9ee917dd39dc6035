import AgentshSystem
import CTestSupport
import Glibc
import SystemPackage

/// mkdtemp(3).
func makeTemporaryDirectory(_ template: String) -> String? {
  var name = Array(template.utf8CString)
  // SAFETY: the array is changed in place and read while it lives.
  return unsafe name.withUnsafeMutableBufferPointer { buffer in
    guard let base = buffer.baseAddress, unsafe mkdtemp(base) != nil else { return nil }
    return unsafe String(cString: base)
  }
}

/// Connects as another uid; -1 where that can't be done.
func connectAs(_ uid: UInt32, _ path: String) -> CInt {
  // SAFETY: the string lives for the call.
  unsafe path.withCString { unsafe ct_connect_as(uid, $0) }
}

func reapChild(_ pid: Int32) {
  var status: CInt = 0
  // SAFETY: an out parameter that lives for the call.
  _ = unsafe waitpid(pid, &status, 0)
}

/// waitpid(2): the wait status of a child, once it has ended.
func waitForEnd(_ pid: Int32) -> CInt {
  var status: CInt = 0
  // SAFETY: an out parameter that lives for the call.
  return unsafe waitpid(pid, &status, 0) == pid ? status : -1
}

/// Mounts a file system in memory that has room for so many files.
func mountSmall(_ path: String, inodes: Int) -> Bool {
  // SAFETY: the strings live for the call.
  unsafe mount("small", path, "tmpfs", 0, "nr_inodes=\(inodes),mode=0755") == 0
}

// SAFETY, of all of these: the strings live for the call, and the kernel keeps nothing of them.
func setMode(_ path: String, _ mode: UInt32) -> CInt { unsafe chmod(path, mode) }
func setOwner(_ path: String, _ uid: UInt32, _ gid: UInt32) -> CInt { unsafe chown(path, uid, gid) }
func setLinkOwner(_ path: String, _ uid: UInt32, _ gid: UInt32) -> CInt { unsafe lchown(path, uid, gid) }
func makeSymlink(_ text: String, _ path: String) -> CInt { unsafe symlink(text, path) }
func makeHardLink(_ old: String, _ new: String) -> CInt { unsafe link(old, new) }
func makeFifo(_ path: String, _ mode: UInt32) -> CInt { unsafe mkfifo(path, mode) }
func makeDirectory(_ path: String, _ mode: UInt32) -> CInt { unsafe mkdir(path, mode) }
func removeDirectory(_ path: String) -> CInt { unsafe rmdir(path) }
/// Lazily: a process that another test starts just now has what is open here, too, until it executes its program.
func unmount(_ path: String) -> CInt { unsafe umount2(path, CInt(MNT_DETACH)) }

/// A datagram socket bound to `path`.
func openDatagramSocket(_ path: String) throws(SyscallError) -> OwnedDescriptor {
  let descriptor = OwnedDescriptor(owning: try syscall("socket") { socket(AF_UNIX, 2 /* SOCK_DGRAM */ | O_CLOEXEC, 0) })
  var name = sockaddr_un()
  name.sun_family = sa_family_t(AF_UNIX)
  guard path.utf8.count < MemoryLayout.size(ofValue: name.sun_path) else { throw SyscallError("bind", .fileNameTooLong) }
  // SAFETY: the check above leaves room for the path; sockaddr_un is a sockaddr by the sockets API.
  unsafe withUnsafeMutableBytes(of: &name.sun_path) { unsafe $0.copyBytes(from: Array(path.utf8)) }
  let raw = descriptor.rawValue
  let bound = unsafe withUnsafePointer(to: &name) { pointer in
    unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe bind(raw, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
  }
  guard bound == 0 else { throw SyscallError("bind", currentErrno, path) }
  return descriptor
}

func receiveDatagram(_ socket: borrowing OwnedDescriptor) -> [UInt8] {
  let raw = socket.rawValue
  // SAFETY: the kernel writes at most what there is room for.
  return unsafe [UInt8](unsafeUninitializedCapacity: 4096) { room, filled in filled = max(0, unsafe recv(raw, room.baseAddress, room.count, 0)) }
}
