public import SystemPackage

/// A system call that failed: which one, with which errno, on what.
public struct SyscallError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The call's name as its man page has it.
  public let call: String
  public let errno: Errno
  /// What the call was about, for people: a path, an address, a pid. Never used to decide.
  public let subject: String?

  public init(_ call: String, _ errno: Errno, _ subject: String? = nil) {
    self.call = call
    self.errno = errno
    self.subject = subject
  }

  public var description: String {
    if let subject { "\(call) \(subject): \(errno)" } else { "\(call): \(errno)" }
  }
}
