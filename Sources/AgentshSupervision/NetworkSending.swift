import AgentshAudit
import AgentshPolicy
import AgentshSystem
import CAgentshSystem
import Glibc
import SystemPackage

/// A stream's bytes are copied and sent in parts of this many.
private let partSize = 1 << 20
/// And of this many while so many calls wait for somebody: what they have copied is this process's memory.
private let smallPartSize = 64 << 10
private let manyWaits = 32
/// No datagram is longer: the largest send buffer that a socket gets is far below.
private let longestDatagram = 8 << 20
private let fastOpen: CInt = 0x2000_0000  // MSG_FASTOPEN
private let noSignal: CInt = 0x4000  // MSG_NOSIGNAL
private let noRoute: CInt = 0x4  // MSG_DONTROUTE
private let zeroCopy: CInt = 0x400_0000  // MSG_ZEROCOPY

/// Something to send, in the target's memory, and what goes with it, copied.
private struct Outgoing: ~Copyable {
  var ranges: [MemoryRange]
  /// nil: to whom the socket is connected.
  var address: SocketAddress?
  var control: [ControlMessage] = []
  var flags: CInt

  init(ranges: [MemoryRange], address: SocketAddress?, flags: CInt) {
    self.ranges = ranges
    self.address = address
    self.flags = flags
  }

  var count: Int { ranges.reduce(0) { $0 + $1.count } }
}

extension Worker {
  /// sendto(2).
  func sendTo(_ call: TrappedCall) throws(CallFailure) -> Answer {
    let a = call.arguments
    let socket = try fetchSocket(call, descriptor(a.0))
    let length = min(Int(clamping: a.2), 0x7fff_f000)
    let ranges = length > 0 ? [MemoryRange(address: a.1, count: length)] : []
    // The kernel reads no address where none is given, whatever the length says.
    var address = a.4 == 0 ? nil : try socketAddress(call, at: a.4, length: a.5)
    // An address of no length is none for unix(7); udp(7) says that it is too short.
    if socket.domain == AF_UNIX, address?.bytes.isEmpty == true { address = nil }
    let outgoing = Outgoing(ranges: ranges, address: address, flags: CInt(truncatingIfNeeded: a.3))
    return try send(call, .sendto, socket, outgoing)
  }

  /// sendmsg(2).
  func sendMessage(_ call: TrappedCall) throws(CallFailure) -> Answer {
    let a = call.arguments
    let socket = try fetchSocket(call, descriptor(a.0))
    return try sendMessage(call, .sendmsg, socket, at: a.1, flags: CInt(truncatingIfNeeded: a.2))
  }

  /// sendmmsg(2): one after the other; an error or a refusal after the first tells how many went before it.
  func sendMessages(_ call: TrappedCall) throws(CallFailure) -> Answer {
    let a = call.arguments
    let socket = try fetchSocket(call, descriptor(a.0))
    let count = min(Int(UInt32(truncatingIfNeeded: a.2)), MessageHeader.mostRanges)
    let flags = CInt(truncatingIfNeeded: a.3)
    var sent: Int64 = 0
    for index in 0..<count {
      let (position, overflow) = a.1.addingReportingOverflow(UInt64(index * MessageHeader.batchSize))
      let answer: Answer
      do throws(CallFailure) {
        if overflow { throw .errno(EFAULT) }
        answer = try sendMessage(call, .sendmmsg, socket, at: position, flags: flags)
      } catch {
        if error == .gone || sent == 0 { throw error }
        return .value(sent)
      }
      guard case .value(let length) = answer else {
        return sent == 0 ? answer : .value(sent)
      }
      sent += 1
      let bytes = (0..<4).map { UInt8(truncatingIfNeeded: length >> Int64(8 * $0)) }
      do throws(CallFailure) {
        try checkStillWaiting(call)
        try memory(call) { memory throws(TargetMemoryError) in
          try memory.write(bytes, at: position &+ UInt64(MessageHeader.size))
        }
      } catch {
        if error == .gone { throw error }
        // Sent it is; what the kernel says when it can't write the length of the first is EFAULT, of a later one the count.
        return sent == 1 ? .failure(EFAULT) : .value(sent - 1)
      }
    }
    return .value(sent)
  }

