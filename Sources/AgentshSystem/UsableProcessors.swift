import CAgentshSystem

/// How many processors the calling thread may run on, at least 1: sched_getaffinity(2).
public func usableProcessors() -> Int { Int(ash_usable_processors()) }
