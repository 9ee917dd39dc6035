import AgentshPolicy
import AgentshSystem
import CAgentshSystem
import Glibc

// Whoever opens a terminal by its name reads what is typed there and types into it, the passwords of the user's other shells included. Rules about paths
// can't tell them apart: pts(4) numbers them as they come.
extension Worker {
  /// Refuses a terminal that is neither the caller's own nor held by anybody in the session. Descriptors that were inherited are not asked about.
  func settleTerminal(_ call: TrappedCall, _ kind: CallKind, _ located: borrowing Located, writes: Bool) throws(CallFailure) {
    guard located.status.isCharacterDevice, let terminal = terminal(located.status.specialDevice) else { return }
    if controllingTerminal(call) == terminal.device { return }
    if isHeldInSession(terminal, located.status) { return }
    try checkStillWaiting(call)
    let verdict = Verdict(decision: .deny, rule: "builtin:terminal", message: "this terminal belongs to no process of the session")
    try settle(call, kind, writes ? .fileWrite : .fileRead, .path(located.path), verdict)
  }

  /// A device that somebody may sit at: by its number, or, since serial lines and consoles of hypervisors are devices of programs as well, because a session of the kernel's has it.
  private func terminal(_ device: UInt64) -> TerminalNumber? {
    if let terminal = TerminalNumber(device: device) { return terminal }
    // Memory devices, /dev/tty, /dev/console and /dev/ptmx are nobody's.
    guard ash_major(device) != 1, ash_major(device) != 5 else { return nil }
    let isTaken = directoryNumbers(Array("/proc".utf8)).contains { Self.controllingTerminal(of: $0) == device }
    return isTaken ? TerminalNumber(line: device) : nil
  }

  /// The caller's controlling terminal, as stat(2) numbers devices; nil without one.
  func controllingTerminal(_ call: TrappedCall) -> UInt64? { Self.controllingTerminal(of: call.thread) }

  private static func controllingTerminal(of task: Int32) -> UInt64? {
    guard let stat = try? readSmallFile(at: AT_FDCWD, procPath(task, "stat"), limit: 4096), let number = terminalNumber(in: stat), number != 0 else {
      return nil
    }
    return ash_makedev(UInt32(number) >> 8 & 0xfff, UInt32(number) & 0xff | UInt32(number) >> 12 & 0xfff00)
  }

  private func isHeldInSession(_ terminal: TerminalNumber, _ object: FileStatus) -> Bool {
    let relations = innermost.relations
    let members = SessionRelations.allProcesses().map(\.process).filter { relations.isInSession($0) || $0 == relations.launcher }
    if members.contains(where: { holds($0, terminal, object) }) { return true }
    // What isn't dumpable shows its descriptors to nobody else.
    var isHeld = false
    withPtraceCapability { isHeld = members.contains { holds($0, terminal, object) } }
    return isHeld
  }

  /// Whether a process has this very terminal open, or the other end of it; a descriptor that was opened with O_PATH, as anybody may, is none of those.
  private func holds(_ process: Int32, _ terminal: TerminalNumber, _ object: FileStatus) -> Bool {
    guard let handle = try? Pidfd.open(process) else { return false }
    return ([0] + directoryNumbers(procPath(process, "fd"))).contains { number in
      guard let path = try? readLink(at: AT_FDCWD, procPath(process, "fd", number)), path.starts(with: Array("/".utf8)),
        let status = try? fileStatus(at: AT_FDCWD, procPath(process, "fd", number)), status.isCharacterDevice,
        let held = try? handle.descriptor(number), fcntl(held.rawValue, F_GETFL) & O_PATH == 0
      else { return false }
      func isObject(_ descriptor: borrowing OwnedDescriptor) -> Bool {
        guard let status = try? fileStatus(descriptor) else { return false }
        return status.inode == object.inode && status.device == object.device && status.specialDevice == terminal.device
      }
      if isObject(held) { return true }
      // The other end, whose terminal ptmx(4) gives without opening it.
      guard terminal.isPseudo, path.hasSuffix(Array("/ptmx".utf8)) else { return false }
      let peer = ash_pty_peer(held.rawValue)
      guard peer >= 0 else { return false }
      return isObject(OwnedDescriptor(owning: peer))
    }
  }
}

/// A terminal that somebody sits at: of pts(4), or of console(4).
struct TerminalNumber: Equatable {
  let device: UInt64
  let isPseudo: Bool
  let index: UInt32

  /// Of a device that is a terminal at the moment.
  init(line device: UInt64) { (self.device, isPseudo, index) = (device, false, ash_minor(device)) }

  init?(device: UInt64) {
    let (major, minor) = (ash_major(device), ash_minor(device))
    self.device = device
    switch major {
    case 136...143: (isPseudo, index) = (true, (major - 136) << 8 | minor)
    case 4 where minor < 64: (isPseudo, index) = (false, minor)
    default: return nil
    }
  }
}

/// tty_nr of /proc/PID/stat, which stands behind the name in parentheses: state ppid pgrp session tty_nr (proc_pid_stat(5)).
func terminalNumber(in stat: [UInt8]) -> Int32? {
  guard let end = stat.lastIndex(of: UInt8(ascii: ")")) else { return nil }
  let fields = stat[(end + 1)...].split(separator: UInt8(ascii: " "))
  return fields.count > 4 ? Int32(String(decoding: fields[4], as: UTF8.self)) : nil
}
