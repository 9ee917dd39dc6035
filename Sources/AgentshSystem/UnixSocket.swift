internal import CAgentshSystem
import Glibc
import SystemPackage

/// How a Unix socket keeps the bytes: as a stream, or packet by packet with an end that is seen.
public enum UnixSocketKind: Sendable {
  case stream
  case sequencedPackets

  var rawType: CInt {
    switch self {
    case .stream: CInt(SOCK_STREAM.rawValue)
    case .sequencedPackets: CInt(SOCK_SEQPACKET.rawValue)
    }
  }
}

/// One end of a Unix socket, connected or listening, close-on-exec, closed with its owner.
@frozen public struct UnixSocket: ~Copyable, Sendable {
  public let descriptor: OwnedDescriptor

  /// Takes ownership of a descriptor that is a Unix socket.
  public init(owning descriptor: consuming OwnedDescriptor) {
    self.descriptor = descriptor
  }

  /// The number, for the duration of a call into the kernel.
  public var rawValue: CInt { descriptor.rawValue }

  /// Gives the descriptor up.
  public consuming func release() -> OwnedDescriptor { descriptor }

  /// The next connection, or nil when none is waiting (non-blocking sockets) or the one that was has gone.
  /// The corresponding C function is `accept4` with SOCK_CLOEXEC.
  public func accept(nonBlocking: Bool) throws(SyscallError) -> UnixSocket? {
    do {
      return UnixSocket(owning: OwnedDescriptor(owning: try acceptRaw(rawValue, nonBlocking: nonBlocking)))
    } catch {
      // accept(2): a connection that broke while it waited is not this socket's error.
      if error.errno == .wouldBlock || error.errno == .connectionAbort { return nil }
      throw error
    }
  }

  /// Sends what fits now and says how much that was; 0 when a non-blocking socket is full.
  ///
  /// Descriptors (at most 8, borrowed) go with the first byte, so `bytes` must not be empty when there are any. Never raises SIGPIPE.
  public func send(_ bytes: ArraySlice<UInt8>, descriptors: [CInt] = []) throws(SyscallError) -> Int {
    do {
      return try sendRaw(rawValue, bytes, descriptors, flags: 0)
    } catch {
      if error.errno == .wouldBlock { return 0 }
      throw error
    }
  }

  /// Sends all of `bytes`, waiting for room until `deadline`. Throws ETIMEDOUT when it passes.
  public func sendAll(_ bytes: [UInt8], descriptors: [CInt] = [], deadline: Deadline = .never) throws(SyscallError) {
    var rest = bytes[...]
    var passed = descriptors
    while !rest.isEmpty {
      let sent: Int
      do {
        sent = try sendRaw(rawValue, rest, passed, flags: CInt(MSG_DONTWAIT))
      } catch {
        guard error.errno == .wouldBlock else { throw error }
        try wait(.writable, deadline: deadline)
        continue
      }
      rest = rest.dropFirst(sent)
      passed = []
    }
  }

  /// Sends `message` and the NUL that ends it.
  public func sendFrame(_ message: [UInt8], descriptors: [CInt] = [], deadline: Deadline = .never) throws(SyscallError) {
    try sendAll(message + [0], descriptors: descriptors, deadline: deadline)
  }

  /// What has arrived, at most `limit` bytes: nil when a non-blocking socket has nothing, no bytes and no descriptors at the end of the stream.
  ///
  /// Descriptors that came along (at most 8 are kept) belong to the result; its `isTruncated` says that some were lost or that
  /// something other than descriptors came.
  public func receive(atMost limit: Int) throws(SyscallError) -> ReceivedBytes? {
    do {
      return try receiveRaw(rawValue, limit: limit, flags: 0)
    } catch {
      if error.errno == .wouldBlock { return nil }
      throw error
    }
  }

