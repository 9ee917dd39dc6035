internal import AgentshProtocol
internal import AgentshSystem
import Glibc
import SystemPackage

extension ServerConfiguration {
  /// What would keep the server from starting in the places that it is to have, as they are now. Nothing is made or changed.
  func problemsOfPlaces(file: String) -> [String] {
    var problems: [String] = []
    func complain(_ key: String, _ message: String) {
      let position = positions[key]
      problems.append(
        ConfigurationProblem(file: file, line: position?.line ?? 0, column: position?.column ?? 0, message: "\(key) \(message)").description)
    }
    func look(_ key: String, _ check: () throws(TrustError) -> Void) {
      do throws(TrustError) { try check() } catch { complain(key, "\(error)") }
    }
    let sessions = Array("sessions".utf8)
    for (key, path) in [("runtime_dir", runtimeDirectory), ("log_dir", logDirectory)] {
      look(key) { () throws(TrustError) in
        try Self.checkDirectory(path)
        try Self.checkDirectory(TrustedPath.joined(path, sessions))
      }
    }
    look("log_dir") { () throws(TrustError) in
      let log = TrustedPath.joined(logDirectory, Array("server.jsonl".utf8))
      guard let status = try? linkStatus(at: AT_FDCWD, log) else { return }
      guard status.isRegular else { throw TrustError(path: log, reason: "is not a regular file") }
      try TrustedPath.judge(status, log)
    }
    look("control_socket") { () throws(TrustError) in
      let cut = controlSocket.lastIndex(of: slash) ?? controlSocket.startIndex
      try Self.checkDirectory(cut == controlSocket.startIndex ? [slash] : Array(controlSocket[..<cut]))
      if let status = try? linkStatus(at: AT_FDCWD, controlSocket), status.type != S_IFSOCK {
        throw TrustError(path: controlSocket, reason: ControlSocket.isNoSocket)
      }
    }
    return problems
  }

  /// Looks at a directory, or, where it isn't there yet, at the one that it would be made in.
  private static func checkDirectory(_ path: [UInt8]) throws(TrustError) {
    var names = path.split(separator: slash).map { Array($0) }
    while true {
      let place = [slash] + Array(names.joined(separator: [slash]))
      do throws(SyscallError) {
        _ = try linkStatus(at: AT_FDCWD, place)
      } catch {
        // Who is not root may not see what is in some of them.
        if error.errno == .permissionDenied { return }
        guard names.popLast() != nil else { throw TrustError(path: path, reason: "can't be looked at: \(error.errno)") }
        continue
      }
      _ = try TrustedPath.directory(place)
      return
    }
  }
}

private let slash = UInt8(ascii: "/")
