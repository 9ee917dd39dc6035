/// What a record is about: the words of the record's `op`.
public enum AuditOperation: String, Sendable, CaseIterable {
  case fileRead = "file.read"
  case fileWrite = "file.write"
  case fileCreate = "file.create"
  case fileDelete = "file.delete"
  case fileRename = "file.rename"
  case fileMkdir = "file.mkdir"
  case fileRmdir = "file.rmdir"
  case fileLink = "file.link"
  case fileSymlink = "file.symlink"
  case fileMknod = "file.mknod"
  case fileChmod = "file.chmod"
  case fileChown = "file.chown"
  case fileStat = "file.stat"
  case exec
  case netConnect = "net.connect"
  case netBind = "net.bind"
  case netSend = "net.send"
  case netListen = "net.listen"
  case netDNS = "net.dns"
  case unixConnect = "unix.connect"
  case unixBind = "unix.bind"
  case unixSend = "unix.send"
  case signalSend = "signal.send"
  case syscall
  case sessionStart = "session.start"
  case sessionEnd = "session.end"
  /// In the server's log: a session was not opened.
  case sessionRefused = "session.refused"
  /// In the server's log: a session was opened.
  case sessionOpened = "session.opened"
  /// In the server's log: a session is over, by its end or because its supervisor died.
  case sessionClosed = "session.closed"
  case peerRejected = "peer.rejected"
  case serverStart = "server.start"
  case serverReload = "server.reload"
  case serverStop = "server.stop"

  /// Whether a session's record can hold it; the others are in the server's log alone.
  public var isOfSessions: Bool {
    switch self {
    case .sessionRefused, .sessionOpened, .sessionClosed, .peerRejected, .serverStart, .serverReload, .serverStop: false
    default: true
    }
  }
}

/// The decisions a record can hold, as a policy writes them.
public enum AuditDecision: String, Sendable, CaseIterable {
  case allow
  case deny
  case audit
  case approve
  case redirect
  case softDelete = "soft_delete"
  case absorb

  /// Whether the operation did not happen: what can't be carried out where it stands is a refusal.
  public var isRefusal: Bool {
    switch self {
    case .deny, .approve, .softDelete: true
    case .allow, .audit, .redirect, .absorb: false
    }
  }
}

/// What an operation was done to; byte strings are the target's own and may hold anything.
public enum AuditSubject: Sendable, Equatable {
  case none
  case path([UInt8])
  /// Rename, link: the old and the new name; symlink: the link's text and its name.
  case paths([UInt8], new: [UInt8])
  /// The program and its arguments.
  case command([[UInt8]])
  /// An address as text, `127.0.0.1:80`, `[::1]:80`, `unix:/run/x`, `unix:@name`.
  case address([UInt8])
  /// A signal's name or number, and the process or group (negative) that it was for.
  case signal(String, target: Int32)
}

/// A value of an extra field.
public indirect enum AuditValue: Sendable, Equatable {
  case text(String)
  case bytes([UInt8])
  case integer(Int64)
  case bool(Bool)
  case list([AuditValue])
  case fields([AuditField])
}

/// An extra field of a record: `session.start` and its like say more than an operation does.
public struct AuditField: Sendable, Equatable {
  public let name: String
  public let value: AuditValue

  public init(_ name: String, _ value: AuditValue) {
    self.name = name
    self.value = value
  }
}

/// One decision or event, before it has a number, a time and a place in the chain.
///
/// Fields that are nil or empty are left out of the line; the order of keys is fixed.
public struct AuditRecord: Sendable, Equatable {
  public var session: String?
  public var uid: UInt32?
  public var pid: Int32?
  /// The program that the process runs.
  public var exe: [UInt8]?
  public var operation: AuditOperation
  /// Name of the system call.
  public var syscall: String?
  public var subject: AuditSubject
  /// Written after the subject and before the decision; their names must not be those of other fields.
  public var fields: [AuditField]
  public var decision: AuditDecision?
  public var rule: String?
  public var message: String?
  /// What the target was given, 0 left out.
  public var errno: Int32?
  /// From receiving the operation to this record.
  public var durationMicroseconds: Int?

  public init(
    operation: AuditOperation, session: String? = nil, uid: UInt32? = nil, pid: Int32? = nil, exe: [UInt8]? = nil,
    syscall: String? = nil, subject: AuditSubject = .none, fields: [AuditField] = [], decision: AuditDecision? = nil,
    rule: String? = nil, message: String? = nil, errno: Int32? = nil, durationMicroseconds: Int? = nil
  ) {
    self.operation = operation
    self.session = session
    self.uid = uid
    self.pid = pid
    self.exe = exe
    self.syscall = syscall
    self.subject = subject
    self.fields = fields
    self.decision = decision
    self.rule = rule
    self.message = message
    self.errno = errno
    self.durationMicroseconds = durationMicroseconds
  }
}
