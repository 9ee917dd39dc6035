import AgentshSupervision
import CAgentshEarly
import Glibc

// The environment was scrubbed before any runtime read it; without that this is not the program that was built.
guard ash_early_anchor() == 1 else { exit(70) }
SupervisorMain.run(forgettingArguments: { ash_early_forget_arguments() })
