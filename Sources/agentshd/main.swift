import AgentshServer
import CAgentshEarly
import Glibc

guard ash_early_anchor() == 1 else { exit(1) }
exit(ServerCommand.run())
