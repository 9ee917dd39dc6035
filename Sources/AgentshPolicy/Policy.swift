import AgentshText

/// What a policy says about the record.
public struct AuditSettings: Sendable, Equatable {
  /// Whether plainly allowed reads are recorded too.
  public var logAllowed = false
  public var logDenied = true
  public var logApproved = true
  public var includeStdout = false
  public var includeStderr = false
  public var includeFileContent = false
  /// 0 when the policy says nothing.
  public var retentionDays = 0

  public init() {}
}

/// What a policy grants a session; nil where it says nothing.
public struct ResourceLimits: Sendable, Equatable {
  public var maxMemoryMB: Int?
  public var memorySwapMaxMB: Int?
  public var cpuQuotaPercent: Int?
  public var diskReadBytesPerSecond: Int?
  public var diskWriteBytesPerSecond: Int?
  public var netBandwidthMbps: Int?
  public var pidsMax: Int?
  /// Milliseconds.
  public var commandTimeout: Int?
  /// Milliseconds.
  public var sessionTimeout: Int?
  /// Milliseconds.
  public var idleTimeout: Int?

  public init() {}

  /// How long a session may last, in milliseconds: the shorter of what the policy grants and what was asked for; nil without an end.
  public func sessionMilliseconds(asked: Int?) -> Int? {
    [asked, sessionTimeout].compactMap { $0 }.filter { $0 > 0 }.min()
  }
}

/// A policy file, read and checked; its variables have no values yet.
public struct Policy: Sendable {
  public let name: String
  public let version: Int
  public let description: String?
  /// What the file asks for and this version doesn't enforce, each in a few words.
  public let notEnforced: [String]
  /// Which variables the command inherits.
  public let environment: EnvironmentPolicy
  public let resourceLimits: ResourceLimits
  public let audit: AuditSettings
  /// Calls that are otherwise always refused and that this policy lets through (`syscalls: {allow: […]}`).
  public let allowedRestrictedCalls: Set<String>
  /// Whether a command of the session may open a session of its own (`allow_nested_sessions`).
  public let allowsNestedSessions: Bool
  /// How far sessions reach at most (`network`).
  public let networkMode: NetworkMode

  private let rules: PolicyRules

  /// Reads a policy file. All errors are reported, not just the first; `file` is used in messages only.
  ///
  /// - Parameter isChecked: whether these very bytes have been read without an error before, as those of a session's plan
  ///   have. Regular expressions then wait until they are first needed; one that can't be compiled then is taken for the
  ///   worse wherever it stands.
  public static func parse(_ source: [UInt8], file: String, isChecked: Bool = false) -> PolicyParseResult {
    let reports = Reports(file: file)
    let document = YAMLDocument(parsing: source)
    for problem in document.problems { reports.error(problem.position, problem.message) }
    var reader = PolicyReader(reports, compilesPatterns: !isChecked)
    if let root = document.root {
      reader.read(root)
    } else if document.problems.isEmpty {
      reports.error(TextPosition(line: 1, column: 1), "the file is empty")
    }
    guard !reports.hasErrors else { return PolicyParseResult(policy: nil, diagnostics: reports.sorted) }
    return PolicyParseResult(
      policy: Policy(
        name: reader.name, version: reader.version, description: reader.description, notEnforced: reports.notEnforced,
        environment: reader.environment, resourceLimits: reader.limits, audit: reader.audit,
        allowedRestrictedCalls: reader.allowedCalls, allowsNestedSessions: reader.allowsNestedSessions, networkMode: reader.networkMode,
        rules: reader.rules),
      diagnostics: reports.sorted)
  }

  /// Gives the variables their values, and compiles the rules.
  ///
  /// - Parameter network: what was asked for beside the policy; it can only make a session reach less far than the policy says.
  public func bound(to variables: PolicyVariables, network: NetworkMode = .full) throws(PolicyError) -> BoundPolicy {
    try BoundPolicy(rules, audit: audit, allowedCalls: allowedRestrictedCalls, variables: variables, network: min(network, networkMode))
  }
}
