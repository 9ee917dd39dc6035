"""What a process of a session inside another tries, and what comes of it.

    ways.py OPERATION DIRECTORY [MORE]

Prints `ok`, or the name of the errno. `list` lists the operations on a directory, which holds `file`, `program`, `link` (a socket file that somebody listens
on) and nothing else."""
import ctypes
import errno
import os
import socket
import subprocess
import sys
import time

libc = ctypes.CDLL(None, use_errno=True)
operations = {}


def operation(function):
    operations[function.__name__] = function
    return function


def checked(result):
    if result == -1:
        raise OSError(ctypes.get_errno(), "")
    return result


@operation
def read(place):
    with open(f"{place}/file") as file:
        assert file.read()


@operation
def listing(place):
    os.scandir(place).close()


@operation
def write(place):
    os.close(os.open(f"{place}/file", os.O_WRONLY))


@operation
def create(place):
    os.close(os.open(f"{place}/new", os.O_WRONLY | os.O_CREAT | os.O_EXCL))


@operation
def make_directory(place):
    os.mkdir(f"{place}/directory")


@operation
def remove(place):
    os.unlink(f"{place}/file")


@operation
def move_away(place):
    os.rename(f"{place}/file", f"{place}/other")


@operation
def link(place):
    os.link(f"{place}/file", f"{place}/other")


@operation
def symlink(place):
    os.symlink("file", f"{place}/other")


@operation
def mode(place):
    os.chmod(f"{place}/file", 0o600)


@operation
def times(place):
    os.utime(f"{place}/file", (1, 1))


@operation
def attribute(place):
    os.setxattr(f"{place}/file", "user.name", b"value")


@operation
def truncate(place):
    os.truncate(f"{place}/file", 1)


@operation
def execute(place):
    subprocess.run([f"{place}/program"], check=True, stdout=subprocess.DEVNULL)


@operation
def unix_connect(place):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(f"{place}/link")


@operation
def unix_bind(place):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{place}/bound")


def connect(port):
    with socket.socket() as connection:
        connection.connect(("127.0.0.1", int(port)))


def signal(process):
    os.kill(int(process), 10)


def group(_):
    """A signal to its own process group, which its launchers stand in."""
    os.setpgid(0, 0)
    os.kill(0, 0)


# --- ways out --------------------------------------------------------------------------------------------------------------------


def orphan(place):
    """Reads as a grandchild with a session of its own, whose parent has gone."""
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            while os.getppid() == os.getsid(0):
                time.sleep(0.001)
            os.write(writing, outcome(read, place).encode())
        os._exit(0)
    os.close(writing)
    raise Outcome(os.read(reading, 64).decode())


def other_group(place):
    """Reads after it has tried to move to every control group that can be named."""
    membership = open("/proc/self/cgroup").read().splitlines()
    mounts = [line.split() for line in open("/proc/self/mountinfo") if " - cgroup" in line]
    for mount in mounts:
        for line in membership:
            path = line.split(":", 2)[2]
            while True:
                for name in ("cgroup.procs", "cgroup.threads", "tasks"):
                    for number in ("0", str(os.getpid())):
                        try:
                            # Where both policies let it be opened, the kernel says no.
                            with open(f"{mount[4]}{path}/{name}", "w") as file:
                                file.write(number)
                        except OSError:
                            pass
                if path == "/":
                    break
                path = os.path.dirname(path)
    read(place)


def own_group(place):
    """The same with a control group of its own."""
    for mount in [line.split() for line in open("/proc/self/mountinfo") if " - cgroup" in line]:
        for line in open("/proc/self/cgroup").read().splitlines():
            try:
                path = mount[4] + line.split(":", 2)[2] + "/mine"
                os.mkdir(path)
                with open(f"{path}/cgroup.procs", "w") as file:
                    file.write("0")
            except OSError:
                pass
    read(place)


def nonce(place):
    """Reads after calls that begin sessions, with all kinds of numbers."""
    for low in (0, 1, 0xFFFFFFFF):
        for more in (0, 2, 1 << 32):
            if libc.prctl(0x41534831, ctypes.c_ulong(low), ctypes.c_ulong(low), ctypes.c_ulong(more), ctypes.c_ulong(0)) != -1:
                raise Outcome("a nonce was taken")
    read(place)


def trace(process):
    checked(libc.ptrace(16, int(process), 0, 0))


def seize(process):
    checked(libc.ptrace(0x4206, int(process), 0, 0))


def read_memory(process):
    buffer = ctypes.create_string_buffer(8)
    class Range(ctypes.Structure):
        _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]
    # An address that can't be there: who may look gets EFAULT.
    mine, theirs = Range(ctypes.cast(buffer, ctypes.c_void_p), 8), Range(8, 8)
    checked(libc.process_vm_readv(int(process), ctypes.byref(mine), 1, ctypes.byref(theirs), 1, 0))


def open_memory(process):
    os.close(os.open(f"/proc/{process}/mem", os.O_RDWR))


def take_descriptor(process):
    pidfd = os.pidfd_open(int(process))
    os.close(checked(libc.syscall(438, pidfd, 0, 0)))


def number(place, wanted):
    """Reads as the process with a certain number, which the next process is given from now on."""
    open(f"{os.environ['WORK']}/counting", "w").close()
    for _ in range(20000):
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            if os.getpid() == int(wanted):
                os.write(writing, outcome(read, place).encode())
            os._exit(0)
        os.close(writing)
        said = os.read(reading, 64).decode()
        os.close(reading)
        os.waitpid(child, 0)
        if said:
            raise Outcome(said)
    raise Outcome("never had that number")


class Outcome(Exception):
    pass


def outcome(function, *arguments):
    try:
        function(*arguments)
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error.errno))
    except Outcome as said:
        return str(said)
    except subprocess.CalledProcessError as error:
        return f"status {error.returncode}"
    return "ok"


if sys.argv[1] == "list":
    print(" ".join(operations))
elif sys.argv[1] == "all":
    # Each in a directory of its own below the given one.
    for name, function in operations.items():
        print(name, outcome(function, f"{sys.argv[2]}/{name}"))
else:
    print(outcome(globals()[sys.argv[1]], *sys.argv[2:]))
