internal import AgentshProtocol
internal import AgentshSystem
import Glibc
import SystemPackage

/// The file of `--summary-json`: opened before anything runs, so that a name that can't be written to starts nothing, and left as it was where no session
/// came to be.
final class SummaryFile {
  private let file: OwnedDescriptor
  private let directory: OwnedDescriptor
  private let path: [UInt8]
  private let name: [UInt8]
  private var isMade: Bool

  /// - Parameter path: relative to where the user is: to be called before the working directory changes.
  init(_ path: ArgumentBytes) throws(CommandFailure) {
    self.path = path.bytes
    name = Array(path.bytes.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).last ?? [])
    var isNew = false
    do throws(SyscallError) {
      directory = try openAt(AT_FDCWD, Paths.directory(of: path.bytes), flags: O_PATH | O_DIRECTORY)
      file = try Self.open(path.bytes, &isNew)
    } catch {
      throw CommandFailure(.failed, "--summary-json \(path.displayed): \(error.errno)")
    }
    isMade = isNew
  }

  private static func open(_ path: [UInt8], _ isNew: inout Bool) throws(SyscallError) -> OwnedDescriptor {
    do throws(SyscallError) { return try openAt(AT_FDCWD, path, flags: O_WRONLY | O_NOCTTY) } catch {
      guard error.errno == .noSuchFileOrDirectory else { throw error }
    }
    isNew = true
    return try openAt(AT_FDCWD, path, flags: O_WRONLY | O_CREAT | O_NOCTTY, mode: 0o666)
  }

  func write(_ summary: JSONObject) {
    isMade = false
    // The command may have been permitted to write there: who reads FILE by its name must not take another file for this one.
    if !isStillNamed {
      Messages.say("--summary-json \(displayEscaped(path)): the file was replaced while the command ran; what has the name now is not from agentsh")
    }
    // What is no regular file has no length.
    _ = ftruncate(file.rawValue, 0)
    if let error = writeAllWithoutSignal(file.rawValue, summary.encoded() + [UInt8(ascii: "\n")]).error { Messages.say("--summary-json: \(error.errno)") }
  }

  /// Whether the name, and what it may link to, still leads to the file that was opened.
  var isStillNamed: Bool {
    guard let own = try? fileStatus(file), let named = try? fileStatus(at: directory.rawValue, name) else { return false }
    return (own.device, own.inode) == (named.device, named.inode)
  }

  /// Removes a file that was made and not written to, unless something else has its name by now.
  deinit {
    guard isMade, let own = try? fileStatus(file),
      let named = try? linkStatus(at: directory.rawValue, name), (own.device, own.inode) == (named.device, named.inode)
    else { return }
    // The working directory may be another by now.
    try? removeName(Paths.joined(Array("/proc/self/fd/\(directory.rawValue)".utf8), name))
  }
}
