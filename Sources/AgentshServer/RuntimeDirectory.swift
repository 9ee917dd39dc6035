internal import AgentshProtocol
internal import AgentshSystem
import Glibc
import Logging
import Synchronization
import SystemPackage

/// The directory of the sessions' directories, which this server has to itself.
final class RuntimeDirectory: Sendable {
  /// Canonical.
  let path: [UInt8]
  private let opened: Mutex<SharedDescriptor>
  /// Held by whoever opens it anew, which may take a while.
  private let renewing = Mutex(())

  /// Makes it where it is missing, and takes it.
  init(at path: [UInt8]) throws {
    let made = try TrustedPath.makeDirectory(path, mode: Self.mode)
    self.path = made.path
    opened = Mutex(SharedDescriptor(try Self.take(made.path)))
  }

  // Everybody passes through on the way to the own sockets; nobody lists whose others there are.
  private static let mode: UInt32 = 0o711

  private static func take(_ path: [UInt8]) throws -> OwnedDescriptor {
    let descriptor = try openAt(AT_FDCWD, path, flags: O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
    let holder = path.dropLast(path.count - (path.lastIndex(of: UInt8(ascii: "/")) ?? path.count))
    try ExclusiveUse.take(descriptor, "runtime_dir \(displayEscaped(Array(holder)))")
    return descriptor
  }

  /// To make and remove names in.
  var current: SharedDescriptor { opened.withLock { $0 } }

  /// Opens it anew where it was removed under the running server, with the same checks as at its start; what was in it is lost.
  /// - Parameter old: the one that nothing can be made in any more.
  /// - Returns: whether there is another now.
  func renew(_ old: SharedDescriptor, _ logger: Logger) throws -> Bool {
    try renewing.withLock { _ in
      // Somebody was quicker.
      if current !== old { return true }
      let held = try fileStatus(old.descriptor)
      if let there = try? linkStatus(at: AT_FDCWD, path), there.device == held.device, there.inode == held.inode { return false }
      let made = try TrustedPath.makeDirectory(path, mode: Self.mode)
      guard made.path == path else { throw TrustError(path: path, reason: "leads to \(displayEscaped(made.path)) now: restart agentshd") }
      let shared = SharedDescriptor(try Self.take(path))
      opened.withLock { $0 = shared }
      logger.warning("\(displayEscaped(path)) was removed while the server ran; it is used anew")
      return true
    }
  }
}
