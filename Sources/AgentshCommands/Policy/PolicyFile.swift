internal import AgentshPolicy
internal import AgentshProtocol
internal import AgentshSystem
import Glibc
import SystemPackage

/// Reading policy files for the commands that look at them.
enum PolicyFile {
  /// More than any policy has; an endless file is not read to its end.
  static let largest = 4 << 20

  static func read(_ path: [UInt8]) throws(CommandFailure) -> [UInt8] {
    do throws(SyscallError) {
      let file = try openAt(AT_FDCWD, path, flags: O_RDONLY | O_NOCTTY)
      let source = try readAll(file, limit: largest + 1)
      guard source.count <= largest else { throw SyscallError("read", .fileTooLarge) }
      return source
    } catch {
      throw CommandFailure(.failed, "\(displayEscaped(path)): \(error.errno)")
    }
  }

  /// A policy that loads, or its errors; what is merely to be warned of is `policy check`'s to say.
  static func load(_ path: [UInt8]) throws(CommandFailure) -> (policy: Policy, source: [UInt8], warnings: [Diagnostic]) {
    let source = try read(path)
    let result = Policy.parse(source, file: displayEscaped(path))
    guard let policy = result.policy else { throw CommandFailure(.no, lines: result.errors.map(\.description)) }
    return (policy, source, result.warnings)
  }
}
