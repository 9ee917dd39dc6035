/// One thing that is wrong, or worth knowing, in a policy file, with the place where it stands.
public struct Diagnostic: Sendable, Equatable, Hashable, CustomStringConvertible {
  /// An error keeps the policy from loading; a warning names what the policy asks for and this version doesn't do.
  public enum Severity: String, Sendable, Hashable { case error, warning }

  public let severity: Severity
  /// The name of the file as the caller gave it.
  public let file: String
  /// Counted from 1; 0 when the whole file is meant.
  public let line: Int
  /// Counted from 1, in characters; 0 when the whole file is meant.
  public let column: Int
  public let message: String

  public init(severity: Severity, file: String, line: Int, column: Int, message: String) {
    self.severity = severity
    self.file = file
    self.line = line
    self.column = column
    self.message = message
  }

  /// `file:line:column: error: message`, the form that editors and compilers share.
  public var description: String { "\(file):\(line):\(column): \(severity.rawValue): \(message)" }
}

/// What came of reading a policy file: the policy, unless there is an error, and everything there is to say about it.
public struct PolicyParseResult: Sendable {
  /// Nil exactly when `diagnostics` contains an error.
  public let policy: Policy?
  /// Errors and warnings in file order.
  public let diagnostics: [Diagnostic]

  public init(policy: Policy?, diagnostics: [Diagnostic]) {
    self.policy = policy
    self.diagnostics = diagnostics
  }

  public var errors: [Diagnostic] { diagnostics.filter { $0.severity == .error } }
  public var warnings: [Diagnostic] { diagnostics.filter { $0.severity == .warning } }
}