  private func sendMessage(
    _ call: TrappedCall, _ kind: CallKind, _ socket: borrowing TargetSocket, at address: UInt64, flags: CInt
  ) throws(CallFailure) -> Answer {
    let header = MessageHeader(
      try memory(call) { memory throws(TargetMemoryError) in try memory.bytes(at: address, count: MessageHeader.size) })
    guard header.nameLength >= 0 else { throw .errno(EINVAL) }
    guard header.rangeCount <= UInt64(MessageHeader.mostRanges) else { throw .errno(EMSGSIZE) }
    let vectors =
      header.rangeCount == 0
      ? [] : try memory(call) { memory throws(TargetMemoryError) in try memory.bytes(at: header.ranges, count: Int(header.rangeCount) * 16) }
    guard let ranges = MemoryRange.ranges(vectors) else { throw .errno(EINVAL) }
    var name: SocketAddress?
    if header.name != 0, header.nameLength > 0 {
      // A longer name is cut off, not refused (copy_msghdr_from_user of net/socket.c).
      name = try socketAddress(call, at: header.name, length: UInt64(min(Int(header.nameLength), SocketAddress.longest)))
    }
    var outgoing = Outgoing(ranges: ranges, address: name, flags: flags)
    if header.controlLength > 0 {
      guard header.controlLength <= UInt64(MessageHeader.mostControl) else { throw .errno(ENOBUFS) }
      let bytes = try memory(call) { memory throws(TargetMemoryError) in
        try memory.bytes(at: header.control, count: Int(header.controlLength))
      }
      guard let messages = ControlMessage.all(in: bytes) else { throw .errno(EINVAL) }
      outgoing.control = messages
    }
    return try send(call, kind, socket, outgoing)
  }

  /// Decides and sends.
  private func send(
    _ call: TrappedCall, _ kind: CallKind, _ socket: borrowing TargetSocket, _ outgoing: borrowing Outgoing
  ) throws(CallFailure) -> Answer {
    try checkStillWaiting(call)
    // The pages would be the supervisor's, and the notice that they are free again would come to the target: it is told to copy instead.
    if outgoing.flags & zeroCopy != 0 { throw .errno(ENOBUFS) }
    switch socket.domain {
    case AF_INET, AF_INET6, AF_UNIX, AF_NETLINK: break
    default: throw .errno(EACCES)
    }
    if socket.isInternet, outgoing.flags & noRoute != 0 { throw try refuseRoute(call, kind, "a message can't be sent past the routes of this machine") }
    var passed = 0
    for message in outgoing.control where message.passesDescriptors {
      guard let numbers = message.descriptors else { throw .errno(EINVAL) }
      passed += numbers.count
    }
    // SCM_MAX_FD of include/net/scm.h; and as many at a time as a user may have on the way (unix(7), ETOOMANYREFS).
    guard passed <= 253 else { throw .errno(EINVAL) }
    guard passed == 0 || supervision.descriptorsPassed.add(passed, ordering: .relaxed).newValue <= Supervision.mostDescriptorsPassed else {
      supervision.descriptorsPassed.subtract(passed, ordering: .relaxed)
      throw .errno(ETOOMANYREFS)
    }
    defer { if passed > 0 { supervision.descriptorsPassed.subtract(passed, ordering: .relaxed) } }
    var fetched = FetchedDescriptors()
    var control: [ControlMessage] = []
    for var message in outgoing.control {
      if socket.isInternet, message.routesPacket {
        throw try refuseRoute(call, kind, "a message can't bring a route of its own")
      }
      if socket.isInternet, !(outgoing.address?.isOfLink ?? false) { message.forgetInterface() }
      if socket.domain == AF_UNIX, message.namesCredentials {
        try checkCredentials(call, message)
        continue
      }
      if message.passesDescriptors {
        guard let numbers = message.descriptors else { throw .errno(EINVAL) }
        var copies: [CInt] = []
        for number in numbers {
          let copy = try fetchDescriptor(call, number)
          copies.append(copy.rawValue)
          fetched.append(copy)
        }
        message.replaceDescriptors(copies)
      }
      control.append(message)
    }
    let attached = ControlMessage.bytes(control)

    guard let address = outgoing.address else {
      return try transmit(call, socket, outgoing, to: [], control: attached)
    }
    // A stream of the Unix domain that is connected takes no address, and one that isn't has no use for it (unix(7)).
    if socket.domain == AF_UNIX, socket.type != CInt(SOCK_DGRAM.rawValue) {
      return try transmit(call, socket, outgoing, to: address.bytes, control: attached)
    }
    // tcp(7) looks at no address but that of a fast open: sent without it, it can't matter.
    if socket.transport == CInt(IPPROTO_TCP), outgoing.flags & fastOpen == 0 {
      return try transmit(call, socket, outgoing, to: [], control: attached)
    }
    // Of datagrams the flag says nothing.
    let isConnecting = socket.isInternet && socket.isStream && outgoing.flags & fastOpen != 0
    switch try destination(call, kind, socket, address, isConnecting: isConnecting) {
    case .address(let bytes), .resolver(let bytes):
      return try transmit(call, socket, outgoing, to: bytes, control: attached)
    case .pinned(let object):
      defer { _ = close(object) }
      return try transmit(call, socket, outgoing, to: SocketAddress.ofPinned(descriptorPath(object)), control: attached)
    case .elsewhere(let detour):
      return try self.detour(call, kind, socket, detour) { bytes, _ throws(CallFailure) in
        try transmit(call, socket, outgoing, to: bytes, control: attached)
      }
    }
  }