  /// The next message without its NUL, waiting for it until `deadline`; nil when the peer closed before a message began.
  ///
  /// Takes no byte that lies behind the NUL. Throws ETIMEDOUT after the deadline, EMSGSIZE after `limit` bytes without a NUL, and
  /// ECONNRESET when the peer closed in the middle. For clients: a server uses `receive` and a framer.
  public func receiveFrame(limit: Int, deadline: Deadline = .never) throws(SyscallError) -> ReceivedBytes? {
    var bytes: [UInt8] = []
    var descriptors = DescriptorList()
    var isTruncated = false
    while true {
      let ahead: [UInt8]
      do {
        ahead = try peekRaw(rawValue, limit: min(64 << 10, limit - bytes.count + 1))
      } catch {
        guard error.errno == .wouldBlock else { throw error }
        try wait(.readable, deadline: deadline)
        continue
      }
      if ahead.isEmpty {
        if bytes.isEmpty { return nil }
        throw SyscallError("recv", .connectionReset, "end of stream inside a message")
      }
      let end = ahead.firstIndex(of: 0)
      let wanted = end.map { $0 + 1 } ?? ahead.count
      guard var part = try receiveRaw(rawValue, limit: wanted, flags: CInt(MSG_DONTWAIT)) else { continue }
      isTruncated = isTruncated || part.isTruncated
      while let descriptor = part.descriptors.takeFirst() {
        if !descriptors.append(descriptor) { isTruncated = true }
      }
      bytes += part.bytes
      if bytes.last == 0 {
        bytes.removeLast()
        return ReceivedBytes(bytes: bytes, descriptors: descriptors, isTruncated: isTruncated)
      }
      guard bytes.count <= limit else { throw SyscallError("recv", .messageTooLong, "no end within \(limit) bytes") }
    }
  }

  /// Closes one direction or both for everybody who holds this socket; see shutdown(2).
  public func shutDown(reading: Bool, writing: Bool) {
    switch (reading, writing) {
    case (true, true): _ = shutdown(rawValue, CInt(SHUT_RDWR))
    case (true, false): _ = shutdown(rawValue, CInt(SHUT_RD))
    case (false, true): _ = shutdown(rawValue, CInt(SHUT_WR))
    case (false, false): break
    }
  }

  /// Waits until the socket is ready, or throws ETIMEDOUT. A hang-up counts as ready: the next call tells.
  public func wait(_ readiness: Readiness, deadline: Deadline) throws(SyscallError) {
    guard try pollRaw(rawValue, readiness, deadline: deadline) else { throw SyscallError("poll", .timedOut) }
  }
}

/// What poll(2) is asked about.
public enum Readiness: Sendable {
  case readable
  case writable
}

/// Waits until `descriptor` is ready: false when `deadline` passed first. For pidfds, sockets, pipes; see poll(2).
public func waitUntilReady(_ descriptor: borrowing OwnedDescriptor, _ readiness: Readiness = .readable, deadline: Deadline)
  throws(SyscallError) -> Bool
{
  try pollRaw(descriptor.rawValue, readiness, deadline: deadline)
}

/// Two ends of one connection, see socketpair(2). Take both with `let (…)` destructuring not being possible, consume `first` and `second`.
@frozen public struct UnixSocketPair: ~Copyable, Sendable {
  public let first: UnixSocket
  public let second: UnixSocket

  init(first: consuming UnixSocket, second: consuming UnixSocket) {
    self.first = first
    self.second = second
  }
}

/// Bytes that came in one go, with what was attached to them.
@frozen public struct ReceivedBytes: ~Copyable, Sendable {
  public let bytes: [UInt8]
  public var descriptors: DescriptorList
  /// Some descriptors were dropped by the kernel or were more than are kept, or credentials or the like came.
  public let isTruncated: Bool

  init(bytes: [UInt8], descriptors: consuming DescriptorList, isTruncated: Bool) {
    self.bytes = bytes
    self.descriptors = descriptors
    self.isTruncated = isTruncated
  }

  /// The stream has ended: nothing came and nothing will.
  public var isEnd: Bool { bytes.isEmpty && descriptors.count == 0 }
}

/// Received descriptors (at most 12), closed with the list unless taken.
public struct DescriptorList: ~Copyable, Sendable {
  public static let most = 12
  private var raw: [CInt]

  public init() { raw = [] }

  /// Takes ownership of every number in `raw`.
  init(owning raw: [CInt]) { self.raw = raw }

  public var count: Int { raw.count }

  /// The first descriptor, which is the caller's from then on.
  public mutating func takeFirst() -> OwnedDescriptor? {
    raw.isEmpty ? nil : OwnedDescriptor(owning: raw.removeFirst())
  }

  /// Adds a descriptor, or closes it and answers false when the list is full.
  public mutating func append(_ descriptor: consuming OwnedDescriptor) -> Bool {
    guard raw.count < Self.most else { return false }
    raw.append(descriptor.release())
    return true
  }

  deinit {
    for descriptor in raw { _ = close(descriptor) }
  }
}
