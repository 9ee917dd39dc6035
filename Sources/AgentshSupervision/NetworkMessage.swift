import AgentshSystem
import Glibc

/// A `struct msghdr` of a target, copied: recvmsg(2), sendmsg(2), the 64-bit layout.
struct MessageHeader {
  static let size = 56
  /// sizeof(struct mmsghdr): the header, and how much was sent.
  static let batchSize = 64
  /// UIO_MAXIOV.
  static let mostRanges = 1024
  /// At most this much of control messages, as the kernel's own bound (net.core.optmem_max) usually is.
  static let mostControl = 131_072

  var name: UInt64
  var nameLength: Int32
  var ranges: UInt64
  var rangeCount: UInt64
  var control: UInt64
  var controlLength: UInt64

  init(_ bytes: [UInt8]) {
    func word(_ offset: Int) -> UInt64 { (0..<8).reduce(0) { $0 | UInt64(bytes[offset + $1]) << UInt64(8 * $1) } }
    // The caller read exactly `size` bytes.
    precondition(bytes.count == Self.size)
    name = word(0)
    nameLength = Int32(truncatingIfNeeded: word(8))
    ranges = word(16)
    rangeCount = word(24)
    control = word(32)
    controlLength = word(40)
  }
}

/// A stretch of a target's memory that is to be sent.
struct MemoryRange {
  var address: UInt64
  var count: Int

  /// From `struct iovec`s; nil where the kernel says EINVAL (import_iovec of lib/iov_iter.c).
  static func ranges(_ bytes: [UInt8]) -> [MemoryRange]? {
    var result: [MemoryRange] = []
    // MAX_RW_COUNT: more in one call is cut off.
    var room = 0x7fff_f000
    for base in stride(from: 0, to: bytes.count - bytes.count % 16, by: 16) {
      func word(_ offset: Int) -> UInt64 { (0..<8).reduce(0) { $0 | UInt64(bytes[base + offset + $1]) << UInt64(8 * $1) } }
      guard let count = Int(exactly: word(8)) else { return nil }
      let taken = min(count, room)
      room -= taken
      if taken > 0 { result.append(MemoryRange(address: word(0), count: taken)) }
    }
    return result
  }
}

/// One control message of sendmsg(2): cmsg(3), the 64-bit layout.
struct ControlMessage: Equatable {
  static let headerSize = 16
  let level: Int32
  let type: Int32
  var data: [UInt8]

  /// All of a control buffer's messages; nil where the kernel says EINVAL.
  static func all(in bytes: [UInt8]) -> [ControlMessage]? {
    var result: [ControlMessage] = []
    var offset = 0
    func word(_ offset: Int, _ size: Int) -> UInt64 { (0..<size).reduce(0) { $0 | UInt64(bytes[offset + $1]) << UInt64(8 * $1) } }
    while bytes.count - offset >= headerSize {
      guard let length = Int(exactly: word(offset, 8)), length >= headerSize, length <= bytes.count - offset else { return nil }
      result.append(
        ControlMessage(
          level: Int32(truncatingIfNeeded: word(offset + 8, 4)), type: Int32(truncatingIfNeeded: word(offset + 12, 4)),
          data: Array(bytes[(offset + headerSize)..<(offset + length)])))
      offset += (length + 7) & ~7
      if offset > bytes.count { break }
    }
    return result
  }

  static func bytes(_ messages: [ControlMessage]) -> [UInt8] {
    var result: [UInt8] = []
    func append(_ value: UInt64, _ size: Int) { for index in 0..<size { result.append(UInt8(truncatingIfNeeded: value >> UInt64(8 * index))) } }
    for message in messages {
      append(UInt64(headerSize + message.data.count), 8)
      append(UInt64(UInt32(bitPattern: message.level)), 4)
      append(UInt64(UInt32(bitPattern: message.type)), 4)
      result += message.data
      while result.count % 8 != 0 { result.append(0) }
    }
    return result
  }

  var passesDescriptors: Bool { level == SOL_SOCKET && type == 1 /* SCM_RIGHTS */ }
  /// SCM_CREDENTIALS: only with CAP_SYS_ADMIN can they be anyone's but the sender's, and the sender will be the supervisor.
  var namesCredentials: Bool { level == SOL_SOCKET && type == 2 }

  /// A source route: the packet goes to its first address, whatever address was decided about. IP_RETOPTS; IPV6_2292RTHDR, IPV6_RTHDR.
  var routesPacket: Bool { (level == 0 && type == 7) || (level == 41 && (type == 5 || type == 57)) }

  /// Forgets by which interface the packet is to leave: in_pktinfo of ip(7), in6_pktinfo of ipv6(7). Which of its own addresses the sender wants to have stays.
  mutating func forgetInterface() {
    switch (level, type) {
    case (0, 8) where data.count >= 4: for index in 0..<4 { data[index] = 0 }  // IP_PKTINFO
    case (41, 50) where data.count >= 20, (41, 2) where data.count >= 20: for index in 16..<20 { data[index] = 0 }  // IPV6_PKTINFO, IPV6_2292PKTINFO
    default: break
    }
  }

  /// The descriptor numbers of an SCM_RIGHTS message; nil where the kernel says EINVAL (more than SCM_MAX_FD).
  var descriptors: [CInt]? {
    guard data.count / 4 <= 253 else { return nil }
    return stride(from: 0, to: data.count - data.count % 4, by: 4).map { base in
      CInt(truncatingIfNeeded: (0..<4).reduce(0 as UInt32) { $0 | UInt32(data[base + $1]) << UInt32(8 * $1) })
    }
  }

  mutating func replaceDescriptors(_ numbers: [CInt]) {
    data = numbers.flatMap { number in (0..<4).map { UInt8(truncatingIfNeeded: UInt32(bitPattern: number) >> UInt32(8 * $0)) } }
  }
}

/// Descriptors that were fetched to be sent on; closed once they are.
struct FetchedDescriptors: ~Copyable {
  private(set) var numbers: [CInt] = []

  mutating func append(_ descriptor: consuming OwnedDescriptor) { numbers.append(descriptor.release()) }

  deinit { for number in numbers { _ = close(number) } }
}
