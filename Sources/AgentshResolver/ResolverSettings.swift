public import AgentshPolicy

/// What resolv.conf(5) says.
public struct ResolverSettings: Sendable, Equatable {
  /// A server, with the name of the interface that a link-local address belongs to.
  public struct Server: Sendable, Hashable {
    public var address: IPAddress
    public var interface: [UInt8]?

    public init(_ address: IPAddress, interface: [UInt8]? = nil) {
      self.address = address
      self.interface = interface
    }
  }

  /// In the file's order.
  public var servers: [Server] = []
  /// `search` or `domain`, whichever came last; as written.
  public var search: [[UInt8]] = []
  /// Every option, as written, in order.
  public var options: [[UInt8]] = []
  public var sortlist: [[UInt8]] = []
  /// Seconds for each server.
  public var timeout = 5
  /// Rounds over all servers.
  public var attempts = 2
  /// Seconds for all servers together, in one round: as long as a client waits for a resolver in their place.
  public var patience: Int { min(timeout * max(1, servers.count), 30) }
  /// Whether each question begins with another server.
  public var rotates = false

  /// More servers than libc takes are taken, but not any number.
  static let mostServers = 8
  private static let mostWords = 64

  public init() {}

  public init(_ file: [UInt8]) {
    for line in file.split(separator: UInt8(ascii: "\n")) {
      // A comment begins in the first column; some write one behind a value, too.
      guard line.first != UInt8(ascii: "#"), line.first != UInt8(ascii: ";") else { continue }
      let words = line.prefix { $0 != UInt8(ascii: "#") && $0 != UInt8(ascii: ";") }
        .split { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") || $0 == UInt8(ascii: "\r") }.map { Array($0) }
      guard let key = words.first, words.count > 1 else { continue }
      let values = Array(words.dropFirst().prefix(Self.mostWords))
      switch String(decoding: key, as: UTF8.self) {
      case "nameserver":
        if servers.count < Self.mostServers, let server = Self.server(values[0]) { servers.append(server) }
      case "domain": search = [values[0]]
      case "search": search = values
      case "sortlist": sortlist = values
      case "options":
        for option in values where options.count < Self.mostWords { take(option) }
      default: break
      }
    }
    // What libc does without any (resolv.conf(5)).
    if servers.isEmpty { servers = [Server(.v4(0x7f00_0001))] }
  }

  private static func server(_ text: [UInt8]) -> Server? {
    let parts = text.split(separator: UInt8(ascii: "%"), maxSplits: 1, omittingEmptySubsequences: false)
    guard let first = parts.first, let address = IPAddress(String(decoding: first, as: UTF8.self)) else { return nil }
    return Server(address, interface: parts.count > 1 ? Array(parts[1]) : nil)
  }

  private mutating func take(_ option: [UInt8]) {
    options.append(option)
    func number(_ prefix: String) -> Int? {
      guard option.starts(with: prefix.utf8) else { return nil }
      return Int(String(decoding: option.dropFirst(prefix.utf8.count), as: UTF8.self))
    }
    // The bounds are libc's (RES_MAXRETRANS, RES_MAXRETRY).
    if let seconds = number("timeout:") { timeout = min(max(seconds, 1), 30) }
    if let rounds = number("attempts:") { attempts = min(max(rounds, 1), 5) }
    if option == Array("rotate".utf8) { rotates = true }
  }

  /// The domain that a client completes names with, if a name lies below one: those of `search`, or else that of the machine's own name (resolv.conf(5)).
  public func searchDomain(of name: DomainName, hostName: @autoclosure () -> [UInt8]) -> [UInt8]? {
    let domains = search.isEmpty ? [Array(hostName().drop { $0 != UInt8(ascii: ".") }.dropFirst())] : search
    return domains.first { domain in
      guard let domain = DomainName(text: domain), domain != .root else { return false }
      return name.isWithin(domain) && name.folded != domain.folded
    }
  }

  /// The file for a session whose resolver is at `address`: its one server, and all else as the host has it. A client waits for that server as long as it would have
  /// waited for all of them.
  ///
  /// - Parameter more: options to add.
  public func file(server address: IPAddress, more: [String] = []) -> [UInt8] {
    var text = Array("# This session's own resolver, which answers the names that its policy permits.\nnameserver \(address)\n".utf8)
    func line(_ key: String, _ words: [[UInt8]]) {
      if !words.isEmpty { text += Array(key.utf8) + words.flatMap { [UInt8(ascii: " ")] + $0 } + [UInt8(ascii: "\n")] }
    }
    line("search", search)
    line("sortlist", sortlist)
    let kept = options.filter { !$0.starts(with: "timeout:".utf8) && $0 != Array("rotate".utf8) }
    line("options", kept + [Array("timeout:\(patience)".utf8)] + more.map { Array($0.utf8) })
    return text
  }
}

/// What hosts(5) says: names by address, and addresses by name.
public struct HostsFile: Sendable, Equatable {
  /// Lower case, without a dot at the end, in the file's order. Unspecified addresses have none: nothing is known by them.
  public private(set) var names: [IPAddress: [[UInt8]]] = [:]
  public private(set) var addresses: [[UInt8]: [IPAddress]] = [:]

  /// More bytes are not read: what is kept of a session's memory is some times that.
  public static let longest = 8 << 20

  public init() {}

  public init(_ file: [UInt8]) {
    var file = file[...]
    // Half a line would be another one.
    if file.count > Self.longest { file = file.prefix((file.prefix(Self.longest).lastIndex(of: UInt8(ascii: "\n")) ?? -1) + 1) }
    // Lists of a hundred thousand names to be blocked are in use, all of them with the same address: nothing here may grow with the names of one.
    var alone: [IPAddress: [IPAddress]] = [:]
    for line in file.split(separator: UInt8(ascii: "\n")) {
      let words = line.prefix { $0 != UInt8(ascii: "#") }
        .split { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") || $0 == UInt8(ascii: "\r") }
      guard let first = words.first else { continue }
      // A scope is the sender's affair.
      let text = first.prefix { $0 != UInt8(ascii: "%") }
      guard let address = IPAddress(String(decoding: text, as: UTF8.self)) else { continue }
      for word in words.dropFirst() {
        guard let name = Self.plain(word) ?? DomainName(text: word)?.text, !name.isEmpty else { continue }
        if let known = addresses[name] {
          if known.contains(address) { continue }
          addresses[name] = known + [address]
        } else {
          // One array for all names that have this address alone.
          addresses[name] = alone[address, default: [address]]
          if alone[address] == nil { alone[address] = addresses[name] }
        }
        if !address.isUnspecified { names[address, default: []].append(name) }
      }
    }
  }

  /// What `DomainName.text` has for a name of letters, digits, `-` and `_`, at once; nil for any other.
  private static func plain(_ word: ArraySlice<UInt8>) -> [UInt8]? {
    guard word.count < 250 else { return nil }
    var length = 0
    for byte in word {
      switch lowerCase(byte) {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"): length += 1
      case UInt8(ascii: ".") where length > 0: length = 0
      default: return nil
      }
      guard length <= DomainName.longestLabel else { return nil }
    }
    return word.last == UInt8(ascii: ".") ? nil : word.map(lowerCase)
  }
}
