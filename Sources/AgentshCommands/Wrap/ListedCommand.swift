internal import AgentshAudit
internal import AgentshProtocol

/// What the server is told of a command line: it is for lists and the record alone, and the kernel is given all of it whatever is told.
enum ListedCommand {
  /// Up to here all of it is told: the record cuts it by itself, and even if each byte takes six in JSON and some more in Base64 the message
  /// stays below half of what the server takes (`MessageFramer.controlLimit`).
  static let wholeLimit = 64 << 10
  /// What is told of a longer one: less than the record cuts, so that what is said of the rest is all that is missing.
  static let cutLimit = 31 << 10

  /// Whole arguments from the first on, as the record has them, and what is missing.
  static func of(_ command: [[UInt8]]) -> (told: [[UInt8]], omission: CommandOmission?) {
    // One byte for each argument, so that a million empty ones are bounded, too.
    let size = command.reduce(0) { $0 + $1.count + 1 }
    guard size > wholeLimit else { return (command, nil) }
    var listed: [[UInt8]] = []
    var room = cutLimit
    for argument in command {
      guard argument.count < room else { break }
      room -= argument.count + 1
      listed.append(argument)
    }
    let missing = command.count - listed.count
    // A program has to be named.
    if listed.isEmpty, let program = command.first {
      listed.append(Array(program.prefix(cutLimit)))
      room -= cutLimit
    }
    let digest = AuditDigest.sha256(Array(command.joined(separator: [0])))
    return (listed, CommandOmission(arguments: missing, bytes: size - 1 - (cutLimit - room), sha256: digest))
  }
}
