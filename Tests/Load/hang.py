"""A file system that hangs: mounted by root for another user, through /dev/fuse alone. `file` can be looked at and never opened; `lookup` can't even be
looked up. Ends when its standard input does."""
import ctypes
import os
import select
import struct
import sys

LOOKUP, FORGET, GETATTR, OPEN, INIT, INTERRUPT, BATCH_FORGET = 1, 2, 3, 14, 26, 36, 42
libc = ctypes.CDLL(None, use_errno=True)


def attributes(node, mode):
    # struct fuse_attr of linux/fuse.h
    return struct.pack("<QQQQQQIIIIIIIIII", node, 4096, 8, 0, 0, 0, 0, 0, 0, mode, 1, int(sys.argv[2]), int(sys.argv[2]), 0, 4096, 0)


def main():
    directory, user = sys.argv[1], int(sys.argv[2])
    device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    options = f"fd={device},rootmode=40755,user_id={user},group_id={user},allow_other"
    if libc.mount(b"hang", directory.encode(), b"fuse.hang", ctypes.c_ulong(6), options.encode()) != 0:
        sys.exit("mount: " + os.strerror(ctypes.get_errno()))
    try:
        serve(device)
    finally:
        libc.umount2(directory.encode(), 2)


def serve(device):
    def answer(unique, body=b"", error=0):
        os.write(device, struct.pack("<IiQ", 16 + len(body), -error, unique) + body)

    while True:
        ready, _, _ = select.select([device, sys.stdin], [], [])
        if sys.stdin in ready:
            return
        request = os.read(device, 1 << 20)
        _, opcode, unique, node = struct.unpack_from("<IIQQ", request)
        if opcode == INIT:
            major, minor, ahead, _ = struct.unpack_from("<IIII", request, 40)
            # 7.31 or what the kernel has, whichever is less; no flags.
            answer(unique, struct.pack("<IIIIHHII8I", 7, min(minor, 31), ahead, 0, 0, 0, 4096, 1, *[0] * 8))
            print("mounted", flush=True)
        elif opcode == GETATTR:
            answer(unique, struct.pack("<QII", 1, 0, 0) + attributes(node, 0o40755 if node == 1 else 0o100644))
        elif opcode == LOOKUP:
            name = request[40:].rstrip(b"\0")
            if name == b"file":
                answer(unique, struct.pack("<QQQQII", 2, 0, 1, 1, 0, 0) + attributes(2, 0o100644))
            elif name == b"lookup":
                print("stuck in lookup", flush=True)
            else:
                answer(unique, error=2)
        elif opcode == OPEN:
            print("stuck in open", flush=True)
        elif opcode in (FORGET, BATCH_FORGET, INTERRUPT):
            pass
        else:
            answer(unique, error=38)


main()
