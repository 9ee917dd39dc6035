// Names in proc(5), and fields of its files.

/// `/proc/<id>/<name>`.
func procPath(_ id: Int32, _ name: StaticString) -> [UInt8] {
  var path: [UInt8] = Array("/proc/".utf8)
  appendDecimal(Int64(id), to: &path)
  path.append(UInt8(ascii: "/"))
  // SAFETY: the literal's bytes, which live for ever.
  name.withUTF8Buffer { unsafe path.append(contentsOf: $0) }
  return path
}

/// `/proc/<id>/<folder>/<number>`.
func procPath(_ id: Int32, _ folder: StaticString, _ number: CInt) -> [UInt8] {
  var path = procPath(id, folder)
  path.append(UInt8(ascii: "/"))
  appendDecimal(Int64(number), to: &path)
  return path
}

/// `/proc/self/fd/<number>` of this process.
func descriptorPath(_ number: CInt) -> [UInt8] {
  var path: [UInt8] = Array("/proc/self/fd/".utf8)
  appendDecimal(Int64(number), to: &path)
  return path
}

func appendDecimal(_ number: Int64, to bytes: inout [UInt8]) {
  if number < 0 { bytes.append(UInt8(ascii: "-")) }
  var power: UInt64 = 1
  while number.magnitude / power >= 10 { power *= 10 }
  while power > 0 {
    bytes.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: number.magnitude / power % 10))
    power /= 10
  }
}

/// The value behind a field of /proc/PID/status.
func statusField(_ name: StaticString, in status: [UInt8]) -> Substring? {
  let length = name.utf8CodeUnitCount
  var start = 0
  while start + length <= status.count {
    let end = status[start...].firstIndex(of: UInt8(ascii: "\n")) ?? status.count
    // SAFETY: the literal's bytes, which live for ever.
    let isField = name.withUTF8Buffer { wanted in unsafe end - start >= length && status[start..<(start + length)].elementsEqual(wanted) }
    if isField {
      let value = status[(start + length)..<end].drop { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
      return Substring(decoding: value, as: UTF8.self)
    }
    start = end + 1
  }
  return nil
}
