internal import AgentshProtocol
internal import AgentshSystem
import Glibc

/// What agentsh says in its own name: to standard error, each line starting `agentsh: `.
///
/// A reader that has gone must not end this process: what it was about to do, and the status that tells of it, matter more than the message.
enum Messages {
  static func say(_ lines: [String]) {
    guard !lines.isEmpty else { return }
    _ = writeAllWithoutSignal(2, Array(lines.map { "agentsh: \($0)\n" }.joined().utf8))
  }

  static func say(_ line: String) { say([line]) }

  /// Text from the server or the supervisor, which have escaped what targets chose: nothing in it acts on a terminal, and its backslashes
  /// stay single.
  static func printable(_ text: String) -> String {
    text.utf8.split(separator: UInt8(ascii: "\\"), omittingEmptySubsequences: false).map { displayEscaped(Array($0)) }.joined(separator: "\\")
  }
}

/// Standard output of commands that print data.
enum Output {
  /// Writes a line; a reader that has gone ends the command as it would end any other.
  static func line(_ text: String) throws(CommandFailure) { try bytes(Array(text.utf8) + [UInt8(ascii: "\n")]) }

  static func line(_ text: [UInt8]) throws(CommandFailure) { try bytes(text + [UInt8(ascii: "\n")]) }

  static func json(_ object: JSONObject) throws(CommandFailure) { try line(object.encoded()) }

  static func bytes(_ bytes: [UInt8]) throws(CommandFailure) {
    if let error = writeAll(1, bytes).error {
      throw CommandFailure(.failed, "can't write to standard output: \(error.errno)")
    }
  }
}
