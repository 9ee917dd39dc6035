# needs: python3
set -eu
/usr/bin/python3 -B - <<'P'
import ctypes, errno, os, signal, socket, struct, time
def tried(name, body):
    try: print(name, body())
    except OSError as error: print(name, errno.errorcode[error.errno])
# A path of as many bytes as there is room for, without a NUL.
for size in (106, 107, 108):
    s = socket.socket(socket.AF_UNIX)
    libc = ctypes.CDLL(None, use_errno=True)
    address = struct.pack("=H", socket.AF_UNIX) + b"a" * size
    def call(function, *arguments):
        if function(s.fileno(), *arguments) != 0: raise OSError(ctypes.get_errno(), "")
    tried(f"bind {size}", lambda: call(libc.bind, address, len(address)))
    tried(f"listen {size}", lambda: call(libc.listen, 1))
# No file has a length to be changed.
reader, writer = os.pipe()
tried("pipe", lambda: os.truncate(f"/proc/self/fd/{reader}", 0))
# Signals to oneself by a number for that, by a directory of /proc, and what is told along with them.
hits = []
signal.signal(signal.SIGUSR1, lambda *_: hits.append(1))
libc = ctypes.CDLL(None, use_errno=True)
def send(handle, number, information=None, flags=0):
    if libc.syscall(424, handle, number, information, flags) != 0: raise OSError(ctypes.get_errno(), "")
for name, handle in (("thread", -10000), ("process", -10001), ("folder", os.open("/proc/self", os.O_RDONLY)), ("pidfd", os.pidfd_open(os.getpid()))):
    tried(name, lambda: send(handle, signal.SIGUSR1))
tried("wrong number", lambda: send(os.pidfd_open(os.getpid()), signal.SIGUSR1, struct.pack("=iii", signal.SIGUSR2, 0, -1) + bytes(116)))
tried("no memory", lambda: send(os.pidfd_open(os.getpid()), signal.SIGUSR1, ctypes.c_void_p(8)))
print("signals", len(hits))
P
