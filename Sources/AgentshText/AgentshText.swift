// AgentshText
