#!/usr/bin/python3
"""Tries to reach processes that are none of this session's. Prints `NAME: won` or `NAME: lost (why)` for each way.

others.py FILE    with the lines that `victims` printed: one attack for each, so that what arrives is that attack's
others.py guards  the same ways to the launcher and the supervisor of the session that this runs in
others.py count   says how many victims are needed
"""
import ctypes
import errno
import fcntl
import os
import platform
import resource
import signal
import socket
import struct
import sys

libc = ctypes.CDLL(None, use_errno=True)
calls = {
    "x86_64": dict(tkill=200, tgkill=234, rt_sigqueueinfo=129, rt_tgsigqueueinfo=297, ptrace=101, readv=310, writev=311, prlimit=302, fcntl=72),
    "aarch64": dict(tkill=130, tgkill=131, rt_sigqueueinfo=138, rt_tgsigqueueinfo=240, ptrace=117, readv=270, writev=271, prlimit=261, fcntl=25),
}[platform.machine()]
calls.update(pidfd_send_signal=424, pidfd_getfd=438)
HARMLESS = signal.SIGURG


class Victim:
    def __init__(self, line):
        self.pid, self.pipe, self.file, self.address = map(int, line.split())

    def pending(self):
        """Whether anything was sent to it."""
        with open(f"/proc/{self.pid}/status") as status:
            return any(int(line.split()[1], 16) for line in status if line.startswith(("ShdPnd", "SigPnd")))


def call(name, *arguments):
    result = libc.syscall(calls[name], *[ctypes.c_long(a) if isinstance(a, int) else a for a in arguments])
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def information(code=-1):
    return ctypes.create_string_buffer(struct.pack("iii", HARMLESS, 0, code), 128)


def kill(v): os.kill(v.pid, HARMLESS)
def kill_group(v): os.kill(-v.pid, HARMLESS)
def kill_group_by_name(v): os.killpg(v.pid, HARMLESS)
def kill_all(v): os.kill(-1, HARMLESS)
def tkill(v): call("tkill", v.pid, int(HARMLESS))
def tgkill(v): call("tgkill", v.pid, v.pid, int(HARMLESS))
def rt_sigqueueinfo(v): call("rt_sigqueueinfo", v.pid, int(HARMLESS), information())
def rt_tgsigqueueinfo(v): call("rt_tgsigqueueinfo", v.pid, v.pid, int(HARMLESS), information())
def pidfd(v): signal.pidfd_send_signal(os.pidfd_open(v.pid), HARMLESS)
def pidfd_group(v): call("pidfd_send_signal", os.pidfd_open(v.pid), int(HARMLESS), None, 4)


def from_a_thread(v):
    import threading
    failure = []

    def body():
        try:
            os.kill(v.pid, HARMLESS)
        except OSError as error:
            failure.append(error)
    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    if failure:
        raise failure[0]


def from_an_orphan(v):
    """By a process whose parents are gone: nothing but its filter ties it to the session."""
    r, w = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            try:
                os.kill(v.pid, HARMLESS)
                os.write(w, b"\0")
            except OSError as error:
                os.write(w, bytes([error.errno]))
        os._exit(0)
    os.close(w)
    code = os.read(r, 1)[0]
    os.wait()
    if code:
        raise OSError(code, os.strerror(code))


def asynchronous(own):
    """A descriptor whose readiness is told to somebody else."""
    def attack(v):
        one, other = socket.socketpair()
        own(one.fileno(), v)
        fcntl.fcntl(one, fcntl.F_SETFL, fcntl.fcntl(one, fcntl.F_GETFL) | os.O_ASYNC)
        other.send(b"x")
    return attack


setown = asynchronous(lambda fd, v: fcntl.fcntl(fd, fcntl.F_SETOWN, v.pid))
setown_group = asynchronous(lambda fd, v: fcntl.fcntl(fd, fcntl.F_SETOWN, -v.pid))
setown_high_half = asynchronous(lambda fd, v: call("fcntl", fd, 8 | 0x5a << 32, v.pid | 0x5a << 32))
setown_process = asynchronous(lambda fd, v: fcntl.fcntl(fd, 15, struct.pack("ii", 1, v.pid)))
setown_thread = asynchronous(lambda fd, v: fcntl.fcntl(fd, 15, struct.pack("ii", 0, v.pid)))
setown_ex_group = asynchronous(lambda fd, v: fcntl.fcntl(fd, 15, struct.pack("ii", 2, v.pid)))
fiosetown = asynchronous(lambda fd, v: fcntl.ioctl(fd, 0x8901, struct.pack("i", v.pid)))
siocspgrp = asynchronous(lambda fd, v: fcntl.ioctl(fd, 0x8902, struct.pack("i", v.pid)))


