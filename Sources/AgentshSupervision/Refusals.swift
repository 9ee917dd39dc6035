import AgentshFilter
import AgentshSystem
import Glibc
import SystemPackage

extension Worker {
  /// The prctl(2) that carried the nonce before the session ran. Later it is a question: what was refused. It is answered by the latest lines of the
  /// session's own record about refusals, in a memfd of the caller's, so that a program is told why without reaching anything outside.
  func answerQuestion(_ call: TrappedCall) throws(CallFailure) -> Answer {
    guard call.arguments.1 == FilterSpecification.refusalsRequest else { return .failure(EINVAL) }
    let file = try fetchDescriptor(call, descriptor(call.arguments.2))
    // Nothing else is written to: a pipe or a device could make the supervisor wait, and a file is somebody's.
    guard Memfd.isUnsealed(file), let status = try? fileStatus(file), status.size == 0 else { return .failure(EINVAL) }
    try checkStillWaiting(call)
    // Of two sessions the inner one's: what the other refuses its own processes is no business of this one's.
    let lines = innermost.record.latestRefusals
    let text = lines.flatMap { $0 + [UInt8(ascii: "\n")] }
    if let error = writeAll(file.rawValue, text).error { return .failure(error.errno.rawValue) }
    return .value(Int64(lines.count))
  }
}
