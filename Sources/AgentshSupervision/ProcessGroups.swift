import AgentshPolicy
import AgentshSystem
import Glibc

extension Worker {
  /// What a terminal sends to process groups: tty_check_change() and isig() of drivers/tty, and tty_ioctl(4).
  private static let terminalSignals = [SIGTTOU, SIGTTIN, SIGTSTP, SIGINT, SIGQUIT, SIGHUP, SIGCONT, SIGWINCH]

  /// setpgid(2) into a group that exists already, decided on its registers: whoever is in a group has the terminal signal all of it, by writing there from the background. So a group with
  /// processes from outside is joined only by whoever may send them all these signals. The group of the session's command, which has its launcher in it and whatever the user's
  /// shell put there beside it, is the session's own.
  func changeGroup(_ call: TrappedCall, to number: Int32) throws(CallFailure) -> Answer {
    // Negative numbers are the kernel's to refuse.
    guard number > 0 else { return .proceed }
    let group = try ownNumber(call, number)
    guard group > 0 else { return .proceed }
    let sender = try processID(call)
    try checkStillWaiting(call)
    // A group that was made in the session: whoever is in it from outside came of its own will.
    if innermost.relations.isInSession(group) { return .proceed }
    let members = SessionRelations.allProcesses().filter { $0.group == group }
    let judgement = layered { layer in
      let nothing = Verdict(decision: .allow, rule: "builtin:existence")
      if let launcher = ProcessFacts(of: layer.relations.launcher), launcher.group == group { return nothing }
      for member in members where !layer.relations.isInSession(member.process) {
        for signal in Self.terminalSignals {
          let verdict = verdict(layer, signal, sender: sender, member)
          if !verdict.isPermitted { return verdict }
        }
      }
      return nothing
    }
    // What is permitted is no signal yet.
    if judgement.isPermitted { return .proceed }
    try settle(call, .setpgid, .signalSend, .signal(number: SIGTTOU, process: -group), judgement, refusal: EPERM)
    throw .errno(EPERM)
  }
}
