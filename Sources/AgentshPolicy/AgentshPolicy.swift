// AgentshPolicy
