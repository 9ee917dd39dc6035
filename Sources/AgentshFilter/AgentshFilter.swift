// AgentshFilter