  private func refuseRoute(_ call: TrappedCall, _ kind: CallKind, _ message: String) throws(CallFailure) -> CallFailure {
    try settle(call, kind, .netSend, .nothing, Verdict(decision: .deny, rule: "builtin:source_route", message: message), refusal: EPERM)
    return .errno(EPERM)
  }

  /// Refuses credentials that aren't the caller's own, as the kernel does (scm_check_creds of net/core/scm.c); root may name others. What is sent then
  /// are the supervisor's: the same user and group, another process.
  private func checkCredentials(_ call: TrappedCall, _ message: ControlMessage) throws(CallFailure) {
    guard message.data.count == 12 else { throw .errno(EINVAL) }
    func word(_ index: Int) -> UInt32 { (0..<4).reduce(0) { $0 | UInt32(message.data[index * 4 + $1]) << UInt32(8 * $1) } }
    if geteuid() == 0 { return }
    guard Int32(bitPattern: word(0)) == (try processID(call)), word(1) == getuid() || word(1) == geteuid(), word(2) == getgid() || word(2) == getegid()
    else { throw .errno(EPERM) }
  }

  /// Copies the bytes and sends them: a stream's in parts, until all are gone or no more are taken.
  private func transmit(
    _ call: TrappedCall, _ socket: borrowing TargetSocket, _ outgoing: borrowing Outgoing, to address: [UInt8], control: [UInt8]
  ) throws(CallFailure) -> Answer {
    let raw = socket.descriptor.rawValue
    let total = outgoing.count
    let flags = outgoing.flags | noSignal
    if !socket.isStream {
      guard total <= longestDatagram else { throw .errno(EMSGSIZE) }
      let payload = try copy(call, outgoing.ranges, from: 0, count: total)
      try checkStillWaiting(call)
      return try performing(call, on: raw) { AgentshSupervision.sendMessage(raw, to: address, payload, from: 0, control: control, flags: flags) }
    }
    var sent = 0
    repeat {
      let payload: [UInt8]
      do throws(CallFailure) {
        let most = supervision.waits.count < manyWaits ? partSize : smallPartSize
        payload = try copy(call, outgoing.ranges, from: sent, count: min(most, total - sent))
        try checkStillWaiting(call)
      } catch {
        if sent > 0, error != .gone { break }
        throw error
      }
      var part = 0
      repeat {
        // What goes along goes with the first byte.
        let isFirst = sent + part == 0
        let answer: Answer
        do throws(CallFailure) {
          answer = try performing(call, on: raw) {
            AgentshSupervision.sendMessage(
              raw, to: isFirst ? address : [], payload, from: part, control: isFirst ? control : [], flags: flags)
          }
        } catch {
          // What has gone has gone, whatever interrupted the rest.
          if !isFirst, error != .gone { return .value(Int64(sent + part)) }
          throw error
        }
        guard case .value(let count) = answer else {
          if sent + part > 0 { return .value(Int64(sent + part)) }
          if case .failure(EPIPE) = answer, outgoing.flags & noSignal == 0 { raise(SIGPIPE, in: call) }
          return answer
        }
        part += Int(count)
        if count == 0 { break }
      } while part < payload.count
      sent += part
      if part < payload.count { break }
    } while sent < total
    return .value(Int64(sent))
  }

  /// What the kernel sends to the calling thread itself: SIGPIPE for a stream without a reader, SIGXFSZ for a file that may not become so large.
  func raise(_ signal: CInt, in call: TrappedCall) {
    guard let process = try? processID(call), supervision.listener.isWaiting(call.id) else { return }
    _ = ash_tgkill(process, call.thread, signal)
  }

  /// Copies `count` bytes, `from` bytes behind the start of the ranges taken together.
  private func copy(_ call: TrappedCall, _ ranges: [MemoryRange], from: Int, count: Int) throws(CallFailure) -> [UInt8] {
    var skip = from
    var rest = count
    var payload: [UInt8] = []
    for range in ranges where rest > 0 {
      if skip >= range.count {
        skip -= range.count
        continue
      }
      let (start, overflow) = range.address.addingReportingOverflow(UInt64(skip))
      if overflow { throw .errno(EFAULT) }
      let length = min(range.count - skip, rest)
      skip = 0
      rest -= length
      let part = try memory(call) { memory throws(TargetMemoryError) in try memory.bytes(at: start, count: length) }
      if payload.isEmpty { payload = part } else { payload += part }
    }
    return payload
  }
}
