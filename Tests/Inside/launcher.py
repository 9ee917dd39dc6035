"""Launchers of sessions inside another that don't do what they should.

    launcher.py KIND POLICY SECRET

Prints what became of it: `refused REASON`, `killed`, or what the child found: `child OUTCOME`. The child reads SECRET once it is let go."""
import array
import base64
import ctypes
import json
import os
import signal
import socket
import struct
import sys
import threading

kind, policy, secret = sys.argv[1:4]
libc = ctypes.CDLL(None, use_errno=True)
OPTION = 0x41534831


class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]


def prctl(*arguments):
    return libc.prctl(*[ctypes.c_ulong(argument) for argument in arguments])


def door():
    descriptor = prctl(OPTION, 0, 0, 1, 0)
    if descriptor < 0:
        print("no door", ctypes.get_errno())
        sys.exit()
    return socket.socket(fileno=descriptor)


def message(connection):
    """The next frame, and the descriptor that came along."""
    text, descriptors = b"", array.array("i")
    while not text.endswith(b"\0"):
        connection.setblocking(True)
        part, control, _, _ = connection.recvmsg(65536, socket.CMSG_SPACE(64))
        if not part:
            return None, None
        for _, _, data in control:
            descriptors.frombytes(data[: len(data) - len(data) % 4])
        text += part
    return json.loads(text[:-1]), descriptors[0] if descriptors else None


def ask(connection, what):
    connection.setblocking(True)
    connection.sendall(json.dumps(what).encode() + b"\0")


def install(code):
    prctl(38, 1, 0, 0, 0)
    buffer = ctypes.create_string_buffer(code, len(code))
    program = Program(len(code) // 8, ctypes.cast(buffer, ctypes.c_void_p))
    if libc.syscall(317 if os.uname().machine == "x86_64" else 277, 1, 0, ctypes.byref(program)) != 0:
        os._exit(99)


connection = door()
ask(connection, {"method": "org.agentsh.Control.Wrap", "parameters": {"command": ["true"], "cwd": os.getcwd(), "policy": policy}})
reply, link = message(connection)
if "error" in reply:
    print("refused", reply["parameters"].get("reason"))
    sys.exit()
reply = reply["parameters"]
link = socket.socket(fileno=link)
go_reading, go_writing = os.pipe()
said_reading, said_writing = os.pipe()
ready_reading, ready_writing = os.pipe()
child = os.fork()
if child == 0:
    code = base64.b64decode(reply["filter"])
    if kind == "thread":
        threading.Thread(target=signal.pause, daemon=True).start()
    if kind == "other-filter":
        install(struct.pack("<HBBI", 0x06, 0, 0, 0x7FFF0000))
    elif kind == "older-filter":
        # The right one, and another on top of it.
        install(code)
        install(struct.pack("<HBBI", 0x06, 0, 0, 0x7FFF0000))
    elif kind != "no-filter":
        install(code)
    os.write(ready_writing, b"x")
    nonce = int(os.read(go_reading, 32) or b"0", 16)
    if kind == "early-call":
        try:
            os.close(os.open(secret, os.O_RDONLY))
            os.write(said_writing, b"early ok")
        except OSError as error:
            os.write(said_writing, f"early {error.errno}".encode())
    if kind == "wrong-nonce":
        nonce ^= 1
    if prctl(OPTION, nonce & 0xFFFFFFFF, nonce >> 32, 0, 0) != 0:
        os.write(said_writing, f"nonce {ctypes.get_errno()}".encode())
        os._exit(0)
    if kind == "replay" and prctl(OPTION, nonce & 0xFFFFFFFF, nonce >> 32, 0, 0) != -1:
        os.write(said_writing, b"a second nonce was taken")
    try:
        os.close(os.open(secret, os.O_RDONLY))
        os.write(said_writing, b"ok")
    except OSError as error:
        os.write(said_writing, f"errno {error.errno}".encode())
    os._exit(0)
os.close(said_writing)
os.read(ready_reading, 1)
hello = {"token": reply["token"], "pid": child}
if kind == "other-process":
    hello["pid"] = os.getppid()
if kind == "wrong-token":
    hello["token"] = "00" * 32
if kind == "silent":
    link.close()
else:
    ask(link, hello)
    answer, _ = message(link)
    if answer is None or "error" in answer:
        print("refused", (answer or {}).get("error"), end=" ")
    else:
        os.write(go_writing, answer["nonce"].encode())
if kind in ("other-process", "wrong-token", "silent"):
    # The server never heard of this child: it is a process of the session around.
    os.kill(child, signal.SIGKILL)
said = os.read(said_reading, 64).decode()
_, status = os.waitpid(child, 0)
print(f"child {said}" if said else "killed" if os.WIFSIGNALED(status) else f"status {status}")