def change_limit(v):
    new = ctypes.create_string_buffer(struct.pack("QQ", 77, 77), 16)
    call("prlimit", v.pid, resource.RLIMIT_NOFILE, new, None)


def memory(path, flags, body):
    def attack(v):
        fd = os.open(path(v), flags)
        body(fd, v)
    return attack


def expect_secret(data):
    if not data.startswith(b"secret"):
        raise OSError(errno.EIO, "something else")


read_memory = memory(lambda v: f"/proc/{v.pid}/mem", os.O_RDONLY, lambda fd, v: expect_secret(os.pread(fd, 6, v.address)))
write_memory = memory(lambda v: f"/proc/{v.pid}/mem", os.O_RDWR, lambda fd, v: os.pwrite(fd, b"s", v.address))
read_memory_of_thread = memory(lambda v: f"/proc/{v.pid}/task/{v.pid}/mem", os.O_RDONLY, lambda fd, v: expect_secret(os.pread(fd, 6, v.address)))


def reopened_memory(v):
    path = os.open(f"/proc/{v.pid}/mem", os.O_PATH)
    expect_secret(os.pread(os.open(f"/proc/self/fd/{path}", os.O_RDONLY), 6, v.address))


def memory_by_folder(v):
    folder = os.open(f"/proc/{v.pid}", os.O_PATH | os.O_DIRECTORY)
    expect_secret(os.pread(os.open("mem", os.O_RDWR, dir_fd=folder), 6, v.address))


def copy(number, v):
    buffer = ctypes.create_string_buffer(b"s", 8)
    here, there = struct.pack("PN", ctypes.addressof(buffer), 1), struct.pack("PN", v.address, 1)
    call(number, v.pid, here, 1, there, 1, 0)


def process_vm_readv(v): copy("readv", v)
def process_vm_writev(v): copy("writev", v)
def ptrace_attach(v): call("ptrace", 16, v.pid, 0, 0)
def ptrace_seize(v): call("ptrace", 0x4206, v.pid, 0, 0)
def pidfd_getfd(v): call("pidfd_getfd", os.pidfd_open(v.pid), v.pipe, 0)
def write_pipe(v): os.write(os.open(f"/proc/{v.pid}/fd/{v.pipe}", os.O_WRONLY), b"command\n")
def read_pipe(v): os.open(f"/proc/{v.pid}/fd/{v.pipe}", os.O_RDONLY | os.O_NONBLOCK)
def pipe_of_thread(v): os.write(os.open(f"/proc/{v.pid}/task/{v.pid}/fd/{v.pipe}", os.O_WRONLY), b"command\n")


def reopened_pipe(v):
    path = os.open(f"/proc/{v.pid}/fd/{v.pipe}", os.O_PATH)
    os.write(os.open(f"/proc/self/fd/{path}", os.O_WRONLY), b"command\n")


def pipe_by_child(v):
    """The same, by a process of the session whose descriptor it is."""
    path = os.open(f"/proc/{v.pid}/fd/{v.pipe}", os.O_PATH)
    r, w = os.pipe()
    child = os.fork()
    if child == 0:
        os.read(r, 1)
        os._exit(0)
    try:
        os.write(os.open(f"/proc/{child}/fd/{path}", os.O_WRONLY), b"command\n")
    finally:
        os.write(w, b"x")
        os.waitpid(child, 0)


def pipe_by_folder(v):
    folder = os.open(f"/proc/{v.pid}/fd", os.O_PATH | os.O_DIRECTORY)
    os.write(os.open(str(v.pipe), os.O_WRONLY, dir_fd=folder), b"command\n")


def pipe_by_link(v):
    name = f"link-{v.pid}"
    os.symlink(f"/proc/{v.pid}/fd/{v.pipe}", name)
    try:
        os.write(os.open(name, os.O_WRONLY), b"command\n")
    finally:
        os.unlink(name)


def read_memory_file(v): expect_secret(os.pread(os.open(f"/proc/{v.pid}/fd/{v.file}", os.O_RDONLY), 6, 0))
def change_pipes_mode(v): os.chmod(f"/proc/{v.pid}/fd/{v.pipe}", 0o622)


