/// Why a command ends without having done what it was asked: what is said, line by line, and the exit status.
struct CommandFailure: Error, Equatable {
  let status: ExitStatus
  /// Without the program's name in front. The first names the thing and the reason, the others the next step.
  let lines: [String]

  init(_ status: ExitStatus, _ lines: String...) {
    self.status = status
    self.lines = lines
  }

  init(_ status: ExitStatus, lines: [String]) {
    self.status = status
    self.lines = lines
  }
}
