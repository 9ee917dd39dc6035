"""Ways to get at a protected file by giving it, or what it is compared with, another place: with mounts in a namespace of one's own.

    attacks.py NAME SECRET-DIRECTORY OWN-DIRECTORY

Prints `through` when the attack got what it wanted, and `refused ERRNO STEP` when it didn't. The secret directory holds `key` (a file whose content is
`KEY`), `program` (prints PROGRAM) and `socket` (a listening socket that answers SOCKET); the own directory is where the caller may do what it likes.
`list` lists the names."""
import array
import ctypes
import errno
import os
import socket
import sys

libc = ctypes.CDLL(None, use_errno=True)
NEWNS, NEWUSER, NEWPID = 0x20000, 0x10000000, 0x20000000
BIND, REC, MOVE = 0x1000, 0x4000, 0x2000
AT_FDCWD, AT_RECURSIVE = -100, 0x8000
attacks = {}


def attack(function):
    attacks[function.__name__] = function
    return function


def call(name, result):
    if result == -1:
        raise OSError(ctypes.get_errno(), name)
    return result


def mount(source, target, kind=None, flags=BIND, data=None):
    encoded = [text.encode() if text is not None else None for text in (source, target, kind, data)]
    call("mount", libc.mount(encoded[0], encoded[1], encoded[2], ctypes.c_ulong(flags), encoded[3]))


def write(path, text):
    with open(path, "w") as file:
        file.write(text)


def read(path):
    with open(path) as file:
        return file.read()


def apart(flags=NEWNS):
    """A user namespace in which this process is root, and a mount namespace."""
    uid, gid = os.getuid(), os.getgid()
    call("unshare", libc.unshare(NEWUSER | flags))
    if uid:
        write("/proc/self/setgroups", "deny")
    write("/proc/self/uid_map", f"0 {uid} 1")
    write("/proc/self/gid_map", f"0 {gid} 1")


def place(own, name):
    path = f"{own}/{name}"
    os.makedirs(path, exist_ok=True)
    return path


def output(path, *arguments):
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(writing, 1)
        try:
            os.execv(path, [path, *arguments])
        except OSError as error:
            os._exit(error.errno)
    os.close(writing)
    text = b""
    while part := os.read(reading, 4096):
        text += part
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise OSError(os.WEXITSTATUS(status), "exec")
    if os.WIFSIGNALED(status):
        raise OSError(errno.EACCES, f"killed by {os.WTERMSIG(status)}")
    return text.decode()


@attack
def a_directory_at_another_name(secret, own):
    apart()
    mount(secret, place(own, "here"))
    return read(f"{own}/here/key") == "KEY"


@attack
def a_file_over_another(secret, own):
    write(f"{own}/file", "")
    apart()
    mount(f"{secret}/key", f"{own}/file")
    return read(f"{own}/file") == "KEY"


@attack
def a_directory_above_at_another_name(secret, own):
    apart()
    mount(os.path.dirname(secret), place(own, "here"), flags=BIND | REC)
    return read(f"{own}/here/{os.path.basename(secret)}/key") == "KEY"


@attack
def the_whole_tree_at_another_name(secret, own):
    apart()
    mount("/", place(own, "here"), flags=BIND | REC)
    return read(f"{own}/here{secret}/key") == "KEY"


@attack
def a_mount_of_a_mount(secret, own):
    apart()
    mount(secret, place(own, "one"))
    mount(f"{own}/one", place(own, "two"))
    return read(f"{own}/two/key") == "KEY"


@attack
def a_second_namespace(secret, own):
    apart()
    mount(secret, place(own, "here"))
    call("unshare", libc.unshare(NEWNS))
    return read(f"{own}/here/key") == "KEY"


@attack
def a_root_directory_of_its_own(secret, own):
    apart()
    root = place(own, "root")
    mount(os.path.dirname(secret), root, flags=BIND | REC)
    os.chroot(root)
    os.chdir("/")
    return read(f"/{os.path.basename(secret)}/key") == "KEY"


@attack
def a_pivoted_root(secret, own):
    apart()
    root = place(own, "root")
    mount("tmpfs", root, "tmpfs", 0)
    for name in ("allowed", "old"):
        os.mkdir(f"{root}/{name}")
    mount(secret, f"{root}/allowed")
    os.chdir(root)
    call("pivot_root", libc.syscall(155, b".", b"old"))
    return read("/allowed/key") == "KEY"


@attack
def a_working_directory_that_was_mounted(secret, own):
    apart()
    mount(secret, place(own, "here"))
    os.chdir(f"{own}/here")
    return read("key") == "KEY"


