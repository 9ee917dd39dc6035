import AgentshText

// Reads `network_rules` and `unix_socket_rules`.
extension PolicyReader {
  func networkRules(_ top: inout Mapping, _ key: String) -> [NetworkRule] {
    var result: [NetworkRule] = []
    eachRule(&top, key) { rule, place in
      let head = head(&rule, place)
      let (domains, addresses, anyDomain) = names(&rule, label(rule, place))
      var cidrs: [CIDR] = []
      for (text, position) in rule.strings("cidrs") {
        if let cidr = CIDR(text) { cidrs.append(cidr) } else {
          reports.error(position, "\"\(text)\" is not a block of addresses such as 10.0.0.0/8 or fd00::/8")
        }
      }
      let ports = rule.list("ports").compactMap { port($0) }
      let operations = choices(&rule, "operations", NetworkOperation.self)
      let saysOperations = rule.has("operations")
      warnOfEmpty(
        rule, place, [("domains", "all names"), ("cidrs", "all addresses"), ("ports", "all ports"), ("operations", "all operations")])
      _ = rule.duration("timeout")
      guard let head else { return }
      result.append(
        NetworkRule(
          head: head, domains: domains, anyDomain: anyDomain, addresses: addresses, cidrs: cidrs, ports: ports,
          operations: saysOperations && operations.isEmpty ? NetworkOperation.allCases : operations))
    }
    return result
  }

  /// The `domains` of a rule: names, and addresses that stand among them.
  func names(_ rule: inout Mapping, _ label: String) -> (globs: [GlobTemplate], addresses: [CIDR], any: Bool) {
    var entries: [(text: String, position: TextPosition)] = []
    var addresses: [CIDR] = []
    for (text, position) in rule.strings("domains") {
      if !text.utf8.allSatisfy({ $0 < 0x80 }) {
        reports.error(position, "\"\(text)\": names stand in a policy as they do on the wire: \(HostName.ascii(text))")
        continue
      }
      let name = Self.foldedName(text)
      if IPAddress(name) != nil, let address = CIDR(name) {
        addresses.append(address)
        continue
      }
      if let address = IPAddress(asProgramsRead: name) {
        reports.warning(position, "\(label): programs take \"\(text)\" for the address \(address) and look nothing up, so it never matches: write the address")
      } else if !HostName.isPlausible(Self.withoutVariables(text)) {
        reports.warning(position, "\(label): \"\(text)\" is no name of a host (no scheme, no port, no path, no empty part, no address in brackets), so it never matches")
      }
      entries.append((name, position))
    }
    return (globs(entries, separator: UInt8(ascii: ".")), addresses, entries.contains { $0.text == "*" || $0.text == "**" })
  }

  /// A name as it is compared, but for the names of variables in it.
  private static func foldedName(_ text: String) -> String {
    var result: [UInt8] = []
    var isVariable = false
    for byte in text.utf8 {
      if byte == UInt8(ascii: "{"), result.last == UInt8(ascii: "$") { isVariable = true } else if byte == UInt8(ascii: "}") { isVariable = false }
      result.append(!isVariable && byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte)
    }
    if result.last == UInt8(ascii: ".") { result.removeLast() }
    return String(decoding: result, as: UTF8.self)
  }

  /// With a letter in the place of each variable.
  private static func withoutVariables(_ text: String) -> String {
    let parts = Array(text.utf8).split(separator: UInt8(ascii: "$"), omittingEmptySubsequences: false)
    return parts.dropFirst().reduce(String(decoding: parts.first ?? [], as: UTF8.self)) { result, part in
      guard part.first == UInt8(ascii: "{"), let end = part.firstIndex(of: UInt8(ascii: "}")) else { return "\(result)$\(String(decoding: part, as: UTF8.self))" }
      return "\(result)x\(String(decoding: part[part.index(after: end)...], as: UTF8.self))"
    }
  }

  func port(_ node: YAMLNode) -> ClosedRange<UInt16>? {
    if let number = node.int, let port = UInt16(exactly: number) { return port...port }
    if let parts = node.string?.split(separator: "-", omittingEmptySubsequences: false), parts.count == 2,
      parts.allSatisfy({ $0.utf8.allSatisfy { (0x30...0x39).contains($0) } }), let low = UInt16(parts[0]), let high = UInt16(parts[1]), low <= high
    {
      return low...high
    }
    reports.error(node.position, "a port is a number from 0 to 65535, or a range such as 8000-8999")
    return nil
  }

  func unixRules(_ top: inout Mapping, _ key: String) -> [UnixRule] {
    var result: [UnixRule] = []
    eachRule(&top, key) { rule, place in
      let head = head(&rule, place)
      let entries = rule.strings("paths")
      if rule.lacks("paths") { reports.error(rule.position(of: "paths"), "\(label(rule, place)) has no paths") }
      var paths: [GlobTemplate] = []
      for entry in entries {
        let isAbstract = entry.text.utf8.first == UInt8(ascii: "@")
        if !isAbstract && entry.text != "*" { checkPath(entry.text, entry.position) }
        paths += globs([entry], separator: isAbstract ? nil : PathCompiler.slash)
      }
      let operations = choices(&rule, "operations", UnixOperation.self)
      warnOfEmpty(rule, place, [("operations", "all operations")])
      _ = rule.duration("timeout")
      if let head { result.append(UnixRule(head: head, paths: paths, operations: operations)) }
    }
    return result
  }
}
