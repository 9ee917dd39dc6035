import AgentshText

/// What a section looks like that this version accepts without enforcing it: its keys are checked all the same.
indirect enum Shape: Sendable {
  case any
  case scalar
  case list(Shape)
  case fields([String: Shape])
  /// A mapping whose keys are names.
  case named(Shape)
  case condition

  private static let texts = Shape.list(.scalar)

  static let registryRule = Shape.fields([
    "name": .scalar, "description": .scalar, "paths": texts, "operations": texts, "decision": .scalar, "message": .scalar,
    "timeout": .scalar, "priority": .scalar, "cache_ttl": .scalar, "notify": .scalar,
  ])
  static let packageRule = Shape.fields([
    "match": .fields([
      "packages": texts, "name_patterns": texts, "finding_type": .scalar, "severity": .scalar, "reasons": texts,
      "license_spdx": .fields(["allow": texts, "deny": texts]), "ecosystem": .scalar, "options": .any,
    ]),
    "action": .scalar, "reason": .scalar,
  ])
  static let mcpRules = Shape.fields([
    "enforce_policy": .scalar, "tool_policy": .scalar,
    "allowed_tools": .list(.fields(["server": .scalar, "tool": .scalar, "content_hash": .scalar])),
    "allowed_servers": .list(.fields(["id": .scalar])), "server_policy": .scalar,
    "version_pinning": .fields(["enabled": .scalar, "on_change": .scalar, "auto_trust_first": .scalar]),
    "cross_server": .any,
  ])
  static let httpService = Shape.fields([
    "name": .scalar, "upstream": .scalar, "expose_as": .scalar, "aliases": texts, "allow_direct": .scalar, "default": .scalar,
    "rules": .list(
      .fields([
        "name": .scalar, "methods": texts, "paths": texts, "decision": .scalar, "message": .scalar, "timeout": .scalar,
      ])),
    "secret": .fields(["ref": .scalar, "format": .scalar]),
    "inject": .fields(["header": .fields(["name": .scalar, "template": .scalar])]), "scrub_response": .scalar,
  ])
  private static let platform = Shape.fields([
    "comm": texts, "exe_path": texts, "cmdline": texts, "bundle_id": texts, "exe_name": texts,
  ])
  static let processIdentity = Shape.fields([
    "description": .scalar, "linux": platform, "darwin": platform, "windows": platform, "all_platforms": platform,
  ])
  static let chainRule = Shape.fields([
    "name": .scalar, "description": .scalar, "priority": .scalar, "condition": .condition, "action": .scalar,
    "message": .scalar, "continue": .scalar,
  ])
  static let commandOverride = Shape.fields(["args_allow": texts, "args_deny": texts, "default": .scalar])
  static let racePolicy = Shape.fields([
    "on_missing_parent": .scalar, "on_pid_mismatch": .scalar, "on_validation_error": .scalar, "log_race_conditions": .scalar,
  ])
  private static let consecutive = Shape.fields(["value": .scalar, "count_ge": .scalar, "count_le": .scalar])
  private static let conditionFields: [String: Shape] = [
    "via_index": .scalar, "via_index_value": .scalar, "via_contains": texts, "via_not_contains": texts, "via_matches": texts,
    "class_contains": texts, "class_not_contains": texts, "consecutive_class": consecutive, "consecutive_comm": consecutive,
    "depth_eq": .scalar, "depth_gt": .scalar, "depth_lt": .scalar, "depth_ge": .scalar, "depth_le": .scalar,
    "is_tainted": .scalar, "is_agent": .scalar, "env_contains": texts, "args_contain": texts, "comm_matches": texts,
    "path_matches": texts, "source_name": texts, "source_context": texts, "or": .list(.condition), "and": .list(.condition),
    "not": .condition,
  ]

  func check(_ node: YAMLNode, _ what: String, _ reports: Reports) {
    if node.isNull { return }
    switch self {
    case .any: return
    case .scalar:
      if node.string == nil { reports.error(node.position, "\(what) has to be a value, not \(node.kind)") }
    case .list(let item):
      guard case .sequence(let items) = node.content else {
        reports.error(node.position, "\(what) has to be a list, not \(node.kind)")
        return
      }
      for (index, element) in items.enumerated() { item.check(element, "\(what)[\(index)]", reports) }
    case .fields(let fields):
      guard var mapping = Mapping(node, what, reports) else { return }
      for (key, shape) in fields.sorted(by: { $0.key < $1.key }) {
        if let value = mapping.take(key) { shape.check(value, "\(what).\(key)", reports) }
      }
      mapping.finish()
    case .named(let shape):
      guard case .mapping(let entries) = node.content else {
        reports.error(node.position, "\(what) has to be a mapping (name: …), not \(node.kind)")
        return
      }
      for entry in entries { shape.check(entry.value, "\(what).\(entry.key)", reports) }
    case .condition: Shape.fields(Self.conditionFields).check(node, what, reports)
    }
  }
}
