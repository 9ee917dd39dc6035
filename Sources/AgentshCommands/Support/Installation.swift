internal import AgentshSystem
internal import AgentshText
import Glibc

/// Where this installation keeps its parts, found from the place of the program itself, so that any PREFIX and SYSCONFDIR work.
struct Installation: Sendable {
  /// The directory of the running program.
  let programs: [UInt8]
  /// SYSCONFDIR: `/etc`, or what the installation says in PREFIX/libexec/agentsh/sysconfdir.
  let configuration: [UInt8]

  init(programs: [UInt8], configuration: [UInt8]) {
    self.programs = programs
    self.configuration = configuration
  }

  /// The installation that the running program is part of.
  static func current() -> Installation {
    let program = (try? readLink(at: AT_FDCWD, Array("/proc/self/exe".utf8))) ?? Array("/usr/bin/agentsh".utf8)
    let programs = Paths.directory(of: program)
    let note = Paths.joined(programs, "../libexec/agentsh/sysconfdir")
    return Installation(programs: programs, configuration: configurationDirectory((try? readSmallFile(at: AT_FDCWD, note)) ?? []))
  }

  /// The directory that the first line of such a note names; `/etc` where it names none.
  static func configurationDirectory(_ note: [UInt8]) -> [UInt8] {
    let line = Array(note.prefix { $0 != UInt8(ascii: "\n") })
    return line.first == UInt8(ascii: "/") ? line : Array("/etc".utf8)
  }

  /// agentshd's configuration.
  var serverConfiguration: [UInt8] { Paths.joined(configuration, "agentsh/agentshd.yaml") }

  /// A server is set up here, so its policies are the ones that hold.
  var hasServer: Bool { Paths.exists(serverConfiguration) }

  /// Where agentshd listens: what its configuration says, or the usual place.
  var controlSocket: [UInt8] {
    let content = (try? readSmallFile(at: AT_FDCWD, serverConfiguration)) ?? []
    return Self.controlSocket(in: content) ?? Array("/run/agentsh/control.sock".utf8)
  }

  /// The features of the host that the configuration does without (`on_missing_feature: warn`).
  var acceptedFeatures: Set<String> { Self.acceptedFeatures(in: (try? readSmallFile(at: AT_FDCWD, serverConfiguration)) ?? []) }

  static func acceptedFeatures(in configuration: [UInt8]) -> Set<String> {
    guard case .mapping(let entries)? = YAMLDocument(parsing: configuration).root?.content,
      let value = entries.first(where: { $0.key == "on_missing_feature" })?.value
    else { return [] }
    if case .mapping(let features) = value.content { return Set(features.filter { $0.value.string == "warn" }.map(\.key)) }
    return value.string == "warn" ? ["landlock", "cgroup", "attestation"] : []
  }

  /// The value of the top-level key `control_socket`, where it is an absolute path.
  static func controlSocket(in configuration: [UInt8]) -> [UInt8]? {
    let key = Array("control_socket:".utf8)
    let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
    let text = configuration.starts(with: mark) ? configuration.dropFirst(mark.count) : configuration[...]
    for line in text.split(separator: UInt8(ascii: "\n")) where line.starts(with: key) {
      let isBlank: (UInt8) -> Bool = { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") || $0 == UInt8(ascii: "\r") }
      var value = line.dropFirst(key.count).drop(while: isBlank)
      if let quote = value.first, quote == UInt8(ascii: "\"") || quote == UInt8(ascii: "'") {
        value = value.dropFirst().prefix { $0 != quote }
      } else {
        value = value.prefix { !isBlank($0) && $0 != UInt8(ascii: "#") }
      }
      if value.first == UInt8(ascii: "/") { return Array(value) }
    }
    return nil
  }

  /// The supervisor's program: installed, or beside this one in a build tree.
  var supervisor: [UInt8]? {
    [Paths.joined(programs, "../libexec/agentsh/agentsh-supervisor"), Paths.joined(programs, "agentsh-supervisor")].first(where: Paths.exists)
  }

  /// Where policies are looked for when there is no server.
  var policyDirectories: [[UInt8]] {
    [Paths.joined(configuration, "agentsh/policies"), Paths.joined(programs, "../share/agentsh/policies")]
  }
}
