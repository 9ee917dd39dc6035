/// How the process was started: what main takes from the early scrub before anything else runs.
public struct ProcessStart: Sendable {
  /// argv as bytes, the program's name first.
  public let arguments: [[UInt8]]
  /// The environment as execve(2) delivered it, `NAME=VALUE` each: for the command, never for this process.
  public let environment: [[UInt8]]
  /// Bit N: standard descriptor N was closed.
  public let closedStandardDescriptors: UInt32
  /// The kernel marked this execution as privileged (setuid, setgid, file capabilities).
  public let isPrivileged: Bool

  public init(arguments: [[UInt8]], environment: [[UInt8]], closedStandardDescriptors: UInt32, isPrivileged: Bool) {
    self.arguments = arguments
    self.environment = environment
    self.closedStandardDescriptors = closedStandardDescriptors
    self.isPrivileged = isPrivileged
  }

  /// The value of the first variable called `name` in the original environment.
  func variable(_ name: String) -> [UInt8]? {
    let prefix = Array("\(name)=".utf8)
    for entry in environment where entry.starts(with: prefix) { return Array(entry.dropFirst(prefix.count)) }
    return nil
  }
}
