import AgentshPolicy
public import AgentshProtocol
import AgentshResolver
public import AgentshSystem
import CAgentshSystem
import Glibc
import Synchronization
import SystemPackage

/// What a session knows of names: where its resolver is, which names gave which addresses, and which sockets may ask. Shared by workers and resolver.
final class SessionNames: Sendable {
  /// Who asks: the process that connected a socket to the resolver.
  struct Client: Sendable {
    let process: Int32
    let executable: [UInt8]?
  }

  /// An address in 127.0.0.0/8.
  let address: IPAddress
  /// Where the sockets really are bound: 53, unless that takes a right that nobody here has.
  let port: UInt16

  private let memory = Mutex(NameMemory())
  private let hosts: FileWatch<HostsFile>
  private let host: FileWatch<ResolverSettings>
  private let file = Mutex(SessionFile())
  private let clients = Mutex(Clients())
  /// Of the supervisor's own.
  let lookUps: LookUpQueue

  private static let settingsPath = Array("/etc/resolv.conf".utf8)
  static let hostsPath = Array("/etc/hosts".utf8)

  /// - Parameter listing: where hosts(5) are listed.
  init(address: IPAddress, port: UInt16, listing: [UInt8] = SessionNames.hostsPath) throws(SyscallError) {
    lookUps = try LookUpQueue()
    self.address = address
    self.port = port
    hosts = FileWatch(listing, limit: HostsFile.longest + 1, HostsFile())
    host = FileWatch(Self.settingsPath, limit: 1 << 20, ResolverSettings([]))
    // So that where the name leads is known from the first open on.
    _ = host.value()
  }

  /// Whether something is for the session's own resolver.
  func isResolver(_ address: IPAddress, _ port: UInt16) -> Bool { address == self.address && port == ResolverSockets.service }

  /// Whether something is for another resolver: DNS, DNS over TLS and over QUIC.
  static func isForeign(_ port: UInt16) -> Bool { port == ResolverSockets.service || port == 853 }

  /// The address of a socket call with the port that the resolver really has: same place in every family's form.
  func place(_ address: [UInt8]) -> [UInt8] {
    guard port != ResolverSockets.service, address.count >= 4 else { return address }
    var changed = address
    changed[2] = UInt8(port >> 8)
    changed[3] = UInt8(truncatingIfNeeded: port)
    return changed
  }

  /// Sockets of services that look names up without a word to this resolver: systemd-resolved, nscd, avahi. Libraries ask DNS where they can't be reached.
  static func isForeign(socket path: [UInt8]) -> Bool {
    path.starts(with: "/run/systemd/resolve/".utf8)
      || ["/run/nscd/socket", "/var/run/nscd/socket", "/run/avahi-daemon/socket", "/var/run/avahi-daemon/socket"].contains { path.elementsEqual($0.utf8) }
  }

  // MARK: Addresses

  /// The names by which this session knows an address: those that it looked up, and those of /etc/hosts.
  /// - Parameter isElsewhere: whether the policy itself says that a name has another address. Programs read /etc/hosts themselves, past its word: by such
  ///   a name they would be let go to the place that it is to keep them from.
  func hosts(of address: IPAddress, but isElsewhere: (_ name: [UInt8]) -> Bool) -> [[UInt8]] {
    let now = monotonicNanoseconds()
    let asked = memory.withLock { $0.names(of: address, now: now) }
    guard let listed = hosts.value().names[address.withoutScope] else { return asked }
    return asked + listed.filter { !asked.contains($0) && !isElsewhere($0) }
  }

  func remember(_ name: [UInt8], _ address: IPAddress, ttl: UInt32) {
    let now = monotonicNanoseconds()
    memory.withLock { $0.remember(name, address, ttl: ttl, now: now) }
  }

  /// A connection to the address was permitted: there may be more.
  func renew(_ address: IPAddress) {
    let now = monotonicNanoseconds()
    memory.withLock { $0.renew(address, now: now) }
  }

  /// Where a host is that the policy itself names, for the servers of this machine. Waits for them as long as libc would, where nothing else is said.
  func lookUp(_ name: [UInt8], _ deadline: Deadline?) -> [IPAddress] {
    let settings = settings
    return lookUps.addresses(of: name, deadline: deadline ?? .after(milliseconds: Int64(settings.patience * settings.attempts) * 1000 + 1000))
  }

