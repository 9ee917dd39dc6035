internal import AgentshProtocol
internal import AgentshSystem
import Synchronization

/// Configuration and policies that are in force together.
struct Ruleset: Sendable {
  let configuration: ServerConfiguration
  let policies: PolicySet
  /// One line each: what is to be known and keeps nothing from being used.
  let warnings: [String]

  /// Reads everything from the disk. Without `previous`, or where the configuration itself is good, the new one is in force; else nil and the
  /// reasons.
  static func load(_ file: [UInt8], keeping previous: Ruleset?) -> (ruleset: Ruleset?, problems: [String]) {
    let name = displayEscaped(file)
    let source: [UInt8]
    do throws(TrustError) {
      let opened = try TrustedPath.file(file)
      do throws(SyscallError) { source = try readAll(opened.descriptor, limit: 1 << 20) } catch {
        return (nil, ["\(name): error: can't be read: \(error.errno)"])
      }
    } catch {
      return (nil, ["\(error)"])
    }
    let (configuration, found) = ServerConfiguration.parse(source, file: name)
    // What is said of policies in a place that nobody named would lead astray.
    guard configuration.isYAML else { return (nil, found.map(\.description)) }
    let policies = PolicySet.load(configuration.policyDirectory, keeping: previous?.policies)
    var problems = found.map(\.description) + policies.problems
    problems += configuration.problems(with: policies, file: name)
    guard found.isEmpty else { return (nil, problems) }
    let warnings = (configuration.warnings + configuration.unknownPrincipals(file: name)).map(\.description) + policies.warnings
    return (Ruleset(configuration: configuration, policies: policies, warnings: warnings), problems)
  }
}

/// What every thread may look at.
final class CurrentRuleset: Sendable {
  private let value: Mutex<Ruleset>

  init(_ ruleset: Ruleset) { value = Mutex(ruleset) }

  var ruleset: Ruleset { value.withLock { $0 } }

  func replace(with ruleset: Ruleset) { value.withLock { $0 = ruleset } }
}
