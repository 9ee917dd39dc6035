// AgentshServer