  /// Whether /etc/hosts is too long to be read to its end.
  static func isCut(listing: [UInt8] = hostsPath) -> Bool {
    do throws(SyscallError) { return try fileStatus(at: AT_FDCWD, listing).size > HostsFile.longest } catch { return false }
  }

  /// What /etc/hosts says of a name; nil where it says nothing.
  func listed(_ name: [UInt8]) -> [IPAddress]? { hosts.value().addresses[name] }

  /// The host's own settings: its servers, and how long each is waited for.
  var settings: ResolverSettings { host.value() }

  // MARK: Clients

  /// Lets a socket ask: the source port tells it from those of other processes of this machine.
  ///
  /// A socket of its own that has no port yet is given one here, as it would be a moment later, so that the port is known before anything comes from it.
  func admit(_ socket: CInt, family: CInt, isStream: Bool, _ client: Client) throws(SyscallError) {
    let any: [UInt8] = [UInt8(truncatingIfNeeded: family), 0] + [UInt8](repeating: 0, count: family == AF_INET6 ? 26 : 14)
    // EINVAL where it has one already.
    _ = bindSocket(socket, any)
    guard let own = try internetAddress(socket) else { throw SyscallError("getsockname", .addressFamilyNotSupported) }
    // From none of its own, what it sends to this machine comes from 127.0.0.1.
    let from: IPAddress = own.address.isUnspecified ? .v4(0x7f00_0001) : own.address
    clients.withLock { $0.admit(Source(address: from, port: own.port, isStream: isStream), client) }
  }

  /// Where something may come from.
  struct Source: Hashable {
    let address: IPAddress
    let port: UInt16
    let isStream: Bool
  }

  /// Who may have sent from a place; nil: nobody of this session. A connection's counts once.
  func client(_ source: Source) -> Client? { clients.withLock { $0.client(source) } }

  /// No more than there are ports, some times over: whoever's is taken by another socket is forgotten.
  private struct Clients {
    private var known: [Source: Client] = [:]

    mutating func admit(_ source: Source, _ client: Client) {
      // Addresses of one's own are many, and each has all ports.
      if known.count >= 1 << 17, known[source] == nil { known.removeAll() }
      known[source] = client
    }

    mutating func client(_ source: Source) -> Client? { source.isStream ? known.removeValue(forKey: source) : known[source] }
  }

  // MARK: resolv.conf

  /// What the session reads as /etc/resolv.conf.
  private struct SessionFile: ~Copyable {
    var made: OwnedDescriptor?
    var settings: ResolverSettings?
  }

  /// Whether a canonical path is that of the file which /etc/resolv.conf leads to.
  /// - Parameter named: how the program called it.
  func isSettingsFile(_ path: [UInt8], named name: [UInt8]) -> Bool {
    if path == Self.settingsPath { return true }
    // Asked at every open of a session: looked at closely only where a name or what was found last speaks for it.
    guard path.suffix(11).elementsEqual("resolv.conf".utf8) || name.suffix(11).elementsEqual("resolv.conf".utf8) || path == host.lastPath else {
      return false
    }
    do throws(SyscallError) { return try kernelPath(of: try openAt(AT_FDCWD, Self.settingsPath, flags: O_PATH)) == path } catch { return false }
  }

  /// Whether a path as a program gives it may lead to that file: by its last component.
  func mayBeSettings(_ path: [UInt8]) -> Bool {
    let name = path[((path.lastIndex(of: UInt8(ascii: "/")) ?? -1) + 1)...]
    // A path that ends in a slash is a directory's.
    guard !name.isEmpty else { return false }
    return name.elementsEqual("resolv.conf".utf8) || (host.lastPath.map { $0.count > name.count && $0.suffix(name.count).elementsEqual(name) } ?? false)
  }

  /// Whether a path is the file's name, for hosts that have no such file.
  static func isSettingsName(_ path: [UInt8]) -> Bool { path == settingsPath }

  private static func make(_ text: [UInt8]) throws(SyscallError) -> OwnedDescriptor {
    let made = try Memfd.sealed(text, name: "resolv.conf")
    _ = fchmod(made.rawValue, 0o644)
    return made
  }

