import AgentshPolicy
import AgentshProtocol
import AgentshSystem
import CAgentshSystem
import Glibc
import SystemPackage

/// What agentsh-supervisor does: one session, from its inherited descriptors to its end.
public enum SupervisorMain {
  /// The launcher's pidfd among a supervisor's descriptors: a server that takes up a session of one before it finds it there.
  public static let launcherDescriptor = Inherited.launcher

  /// Status when something failed inside: the session was ended, closed.
  static let failure: Int32 = 70

  /// - Parameter forgettingArguments: has the process list show no arguments any more: a spare that has a session is told from one that waits.
  public static func run(forgettingArguments: () -> Void) -> Never {
    do throws(StartError) {
      try SupervisorStart.seal()
      let isSpare = CommandLine.arguments.dropFirst().elementsEqual([String(decoding: SpareStart.argument, as: UTF8.self)])
      let rehearsed = isSpare ? try SpareStart.wait() : nil
      forgettingArguments()
      exit(try start(rehearsed).run())
    } catch {
      complain(error.description)
      exit(failure)
    }
  }

  private static func start(_ rehearsed: SpareStart.Rehearsed?) throws(StartError) -> SessionLoop {
    try Inherited.check()
    let plan = try SupervisorStart.readPlan(OwnedDescriptor(owning: Inherited.plan))
    let prepared = try SupervisorStart.confine(plan, rehearsed: rehearsed)
    do throws(SyscallError) {
      return try SessionLoop(plan: plan, prepared)
    } catch {
      throw .call(error)
    }
  }

  /// One line on stderr, which is the server's.
  static func complain(_ text: String) {
    _ = writeAll(STDERR_FILENO, Array("agentsh-supervisor: \(displayEscaped(text))\n".utf8))
  }
}
