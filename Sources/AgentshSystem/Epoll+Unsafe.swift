internal import CAgentshSystem
import Glibc

func waitRaw(_ epoll: CInt, timeout: CInt) throws(SyscallError) -> [EpollEvent] {
  try unsafe withUnsafeTemporaryAllocation(of: ash_epoll_event.self, capacity: 64) { room throws(SyscallError) -> [EpollEvent] in
    // SAFETY: the function fills at most as many as there is room for, and says how many it filled.
    let found = try syscall("epoll_wait", retryingInterrupted: false) {
      unsafe ash_epoll_wait(epoll, room.baseAddress, CInt(room.count), timeout)
    }
    return unsafe room.prefix(Int(found)).map { EpollEvent(token: $0.token, events: EpollEvents(rawValue: $0.events)) }
  }
}

func addToCounter(_ descriptor: CInt) {
  var one: UInt64 = 1
  // SAFETY: eight bytes that live for the call. EAGAIN means that it is readable already.
  _ = unsafe write(descriptor, &one, 8)
}

func clearCounter(_ descriptor: CInt) {
  var counter: UInt64 = 0
  // SAFETY: eight bytes that live for the call. EAGAIN means that it was clear.
  _ = unsafe read(descriptor, &counter, 8)
}
