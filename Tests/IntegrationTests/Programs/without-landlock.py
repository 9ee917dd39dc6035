"""Runs a command for which the kernel has no Landlock: landlock_create_ruleset(2) answers ENOSYS."""
import ctypes, os, struct, sys

libc = ctypes.CDLL(None, use_errno=True)
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
ENOSYS, LANDLOCK_CREATE_RULESET = 38, 444
program = b"".join(
    struct.pack("=HBBI", *instruction)
    for instruction in [
        (0x20, 0, 0, 0),  # the call's number
        (0x15, 0, 1, LANDLOCK_CREATE_RULESET),
        (0x06, 0, 0, 0x00050000 | ENOSYS),  # SECCOMP_RET_ERRNO
        (0x06, 0, 0, 0x7FFF0000),  # SECCOMP_RET_ALLOW
    ]
)
instructions = ctypes.create_string_buffer(program, len(program))


class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p)]


filter = Program(len(program) // 8, ctypes.addressof(instructions))
# Root needs no no_new_privs for a filter, and must not lose the way to other identities by it.
if os.geteuid() != 0 and libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
    sys.exit("no_new_privs")
if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(filter), 0, 0) != 0:
    sys.exit("filter: " + os.strerror(ctypes.get_errno()))
os.execvp(sys.argv[1], sys.argv[1:])
