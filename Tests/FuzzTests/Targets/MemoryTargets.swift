import AgentshPolicy
import AgentshSystem
import Glibc

@testable import AgentshSupervision

/// One mapping of a target that doesn't exist.
private struct Mapping: ReadableMemory {
  let base: UInt64
  let content: [UInt8]

  func bytes(at address: UInt64, upTo count: Int) throws(TargetMemoryError) -> [UInt8] {
    guard address >= base, let offset = Int(exactly: address - base), offset < content.count else { throw .fault }
    return Array(content[offset...].prefix(count))
  }

  /// The same, one byte at a time, with nothing clever: what the readers are compared with.
  func plainString(at address: UInt64, limit: Int) -> Result<[UInt8], TargetMemoryError> {
    var text: [UInt8] = []
    var position: UInt64? = address
    while text.count < limit {
      guard let place = position, let byte = try? bytes(at: place, upTo: 1).first else { return .failure(.fault) }
      if byte == 0 { return .success(text) }
      text.append(byte)
      position = place == .max ? nil : place + 1
    }
    return .failure(.tooLong)
  }

  func plainArguments(at address: UInt64) -> Result<[[UInt8]], TargetMemoryError> {
    guard address != 0 else { return .success([]) }
    var pointers: [UInt64] = []
    var position: UInt64? = address
    while true {
      var pointer: UInt64 = 0
      for index in 0..<8 {
        guard let place = position, let byte = try? bytes(at: place, upTo: 1).first else { return .failure(.fault) }
        pointer |= UInt64(byte) << UInt64(8 * index)
        position = place == .max ? nil : place + 1
      }
      if pointer == 0 { break }
      pointers.append(pointer)
    }
    var result: [[UInt8]] = []
    for pointer in pointers {
      switch plainString(at: pointer, limit: 131_072) {
      case .success(let text): result.append(text)
      case .failure(let failure): return .failure(failure)
      }
    }
    return .success(result)
  }
}

private func number(_ bytes: some Sequence<UInt8>) -> UInt64 { bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) } }

extension FuzzTarget {
  /// A socket address as a target gave it.
  static let socketAddress = FuzzTarget("sockaddr", dictionary: ["\\x02\\x00\\x01\\xbb", "\\x0a\\x00", "\\x01\\x00/", "\\x01\\x00\\x00", "\\x10\\x00", "\\xff\\xff"]) { input in
    let bytes = Array(input.prefix(SocketAddress.longest))
    let address = SocketAddress(bytes)
    guard address.bytes == bytes else { return .wrong("other bytes are used than were read") }
    let family = bytes.count < 2 ? nil : UInt16(bytes[0]) | UInt16(bytes[1]) << 8
    switch address.meaning {
    case .malformed: return .refused
    case .inet(let meant, let port):
      guard bytes[2] == UInt8(port >> 8), bytes[3] == UInt8(port & 255) else { return .wrong("another port") }
      guard family == UInt16(AF_INET) || family == UInt16(AF_INET6) else { return .wrong("another family") }
      if case .v6(let high, _, _) = meant, high != bytes[8..<16].reduce(0, { $0 << 8 | UInt64($1) }) { return .wrong("another address") }
      if case .v4(let value) = meant {
        let place = family == UInt16(AF_INET) ? 4 : 20
        guard value == bytes[place..<(place + 4)].reduce(0, { $0 << 8 | UInt32($1) }) else { return .wrong("another address") }
      }
      let text = SocketAddress.text(meant, port: port)
      return text.hasSuffix(":\(port)") && !SocketAddress(bytes).replacingUnspecified(boundTo: nil).bytes.isEmpty ? .taken : .wrong("\(text)")
    case .unix(.path(let path)):
      guard family == UInt16(AF_UNIX), !path.isEmpty, path.count <= 108, !path.contains(0), bytes.dropFirst(2).starts(with: path) else { return .wrong("another path") }
      // The address that is used instead has a NUL at its end, for which a path of 108 bytes leaves no room; none that is made is as long.
      return path.count == 108 || SocketAddress(SocketAddress.ofPinned(path)).meaning == .unix(.path(path)) ? .taken : .wrong("a path is not read as itself")
    case .unix(.abstract(let name)):
      return family == UInt16(AF_UNIX) && bytes == [1, 0, 0] + name ? .taken : .wrong("another name")
    case .unix(.unnamed): return bytes == [1, 0] ? .taken : .wrong("a name is overlooked")
    case .unspecified: return family == 0 ? .taken : .wrong("another family")
    case .other(let other): return family == other && ![0, 1, 2, 10].contains(other) ? .taken : .wrong("a family that is known")
    }
  }

