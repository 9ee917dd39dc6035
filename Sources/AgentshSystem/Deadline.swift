/// A moment on the monotonic clock up to which something may take.
public struct Deadline: Sendable, Comparable {
  /// Nanoseconds of CLOCK_MONOTONIC; `UInt64.max` never comes.
  public let nanoseconds: UInt64

  public init(nanoseconds: UInt64) {
    self.nanoseconds = nanoseconds
  }

  /// Never.
  public static let never = Deadline(nanoseconds: .max)

  /// That many milliseconds from now; negative counts as none.
  public static func after(milliseconds: Int64) -> Deadline {
    let (span, tooLong) = UInt64(max(0, milliseconds)).multipliedReportingOverflow(by: 1_000_000)
    guard !tooLong else { return .never }
    let (moment, overflow) = monotonicNanoseconds().addingReportingOverflow(span)
    return overflow ? .never : Deadline(nanoseconds: moment)
  }

  public var hasPassed: Bool { self != .never && monotonicNanoseconds() >= nanoseconds }

  /// What poll(2) and epoll_wait(2) want: milliseconds, rounded up so that a wait never ends early; -1 for never.
  public var pollTimeout: Int32 {
    guard self != .never else { return -1 }
    let now = monotonicNanoseconds()
    guard nanoseconds > now else { return 0 }
    return Int32(clamping: (nanoseconds - now + 999_999) / 1_000_000)
  }

  public static func < (left: Deadline, right: Deadline) -> Bool { left.nanoseconds < right.nanoseconds }
}
