internal import AgentshText

/// Who learns of a redirection. On record it is in any case.
public enum RedirectVisibility: String, Sendable, Hashable, CaseIterable {
  /// The record has the rule alone, not the place that it leads to.
  case silent
  /// The record says where it went.
  case auditOnly = "audit_only"
  /// The record has the rule's message, for people, too.
  case warn
}

/// What happens when a redirection can't be carried out.
public enum RedirectFailure: String, Sendable, Hashable, CaseIterable {
  /// The target gets the error.
  case failClosed = "fail_closed"
  /// As if there were no redirection: the rules decide about what was asked for.
  case failOpen = "fail_open"
  /// The same, by its other name.
  case retryOriginal = "retry_original"
}

/// Another place for a connection.
public final class ConnectRedirection: Sendable, Equatable {
  public enum Destination: Sendable, Hashable {
    case address(IPAddress, port: UInt16)
    /// A name, folded, that the supervisor looks up.
    case host([UInt8], port: UInt16)
    case unix(UnixAddress)
  }

  public let rule: String
  public let destination: Destination
  public let visibility: RedirectVisibility
  public let onFailure: RedirectFailure
  public let message: String?

  init(rule: String, destination: Destination, visibility: RedirectVisibility, onFailure: RedirectFailure, message: String?) {
    self.rule = rule
    self.destination = destination
    self.visibility = visibility
    self.onFailure = onFailure
    self.message = message
  }

  public static func == (left: ConnectRedirection, right: ConnectRedirection) -> Bool {
    left === right
      || left.rule == right.rule && left.destination == right.destination && left.visibility == right.visibility
        && left.onFailure == right.onFailure && left.message == right.message
  }

  /// What the record says of it.
  public var note: String {
    let place =
      switch destination {
      case .address(.v4(let address), let port): "\(IPAddress.v4(address)):\(port)"
      case .address(let address, let port): "[\(address)]:\(port)"
      case .host(let name, let port): "\(printable(name)):\(port)"
      case .unix(.path(let path)): printable(path)
      case .unix(.abstract(let name)): "@\(printable(name))"
      case .unix(.unnamed): "a socket without a name"
      }
    return switch visibility {
    case .silent: "goes elsewhere"
    case .auditOnly: "goes to \(place)"
    case .warn: message.map { "\($0) (goes to \(place))" } ?? "goes to \(place)"
    }
  }

  /// `host:port`, `192.0.2.1:443`, `[2001:db8::1]:443`; nil for anything else.
  static func destination(_ text: String) -> Destination? {
    guard let colon = text.utf8.lastIndex(of: UInt8(ascii: ":")) else { return nil }
    let digits = text[text.utf8.index(after: colon)...]
    guard !digits.isEmpty, digits.utf8.count <= 5, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let port = UInt16(digits), port > 0 else {
      return nil
    }
    let host = text[..<colon]
    if host.utf8.first == UInt8(ascii: "["), host.utf8.last == UInt8(ascii: "]") {
      return IPAddress(host.dropFirst().dropLast()).flatMap { address in host.utf8.contains(UInt8(ascii: ":")) ? .address(address, port: port) : nil }
    }
    guard !host.utf8.contains(UInt8(ascii: ":")) else { return nil }
    if let address = IPAddress(host) { return .address(address, port: port) }
    let name = HostName.folded(Array(host.utf8))
    guard !name.isEmpty, name.count <= 253,
      name.allSatisfy({ isWordByte($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: ".") }),
      // All digits and dots: an address that is none.
      !name.allSatisfy({ (0x30...0x39).contains($0) || $0 == UInt8(ascii: ".") })
    else { return nil }
    return .host(name, port: port)
  }
}

/// The address that a name is to have.
public struct NameRedirection: Sendable, Equatable {
  public let rule: String
  public let address: IPAddress
  public let visibility: RedirectVisibility
  public let onFailure: RedirectFailure
}

/// What a policy says of a name that somebody wants to look up.
public enum NameVerdict: Sendable, Equatable {
  /// Some rule could permit a connection to an address of this name: the verdict names the first that could.
  case allowed(Verdict)
  /// None could: the verdict says which rule refuses, and why.
  case refused(Verdict)
  /// The answer is this address, whatever others would say. What is connected to is decided by the rules, by name.
  case redirected(NameRedirection)
}

/// `connect_redirects`, as read.
struct ConnectRedirect: Sendable {
  let match: Pattern
  let redirection: ConnectRedirection
  /// Why this version can't do what it asks for; what it matches is refused then.
  let limit: String?
}

/// `dns_redirects`, as read.
struct NameRedirect: Sendable {
  let match: Pattern
  let redirection: NameRedirection
}
