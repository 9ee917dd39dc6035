// AgentshProtocol
