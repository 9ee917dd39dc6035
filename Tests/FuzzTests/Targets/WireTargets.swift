@testable import AgentshProtocol

/// What was taken says the same when it is written and read again, and its bytes are the same from then on.
private func goesRound<Message: WireMessage & Equatable>(_ message: Message) -> Bool {
  guard let again = try? Message.decode(message.packet) else { return false }
  return again == message && again.packet == message.packet && !message.packet.contains(0)
}

extension FuzzTarget {
  static let json = FuzzTarget(
    "json", dictionary: ["{\\x22", "\\x22:", "null", "true", "[[[[", "\\\\ud83d\\\\ude00", "\\\\u0000", "1e9", "-0", "9223372036854775807", "\\xef\\xbb\\xbf", "]}"]
  ) { input in
    guard let value = try? JSONValue.parse(input) else { return .refused }
    let text = value.encoded()
    guard let again = try? JSONValue.parse(text) else { return .wrong("what was written is not read") }
    guard again == value, again.encoded() == text else { return .wrong("what was written is read otherwise") }
    return text.allSatisfy({ $0 >= 0x20 && $0 != 0x7f }) ? .taken : .wrong("a bare control character was written")
  }

  /// A frame of the control socket without its NUL.
  static let varlink = FuzzTarget(
    "varlink",
    dictionary: [
      "{\\x22method\\x22:\\x22org.agentsh.Control.", "Wrap", "ListSessions", "GetSession", "StopSession", "Events", "Ping", "org.varlink.service.GetInfo", "GetInterfaceDescription",
      "\\x22parameters\\x22:{", "\\x22more\\x22:true", "\\x22oneway\\x22:", "\\x22command\\x22:[", "\\x22cwd\\x22:\\x22/", "\\x22caller_uid\\x22:", "\\x22session\\x22:\\x22",
    ]
  ) { input in
    var whole = MessageFramer(limit: 4096)
    var single = MessageFramer(limit: 4096)
    let messages = try? whole.append(input)
    var pieces: [[UInt8]]? = []
    for byte in input {
      guard pieces != nil, let more = try? single.append([byte]) else {
        pieces = nil
        break
      }
      pieces? += more
    }
    guard messages == pieces || messages == nil || pieces == nil else { return .wrong("the stream's cuts change its messages") }
    guard (messages == nil) == (pieces == nil) else { return .wrong("the stream's cuts change its limit") }
    if let reply = try? VarlinkReply.decode(input), !goesRound(reply) { return .wrong("a reply") }
    _ = try? WrapReply.decode(input)
    guard let call = try? VarlinkCall.decode(input) else { return .refused }
    guard goesRound(call) else { return .wrong("a call") }
    guard let request = try? ControlRequest(call) else { return .refused }
    if case .wrap(let wrap) = request {
      guard !wrap.command.isEmpty, wrap.command.allSatisfy({ !$0.contains(0) }), wrap.cwd.first == UInt8(ascii: "/") else {
        return .wrong("a command that can't be one")
      }
    }
    return .taken
  }

  /// A message of the three sockets or of the channel between server and supervisor.
  static let handshake = FuzzTarget(
    "handshake",
    dictionary: [
      "{\\x22token\\x22:\\x22", "\\x22pid\\x22:", "\\x22ok\\x22:true", "\\x22nonce\\x22:\\x22", "\\x22error\\x22:\\x22", "\\x22signal\\x22:", "\\x22ready\\x22:true", "\\x22stop\\x22:", "\\x22attest\\x22:",
      "\\x22ended\\x22:", "\\x22rejected\\x22:{", "\\x22summary\\x22:{", "\\x22reason\\x22:\\x22wrong_token\\x22", "\\x22socket\\x22:\\x22notify\\x22",
    ]
  ) { input in
    var taken = 0
    func look<Message: WireMessage & Equatable>(_ type: Message.Type) -> Bool {
      guard let message = try? type.decode(input) else { return true }
      taken += 1
      return goesRound(message)
    }
    // Each looks, also after one has taken the bytes.
    let whole = [
      look(ProcessHello.self), look(ListenerHello.self), look(HandshakeReply.self), look(LauncherMessage.self), look(SupervisorMessage.self),
      look(SupervisorReport.self), look(ServerOrder.self),
    ]
    return whole.contains(false) ? .wrong("a message is written otherwise than it was read") : .of(taken > 0)
  }

  /// The plan of a session: the packet that a supervisor begins with.
  static let plan = FuzzTarget(
    "plan", dictionary: ["\\x22session\\x22:", "\\x22token\\x22:", "\\x22groups\\x22:[", "\\x22command\\x22:[\\x22", "\\x22policy_source\\x22:\\x22", "AAAA", "==", "4294967295"]
  ) { input in
    guard let plan = try? SessionPlan.decode(input) else { return .refused }
    return goesRound(plan) ? .taken : .wrong("a plan is written otherwise than it was read")
  }
}
