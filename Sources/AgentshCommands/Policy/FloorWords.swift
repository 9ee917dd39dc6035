internal import AgentshPolicy
internal import AgentshProtocol
internal import AgentshSystem

/// What Landlock holds of a policy, in words.
struct FloorWords {
  /// Placed.
  let floor: PolicyFloor
  /// The kernel's version of Landlock; 0 where it has none.
  let version: Int32
  /// What would be held if this kernel could.
  let missing: [String]
  /// Why nothing is held of files although the policy speaks of them; nil where they are held.
  let filesLeftOut: String?

  private static let root = [UInt8(ascii: "/")]

  // MARK: Words

  private static let making: [(right: FloorRights, word: String)] = [
    (.makeReg, "files"), (.makeDir, "directories"), (.makeSym, "links"), (.makeSock, "sockets"), (.makeFifo, "FIFOs"),
    ([.makeChar, .makeBlock], "devices"),
  ]

  /// What somebody who has these rights can do.
  static func words(_ rights: FloorRights) -> String {
    var words: [String] = []
    if rights == .all { return "everything" }
    if rights.isSuperset(of: [.readFile, .readDir]) { words.append("read") } else if rights.contains(.readFile) { words.append("read files") } else if rights.contains(.readDir) {
      words.append("list directories")
    }
    if rights.contains(.writeFile) { words.append("write") } else if rights.contains(.truncate) { words.append("truncate") }
    if rights.contains(.execute) { words.append("execute") }
    let made = making.filter { !rights.isDisjoint(with: $0.right) }.map(\.word)
    if made.count == making.count { words.append("make anything") } else if !made.isEmpty { words.append("make \(made.joined(separator: ", "))") }
    if rights.isSuperset(of: [.removeFile, .removeDir]) { words.append("remove") } else if rights.contains(.removeFile) {
      words.append("remove files")
    } else if rights.contains(.removeDir) {
      words.append("remove directories")
    }
    if rights.contains(.refer) { words.append("move and link") }
    if rights == .ioctlDev { words.append("control devices") }
    return words.joined(separator: ", ")
  }

  private static func words(_ ports: [UInt16]?) -> String {
    guard let ports else { return "not held: rules can permit more ports than can be listed" }
    if ports.isEmpty { return "none" }
    var ranges: [ClosedRange<UInt16>] = []
    for port in ports.sorted() {
      if let last = ranges.last, last.upperBound < .max, last.upperBound + 1 == port { ranges[ranges.count - 1] = last.lowerBound...port } else { ranges.append(port...port) }
    }
    return "to ports " + ranges.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }.joined(separator: ", ")
  }

  // MARK: For people

  var lines: [String] {
    guard version > 0 else { return ["Held by Landlock below all that: nothing, since this kernel has no Landlock or it isn't switched on"] }
    var lines = ["Held by Landlock below all that, whatever the supervisor answers (version \(version) on this host):", ""]
    let handled = floor.handledRights
    if handled.isEmpty {
      lines.append("  files: nothing\(filesLeftOut.map { ": \($0)" } ?? ", since the rules could permit everything everywhere")")
    } else {
      lines.append("  files can at most")
      let everywhere = FloorRights.all.subtracting(handled)
      var rows = everywhere.isEmpty ? [] : [["anywhere", Self.words(everywhere)]]
      for grant in floor.grants where grant.path != Self.root {
        // Control of devices goes with reading and writing them.
        let rights = grant.rights.intersection(handled).subtracting(grant.rights == .ioctlDev ? [] : .ioctlDev)
        if !rights.isEmpty { rows.append([displayEscaped(grant.path), Self.words(rights)]) }
      }
      if rows.isEmpty { rows.append(["anywhere", "be looked at"]) }
      let width = rows.reduce(0) { max($0, $1[0].count) }
      for row in rows { lines.append("    \(row[0])\(String(repeating: " ", count: width - row[0].count))  \(row[1])") }
    }
    // What this kernel can't hold stands in the last line.
    let lacks = Set(missing)
    if !lacks.contains(LandlockAbility.tcpPorts.rawValue) {
      lines.append("  TCP connections: \(Self.words(floor.tcpConnectPorts))")
      lines.append("  TCP servers: \(Self.words(floor.tcpBindPorts).replacingPrefix("to ports", by: "on ports"))")
    }
    if !lacks.contains(LandlockAbility.signals.rawValue) { lines.append("  signals: \(floor.scopesSignals ? "stay in the session" : "not held, since rules can permit some that leave the session")") }
    if !lacks.contains(LandlockAbility.abstractSockets.rawValue) {
      lines.append(
        "  abstract sockets: \(floor.scopesAbstractSockets ? "those of the session only" : "not held, since rules can permit some from outside")")
    }
    if filesLeftOut == nil, version > 1 { lines.append("  processes outside: can't be traced, and their memory and descriptors stay closed") }
    if !missing.isEmpty { lines.append("  not held, since this kernel can't: \(missing.joined(separator: ", "))") }
    return lines
  }

  // MARK: For programs

  private static let names: [(right: FloorRights, name: String)] = [
    (.execute, "execute"), (.writeFile, "write_file"), (.readFile, "read_file"), (.readDir, "read_dir"), (.removeDir, "remove_dir"),
    (.removeFile, "remove_file"), (.makeChar, "make_char"), (.makeDir, "make_dir"), (.makeReg, "make_reg"), (.makeSock, "make_sock"),
    (.makeFifo, "make_fifo"), (.makeBlock, "make_block"), (.makeSym, "make_sym"), (.refer, "refer"), (.truncate, "truncate"), (.ioctlDev, "ioctl_dev"),
  ]

  private static func list(_ rights: FloorRights) -> JSONValue {
    .array(names.filter { rights.contains($0.right) }.map { .string($0.name) })
  }

  var json: JSONObject {
    func ports(_ ports: [UInt16]?) -> JSONValue { ports.map { .array($0.map { .integer(Int64($0)) }) } ?? .null }
    return [
      "version": .integer(Int64(version)), "handled": Self.list(floor.handledRights), "exact": Self.list(floor.exactRights),
      "grants": .array(floor.grants.map { .object(["path": .string(displayEscaped($0.path)), "rights": Self.list($0.rights)]) }),
      "tcp_connect_ports": ports(floor.tcpConnectPorts), "tcp_bind_ports": ports(floor.tcpBindPorts),
      "scopes_signals": .bool(floor.scopesSignals), "scopes_abstract_sockets": .bool(floor.scopesAbstractSockets),
      "missing": .array(missing.map { .string($0) }),
    ]
  }
}

extension String {
  fileprivate func replacingPrefix(_ prefix: String, by other: String) -> String {
    utf8.starts(with: prefix.utf8) ? other + dropFirst(prefix.count) : self
  }
}
