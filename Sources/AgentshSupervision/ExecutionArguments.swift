import AgentshSystem
import Glibc

/// Reads a target's argument vector: bounded, and a page at a time, since most vectors lie in one or two.
struct ArgumentReader<Memory: ReadableMemory> {
  /// The kernel's own bounds: strings of at most MAX_ARG_STRLEN bytes with their NUL, three quarters of 8 MiB for all of them and their pointers.
  static var longestString: Int { 131_072 }
  static var mostBytes: Int { 6 << 20 }
  /// Less where the stack is limited, down to ARG_MAX: a quarter of RLIMIT_STACK, execve(2).
  static func room(stackLimit: UInt64) -> Int { max(131_072, Int(min(UInt64(mostBytes), stackLimit / 4))) }
  private static var page: UInt64 { 4096 }

  private let memory: Memory
  private var window: [UInt8] = []
  private var windowStart: UInt64 = 0

  init(_ memory: Memory) {
    self.memory = memory
  }

  /// argv, without the NULL that ends it; no vector at all is an empty one. `tooLong` is the target's E2BIG.
  /// - Parameter room: for the strings and their pointers, in bytes.
  static func arguments(_ memory: Memory, at address: UInt64, room: Int = mostBytes) throws(TargetMemoryError) -> [[UInt8]] {
    guard address != 0 else { return [] }
    var reader = ArgumentReader(memory)
    let pointers = try reader.pointers(at: address, room: room)
    var result: [[UInt8]] = []
    result.reserveCapacity(pointers.count)
    var room = room - pointers.count * 8
    for pointer in pointers {
      let text = try reader.string(at: pointer)
      room -= text.count + 1
      guard room >= 0 else { throw .tooLong }
      result.append(text)
    }
    return result
  }

  private func pointers(at address: UInt64, room: Int) throws(TargetMemoryError) -> [UInt64] {
    var found: [UInt64] = []
    var position = address
    var rest: [UInt8] = []
    while found.count * 8 < room {
      let part = try memory.bytes(at: position, upTo: Int(Self.page - position % Self.page))
      rest += part
      var used = 0
      while rest.count - used >= 8 {
        var pointer: UInt64 = 0
        for index in 0..<8 { pointer |= UInt64(rest[used + index]) << UInt64(8 * index) }
        if pointer == 0 { return found }
        found.append(pointer)
        used += 8
      }
      rest.removeFirst(used)
      let (next, overflow) = position.addingReportingOverflow(UInt64(part.count))
      if overflow { throw .fault }
      position = next
    }
    throw .tooLong
  }

  private mutating func string(at address: UInt64) throws(TargetMemoryError) -> [UInt8] {
    var text: [UInt8] = []
    var position = address
    while text.count < Self.longestString {
      if position < windowStart || position - windowStart >= UInt64(window.count) {
        // From here to the page's end: what follows need not be mapped.
        window = try memory.bytes(at: position, upTo: Int(Self.page - position % Self.page))
        windowStart = position
      }
      let start = Int(position - windowStart)
      if let end = window[start...].firstIndex(of: 0) {
        text += window[start..<end]
        guard text.count < Self.longestString else { throw .tooLong }
        return text
      }
      text += window[start...]
      let (next, overflow) = windowStart.addingReportingOverflow(UInt64(window.count))
      if overflow { throw text.count < Self.longestString ? .fault : .tooLong }
      position = next
    }
    throw .tooLong
  }
}
