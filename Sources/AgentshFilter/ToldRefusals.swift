import Glibc

extension RestrictedGroup {
  /// Whether refusals of this group's calls go on record: those by which a sandbox or a container makes itself, and whose failure is hard to understand
  /// without it. The filter decides; the supervisor writes it down and answers.
  var isTold: Bool { self == .mount || self == .namespaces }
}

extension SystemCall {
  /// Whether the call is sent to the supervisor only to be refused there.
  var isTold: Bool {
    treatment.clauses.contains { if case .refuse(EPERM, let group?) = $0.outcome { group.isTold } else { false } }
  }
}
