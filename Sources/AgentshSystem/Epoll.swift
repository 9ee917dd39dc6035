internal import CAgentshSystem
import SystemPackage

/// What epoll_ctl(2) is asked to tell about a descriptor, and what epoll_wait(2) tells.
public struct EpollEvents: OptionSet, Sendable, Hashable {
  public let rawValue: UInt32

  public init(rawValue: UInt32) { self.rawValue = rawValue }

  public static let readable = EpollEvents(rawValue: UInt32(ASH_EPOLLIN))
  /// An exceptional condition: a change of a cgroup's `cgroup.events`, for one.
  public static let priority = EpollEvents(rawValue: UInt32(ASH_EPOLLPRI))
  public static let writable = EpollEvents(rawValue: UInt32(ASH_EPOLLOUT))
  /// Told unasked.
  public static let error = EpollEvents(rawValue: UInt32(ASH_EPOLLERR))
  /// Told unasked.
  public static let hangUp = EpollEvents(rawValue: UInt32(ASH_EPOLLHUP))
  /// The peer closed, or shut down its writing half.
  public static let peerClosed = EpollEvents(rawValue: UInt32(ASH_EPOLLRDHUP))
  public static let edgeTriggered = EpollEvents(rawValue: ASH_EPOLLET)
}

/// One descriptor that is ready, by the token it was added with.
public struct EpollEvent: Sendable, Equatable {
  public let token: UInt64
  public let events: EpollEvents
}

/// A set of descriptors to wait for: epoll(7). Usable from several threads.
@frozen public struct Epoll: ~Copyable, Sendable {
  public let descriptor: OwnedDescriptor

  public init() throws(SyscallError) {
    descriptor = OwnedDescriptor(owning: try syscall("epoll_create1") { ash_epoll_create() })
  }

  /// Adds a descriptor, which the caller keeps open until it has removed it.
  public func add(_ added: CInt, _ events: EpollEvents, token: UInt64) throws(SyscallError) {
    let raw = descriptor.rawValue
    try syscall("epoll_ctl", subject: "add \(added)") { ash_epoll_control(raw, 1, added, events.rawValue, token) }
  }

  public func change(_ changed: CInt, _ events: EpollEvents, token: UInt64) throws(SyscallError) {
    let raw = descriptor.rawValue
    try syscall("epoll_ctl", subject: "change \(changed)") { ash_epoll_control(raw, 3, changed, events.rawValue, token) }
  }

  /// Removes a descriptor. Closing does that too, unless the open file has other descriptors.
  public func remove(_ removed: CInt) {
    _ = ash_epoll_control(descriptor.rawValue, 2, removed, 0, 0)
  }

  /// What is ready, at most 64 at a time; empty when `deadline` passed first or a signal came.
  public func wait(deadline: Deadline) throws(SyscallError) -> [EpollEvent] {
    do {
      return try waitRaw(descriptor.rawValue, timeout: deadline.pollTimeout)
    } catch {
      if error.errno == .interrupted { return [] }
      throw error
    }
  }
}

/// A way to wake a thread that waits in epoll: eventfd(2).
@frozen public struct EventDescriptor: ~Copyable, Sendable {
  public let descriptor: OwnedDescriptor

  public init() throws(SyscallError) {
    descriptor = OwnedDescriptor(owning: try syscall("eventfd") { ash_eventfd() })
  }

  /// Makes it readable. Never blocks; safe from any thread.
  public func signal() { addToCounter(descriptor.rawValue) }

  /// Makes it unreadable again.
  public func clear() { clearCounter(descriptor.rawValue) }
}

/// A timer on the monotonic clock that is readable once it is due: timerfd_create(2).
@frozen public struct TimerDescriptor: ~Copyable, Sendable {
  public let descriptor: OwnedDescriptor

  public init() throws(SyscallError) {
    descriptor = OwnedDescriptor(owning: try syscall("timerfd_create") { ash_timerfd() })
  }

  /// Due at `deadline`; `.never` disarms it.
  public func arm(_ deadline: Deadline) throws(SyscallError) {
    let raw = descriptor.rawValue
    // 0 would disarm.
    let moment = deadline == .never ? 0 : max(1, deadline.nanoseconds)
    try syscall("timerfd_settime") { ash_timerfd_arm(raw, moment) }
  }

  /// Makes it unreadable again.
  public func clear() { clearCounter(descriptor.rawValue) }
}
