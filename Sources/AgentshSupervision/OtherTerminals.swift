import AgentshPolicy
import AgentshSystem
import CAgentshSystem
import Glibc

// Whoever opens a terminal by its name reads what is typed there and types into it, the passwords of the user's other shells included. Rules about paths
// can't tell them apart: pts(4) numbers them as they come.
extension Worker {
  /// Refuses a terminal that is neither the caller's own nor held by anybody in the session. Descriptors that were inherited are not asked about.
  func settleTerminal(_ call: TrappedCall, _ kind: CallKind, _ located: borrowing Located, writes: Bool) throws(CallFailure) {
    guard located.status.isCharacterDevice, let terminal = TerminalNumber(device: located.status.specialDevice) else { return }
    if try controllingTerminal(call) == terminal.device { return }
    if isHeldInSession(terminal) { return }
    try checkStillWaiting(call)
    let verdict = Verdict(decision: .deny, rule: "builtin:terminal", message: "this terminal belongs to no process of the session")
    try settle(call, kind, writes ? .fileWrite : .fileRead, .path(located.path), verdict)
  }

  /// The caller's controlling terminal, as stat(2) numbers devices; nil without one.
  private func controllingTerminal(_ call: TrappedCall) throws(CallFailure) -> UInt64? {
    guard let stat = try? readSmallFile(at: AT_FDCWD, procPath(call.thread, "stat"), limit: 4096), let number = terminalNumber(in: stat), number != 0 else {
      return nil
    }
    return ash_makedev(UInt32(number) >> 8 & 0xfff, UInt32(number) & 0xff | UInt32(number) >> 12 & 0xfff00)
  }

  private func isHeldInSession(_ terminal: TerminalNumber) -> Bool {
    let relations = innermost.relations
    let members = SessionRelations.allProcesses().map(\.process).filter { relations.isInSession($0) || $0 == relations.launcher }
    if members.contains(where: { holds($0, terminal) }) { return true }
    // What isn't dumpable shows its descriptors to nobody else.
    var isHeld = false
    withPtraceCapability { isHeld = members.contains { holds($0, terminal) } }
    return isHeld
  }

  private func holds(_ process: Int32, _ terminal: TerminalNumber) -> Bool {
    ([0] + directoryNumbers(procPath(process, "fd"))).contains { number in
      guard let path = try? readLink(at: AT_FDCWD, procPath(process, "fd", number)) else { return false }
      if path == terminal.path { return true }
      // The other end, of which ptmx(4) tells the number here.
      guard terminal.isPseudo, path.hasSuffix(Array("/ptmx".utf8)),
        let text = try? readSmallFile(at: AT_FDCWD, procPath(process, "fdinfo", number), limit: 4096)
      else { return false }
      return statusField("tty-index:", in: text).flatMap { UInt32($0) } == terminal.index
    }
  }
}

/// A terminal that somebody sits at: of pts(4), or of console(4).
struct TerminalNumber: Equatable {
  let device: UInt64
  let isPseudo: Bool
  let index: UInt32

  init?(device: UInt64) {
    let (major, minor) = (ash_major(device), ash_minor(device))
    self.device = device
    switch major {
    case 136...143: (isPseudo, index) = (true, (major - 136) << 8 | minor)
    case 4 where minor < 64: (isPseudo, index) = (false, minor)
    default: return nil
    }
  }

  /// Its usual name.
  var path: [UInt8] {
    var path: [UInt8] = Array((isPseudo ? "/dev/pts/" : "/dev/tty").utf8)
    appendDecimal(Int64(index), to: &path)
    return path
  }
}

/// tty_nr of /proc/PID/stat, which stands behind the name in parentheses: state ppid pgrp session tty_nr (proc_pid_stat(5)).
func terminalNumber(in stat: [UInt8]) -> Int32? {
  guard let end = stat.lastIndex(of: UInt8(ascii: ")")) else { return nil }
  let fields = stat[(end + 1)...].split(separator: UInt8(ascii: " "))
  return fields.count > 4 ? Int32(String(decoding: fields[4], as: UTF8.self)) : nil
}
