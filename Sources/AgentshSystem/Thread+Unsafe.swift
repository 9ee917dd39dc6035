import CAgentshSystem
import Glibc
import SystemPackage

/// Starts a detached thread of its own, outside of Swift's concurrency pool, so that it may block.
/// - Parameter stackBytes: address space for its stack; touched pages only are memory.
public func startThread(_ name: String, stackBytes: Int = 256 << 10, _ body: @escaping @Sendable () -> Void) throws(SyscallError) {
  final class Box: Sendable {
    let name: String
    let body: @Sendable () -> Void
    init(_ name: String, _ body: @escaping @Sendable () -> Void) {
      self.name = name
      self.body = body
    }
  }
  var attributes = pthread_attr_t()
  unsafe pthread_attr_init(&attributes)
  defer { unsafe pthread_attr_destroy(&attributes) }
  #if AGENTSH_SANITIZED
    // Frames are several times as large there.
    let stackBytes = max(stackBytes * 8, 4 << 20)
  #endif
  unsafe pthread_attr_setstacksize(&attributes, stackBytes)
  unsafe pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
  // SAFETY: the thread takes over the reference that is made here; when it can't be started the reference is released below.
  let box = unsafe Unmanaged.passRetained(Box(name, body))
  var thread = pthread_t()
  let failure = unsafe pthread_create(&thread, &attributes, { argument in
    // SAFETY: `argument` is the retained box of exactly this thread.
    guard let argument = unsafe argument else { return nil }
    let box = unsafe Unmanaged<Box>.fromOpaque(argument).takeRetainedValue()
    _ = unsafe ash_name_thread(box.name)
    box.body()
    return nil
  }, box.toOpaque())
  if failure != 0 {
    unsafe box.release()
    throw SyscallError("pthread_create", Errno(rawValue: failure), name)
  }
}
