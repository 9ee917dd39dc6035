import AgentshAudit
import AgentshPolicy
import AgentshSystem
import Glibc

/// One question to the policy about one path.
struct FileQuestion {
  let operation: FileOperation
  let path: [UInt8]

  init(_ operation: FileOperation, _ path: [UInt8]) {
    self.operation = operation
    self.path = path
  }
}

extension Worker {
  /// The strictest of the verdicts on several questions: the first refusal, else the first that is to be recorded, else the first.
  func strictest(_ questions: [FileQuestion]) -> Judgement { layered { strictest(questions, $0) } }

  func strictest(_ questions: [FileQuestion], _ layer: SessionLayer) -> Verdict {
    var chosen: Verdict?
    for question in questions {
      let verdict = fileVerdict(question.operation, question.path, layer)
      if !verdict.isPermitted { return verdict }
      if chosen == nil || (verdict.isRecorded && chosen?.isRecorded == false) { chosen = verdict }
    }
    // No question at all is a mistake in a handler, and a mistake is a refusal.
    return chosen ?? Verdict(decision: .deny, rule: "internal", message: nil)
  }

  /// The policy's answer, or what holds for file systems of the session's own.
  func fileVerdict(_ operation: FileOperation, _ path: [UInt8], _ layer: SessionLayer) -> Verdict {
    let verdict = ownVerdict(operation, path, layer) ?? layer.policy.file(operation, path)
    guard verdict.isPermitted else { return verdict }
    // By another name it may be refused.
    for name in supervision.mounts.otherNames(of: path) {
      if let refusal = layer.policy.fileRefusal(of: operation, byName: name) { return refusal }
    }
    return verdict
  }

  /// Decides about a change at `parent`'s name and records it.
  func settleChange(
    _ call: TrappedCall, _ kind: CallKind, _ recorded: AuditOperation, _ questions: [FileQuestion], path: [UInt8]
  ) throws(CallFailure) {
    try settle(call, kind, recorded, .path(path), strictest(questions))
  }

  /// The verdict that keeps a directory from being moved from one name to another because of what may lie below it; nil when nothing there is protected.
  func protectionBelow(_ old: [UInt8], _ new: [UInt8], _ layer: SessionLayer) -> Verdict? {
    // What the session made for itself no rule speaks of.
    func below(_ directory: [UInt8]) -> Verdict? {
      directory.starts(with: SessionMounts.ownPrefix) ? nil : layer.policy.refusalBelow(directory, FileOperation.moved)
    }
    func socketsBelow(_ directory: [UInt8]) -> Verdict? {
      directory.starts(with: SessionMounts.ownPrefix) ? nil : layer.policy.unixRefusalBelow(directory)
    }
    // What arrives with it must not have been forbidden there.
    func arriving(_ directory: [UInt8]) -> Verdict? {
      directory.starts(with: SessionMounts.ownPrefix) ? nil : layer.policy.refusalBelow(directory, FileOperation.making, asksRulesOnly: true)
    }
    // Under every name that the directory has, before and after.
    for old in [old] + supervision.mounts.otherNames(of: old) {
      for new in [new] + supervision.mounts.otherNames(of: new) {
        if let refusal = below(old) ?? below(new) ?? arriving(new) ?? socketsBelow(old) ?? socketsBelow(new)
          ?? layer.policy.refusalLost(movingFrom: old, to: new, FileOperation.moved)
        {
          return refusal
        }
      }
    }
    return nil
  }

  /// The verdict that keeps a socket from getting another name: one by which it could be reached although rules close the one that it has, or one that none may be
  /// bound to; nil where nothing does.
  func protectionOfSocket(_ old: [UInt8], _ new: [UInt8], _ layer: SessionLayer) -> Verdict? {
    let bound = unixVerdict(.bind, new, layer)
    if !bound.isPermitted { return bound }
    for operation in [UnixOperation.connect, .sendto] {
      let before = unixVerdict(operation, old, layer)
      if !before.isPermitted, unixVerdict(operation, new, layer).isPermitted { return before }
    }
    return nil
  }

  /// The verdict that keeps a symbolic link from standing at a name, since what it leads to would stand below that name for whoever comes by it, and rules
  /// say that nothing may be put there; nil when none does.
  /// - Parameter text: what the link says; nil where that isn't known.
  func protectionAgainstLink(at name: [UInt8], saying text: [UInt8]? = nil, _ layer: SessionLayer) -> Verdict? {
    if name.starts(with: SessionMounts.ownPrefix) { return nil }
    // Whoever looks for somebody else's socket there would come to what the link leads to.
    if let refusal = layer.policy.unixRefusalOfLink(at: name) { return refusal }
    return layer.policy.refusalOfLink(at: name, saying: text)
  }
}

/// The record's word for a file operation.
func recordName(_ operation: FileOperation) -> AuditOperation {
  switch operation {
  case .read, .open, .list, .readlink, .access: .fileRead
  case .stat: .fileStat
  case .write: .fileWrite
  case .create: .fileCreate
  case .mkdir: .fileMkdir
  case .chmod: .fileChmod
  case .chown: .fileChown
  case .rename: .fileRename
  case .delete: .fileDelete
  case .rmdir: .fileRmdir
  case .link: .fileLink
  case .symlink: .fileSymlink
  case .mknod: .fileMknod
  }
}
