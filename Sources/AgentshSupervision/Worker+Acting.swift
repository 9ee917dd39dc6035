import AgentshSystem
import Glibc
import SystemPackage

extension Worker {
  /// Runs a call that opens or changes something, on descriptors that are pinned: on this thread where the floor doesn't hold it, and on the companion's,
  /// which is under the floor, where it does. Throws when there can be no companion; nothing was done then.
  func acting<Value>(held: Bool, _ body: () -> Value) throws(SyscallError) -> Value {
    guard held else { return body() }
    var value: Value?
    let companion = try companion()
    // A companion that wasn't started by this thread doesn't share its umask.
    let mask = ownDomain == nil ? nil : currentUmask
    let wasRun = companion.run {
      if let mask { _ = umask(mask) }
      value = body()
    }
    guard wasRun, let value else {
      supervision.endSession("the floor could not be put under a thread that acts for a target")
      throw SyscallError("landlock_restrict_self", .permissionDenied)
    }
    return value
  }

  /// The same for a call of libc that answers -1 and sets errno, which is the performing thread's own.
  func actingCall(held: Bool, _ body: () -> CInt) -> CInt {
    guard held else { return body() }
    do throws(SyscallError) {
      let (result, failure) = try acting(held: held) { () -> (CInt, CInt) in
        let result = body()
        return (result, errno)
      }
      errno = failure
      return result
    } catch {
      errno = error.errno.rawValue
      return -1
    }
  }
}