  /// A `struct msghdr`, its ranges and its control messages, one after the other: 56 bytes, a count, so many `struct iovec`, the rest.
  static let message = FuzzTarget("msghdr", dictionary: ["\\x01\\x00\\x00\\x00\\x01\\x00\\x00\\x00", "\\x10\\x00\\x00\\x00\\x00\\x00\\x00\\x00", "\\x14\\x00\\x00\\x00\\x00\\x00\\x00\\x00"]) { input in
    guard input.count > MessageHeader.size else { return .refused }
    let header = MessageHeader(Array(input.prefix(MessageHeader.size)))
    guard header.name == number(input[0..<8]), header.ranges == number(input[16..<24]), header.controlLength == number(input[40..<48]) else {
      return .wrong("a header is read otherwise than it lies")
    }
    let ranges = input[MessageHeader.size + 1 ..< min(input.count, MessageHeader.size + 1 + 16 * Int(input[MessageHeader.size]))]
    if let taken = MemoryRange.ranges(Array(ranges)) {
      guard taken.allSatisfy({ $0.count > 0 }), taken.reduce(0, { $0 + $1.count }) <= 0x7fff_f000, taken.count <= ranges.count / 16 else {
        return .wrong("more than the kernel takes")
      }
    }
    let control = Array(input[ranges.endIndex...])
    guard let messages = ControlMessage.all(in: control) else { return .refused }
    let written = ControlMessage.bytes(messages)
    guard ControlMessage.all(in: written) == messages else { return .wrong("control messages are read otherwise than they were written") }
    for var message in messages where message.passesDescriptors {
      guard let numbers = message.descriptors else {
        guard message.data.count / 4 > 253 else { return .wrong("descriptors are refused") }
        continue
      }
      let before = message.data
      message.replaceDescriptors(numbers)
      guard before.starts(with: message.data), before.count - message.data.count < 4 else { return .wrong("other descriptors") }
    }
    return .taken
  }

  /// Memory with an argument vector: two bytes say where the vector is, one where the memory lies, the rest is its content.
  static let arguments = FuzzTarget("arguments", dictionary: ["\\x00\\x10\\x00\\x00\\x00\\x00\\x00\\x00", "\\x08\\x10\\x00\\x00\\x00\\x00\\x00\\x00", "\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00"]) { input in
    guard input.count >= 4 else { return .refused }
    let content = Array(input.dropFirst(3))
    let base: UInt64 =
      switch input[2] % 4 {
      case 0: 0x1000
      case 1: 0x1ff0  // a page ends within
      case 2: 0xffff_ffff_ffff_ffff - UInt64(content.count) + 1  // up to the last address there is
      default: 0x7fff_ffff_e000
      }
    let memory = Mapping(base: base, content: content)
    let address = base &+ number(input.prefix(2))
    let found: Result<[[UInt8]], TargetMemoryError>
    do throws(TargetMemoryError) { found = .success(try ArgumentReader.arguments(memory, at: address)) } catch { found = .failure(error) }
    guard found == memory.plainArguments(at: address) else { return .wrong("\(found) instead of \(memory.plainArguments(at: address))") }
    for limit in [1, 7, 4096] {
      let text: Result<[UInt8], TargetMemoryError>
      do throws(TargetMemoryError) { text = .success(try memory.string(at: address, limit: limit)) } catch { text = .failure(error) }
      guard text == memory.plainString(at: address, limit: limit) else { return .wrong("a string of at most \(limit): \(text)") }
    }
    if case .success(let arguments) = found {
      if let program = LoaderCommand.program(in: arguments), !arguments.indices.contains(program) { return .wrong("a program beyond the arguments") }
      return .taken
    }
    return .refused
  }

  /// A file that is to be executed.
  static let executable = FuzzTarget(
    "executable", dictionary: ["\\x7fELF\\x02\\x01\\x01", "\\x7fELF\\x01\\x01\\x01", "#!", "#!/bin/sh -", "\\x03\\x00\\x00\\x00", "/lib64/ld-linux-x86-64.so.2", "\\x38\\x00\\x01\\x00", "\\x0a", "\\x09 "]
  ) { file in
    func read(_ offset: UInt64, _ count: Int) -> [UInt8]? {
      guard let start = Int(exactly: offset), start <= file.count, file.count - start >= count else { return nil }
      return Array(file[start..<(start + count)])
    }
    let format = ExecutableFormat(start: Array(file.prefix(ExecutableFormat.bufferSize)), read: read)
    switch format {
    case .script(let interpreter, let argument):
      guard file.starts(with: [0x23, 0x21]) else { return .wrong("a script without #!") }
      guard !interpreter.contains(where: { $0 == 0 || $0 == 9 || $0 == 32 || $0 == 10 }) else { return .wrong("an interpreter with spaces") }
      guard argument?.contains(where: { $0 == 0 || $0 == 10 }) != true else { return .wrong("an argument beyond its line") }
      return .taken
    case .elf(let loader):
      guard loader?.contains(0) != true else { return .wrong("a loader with a NUL") }
      // However much of the file is there at once, it is the same.
      return ExecutableFormat(start: file, read: { _, _ in nil }) == format ? .taken : .wrong("the loader depends on how the file is read")
    case .other: return .refused
    }
  }

  /// A `struct open_how` of openat2(2).
  static let openHow = FuzzTarget("openhow", dictionary: ["\\x00\\x00\\x08\\x00\\x00\\x00\\x00\\x00", "\\x42\\x00\\x00\\x00\\x00\\x00\\x00\\x00", "\\xa4\\x01\\x00\\x00\\x00\\x00\\x00\\x00"]) { input in
    guard let request = try? OpenRequest(how: Array(input.prefix(4096))) else { return .refused }
    guard UInt64(UInt32(bitPattern: request.flags)) == number(input[0..<8]), UInt64(request.mode) == number(input[8..<16]), request.resolve == number(input[16..<24]) else {
      return .wrong("something is overlooked")
    }
    guard request.mode == 0 || request.creates || request.isTemporary else { return .wrong("a mode for nothing") }
    return .taken
  }
}
