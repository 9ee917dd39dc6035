/// One mount, as proc_pid_mountinfo(5) shows it.
public struct MountEntry: Sendable, Equatable {
  public let id: Int32
  /// Numbers of the file system's device, `8:1`.
  public let device: [UInt8]
  /// The directory of that file system that is mounted.
  public let root: [UInt8]
  /// Where, from the root directory of the process whose table it is.
  public let point: [UInt8]
  /// Name of the file system's type.
  public let type: [UInt8]
  /// Options of the file system, whichever mount shows it.
  public let options: [[UInt8]]

  /// Every line of a table that can be read.
  public static func all(in table: [UInt8]) -> [MountEntry] { table.split(separator: UInt8(ascii: "\n")).compactMap { MountEntry($0) } }

  init?(_ line: ArraySlice<UInt8>) {
    let fields = line.split(separator: UInt8(ascii: " "))
    guard let end = fields.firstIndex(where: { $0.elementsEqual("-".utf8) }), end >= 6, fields.count > end + 1,
      let id = Int32(String(decoding: fields[0], as: UTF8.self))
    else { return nil }
    self.id = id
    device = Array(fields[2])
    root = Self.unescaped(fields[3])
    point = Self.unescaped(fields[4])
    type = Array(fields[end + 1])
    // Behind the source, which is one word.
    options = fields.count > end + 3 ? fields[end + 3].split(separator: UInt8(ascii: ",")).map { Array($0) } : []
  }

  /// Space, tab, newline and backslash are written as three octal digits.
  private static func unescaped(_ field: ArraySlice<UInt8>) -> [UInt8] {
    var result: [UInt8] = []
    var rest = field
    while let byte = rest.popFirst() {
      let digits = rest.prefix(3)
      if byte == UInt8(ascii: "\\"), digits.count == 3, let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 8) {
        result.append(value)
        rest = rest.dropFirst(3)
      } else {
        result.append(byte)
      }
    }
    return result
  }
}
