internal import AgentshPolicy
internal import AgentshProtocol
internal import ArgumentParser

struct PolicyCheckCommand: AgentshCommand {
  static let configuration = CommandConfiguration(
    commandName: "check", abstract: "Find every error in policy files.",
    discussion: "Each is printed as file:line:column. Exit status 0 only if all files load; with --strict only if nothing in them goes unenforced either.")

  @Argument(help: ArgumentHelp("Policy files.", valueName: "file"))
  var files: [ArgumentBytes]

  @Flag(help: "Warnings, such as sections that this version does not enforce, count as errors.")
  var strict = false

  @OptionGroup var output: OutputOptions

  func run(in context: Context) throws(CommandFailure) -> ExitStatus {
    var isGood = true
    var reports: [JSONValue] = []
    for file in files {
      let diagnostics: [Diagnostic]
      var name: String?
      do throws(CommandFailure) {
        let result = Policy.parse(try PolicyFile.read(file.bytes), file: file.displayed)
        diagnostics = result.diagnostics
        name = result.policy?.name
      } catch {
        diagnostics = [Diagnostic(severity: .error, file: file.displayed, line: 0, column: 0, message: error.lines.joined(separator: " "))]
        // Nothing in the file: it could not be read.
        if !output.json {
          Messages.say(error.lines)
          isGood = false
          continue
        }
      }
      let isUsable = name != nil && !(strict && !diagnostics.isEmpty)
      isGood = isGood && isUsable
      if output.json {
        reports.append(Self.report(file, name, diagnostics, isUsable: isUsable))
        continue
      }
      for diagnostic in diagnostics {
        // The whole file is meant: there is no line to go to.
        try Output.line(diagnostic.line > 0 ? diagnostic.description : "\(diagnostic.file): \(diagnostic.severity.rawValue): \(diagnostic.message)")
      }
      if let name, isUsable { try Output.line("\(file.displayed): policy \(displayEscaped(name)) loads") }
    }
    if output.json { try Output.json(["files": .array(reports), "good": .bool(isGood)]) }
    return isGood ? .success : .no
  }

  private static func report(_ file: ArgumentBytes, _ name: String?, _ diagnostics: [Diagnostic], isUsable: Bool) -> JSONValue {
    var object: JSONObject = ["file": .string(file.displayed), "good": .bool(isUsable)]
    object["policy"] = name.map { .string($0) }
    object["diagnostics"] = .array(
      diagnostics.map { diagnostic in
        .object([
          "severity": .string(diagnostic.severity.rawValue), "line": .integer(Int64(diagnostic.line)),
          "column": .integer(Int64(diagnostic.column)), "message": .string(diagnostic.message),
        ])
      })
    return .object(object)
  }
}
