internal import AgentshProtocol

/// What the client does while the server opens its session: it reads an answer like the one that will come, to no purpose but that the code is in memory
/// and the types are made when the real one is there. On a machine with one processor that costs what it saves.
enum WrapRehearsal {
  static func run(_ environment: [[UInt8]]) {
    guard let token = SessionToken(bytes: Array(repeating: 0, count: SessionToken.byteCount)) else { return }
    let path = Array("/".utf8)
    let sample = WrapReply(
      session: "-", policy: "-", notifySocket: path, signalSocket: path, ptraceSocket: path, token: token, filter: Array(repeating: 0, count: 8),
      environment: EnvironmentPlan(allow: ["*"], deny: ["-"], inject: [("-", "-")]), floor: FloorPlan(grants: [FloorPlan.Grant(path: path, rights: 0)]),
      warnings: ["-"], record: path)
    guard let reply = try? VarlinkReply.decode(VarlinkReply(parameters: sample.object).packet), let decoded = try? ControlReplies.wrap(reply) else { return }
    _ = try? CommandEnvironment(inherited: Array(environment.prefix(1)), requests: [], policy: decoded.environment, session: decoded.session)
  }
}
