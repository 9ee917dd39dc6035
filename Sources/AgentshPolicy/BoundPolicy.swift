/// A policy that answers questions: immutable, without locks, usable from any number of threads at once.
public struct BoundPolicy: Sendable {
  /// What has to reach the supervisor, and which rule asks for it.
  public let needs: SupervisionNeeds

  /// Whether an operation on a file may happen. `path` is absolute and canonical.
  public func file(_ operation: FileOperation, _ path: [UInt8]) -> Verdict { file(operation, path.span) }

  /// The same, without an array.
  public func file(_ operation: FileOperation, _ path: Span<UInt8>) -> Verdict { Verdict(decision: .deny, rule: "stub") }

  /// The verdict of the first refusing rule that could match something below `directory` for one of `operations`, and
  /// would no longer match it there once the directory has another name; nil if none can.
  public func refusalBelow(_ directory: [UInt8], _ operations: Set<FileOperation>) -> Verdict? {
    Verdict(decision: .deny, rule: "stub")
  }

  /// Whether a program may be executed.
  public func command(_ subject: CommandSubject) -> Verdict { Verdict(decision: .deny, rule: "stub") }

  /// Whether an internet address may be used.
  public func network(_ subject: NetworkSubject) -> Verdict { Verdict(decision: .deny, rule: "stub") }

  /// Whether a Unix domain socket may be used.
  public func unixSocket(_ operation: UnixOperation, _ address: UnixAddress) -> Verdict {
    Verdict(decision: .deny, rule: "stub")
  }

  /// Whether a signal may be sent; `number` 0 asks whether the receiver exists (kill(2)).
  public func signal(_ number: Int32, _ target: SignalRelation) -> Verdict { Verdict(decision: .deny, rule: "stub") }
}
