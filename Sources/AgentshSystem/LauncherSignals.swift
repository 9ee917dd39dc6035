/// The signal mask and disposition that this process was started with, as its command is to inherit them.
public struct SignalMask: Sendable, Equatable {
  /// Bit N-1 for signal N.
  public let bits: UInt64
  /// SIGCHLD was ignored, by which the kernel would have reaped the launcher's children itself.
  public let ignoredChildSignal: Bool

  public init(bits: UInt64, ignoredChildSignal: Bool) {
    self.bits = bits
    self.ignoredChildSignal = ignoredChildSignal
  }
}

/// A signal that was taken from a signalfd.
public struct ReceivedSignal: Sendable, Equatable {
  public let number: Int32
  /// Who sent it; 0 when the kernel did.
  public let sender: Int32
  /// The kernel sent it (si_code SI_KERNEL and other positive codes): a key on the terminal, a hang-up. Such a signal goes to the
  /// whole foreground process group by itself.
  public let isFromKernel: Bool

  public init(number: Int32, sender: Int32, isFromKernel: Bool) {
    self.number = number
    self.sender = sender
    self.isFromKernel = isFromKernel
  }
}

/// What happened to a child.
public enum ChildChange: Sendable, Equatable {
  case exited(status: Int32)
  case killed(signal: Int32, dumpedCore: Bool)
  case stopped(signal: Int32)
  case continued
}
