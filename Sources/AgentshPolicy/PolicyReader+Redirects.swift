import AgentshText

// Reads `dns_redirects` and `connect_redirects`.
extension PolicyReader {
  mutating func readRedirects(_ top: inout Mapping) {
    for (index, item) in top.list("dns_redirects").enumerated() {
      let place = "dns_redirects[\(index)]"
      guard var rule = Mapping(item, place, reports) else { continue }
      let name = requiredName(&rule, place)
      let match = match(&rule, place, hasPort: false)
      let address = IPAddress(rule.string("resolve_to") ?? "")
      if address == nil { reports.error(rule.position(of: "resolve_to"), "\(place) needs a resolve_to that is an address") }
      let visibility = rule.choice("visibility", RedirectVisibility.self) ?? .auditOnly
      let onFailure = rule.choice("on_failure", RedirectFailure.self) ?? .failClosed
      rule.finish()
      guard let match, let address else { continue }
      rules.nameRedirects.append(
        NameRedirect(match: match, redirection: NameRedirection(rule: name, address: address, visibility: visibility, onFailure: onFailure)))
    }
    for (index, item) in top.list("connect_redirects").enumerated() {
      let place = "connect_redirects[\(index)]"
      guard var rule = Mapping(item, place, reports) else { continue }
      let name = requiredName(&rule, place)
      let match = match(&rule, place, hasPort: true)
      let destination = destination(&rule, place)
      let limit = transportLimit(&rule, place, name)
      let visibility = rule.choice("visibility", RedirectVisibility.self) ?? .auditOnly
      let onFailure = rule.choice("on_failure", RedirectFailure.self) ?? .failClosed
      let message = rule.string("message")
      rule.finish()
      guard let match, let destination else { continue }
      let redirection = ConnectRedirection(
        rule: name, destination: destination, visibility: visibility, onFailure: onFailure, message: message)
      rules.connectRedirects.append(ConnectRedirect(match: match, redirection: redirection, limit: limit))
    }
  }

  private func destination(_ rule: inout Mapping, _ place: String) -> ConnectRedirection.Destination? {
    let (address, socket) = (rule.string("redirect_to") ?? "", rule.string("redirect_to_unix") ?? "")
    guard address.isEmpty != socket.isEmpty else {
      reports.error(rule.position, "\(place) needs either redirect_to or redirect_to_unix")
      return nil
    }
    if socket.isEmpty {
      let destination = ConnectRedirection.destination(address)
      if destination == nil { reports.error(rule.position(of: "redirect_to"), "\(place): redirect_to has to be host:port, such as 127.0.0.1:8080 or [::1]:8080") }
      return destination
    }
    let bytes = Array(socket.utf8)
    if bytes.first == UInt8(ascii: "@"), bytes.count > 1, bytes.count <= 108 { return .unix(.abstract(Array(bytes.dropFirst()))) }
    if bytes.first == PathCompiler.slash, bytes.count <= 107 { return .unix(.path(bytes)) }
    reports.error(rule.position(of: "redirect_to_unix"), "\(place): redirect_to_unix has to be an absolute path, or @name, of at most 107 bytes")
    return nil
  }

  /// What of `tls` this version can't do: the bytes of a connection are passed on as they are.
  private func transportLimit(_ rule: inout Mapping, _ place: String, _ name: String) -> String? {
    guard let node = rule.take("tls"), var tls = Mapping(node, "\(place).tls", reports) else { return nil }
    let mode = tls.string("mode") ?? ""
    if !["", "passthrough", "rewrite_sni"].contains(mode) {
      reports.error(tls.position(of: "mode"), "mode has to be passthrough or rewrite_sni")
    }
    if (tls.string("sni") ?? "").isEmpty && mode == "rewrite_sni" { reports.error(node.position, "rewrite_sni needs an sni") }
    tls.finish()
    guard mode == "rewrite_sni" else { return nil }
    let limit = "asks for rewrite_sni, which this version can't do: refused"
    reports.warning(node.position, "\(name): what it matches \(limit)")
    return limit
  }

  private func requiredName(_ rule: inout Mapping, _ place: String) -> String {
    let name = rule.string("name") ?? ""
    if name.isEmpty { reports.error(rule.position, "\(place) needs a name") }
    return name.isEmpty ? place : name
  }

  private func match(_ rule: inout Mapping, _ place: String, hasPort: Bool) -> Pattern? {
    let text = rule.string("match") ?? ""
    guard !text.isEmpty else {
      reports.error(rule.position(of: "match"), "\(place) needs a match")
      return nil
    }
    for warning in NameExpression.warnings(text, hasPort: hasPort) { reports.warning(rule.position(of: "match"), "\(place): the match \"\(text)\" \(warning)") }
    return patterns([(text, rule.position(of: "match"))], dotMatchesNewline: true).first
  }
}
