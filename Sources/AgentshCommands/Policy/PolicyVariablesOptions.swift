internal import AgentshPolicy
internal import AgentshProtocol
internal import AgentshSystem
internal import ArgumentParser
import Glibc
import SystemPackage

/// Whose session, and where, a policy is looked at for.
struct PolicyVariablesOptions: ParsableArguments {
  @Option(help: ArgumentHelp("As if this user ran the session; default: you.", valueName: "name|uid"))
  var user: String?

  @Option(help: ArgumentHelp("Working directory of the session, ${PROJECT_ROOT}; default: this one.", valueName: "directory"))
  var project: ArgumentBytes?

  func variables(_ context: Context) throws(CommandFailure) -> PolicyVariables {
    let account: UserAccount?
    // The highest number means "no change" to setuid(2) and its like, and is nobody.
    if let user, let number = UInt32(user), number > UserID.highest {
      throw CommandFailure(.usage, "--user \(displayEscaped(user)): user ids go from 0 to \(UserID.highest)")
    }
    let root: [UInt8]
    do throws(SyscallError) {
      if let user, let number = UInt32(user) {
        account = try UserDatabase.account(uid: number)
      } else if let user {
        account = try UserDatabase.account(named: Array(user.utf8))
      } else {
        account = try UserDatabase.account(uid: context.identity.uid)
      }
    } catch {
      throw CommandFailure(.failed, "the user database can't be asked: \(error)")
    }
    // A uid needs no account: such a user has no home.
    if let user, account == nil, UInt32(user) == nil { throw CommandFailure(.failed, "there is no user \(displayEscaped(user))") }
    do throws(SyscallError) {
      if let project { root = try CanonicalPath.resolve(project.bytes, following: true) } else { root = try workingDirectory() }
    } catch {
      throw CommandFailure(.failed, "\(project?.displayed ?? "the working directory"): \(error.errno)")
    }
    let home: [UInt8]
    if let account {
      home = try CanonicalPath.home(of: account, followingLinksOf: [0, account.uid])
    } else {
      home = Array("/nonexistent".utf8)
    }
    // As the supervisor looks for it, which runs as that user.
    let repository = GitRepository.around(root, owners: [0, account?.uid ?? user.flatMap { UInt32($0) } ?? context.identity.uid])
    return PolicyVariables(
      projectRoot: root, gitRoot: repository?.root, gitDirectory: repository?.directory, gitCommonDirectory: repository?.commonDirectory, home: home,
      user: account?.name ?? Array((user ?? String(context.identity.uid)).utf8))
  }

  /// The policy with its variables bound, or what is wrong with it.
  func load(_ file: ArgumentBytes, _ context: Context) throws(CommandFailure) -> (policy: Policy, bound: BoundPolicy) {
    let (policy, _, _) = try PolicyFile.load(file.bytes)
    let variables = try variables(context)
    do throws(PolicyError) { return (policy, try policy.bound(to: variables)) } catch {
      throw CommandFailure(.no, "\(file.displayed): \(error)")
    }
  }
}

/// The kernel's own name for a place, as the supervisor decides on it.
enum CanonicalPath {
  /// What `${HOME}` stands for.
  /// - Parameter owners: whose links are followed, as a server would; nil: everybody's.
  static func home(of account: UserAccount, followingLinksOf owners: Set<UInt32>?) throws(CommandFailure) -> [UInt8] {
    do throws(HomeDirectory.Problem) { return try HomeDirectory.canonical(account.home, followingLinksOf: owners) } catch {
      throw CommandFailure(
        .failed, "rules about ${HOME} would not hold: \(displayEscaped("\(error)"))", "give the account \(displayEscaped(account.name)) another home directory: usermod --home")
    }
  }

  /// Resolves every link on the way, the last one only if `following`. What does not exist keeps its name in the place where it would be.
  static func resolve(_ path: [UInt8], following: Bool) throws(SyscallError) -> [UInt8] {
    var absolute = path
    if path.first != UInt8(ascii: "/") { absolute = Paths.joined(try workingDirectory(), path) }
    while absolute.count > 1, absolute.last == UInt8(ascii: "/") { absolute.removeLast() }
    do throws(SyscallError) {
      let file = try openAt(AT_FDCWD, absolute, flags: ASHPath.openPath | (following ? 0 : O_NOFOLLOW))
      return try readLink(at: AT_FDCWD, Array("/proc/self/fd/\(file.rawValue)".utf8))
    } catch {
      guard error.errno == .noSuchFileOrDirectory, absolute.count > 1, let slash = absolute.lastIndex(of: UInt8(ascii: "/")) else { throw error }
      let name = absolute[(slash + 1)...]
      guard !name.elementsEqual(Array("..".utf8)), !name.elementsEqual(Array(".".utf8)) else { throw error }
      return Paths.joined(try resolve(slash == 0 ? [UInt8(ascii: "/")] : Array(absolute[..<slash]), following: true), Array(name))
    }
  }
}

enum ASHPath {
  /// O_PATH of open(2), which Swift can't import: a number that is the same on all Linux architectures in use here.
  static let openPath: Int32 = 0o10000000
}
