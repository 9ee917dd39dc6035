/// A signal's name as signal(7) has it, `SIGRTMIN+n` for real-time ones, or its number.
func signalName(_ number: Int32) -> String {
  let names = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT",
    "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
  ]
  let index = Int(number) - 1
  if names.indices.contains(index) { return "SIG" + names[index] }
  return (34...64).contains(number) ? "SIGRTMIN+\(number - 34)" : "\(number)"
}
