internal import AgentshSystem
import Glibc

/// The exit statuses of agentsh's own; a wrapped command's own status is passed on instead.
enum ExitStatus: Int32, Sendable {
  case success = 0
  /// A command that answers a question answers no: a broken record, a policy that doesn't load.
  case no = 1
  /// The command line can't be understood (sysexits(3) EX_USAGE); `wrap` says 125.
  case usage = 64
  /// agentsh itself failed, and nothing ran.
  case failed = 125
  /// The command exists and is refused, or can't be executed.
  case notExecutable = 126
  /// There is no such command.
  case notFound = 127
}

/// How the wrapped command ended, or never began; `wrap` ends the same way.
enum CommandEnding: Equatable, Sendable {
  case exited(Int32)
  case killed(signal: Int32, dumpedCore: Bool)
  /// execve(2) failed with this errno for the candidate with that index.
  case notExecuted(errno: Int32, candidate: Int)

  init?(_ change: ChildChange) {
    switch change {
    case .exited(let status): self = .exited(status)
    case .killed(let signal, let dumpedCore): self = .killed(signal: signal, dumpedCore: dumpedCore)
    case .stopped, .continued: return nil
    }
  }

  /// As wait(2) would have given it.
  var waitStatus: Int32 {
    switch self {
    case .exited(let status): (status & 0xFF) << 8
    case .killed(let signal, let dumpedCore): signal & 0x7F | (dumpedCore ? 0x80 : 0)
    case .notExecuted(let errno, _): Self.status(ofFailedExec: errno, exists: false).rawValue << 8
    }
  }

  /// 127 where there is no such file, 126 where there is one.
  ///
  /// A script whose interpreter is missing gives ENOENT too, so it counts whether the file itself is there.
  static func status(ofFailedExec errno: Int32, exists: Bool) -> ExitStatus {
    (errno == ENOENT || errno == ENOTDIR) && !exists ? .notFound : .notExecutable
  }
}
