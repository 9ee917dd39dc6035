import AgentshPolicy
import AgentshProtocol
import AgentshSystem
import CAgentshSystem
import Glibc
import SystemPackage

/// What agentsh-supervisor does: one session, from its inherited descriptors to its end.
public enum SupervisorMain {
  /// Status when something failed inside: the session was ended, closed.
  static let failure: Int32 = 70

  public static func run() -> Never {
    do throws(StartError) {
      try SupervisorStart.seal()
      let isSpare = CommandLine.arguments.dropFirst().elementsEqual([String(decoding: SpareStart.argument, as: UTF8.self)])
      exit(try start(isSpare ? try SpareStart.wait() : nil).run())
    } catch {
      complain(error.description)
      exit(failure)
    }
  }

  private static func start(_ prepared: PreparedPolicy?) throws(StartError) -> SessionLoop {
    try Inherited.check()
    let plan = try SupervisorStart.readPlan(OwnedDescriptor(owning: Inherited.plan))
    try SupervisorStart.checkIdentity(plan)
    SupervisorStart.limitResources(descriptors: 4096)
    ash_share_memory_arenas()
    let prepared = try SupervisorStart.policy(plan, prepared: prepared)
    // What reading the policy needed is not needed any more, and there is one such process for each session.
    ash_trim_memory()
    // Before any other thread exists, and before anybody is spoken to.
    do { try SupervisorFilter.install(plan.supervisorFilter) } catch { throw .filter("\(error)") }
    do throws(SyscallError) {
      return try SessionLoop(plan: plan, policy: prepared.policy, bound: prepared.bound)
    } catch {
      throw .call(error)
    }
  }

  /// One line on stderr, which is the server's.
  static func complain(_ text: String) {
    _ = writeAll(STDERR_FILENO, Array("agentsh-supervisor: \(displayEscaped(text))\n".utf8))
  }
}
