import AgentshSystem
import Glibc
import SystemPackage

/// `/proc/self/fd`, opened once for the life of this process, so that an entry in it is one step and not four. -1 where /proc can't be had;
/// the whole path is tried then.
private let descriptorDirectory: CInt = (try? openAt(AT_FDCWD, Array("/proc/self/fd".utf8), flags: O_PATH | O_DIRECTORY))?.release() ?? -1

/// Where a descriptor of this process stands in the file system: a name in a directory, both for the *at calls.
func descriptorEntry(_ number: CInt) -> (directory: CInt, name: [UInt8]) {
  guard descriptorDirectory >= 0 else { return (AT_FDCWD, descriptorPath(number)) }
  var name: [UInt8] = []
  name.reserveCapacity(12)
  appendDecimal(Int64(number), to: &name)
  return (descriptorDirectory, name)
}

/// Opens the object that an O_PATH descriptor has pinned: exactly it, whatever stands at its name by now, with the caller's own rights.
func reopen(_ pinned: borrowing OwnedDescriptor, flags: CInt, interruptible: Bool = false) throws(SyscallError) -> OwnedDescriptor {
  let entry = descriptorEntry(pinned.rawValue)
  return try openAt(entry.directory, entry.name, flags: flags, interruptible: interruptible)
}

/// The kernel's own path for an open descriptor (proc_pid_fd(5)).
func kernelPath(of descriptor: borrowing OwnedDescriptor) throws(SyscallError) -> [UInt8] {
  let entry = descriptorEntry(descriptor.rawValue)
  return try readLink(at: entry.directory, entry.name)
}