  private static func open(_ made: borrowing OwnedDescriptor?, _ flags: CInt) throws(SyscallError) -> CInt {
    switch made {
    case .some(let made): return try reopen(made, flags: flags).release()
    case .none: throw SyscallError("open", .noSuchFileOrDirectory)
    }
  }

  /// An open file with the session's settings, positioned at its start: what the host's file says, with this resolver in the place of its servers.
  func settingsFile(flags: CInt) throws(SyscallError) -> OwnedDescriptor {
    let current = settings
    // Without port 53 an answer over UDP comes from a port that libc takes for somebody else's.
    let text = current.file(server: address, more: port == ResolverSockets.service ? [] : ["use-vc"])
    let raw: CInt
    do {
      raw = try file.withLock { file in
        if file.settings != current || file.made == nil {
          file.made = try Self.make(text)
          file.settings = current
        }
        // Opened anew: its position is the opener's alone.
        do throws(SyscallError) { return try Self.open(file.made, flags) } catch {
          // All openers have the one file, and it is theirs: any of them can take the right to read it away.
          guard error.errno == .permissionDenied else { throw error }
          file.made = try Self.make(text)
          return try Self.open(file.made, flags)
        }
      }
    } catch let error as SyscallError {
      throw error
    } catch {
      throw SyscallError("open", .ioError)
    }
    return OwnedDescriptor(owning: raw)
  }
}

/// A small file of the host's that is read again when it has changed: a hundredth of a second later at most.
private final class FileWatch<Value: Sendable>: Sendable {
  private struct Stamp: Equatable {
    let device: UInt64
    let inode: UInt64
    let size: Int64
    let modified: Int64
    let modifiedNanoseconds: Int64
  }

  private static var patience: UInt64 { 10_000_000 }

  private struct State {
    /// When it was looked at, CLOCK_MONOTONIC in nanoseconds; 0 before.
    var looked: UInt64 = 0
    var stamp: Stamp?
    var path: [UInt8]?
    var value: Value
  }

  private let name: [UInt8]
  private let limit: Int
  private let missing: Value
  private let parse: @Sendable ([UInt8]) -> Value
  private let state: Mutex<State>

  fileprivate init(_ name: [UInt8], limit: Int, _ missing: Value, parse: @escaping @Sendable ([UInt8]) -> Value) {
    self.name = name
    self.limit = limit
    self.missing = missing
    self.parse = parse
    state = Mutex(State(value: missing))
  }

  /// The kernel's path of the file when it was last read; nil without one.
  var lastPath: [UInt8]? { state.withLock { $0.path } }

  private func currentStamp() -> Stamp? {
    do throws(SyscallError) {
      let status = try fileStatus(at: AT_FDCWD, name)
      return Stamp(device: status.device, inode: status.inode, size: status.size, modified: status.modified, modifiedNanoseconds: status.modifiedNanoseconds)
    } catch {
      return nil
    }
  }

  func value() -> Value {
    let now = monotonicNanoseconds()
    return state.withLock { state in
      if state.looked != 0, now &- state.looked < Self.patience { return state.value }
      state.looked = now
      let stamp = currentStamp()
      if stamp != state.stamp {
        state.stamp = stamp
        state.value = missing
        state.path = nil
        if stamp != nil, let opened = try? openAt(AT_FDCWD, name, flags: O_RDONLY | O_NONBLOCK) {
          state.path = try? kernelPath(of: opened)
          state.value = (try? readAll(opened, limit: limit)).map(parse) ?? missing
        }
      }
      return state.value
    }
  }
}

extension FileWatch where Value == HostsFile {
  fileprivate convenience init(_ name: [UInt8], limit: Int, _ missing: HostsFile) { self.init(name, limit: limit, missing) { HostsFile($0) } }
}

extension FileWatch where Value == ResolverSettings {
  fileprivate convenience init(_ name: [UInt8], limit: Int, _ missing: ResolverSettings) { self.init(name, limit: limit, missing) { ResolverSettings($0) } }
}

extension SessionPlan.Resolver {
  var address: IPAddress { .v4(bits) }

  /// Where sockets that were just bound are.
  public init(_ sockets: borrowing ResolverSockets) {
    self.init(bits: sockets.address.reduce(0) { $0 << 8 | UInt32($1) }, port: sockets.port)
  }
}
