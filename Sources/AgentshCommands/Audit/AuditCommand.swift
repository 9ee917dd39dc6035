internal import AgentshAudit
internal import AgentshProtocol
internal import ArgumentParser

struct AuditCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "audit", abstract: "Look at records.", subcommands: [AuditVerifyCommand.self])
}

struct AuditVerifyCommand: AgentshCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify", abstract: "Find changed, removed or reordered lines in records.",
    discussion: "Exit status 0 only if every chain is whole; else the first broken line of each file is named.")

  @Argument(help: ArgumentHelp("Records: files of JSON lines.", valueName: "file"))
  var files: [ArgumentBytes]

  @OptionGroup var output: OutputOptions

  func run(in context: Context) throws(CommandFailure) -> ExitStatus {
    var isWhole = true
    var reports: [JSONValue] = []
    for file in files {
      let verdict = Self.verify(file.bytes)
      isWhole = isWhole && verdict.isWhole
      if output.json {
        reports.append(.object(verdict.object(file.displayed)))
      } else {
        try Output.line("\(file.displayed): \(verdict.text)")
      }
    }
    if output.json { try Output.json(["files": .array(reports), "whole": .bool(isWhole)]) }
    return isWhole ? .success : .no
  }

  private enum Verdict {
    case whole(WholeRecord)
    case broken(BrokenRecord)
    case unreadable(String)

    var isWhole: Bool {
      if case .whole = self { true } else { false }
    }

    var text: String {
      switch self {
      case .whole(let record):
        switch record.end {
        case .open: "whole, \(record.lines) lines, without session.end: the session runs, was killed, or its end was cut off"
        case .closed, .continuous: "whole, \(record.lines) lines"
        }
      case .broken(let broken): "broken at line \(broken.line): \(broken.reason)"
      case .unreadable(let reason): "can't be read: \(reason)"
      }
    }

    func object(_ file: String) -> JSONObject {
      var object: JSONObject = ["file": .string(file), "whole": .bool(isWhole)]
      switch self {
      case .whole(let record):
        object["lines"] = .integer(Int64(record.lines))
        object["closed"] = .bool(record.end != .open)
      case .broken(let broken):
        object["line"] = .integer(Int64(broken.line))
        object["reason"] = .string(broken.reason)
      case .unreadable(let reason): object["reason"] = .string(reason)
      }
      return object
    }
  }

  private static func verify(_ path: [UInt8]) -> Verdict {
    var verifier = RecordVerifier()
    var broken: BrokenRecord?
    do throws(CommandFailure) {
      try RecordFile.forEachChunk(path) { chunk throws(CommandFailure) in
        do throws(BrokenRecord) { try verifier.append(chunk) } catch {
          broken = error
          throw CommandFailure(.no)
        }
      }
    } catch {
      if let broken { return .broken(broken) }
      return .unreadable(error.lines.joined(separator: " "))
    }
    do throws(BrokenRecord) { return .whole(try verifier.finish()) } catch { return .broken(error) }
  }
}
