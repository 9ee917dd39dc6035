internal import AgentshSystem
import Glibc
import SystemPackage

/// Paths as bytes.
enum Paths {
  static func joined(_ directory: [UInt8], _ name: String) -> [UInt8] { joined(directory, Array(name.utf8)) }

  static func joined(_ directory: [UInt8], _ name: [UInt8]) -> [UInt8] {
    directory.last == UInt8(ascii: "/") ? directory + name : directory + [UInt8(ascii: "/")] + name
  }

  /// Everything before the last slash; `/` for what lies in the root, `.` for a bare name.
  static func directory(of path: [UInt8]) -> [UInt8] {
    guard let slash = path.lastIndex(of: UInt8(ascii: "/")) else { return [UInt8(ascii: ".")] }
    return slash == 0 ? [UInt8(ascii: "/")] : Array(path[..<slash])
  }

  /// Whether something is there: a final link counts by itself. Anything but "there is nothing" counts as something.
  static func exists(_ path: [UInt8]) -> Bool {
    do throws(SyscallError) {
      _ = try linkStatus(at: AT_FDCWD, path)
      return true
    } catch {
      return error.errno != .noSuchFileOrDirectory && error.errno != .notDirectory
    }
  }
}
