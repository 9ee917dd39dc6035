import AgentshText

// Reads `signal_rules`.
extension PolicyReader {
  func signalRules(_ top: inout Mapping) -> [SignalRule] {
    var result: [SignalRule] = []
    eachRule(&top, "signal_rules") { rule, place in
      let head = head(&rule, place, isSignal: true)
      var signals = SignalSet()
      let entries = rule.strings("signals")
      if rule.lacks("signals") { reports.error(rule.position(of: "signals"), "\(label(rule, place)) has no signals") }
      for (text, position) in entries {
        if let numbers = SignalNames.numbers(of: text) { numbers.forEach { signals.insert($0) } } else {
          reports.error(
            position, "\"\(text)\" is not a signal (a name, a number, or one of @all, @fatal, @job, @reload, @ignore)")
        }
      }
      let target = signalTarget(&rule)
      // What to do where a signal can't be held back; it always can here.
      _ = rule.choice("fallback", Decision.self)
      if let other = rule.string("redirect_to"), SignalNames.numbers(of: other)?.count != 1 {
        reports.error(rule.position(of: "redirect_to"), "\"\(other)\" is not a signal")
      }
      _ = rule.duration("timeout")
      if let head, let target { result.append(SignalRule(head: head, signals: signals, target: target)) }
    }
    return result
  }

  private enum TargetType: String, CaseIterable {
    case itself = "self"
    case children, descendants, siblings, session, parent, external, system, user, process
    case pidRange = "pid_range"
  }

  private func signalTarget(_ rule: inout Mapping) -> SignalTarget? {
    guard let node = rule.take("target"), var target = Mapping(node, "target", reports) else {
      if !rule.has("target") { reports.error(rule.position, "a signal rule needs a target: {type: …}") }
      return nil
    }
    defer { target.finish() }
    let type = target.choice("type", TargetType.self)
    let pattern = target.string("pattern")
    let low = target.int("min", in: 0...Int(Int32.max))
    let high = target.int("max", in: 0...Int(Int32.max))
    guard let type else {
      if !target.has("type") { reports.error(node.position, "target needs a type") }
      return nil
    }
    switch type {
    case .itself: return .kind(.itself)
    case .children: return .kind(.child)
    case .descendants: return .kind(.descendant)
    case .siblings: return .kind(.sibling)
    case .session: return .kind(.session)
    case .parent: return .kind(.parent)
    case .external: return .kind(.external)
    case .system: return .kind(.system)
    case .user: return .kind(.user)
    case .process:
      guard let pattern, !pattern.isEmpty else {
        reports.error(node.position, "a target of type process needs a pattern")
        return nil
      }
      do throws(GlobError) {
        return .process(try Glob.environment(pattern))
      } catch {
        reports.error(target.position(of: "pattern"), "\"\(pattern)\": \(error.reason)")
        return nil
      }
    case .pidRange:
      guard let low = low.flatMap(Int32.init(exactly:)), let high = high.flatMap(Int32.init(exactly:)), low > 0, low <= high
      else {
        reports.error(node.position, "a target of type pid_range needs min and max, both above 0")
        return nil
      }
      return .pids(low...high)
    }
  }
}