@attack
def a_directory_that_was_unmounted(secret, own):
    apart()
    mount(secret, place(own, "here"))
    directory = os.open(f"{own}/here", os.O_PATH | os.O_DIRECTORY)
    call("umount2", libc.umount2(f"{own}/here".encode(), 2))
    return os.read(os.open("key", os.O_RDONLY, dir_fd=directory), 10) == b"KEY"


@attack
def a_tree_that_is_mounted_nowhere(secret, own):
    apart()
    tree = call("open_tree", libc.syscall(428, AT_FDCWD, secret.encode(), 1 | AT_RECURSIVE))
    return os.read(os.open("key", os.O_RDONLY, dir_fd=tree), 10) == b"KEY"


@attack
def a_descriptor_from_another_namespace(secret, own):
    ours, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        try:
            apart()
            mount(secret, place(own, "here"))
            directory = os.open(f"{own}/here", os.O_PATH | os.O_DIRECTORY)
            theirs.sendmsg([b"d"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [directory]))])
        except OSError as error:
            os._exit(error.errno)
        ours.close()
        theirs.recv(1)
        os._exit(0)
    theirs.close()
    data, ancillary, _, _ = ours.recvmsg(1, 64)
    if not ancillary:
        raise OSError(os.WEXITSTATUS(os.waitpid(child, 0)[1]), "child")
    directory = array.array("i", ancillary[0][2])[0]
    try:
        return os.read(os.open("key", os.O_RDONLY, dir_fd=directory), 10) == b"KEY"
    finally:
        ours.close()


@attack
def an_overlay(secret, own):
    apart()
    for name in ("upper", "work", "here"):
        place(own, name)
    mount("overlay", f"{own}/here", "overlay", 0, f"lowerdir={secret},upperdir={own}/upper,workdir={own}/work,userxattr")
    return read(f"{own}/here/key") == "KEY"


@attack
def writing_through_a_mount(secret, own):
    apart()
    mount(secret, place(own, "here"))
    write(f"{own}/here/new", "x")
    os.unlink(f"{own}/here/new")
    return True


@attack
def renaming_through_a_mount(secret, own):
    apart()
    mount(secret, place(own, "here"))
    os.rename(f"{own}/here/key", f"{own}/here/other")
    os.rename(f"{own}/here/other", f"{own}/here/key")
    return True


@attack
def a_link_through_a_mount(secret, own):
    apart()
    mount(secret, place(own, "here"))
    os.link(f"{own}/here/key", f"{own}/here/other")
    os.unlink(f"{own}/here/other")
    return True


@attack
def truncating_through_a_mount(secret, own):
    apart()
    mount(secret, place(own, "here"))
    os.truncate(f"{own}/here/key", 3)
    return True


@attack
def the_mode_through_a_mount(secret, own):
    apart()
    mount(secret, place(own, "here"))
    os.chmod(f"{own}/here/key", 0o644)
    return True


@attack
def executing_through_a_mount(secret, own):
    apart()
    mount(secret, place(own, "here"))
    return output(f"{own}/here/program") == "PROGRAM\n"


@attack
def a_program_at_a_permitted_name(secret, own):
    apart()
    mount(f"{secret}/program", "/usr/bin/env")
    return output("/usr/bin/env") == "PROGRAM\n"


@attack
def a_copied_program_at_a_permitted_name(secret, own):
    apart()
    with open(f"{own}/copy", "wb") as copy:
        copy.write(b"#!/bin/sh\necho PROGRAM\n")
    os.chmod(f"{own}/copy", 0o755)
    mount(f"{own}/copy", "/usr/bin/env")
    return output("/usr/bin/env") == "PROGRAM\n"


@attack
def a_program_in_memory_at_a_permitted_name(secret, own):
    apart()
    mount("tmpfs", "/usr/sbin", "tmpfs", 0)
    with open("/usr/sbin/chroot", "wb") as copy:
        copy.write(b"#!/bin/sh\necho PROGRAM\n")
    os.chmod("/usr/sbin/chroot", 0o755)
    return output("/usr/sbin/chroot") == "PROGRAM\n"


@attack
def connecting_through_a_mount(secret, own):
    apart()
    mount(secret, place(own, "here"))
    client = socket.socket(socket.AF_UNIX)
    client.connect(f"{own}/here/socket")
    return client.recv(10) == b"SOCKET"


def main():
    if sys.argv[1] == "list":
        print("\n".join(attacks))
        return
    try:
        print("through" if attacks[sys.argv[1]](*sys.argv[2:]) else "nothing")
    except OSError as error:
        step = error.filename or error.strerror or ""
        print(f"refused {errno.errorcode.get(error.errno, error.errno)} {step}")


main()
