public import Glibc
public import SystemPackage

/// The calling thread's errno as the last failed call left it.
@inlinable public var currentErrno: Errno { Errno(rawValue: errno) }

/// Runs a system call that answers -1 on failure, again when a signal interrupted it if `retryingInterrupted`, and throws its errno.
@inlinable @discardableResult
public func syscall<Value: SignedInteger>(
  _ call: @autoclosure () -> String, subject: @autoclosure () -> String? = nil, retryingInterrupted: Bool = true,
  _ body: () -> Value
) throws(SyscallError) -> Value {
  while true {
    let value = body()
    if value != -1 { return value }
    let failure = currentErrno
    if failure == .interrupted, retryingInterrupted { continue }
    throw SyscallError(call(), failure, subject())
  }
}
