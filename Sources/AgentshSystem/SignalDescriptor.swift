/// Signals as events: signalfd(2). They are blocked in the thread that makes it and in the threads that this one starts from then on,
/// so the main thread makes it before any other exists.
@frozen public struct SignalDescriptor: ~Copyable, Sendable {
  public let descriptor: OwnedDescriptor

  public init(_ signals: [Int32]) throws(SyscallError) {
    descriptor = try openSignalDescriptor(signals)
  }

  /// The next signal that has come, or nil.
  public func next() -> Int32? { nextSignal(descriptor.rawValue) }
}
