// AgentshCommands
