/// What the variables of a policy stand for in one session.
///
/// Values come from the server and the user database, never from the target, and are taken literally: a `*` in a
/// directory's name is a star.
public struct PolicyVariables: Sendable, Equatable {
  /// `${PROJECT_ROOT}`: the working directory at start, canonical.
  public var projectRoot: [UInt8]
  /// `${GIT_ROOT}`: the repository around it, canonical; without one, paths that name it match nothing.
  public var gitRoot: [UInt8]?
  /// `${GIT_DIR}`: where git keeps what belongs to that working tree alone, canonical: its `.git`, or what the file `.git` of a linked worktree or a
  /// submodule names, where that can be believed. Without one, paths that name it match nothing.
  public var gitDirectory: [UInt8]?
  /// `${GIT_COMMON_DIR}`: where git keeps what all working trees of the repository share; the same as `gitDirectory` but in linked worktrees.
  public var gitCommonDirectory: [UInt8]?
  /// Whether the repository is what the session will have, too; not where the repository is found out later, by somebody else.
  public var isGitRootCertain = true
  /// `${HOME}`: from the user database, canonical.
  public var home: [UInt8]
  /// `${USER}`: the login name.
  public var user: [UInt8]
  /// Where the session's record lies, canonical, if its caller could change it: no rule of a policy can name that.
  public var recordDirectory: [UInt8]?
  /// Further variables; the server gives none.
  public var environment: [[UInt8]: [UInt8]]
  /// Directories that are root's links to others: a rule about `/bin` is about `/usr/bin` where one is the other.
  public var aliases: [PathAlias]

  public init(
    projectRoot: [UInt8], gitRoot: [UInt8]? = nil, gitDirectory: [UInt8]? = nil, gitCommonDirectory: [UInt8]? = nil, home: [UInt8], user: [UInt8],
    environment: [[UInt8]: [UInt8]] = [:], aliases: [PathAlias] = PathAlias.usual
  ) {
    self.projectRoot = projectRoot
    self.gitRoot = gitRoot
    self.gitDirectory = gitDirectory
    self.gitCommonDirectory = gitCommonDirectory
    self.home = home
    self.user = user
    self.environment = environment
    self.aliases = aliases
  }

  /// For who doesn't look for the caller's repository: with the project itself in its place, which asks for no less than any repository would.
  public static func unknownRepository(projectRoot: [UInt8], home: [UInt8], user: [UInt8]) -> PolicyVariables {
    let directory = (projectRoot == [UInt8(ascii: "/")] ? [] : projectRoot) + Array("/.git".utf8)
    var variables = PolicyVariables(
      projectRoot: projectRoot, gitRoot: projectRoot, gitDirectory: directory, gitCommonDirectory: directory, home: home, user: user)
    variables.isGitRootCertain = false
    return variables
  }

  /// The variables that a session without a repository has no value for.
  static let ofRepositories: Set<String> = ["GIT_ROOT", "GIT_DIR", "GIT_COMMON_DIR"]
}

/// A directory that has two names, the second of which is the canonical one.
public struct PathAlias: Sendable, Hashable {
  public let from: [UInt8]
  public let to: [UInt8]

  public init(from: [UInt8], to: [UInt8]) {
    self.from = from
    self.to = to
  }

  private init(_ from: String, _ to: String) { self.init(from: Array(from.utf8), to: Array(to.utf8)) }

  /// The links that a present-day Linux has: merged /usr, and /run.
  public static let usual: [PathAlias] = [
    PathAlias("/bin", "/usr/bin"), PathAlias("/sbin", "/usr/sbin"), PathAlias("/lib", "/usr/lib"),
    PathAlias("/lib32", "/usr/lib32"), PathAlias("/lib64", "/usr/lib64"), PathAlias("/libx32", "/usr/libx32"),
    PathAlias("/var/run", "/run"), PathAlias("/var/lock", "/run/lock"),
  ]
}

/// Why a policy can't be used in a session.
public enum PolicyError: Error, Sendable, Equatable, CustomStringConvertible {
  /// A value isn't an absolute path without `.`, `..`, `//` and NUL.
  case notCanonical(variable: String, value: [UInt8])
  /// A rule names a variable that has neither a value nor a default.
  case undefinedVariable(name: String, rule: String)
  /// A rule can't be compiled with the values of this session.
  case invalidRule(rule: String, reason: String)

  public var description: String {
    switch self {
    case .notCanonical(let variable, let value):
      variable == "USER"
        ? "${USER} is not a login name: \(printable(value))"
        : "${\(variable)} is not a canonical absolute path: \(printable(value))"
    case .undefinedVariable(let name, let rule):
      "rule \(rule): ${\(name)} has no value and no default (known: PROJECT_ROOT, GIT_ROOT, GIT_DIR, GIT_COMMON_DIR, HOME, USER; write ${\(name):-…})"
    case .invalidRule(let rule, let reason): "rule \(rule): \(reason)"
    }
  }
}
