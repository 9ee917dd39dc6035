/// The version of agentsh, as `--version` prints it.
public let agentshVersion = "0.1.0"
