import CAgentshSystem

/// Landlock as this kernel has it: landlock(7).
public enum Landlock {
  /// The ABI version of landlock_create_ruleset(2), or 0 where the kernel has no Landlock or it isn't switched on.
  public static var abi: Int32 { max(0, ash_landlock_abi()) }

  /// What each ABI added, for people.
  public static func summary(ofABI abi: Int32) -> String {
    let steps: [(Int32, String)] = [
      (1, "files"), (2, "moving between directories"), (3, "truncation"), (4, "TCP ports"), (5, "device requests"), (6, "signals and abstract sockets"),
      (7, "audit"),
    ]
    return steps.filter { $0.0 <= abi }.map(\.1).joined(separator: ", ")
  }
}
