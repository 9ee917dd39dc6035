import AgentshFilter
import AgentshPolicy
import AgentshSystem
import Glibc
import SystemPackage
import Testing

@testable import AgentshSupervision

/// A command that ran under a policy, on the real kernel: its output, how it ended, and what the record says.
struct SupervisedRun {
  let output: String
  /// Wait status, waitpid(2).
  let status: Int32
  /// The record's lines.
  let record: [String]

  var exitStatus: Int32? { status & 0x7f == 0 ? (status >> 8) & 0xff : nil }
  var signal: Int32? { status & 0x7f == 0 ? nil : status & 0x7f }

  /// Lines of the record with all of these in them.
  func lines(_ parts: String...) -> [String] { record.filter { line in parts.allSatisfy { line.contains($0) } } }
}

/// What every rig policy starts with: everything is allowed that the test doesn't speak of.
private let permissive = """
  version: 1
  name: rig
  defaults: { file_read: allow, file_write: allow, command: allow, network: allow, unix: allow, signal: allow }

  """

/// Runs `arguments` supervised by a pool of workers in this process, under `rules` (YAML below a policy that allows everything).
/// - Parameters:
///   - more: what is trapped besides that which the rules speak of.
///   - floor: what Landlock holds of what the workers do; the command itself is under none.
func runSupervised(
  _ arguments: [String], _ rules: String, directory: String = "/tmp", trapping more: TrapClasses = [], floor: LandlockRules? = nil
) throws -> SupervisedRun {
  let parsed = Policy.parse(Array((permissive + rules).utf8), file: "rig.yaml")
  let policy = try #require(parsed.policy, "\(parsed.diagnostics)")
  let place = Array(directory.utf8)
  let bound = try policy.bound(to: PolicyVariables(projectRoot: place, home: place, user: Array("rig".utf8)))
  // What the rig doesn't test goes its own way: opens and changes of files.
  var traps: TrapClasses = [.nonce]
  if rules.contains("command_rules") { traps.insert(.exec) }
  if rules.contains("network_rules") || rules.contains("unix_socket_rules") { traps.formUnion([.network, .unixSockets, .listening]) }
  if rules.contains("signal_rules") { traps.insert(.signals) }
  traps.formUnion(more)
  let filter = try FilterCompiler.compile(FilterSpecification(traps: traps))

  WaitTable.installHandler()
  let outputFile = try temporaryFile()
  let output = outputFile.rawValue
  let request = LaunchRequest(
    filter: filter.instructions, candidates: [Array("/bin/bash".utf8)],
    // Handed over, since the supervisor's entries in /proc are closed to the command. (bash: others know descriptors of one digit only.)
    arguments: ["bash", "-c", "cd '\(directory)'; exec \"$@\" >&\(output) 2>&1 \(output)>&-", "sh"].map { Array($0.utf8) }
      + arguments.map { Array($0.utf8) },
    environment: [Array("PATH=/usr/local/bin:/usr/bin:/bin".utf8)], keptDescriptors: [output])
  let mask = try LauncherSignals.block()
  var child = try LauncherChild.start(request, restoring: SignalMask(bits: 0, ignoredChildSignal: false))
  // Whatever is thrown on the way: a child that nobody waits for would keep exit tests from seeing theirs end.
  let number = child.pid
  var isReaped = false
  defer {
    if !isReaped {
      _ = Glibc.kill(number, SIGKILL)
      _ = waitFor(number)
    }
  }
  try LauncherSignals.restore(mask)
  var report = try child.nextReport(deadline: .after(milliseconds: 10_000))
  while report?.stage != .listening {
    try #require(report?.error == 0, "the child reports \(String(describing: report))")
    report = try child.nextReport(deadline: .after(milliseconds: 10_000))
  }
  let listener = SeccompListener(OwnedDescriptor(owning: try #require(report?.value)))
  let nonce: UInt64 = 0x1234_5678_9abc_def0

  let recordFile = try temporaryFile()
  let reader = try recordFile.duplicate()
  let record = SessionRecord(descriptor: recordFile, session: "rig", uid: geteuid(), recordsAllowedReads: false)
  let root = try openAt(AT_FDCWD, Array("/".utf8), flags: O_PATH | O_DIRECTORY)
  let supervision = Supervision(
    listener: listener, policy: bound, record: record,
    relations: SessionRelations(rootTarget: child.pid, launcher: getpid(), server: nil), counters: DecisionCounters(), kinds: CallKinds(),
    root: root, sharesRoot: true, rootsMayDiffer: false, rootTarget: child.pid, floor: try floor.map { rules throws(SyscallError) in try ActingFloor(rules) } ?? ActingFloor(), endSession: { _ in })
  try child.go(nonce: nonce)
  guard case .call(let first) = supervision.listener.receive() else { throw RigFailure(reason: "no nonce call") }
  supervision.listener.answer(first.id, value: 0)
  let pool = try WorkerPool(supervision: supervision) { _ in }
  try pool.start()
  while let report = try child.nextReport(deadline: .after(milliseconds: 10_000)) {
    try #require(report.error == 0, "the child reports \(report)")
  }
  // Not by waitpid(2) alone: that would take the stops away from the worker which verifies an exec, in this same process.
  if !(try waitUntilReady(child.pidfd.descriptor, deadline: .after(milliseconds: 30_000))) { child.kill() }
  let status = waitFor(child.pid)
  isReaped = true
  _ = lseek(outputFile.rawValue, 0, SEEK_SET)
  let text = try readAll(outputFile, limit: 4 << 20)
  pool.close()
  _ = lseek(reader.rawValue, 0, SEEK_SET)
  let lines = String(decoding: try readAll(reader, limit: 16 << 20), as: UTF8.self).split(separator: "\n").map(String.init)
  return SupervisedRun(output: String(decoding: text, as: UTF8.self), status: status, record: lines)
}

struct RigFailure: Error {
  let reason: String
}

/// A file without a name.
private func temporaryFile() throws(SyscallError) -> OwnedDescriptor {
  try openAt(AT_FDCWD, Array("/tmp".utf8), flags: O_TMPFILE_BIT | O_DIRECTORY | O_RDWR | O_APPEND, mode: 0o600)
}

private func waitFor(_ process: Int32) -> Int32 {
  var status: Int32 = 0
  // SAFETY: an out parameter that lives for the call.
  while unsafe waitpid(process, &status, 0) < 0, currentErrno == .interrupted {}
  return status
}
