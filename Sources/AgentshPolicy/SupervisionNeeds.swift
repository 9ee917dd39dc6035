/// What has to reach the supervisor under a policy, and which rule asks for it first; nil where nothing does.
///
/// `record` stands for a rule where everything is allowed and still has to be written down.
public struct SupervisionNeeds: Sendable, Equatable {
  /// Opens for reading, of files and directories.
  public var readOpens: String?
  /// Opens for writing, and of files that don't exist yet.
  public var writeOpens: String?
  /// mkdir, rmdir, unlink, rename, link, symlink, chmod, chown, truncate, mknod.
  public var changes: String?
  /// Programs.
  public var commands: String?
  /// Internet sockets.
  public var network: String?
  /// Listening on them: among what `network` asks for, and it may be another rule that wants it.
  public var listening: String?
  /// Sockets of the Unix domain.
  public var unixSockets: String?
  /// Signals.
  public var signals: String?

  public init(
    readOpens: String? = nil, writeOpens: String? = nil, changes: String? = nil, commands: String? = nil,
    network: String? = nil, listening: String? = nil, unixSockets: String? = nil, signals: String? = nil
  ) {
    self.readOpens = readOpens
    self.writeOpens = writeOpens
    self.changes = changes
    self.commands = commands
    self.network = network
    self.listening = listening
    self.unixSockets = unixSockets
    self.signals = signals
  }
}
