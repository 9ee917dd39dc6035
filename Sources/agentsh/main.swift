import AgentshCommands

AgentshMain.run(processStart())
