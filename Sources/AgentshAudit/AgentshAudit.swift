// AgentshAudit
