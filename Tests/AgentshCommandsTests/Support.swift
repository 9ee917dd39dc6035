import AgentshProtocol
import AgentshSystem

@testable import AgentshCommands

/// Text as bytes.
func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

/// A generator whose numbers are the same in every run.
struct Repeatable: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return state ^ (state >> 29)
  }
}

func contextForTests(
  uid: UInt32 = 1000, privileged: Bool = false, environment: [String] = [], installation: Installation? = nil, command: [[UInt8]]? = nil
) -> Context {
  Context(
    start: ProcessStart(
      arguments: [bytes("agentsh")], environment: environment.map { bytes($0) }, closedStandardDescriptors: 0, isPrivileged: privileged),
    identity: CallerIdentity(uid: uid, gid: uid, wasPrivileged: privileged),
    installation: installation ?? Installation(programs: bytes("/nonexistent/bin"), configuration: bytes("/nonexistent/etc")), command: command)
}