signals = [
    kill, kill_group, kill_group_by_name, kill_all, tkill, tgkill, rt_sigqueueinfo, rt_tgsigqueueinfo, pidfd, pidfd_group, from_a_thread, from_an_orphan,
    ("setown", setown), ("setown_group", setown_group), ("setown_high_half", setown_high_half), ("setown_process", setown_process),
    ("setown_thread", setown_thread), ("setown_ex_group", setown_ex_group), ("fiosetown", fiosetown), ("siocspgrp", siocspgrp),
]
reaching = [
    change_limit, ("read_memory", read_memory), ("write_memory", write_memory), ("read_memory_of_thread", read_memory_of_thread), reopened_memory,
    memory_by_folder, process_vm_readv, process_vm_writev, pidfd_getfd, write_pipe, read_pipe, pipe_of_thread, reopened_pipe, pipe_by_child,
    pipe_by_folder, pipe_by_link, read_memory_file, change_pipes_mode, ptrace_seize, ptrace_attach,
]

def guards():
    """The launcher and the supervisor, as far as they are to be seen."""
    launcher = os.getppid()
    found = {"launcher": launcher}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/comm") as comm:
                comm.read()
        except PermissionError:
            # Anybody may read anybody's: but nobody what is the supervisor's.
            found[f"supervisor {name}"] = int(name)
        except OSError:
            pass
    return found


def descriptors(number):
    """Which of a process's descriptors can be opened through /proc."""
    def attack(v):
        opened = []
        for fd in range(64):
            for flags in (os.O_RDONLY | os.O_NONBLOCK, os.O_WRONLY | os.O_NONBLOCK):
                try:
                    target = os.readlink(f"/proc/{number}/fd/{fd}")
                    os.close(os.open(f"/proc/{number}/fd/{fd}", flags))
                    # What has a name is decided by its name; the session's own standard streams are its own.
                    if not target.startswith("/") and fd > 2:
                        opened.append(target)
                except OSError:
                    pass
        if not opened:
            raise OSError(errno.EACCES, "none")
    return attack


def attack_guards():
    for who, number in guards().items():
        victim = Victim(f"{number} 3 4 4194304")
        ways = [attack for attack in signals if attack is not kill_all] + [
            change_limit, ("read_memory", memory(lambda v: f"/proc/{v.pid}/mem", os.O_RDONLY, lambda fd, v: None)),
            ("write_memory", memory(lambda v: f"/proc/{v.pid}/mem", os.O_RDWR, lambda fd, v: None)),
            process_vm_readv, process_vm_writev, pidfd_getfd, ptrace_seize, ptrace_attach, ("descriptors", descriptors(number)),
            ("stop", lambda v: os.kill(v.pid, signal.SIGSTOP)), ("end", lambda v: os.kill(v.pid, signal.SIGKILL)),
            ("end_by_pidfd", lambda v: signal.pidfd_send_signal(os.pidfd_open(v.pid), signal.SIGKILL)),
        ]
        for attack in ways:
            name, body = attack if isinstance(attack, tuple) else (attack.__name__, attack)
            try:
                body(victim)
                result = "won"
            except OSError as error:
                result = f"lost ({error.strerror})"
            print(f"{name} of {who}: {result}", flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "guards":
        signal.signal(HARMLESS, signal.SIG_IGN)
        signal.signal(signal.SIGIO, signal.SIG_IGN)
        attack_guards()
        print("still here", flush=True)
        sys.exit(7)
    if sys.argv[1] == "count":
        print(len(signals) + len(reaching))
        sys.exit()
    signal.signal(HARMLESS, signal.SIG_IGN)
    signal.signal(signal.SIGIO, signal.SIG_IGN)
    with open(sys.argv[1]) as lines:
        victims = [Victim(line) for line in lines]
    # The one that reaches all of them comes last.
    attacks = [attack for attack in signals + reaching if attack is not kill_all] + [kill_all]
    for attack, victim in zip(attacks, victims):
        name, body = attack if isinstance(attack, tuple) else (attack.__name__, attack)
        try:
            body(victim)
            result = "won" if attack in reaching or victim.pending() else "lost (nothing arrived)"
        except OSError as error:
            result = f"lost ({error.strerror})"
        # What is refused must not have happened either.
        if result != "won" and attack in signals and victim.pending():
            result = "won in spite of an error"
        print(f"{name}: {result}", flush=True)
