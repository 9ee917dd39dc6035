"""Puts a seccomp listener that lets everything pass above itself, as another sandbox would, and runs a command: listener.py COMMAND…"""
import ctypes
import os
import struct
import sys

libc = ctypes.CDLL(None, use_errno=True)
allow = ctypes.create_string_buffer(struct.pack("<HBBI", 6, 0, 0, 0x7FFF0000), 8)


class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]


program = Program(1, ctypes.addressof(allow))
libc.prctl(38, 1, 0, 0, 0)
number = {"x86_64": 317, "aarch64": 277}[os.uname().machine]
listener = libc.syscall(number, 1, 8, ctypes.byref(program))
if listener < 0:
    sys.exit("seccomp: " + os.strerror(ctypes.get_errno()))
# While somebody has it there can be no other.
os.set_inheritable(listener, True)
os.execvp(sys.argv[1], sys.argv[1:])
