import AgentshPolicy
import AgentshSystem
import CAgentshSystem
import Glibc
import SystemPackage

/// A target's socket, fetched: the same open file, whatever the target's descriptor table says next.
struct TargetSocket: ~Copyable {
  let descriptor: OwnedDescriptor
  /// AF_*.
  let domain: CInt
  /// SOCK_*, without flags.
  let type: CInt
  /// IPPROTO_*.
  let transport: CInt

  var isInternet: Bool { domain == AF_INET || domain == AF_INET6 }
  var isStream: Bool { type == CInt(SOCK_STREAM.rawValue) }

  var networkProtocol: NetworkProtocol {
    // What a raw socket sends has whatever ports it says (raw(7)).
    if type == CInt(SOCK_RAW.rawValue) { return .other(transport) }
    return switch transport {
    case CInt(IPPROTO_TCP), 262 /* IPPROTO_MPTCP */: .tcp
    case CInt(IPPROTO_UDP), 136 /* IPPROTO_UDPLITE */: .udp
    default: .other(transport)
    }
  }
}

/// A thread whose descriptors were fetched, pinned by its pidfd.
final class PinnedTask {
  let thread: Int32
  /// Whether it is the thread itself; its process where the kernel pins no threads (before 6.9).
  let isThread: Bool
  let pidfd: Pidfd

  init(thread: Int32, isThread: Bool, _ pidfd: consuming Pidfd) {
    self.thread = thread
    self.isThread = isThread
    self.pidfd = pidfd
  }
}

extension Worker {
  /// Fetches one of the target's descriptors (pidfd_getfd(2)), from the calling thread's own table where the kernel can say so (6.9).
  func fetchDescriptor(_ call: TrappedCall, _ number: CInt) throws(CallFailure) -> OwnedDescriptor {
    guard number >= 0 else { throw .errno(EBADF) }
    if let lastTask, lastTask.thread == call.thread {
      // Still the caller, if it lives: nobody else can have its number then.
      do throws(SyscallError) { return try lastTask.pidfd.descriptor(number) } catch {
        if error.errno == .badFileDescriptor { throw .errno(EBADF) }
      }
    }
    lastTask = nil
    let task = try openTask(call)
    // The number is the caller's own only while it waits.
    try checkStillWaiting(call)
    // Of a process in the place of a thread nothing follows for the thread's number.
    if task.isThread { lastTask = task }
    do throws(SyscallError) {
      return try task.pidfd.descriptor(number)
    } catch {
      guard error.errno == .notPermitted else { throw Self.fetchFailure(error) }
    }
    var raw: CInt = -1
    var failure = SyscallError("pidfd_getfd", .notPermitted)
    withPtraceCapability {
      do throws(SyscallError) { raw = try task.pidfd.descriptor(number).release() } catch { failure = error }
    }
    if raw < 0 { throw Self.fetchFailure(failure) }
    return OwnedDescriptor(owning: raw)
  }

  private func openTask(_ call: TrappedCall) throws(CallFailure) -> PinnedTask {
    do throws(SyscallError) { return PinnedTask(thread: call.thread, isThread: true, try Pidfd.open(call.thread, thread: true)) } catch {
      guard error.errno == .invalidArgument else { throw Self.fetchFailure(error) }
    }
    let process = try processID(call)
    do throws(SyscallError) { return PinnedTask(thread: call.thread, isThread: false, try Pidfd.open(process)) } catch { throw Self.fetchFailure(error) }
  }

  private static func fetchFailure(_ error: SyscallError) -> CallFailure {
    switch error.errno {
    case .badFileDescriptor: .errno(EBADF)
    case .noSuchProcess: .gone
    case .tooManyOpenFiles, .tooManyOpenFilesInSystem, .noMemory: .errno(ENOBUFS)
    default: .errno(EPERM)
    }
  }

  func fetchSocket(_ call: TrappedCall, _ number: CInt) throws(CallFailure) -> TargetSocket {
    let descriptor = try fetchDescriptor(call, number)
    let raw = descriptor.rawValue
    return TargetSocket(
      descriptor: descriptor, domain: try socketOption(raw, SO_DOMAIN), type: try socketOption(raw, SO_TYPE),
      transport: try socketOption(raw, SO_PROTOCOL))
  }

  /// Copies a socket address, with the kernel's own bounds (move_addr_to_kernel of net/socket.c).
  func socketAddress(_ call: TrappedCall, at address: UInt64, length: UInt64) throws(CallFailure) -> SocketAddress {
    let length = CInt(truncatingIfNeeded: length)
    guard length >= 0, length <= SocketAddress.longest else { throw .errno(EINVAL) }
    guard length > 0 else { return SocketAddress([]) }
    return SocketAddress(try memory(call) { memory throws(TargetMemoryError) in try memory.bytes(at: address, count: Int(length)) })
  }

  /// Runs a call on a fetched socket that may wait, and gives what the target's own call would have got.
  /// - Parameter held: whether the floor holds it.
  func performing(_ call: TrappedCall, held: Bool = false, on socket: CInt, _ body: () -> Int) throws(CallFailure) -> Answer {
    func perform() -> Result<Int, SyscallError>? {
      supervision.waits.waiting(call) {
        let value = body()
        if value >= 0 { return .success(value) }
        let failure = currentErrno
        return failure == .interrupted ? nil : .failure(SyscallError("socket", failure))
      }
    }
    let result: Result<Int, SyscallError>?
    do throws(SyscallError) { result = try acting(held: held, perform) } catch { throw .errno(error.errno.rawValue) }
    switch result {
    case .success(let value): return .value(Int64(value))
    case .failure(let error): return .failure(error.errno.rawValue)
    case nil:
      let end = try interruption(call)
      // A wait that has an end of its own isn't begun anew (signal(7)).
      throw end == .errno(WaitTable.restart) && hasSendTimeout(socket) ? .errno(EINTR) : end
    }
  }

  /// The end of a performed call whose target has a signal to take: the kernel is left to restart it or to make it EINTR (signal(7)).
  ///
  /// It does so for a thread that was told of a signal, which is certain for signals that are the thread's own, and for those of the process
  /// where the thread is its only or its first one: that one is told whenever it can take the signal (complete_signal of kernel/signal.c), save for
  /// SIGCHLD, of which the thread that made the child is told. Any other signal could be gone by then, and the target would see
  /// a number that no call ever returns: EINTR it is.
  func interruption(_ call: TrappedCall) throws(CallFailure) -> CallFailure {
    guard let status = try? readSmallFile(at: AT_FDCWD, procPath(call.thread, "status"), limit: 8192) else { return .errno(EINTR) }
    try checkStillWaiting(call)
    func mask(_ name: StaticString) -> UInt64 { statusField(name, in: status).flatMap { UInt64($0, radix: 16) } ?? 0 }
    let blocked = mask("SigBlk:")
    let isOwn = mask("SigPnd:") & ~blocked != 0
    let shared = mask("ShdPnd:") & ~blocked
    let isFirst = statusField("Tgid:", in: status).flatMap { Int32($0) } == call.thread
    let isTold = statusField("Threads:", in: status) == "1" ? shared != 0 : isFirst && shared & ~(1 << UInt64(SIGCHLD - 1)) != 0
    return .errno(isOwn || isTold ? WaitTable.restart : EINTR)
  }
}
