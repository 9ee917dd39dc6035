public import AgentshAudit
import AgentshPolicy
public import AgentshProtocol
import AgentshSystem

extension CommandOmission {
  /// What a record says of it, right behind the command.
  public var auditFields: [AuditField] {
    [
      AuditField("command_omitted", .integer(Int64(arguments))), AuditField("command_omitted_bytes", .integer(Int64(bytes))),
      AuditField("command_sha256", .text(sha256)),
    ]
  }
}

extension SessionCourse {
  /// The record's first line: what was to run, for whom, under which policy, and what of it this host can't or doesn't enforce.
  func startRecord() -> AuditRecord {
    var caller: [AuditField] = [
      AuditField("uid", .integer(Int64(plan.callerUID))), AuditField("gid", .integer(Int64(plan.callerGID))),
      AuditField("pid", .integer(Int64(plan.callerPID))), AuditField("user", .bytes(plan.variables.user)),
    ]
    if let claimed = plan.sudoUID { caller.append(AuditField("sudo_uid", .integer(Int64(claimed)))) }
    var fields = plan.omission?.auditFields ?? []
    fields += [
      AuditField("policy", .text(plan.policyName)), AuditField("policy_sha256", .text(plan.policySHA256)),
      AuditField("caller", .fields(caller)), AuditField("cwd", .bytes(plan.cwd)), AuditField("filter_sha256", .text(plan.filterSHA256)),
      AuditField("features", .list(plan.features.map { .text($0) })), AuditField("not_enforced", .list(plan.notEnforced.map { .text($0) })),
    ]
    fields.append(AuditField("network", .text(bound.networkMode.rawValue)))
    fields.append(AuditField("floor", .fields(floorFields())))
    if let resolver = plan.resolver {
      var about = [AuditField("address", .text("\(resolver.address):\(ResolverSockets.service)"))]
      if resolver.port != ResolverSockets.service {
        about += [
          AuditField("port", .integer(Int64(resolver.port))),
          AuditField("limited", .text("port 53 needs root: programs that look at the port of answers over UDP get none, libc asks over TCP")),
        ]
      }
      if SessionNames.isCut() { about.append(AuditField("hosts", .text("/etc/hosts is longer than 8 MiB: the names behind that are not known"))) }
      fields.append(AuditField("resolver", .fields(about)))
    }
    // By this the server tells the session's beginning, however it comes to know of it.
    if let opened = plan.opened { fields.append(AuditField("opened", .text(opened))) }
    if let parent = plan.parent { fields.append(AuditField("parent", .text(parent))) }
    if let name = plan.name { fields.append(AuditField("name", .text(name))) }
    if let timeout = plan.timeoutMilliseconds { fields.append(AuditField("timeout_ms", .integer(Int64(timeout)))) }
    if !dropped.names.isEmpty { fields.append(AuditField("env_dropped", .list(dropped.names.map { .text(displayEscaped($0)) }))) }
    if dropped.more > 0 { fields.append(AuditField("env_dropped_more", .integer(Int64(dropped.more)))) }
    return AuditRecord(
      operation: .sessionStart, session: plan.sessionID, uid: plan.callerUID, pid: targetNumber, subject: .command(plan.command), fields: fields)
  }

  /// Under what the session's processes and this one's acting threads are, and what of it the kernel can't hold.
  private func floorFields() -> [AuditField] {
    let abi = LandlockABI.running
    var fields = [
      AuditField("abi", .integer(Int64(abi.rawValue))),
      AuditField("held", .list(sessionFloor.held(in: abi).map { .text($0) })),
      AuditField("missing", .list(sessionFloor.missing(in: abi).map { .text($0) })),
    ]
    // What is refused by the floor alone is in no line of this record.
    let alone = [(FloorRights.reading, "reading"), (.execute, "executing")].filter { FloorRights(rawValue: plan.exactRights).contains($0.0) }
    fields.append(AuditField("decides_alone", .list(alone.map { .text($0.1) })))
    if let reason = sessionFloor.filesLeftOut { fields.append(AuditField("files_left_out", .text(reason))) }
    return fields
  }

  /// The session's totals as they stand now.
  func summary() -> SessionSummary {
    let decisions = AuditDecision.allCases.map { (decision: $0.rawValue, count: counters[$0]) }.filter { $0.count > 0 }
    return SessionSummary(
      session: plan.sessionID, refused: counters.refused, audited: counters[.audit], allowed: counters[.allow], decisions: decisions,
      durationMilliseconds: Int(clamping: (monotonicNanoseconds() &- began) / 1_000_000), ending: ending, reason: reason,
      cpuMicroseconds: used.cpuMicroseconds, memoryKiB: used.memoryKiB, unrecorded: record.unwrittenCount, hasRun: hasRun)
  }

  /// The record's last line.
  func endRecord(_ summary: SessionSummary) -> AuditRecord {
    var fields: [AuditField] = []
    if let status = summary.ending.shellStatus { fields.append(AuditField("status", .integer(Int64(status)))) }
    if case .signalled(let signal) = summary.ending { fields.append(AuditField("ended_by", .text(signalName(signal)))) }
    if let reason = summary.reason { fields.append(AuditField("reason", .text(reason))) }
    fields.append(AuditField("decisions", .fields(summary.decisions.map { AuditField($0.decision, .integer(Int64($0.count))) })))
    fields.append(AuditField("refused", .integer(Int64(summary.refused))))
    if summary.unrecorded > 0 { fields.append(AuditField("unrecorded", .integer(Int64(summary.unrecorded)))) }
    if let cpu = summary.cpuMicroseconds { fields.append(AuditField("cpu_us", .integer(Int64(cpu)))) }
    if let memory = summary.memoryKiB { fields.append(AuditField("memory_kb", .integer(Int64(memory)))) }
    return AuditRecord(
      operation: .sessionEnd, session: plan.sessionID, uid: plan.callerUID, pid: targetNumber, fields: fields,
      durationMicroseconds: Int(clamping: (monotonicNanoseconds() &- began) / 1000))
  }
}
