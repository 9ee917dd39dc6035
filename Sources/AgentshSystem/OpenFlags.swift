import CAgentshSystem

// Flags of open(2) and the *at(2) calls that the C library shows to GNU sources only, under their own names.

public let O_PATH: CInt = ash_o_path
public let O_DIRECT: CInt = ash_o_direct
public let O_LARGEFILE: CInt = ash_o_largefile
public let O_NOATIME: CInt = ash_o_noatime
/// The bit of O_TMPFILE that isn't O_DIRECTORY.
public let O_TMPFILE_BIT: CInt = ash_o_tmpfile_bit
public let O_ASYNC_BIT: CInt = ash_o_fasync
public let AT_EMPTY_PATH: CInt = ash_at_empty_path
