import AgentshSystem
import Glibc

/// Names in a directory that are numbers: readdir(3). Empty when it can't be read.
func directoryNumbers(_ path: [UInt8]) -> [Int32] {
  // SAFETY: the stream is this function's alone and closed at its end; each entry is read before the next is asked for.
  unsafe withCPath(path) { name in
    guard let stream = unsafe opendir(name) else { return [] }
    defer { unsafe closedir(stream) }
    var numbers: [Int32] = []
    while let entry = unsafe readdir(stream) {
      let text = unsafe withUnsafePointer(to: &entry.pointee.d_name) { field in
        unsafe field.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(validatingCString: $0) }
      }
      if let number = text.flatMap({ Int32($0) }), number > 0 { numbers.append(number) }
    }
    return numbers
  }
}
