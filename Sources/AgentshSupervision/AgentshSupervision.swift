// AgentshSupervision
