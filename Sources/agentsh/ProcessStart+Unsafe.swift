import AgentshCommands
import CAgentshEarly
import Glibc

/// What the scrub, which ran before any runtime did, has kept for the command.
func processStart() -> ProcessStart {
  guard ash_early_anchor() == 1 else {
    let message = "agentsh: the environment was not scrubbed at the start: this program was linked wrongly\n"
    // SAFETY: the literal outlives the call.
    _ = unsafe message.withCString { unsafe write(STDERR_FILENO, $0, message.utf8.count) }
    exit(125)
  }
  // SAFETY: both arrays end with NULL, hold C strings, and are never changed while the process lives.
  return unsafe ProcessStart(
    arguments: strings(CommandLine.unsafeArgv), environment: strings(ash_early_original_environment()),
    closedStandardDescriptors: ash_early_closed_descriptors(), isPrivileged: ash_early_is_privileged() == 1)
}

private func strings(_ array: UnsafePointer<UnsafeMutablePointer<CChar>?>?) -> [[UInt8]] {
  var result: [[UInt8]] = []
  guard var place = unsafe array else { return [] }
  while let text = unsafe place.pointee {
    // SAFETY: strlen stays within the string; the bytes are copied.
    unsafe result.append(UnsafeRawBufferPointer(start: text, count: strlen(text)).map { $0 })
    unsafe place += 1
  }
  return result
}

private func strings(_ array: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> [[UInt8]] {
  unsafe strings(UnsafePointer(array) as UnsafePointer<UnsafeMutablePointer<CChar>?>?)
}
