internal import AgentshSystem
import Glibc
import SystemPackage

/// Where a command may be, as execvp(3) looks for it.
enum ProgramSearch {
  /// What execvp(3) takes without a PATH.
  static let usualPath = Array("/bin:/usr/bin".utf8)

  /// The paths to try, in order: the name itself where it has a slash, else one for each directory of `path`.
  static func candidates(_ name: [UInt8], path: [UInt8]?) -> [[UInt8]] {
    guard !name.isEmpty else { return [] }
    guard !name.contains(UInt8(ascii: "/")) else { return [name] }
    let directories = (path ?? usualPath).split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
    // An empty entry is the working directory.
    return directories.map { $0.isEmpty ? name : Paths.joined(Array($0), name) }
  }

  /// Those of the candidates where something is: each of the others would only be one more question to the supervisor with the same
  /// answer. Like a shell's search it takes a directory that can't be entered for one without the program; a path of the user's own
  /// choice is left to execve(2), which says what is wrong with it.
  static func existing(_ name: [UInt8], _ candidates: [[UInt8]]) -> [[UInt8]] {
    name.contains(UInt8(ascii: "/")) ? candidates.filter(exists) : candidates.filter { (try? checkAccess($0, F_OK)) != nil }
  }

  /// Whether there is a file; final links are followed.
  static func exists(_ path: [UInt8]) -> Bool {
    do throws(SyscallError) {
      try checkAccess(path, F_OK)
      return true
    } catch {
      return error.errno != .noSuchFileOrDirectory && error.errno != .notDirectory
    }
  }

  /// The program that the first line of a script names (`#!`), as far as execve(2) looks at it; nil for what is no script, or can't be read.
  static func interpreter(ofScript path: [UInt8]) -> [UInt8]? {
    let read = { () throws(SyscallError) in try readAll(try openAt(AT_FDCWD, path, flags: O_RDONLY | O_NOCTTY | O_NONBLOCK), limit: 256) }
    guard let start = try? read(), start.starts(with: Array("#!".utf8)) else { return nil }
    let isBlank: (UInt8) -> Bool = { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
    let name = start.dropFirst(2).drop(while: isBlank).prefix { !isBlank($0) && $0 != UInt8(ascii: "\n") && $0 != 0 }
    return name.isEmpty ? nil : Array(name)
  }

  /// Whether the caller may execute the file as far as the file system is concerned.
  static func isExecutable(_ path: [UInt8]) -> Bool {
    do throws(SyscallError) {
      try checkAccess(path, X_OK)
      return true
    } catch {
      return false
    }
  }
}
