/// Which environment variables the command of a session inherits, and which it is given.
public struct EnvironmentPolicy: Sendable, Equatable, Codable {
  /// Globs over names; when there are any, nothing else is kept.
  public var allow: [String]
  /// Globs over names; they win over `allow`.
  public var deny: [String]
  /// Set whatever the globs say.
  public var inject: [String: String]
  /// Most bytes in all, counting `=` and the final NUL of each; 0 for no limit.
  public var maxBytes: Int
  /// Most variables; 0 for no limit.
  public var maxKeys: Int
  /// Asked for by the policy; not enforced by this version.
  public var blockIteration: Bool

  public init(
    allow: [String] = [], deny: [String] = [], inject: [String: String] = [:], maxBytes: Int = 0, maxKeys: Int = 0,
    blockIteration: Bool = false
  ) {
    self.allow = allow
    self.deny = deny
    self.inject = inject
    self.maxBytes = maxBytes
    self.maxKeys = maxKeys
    self.blockIteration = blockIteration
  }

  /// A variable of an environment, bytes as they are.
  public typealias Variable = (name: [UInt8], value: [UInt8])

  /// What is left of an environment.
  public struct Selection: Sendable {
    /// In the order given, injected ones last.
    public var kept: [Variable]
    /// Names of those that were dropped.
    public var dropped: [[UInt8]]
    /// Why this environment can't be used at all (a limit), or nil.
    public var violation: String?
  }

  /// Keeps what the policy allows of `variables`, then sets what it injects.
  public func filtered(_ variables: [Variable]) -> Selection {
    let allowed = allow.compactMap { try? Glob.environment($0) }
    let denied = deny.compactMap { try? Glob.environment($0) }
    var result = Selection(kept: [], dropped: [], violation: nil)
    let injected = Set(inject.keys.map { Array($0.utf8) })
    for variable in variables {
      // A glob that can't be read refuses everything rather than nothing.
      let refused =
        denied.count < deny.count || denied.contains { $0.matches(variable.name) }
        || (allow.isEmpty
          ? Self.riskyNames.contains(variable.name) : !allowed.contains { $0.matches(variable.name) })
      // AGENTSH_ is agentsh's own, so it survives any list.
      if injected.contains(variable.name) { continue }
      if refused && !variable.name.starts(with: Array("AGENTSH_".utf8)) {
        result.dropped.append(variable.name)
      } else {
        result.kept.append(variable)
      }
    }
    for name in inject.keys.sorted() {
      result.kept.append((name: Array(name.utf8), value: Array((inject[name] ?? "").utf8)))
    }
    if maxKeys > 0 && result.kept.count > maxKeys {
      result.violation = "the environment has \(result.kept.count) variables, env_policy allows \(maxKeys)"
    }
    let bytes = result.kept.reduce(0) { $0 + $1.name.count + $1.value.count + 2 }
    if maxBytes > 0 && bytes > maxBytes {
      result.violation = "the environment has \(bytes) bytes, env_policy allows \(maxBytes)"
    }
    return result
  }

  /// Dropped when a policy doesn't list what it allows: credentials, and names by which one program makes another
  /// run its code.
  static let riskyNames: Set<[UInt8]> = Set(
    """
    AWS_ACCESS_KEY_ID AWS_PROFILE AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN
    AZURE_CLIENT_ID AZURE_CLIENT_SECRET AZURE_SUBSCRIPTION_ID AZURE_TENANT_ID
    GCP_SERVICE_ACCOUNT GOOGLE_APPLICATION_CREDENTIALS
    DOCKER_HOST DOCKER_TLS_VERIFY GH_TOKEN GITHUB_TOKEN KUBECONFIG SSH_AGENT_PID SSH_AUTH_SOCK
    GIT_ASKPASS GIT_SSH_COMMAND SSH_ASKPASS
    LD_AUDIT LD_DEBUG LD_DEBUG_OUTPUT LD_DYNAMIC_WEAK LD_HWCAP_MASK LD_LIBRARY_PATH LD_ORIGIN_PATH LD_PRELOAD
    LD_PROFILE LD_PROFILE_OUTPUT LD_SHOW_AUXV LD_TRACE_LOADED_OBJECTS
    DYLD_FALLBACK_FRAMEWORK_PATH DYLD_FALLBACK_LIBRARY_PATH DYLD_FRAMEWORK_PATH DYLD_IMAGE_SUFFIX
    DYLD_INSERT_LIBRARIES DYLD_LIBRARY_PATH DYLD_PRINT_LIBRARIES
    NODE_OPTIONS NODE_PATH PERL5LIB PERL5OPT PERLLIB PYTHONHOME PYTHONPATH PYTHONSTARTUP PYTHONUSERBASE RUBYLIB RUBYOPT
    BASHOPTS BASH_ENV CDPATH ENV GLOBIGNORE MAILPATH PROMPT_COMMAND SHELLOPTS
    """.split(whereSeparator: { $0 == " " || $0 == "\n" }).map { Array($0.utf8) })
}
