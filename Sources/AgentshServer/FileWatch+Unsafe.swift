internal import AgentshSystem
import Glibc

func openWatch() throws(SyscallError) -> CInt {
  // inotify_init1(2): IN_NONBLOCK and IN_CLOEXEC are O_NONBLOCK and O_CLOEXEC by definition.
  try syscall("inotify_init1") { inotify_init1(O_NONBLOCK | O_CLOEXEC) }
}

func addWatch(_ inotify: CInt, _ path: [UInt8]) throws(SyscallError) -> CInt {
  try syscall("inotify_add_watch", subject: String(decoding: path, as: UTF8.self)) {
    // SAFETY: the pointer is used for the call only.
    unsafe withCPath(path) { unsafe inotify_add_watch(inotify, $0, UInt32(IN_MODIFY)) }
  }
}

/// Numbers of the watches that have news.
func readWatches(_ inotify: CInt) -> [CInt] {
  let header = MemoryLayout<inotify_event>.size
  var found: [CInt] = []
  while true {
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: 16384) { room, filled in
      // SAFETY: the kernel writes at most what there is room for.
      filled = max(0, unsafe read(inotify, room.baseAddress, room.count))
    }
    if bytes.isEmpty { return found }
    var offset = 0
    while bytes.count - offset >= header {
      // SAFETY: `offset + header` is inside the bytes; loadUnaligned asks for no alignment.
      let event = unsafe bytes.withUnsafeBytes { unsafe $0.loadUnaligned(fromByteOffset: offset, as: inotify_event.self) }
      found.append(event.wd)
      offset += header + Int(event.len)
    }
  }
}
